// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_MODULE_FETCHER_H_
#define WORKER_MODULE_FETCHER_H_

// Gets job modules from the master, one piece for each question:
//
//   FileWanted(offset 0) ─▶
//                        ◀─ FileData(offset 0, total_bytes)
//   FileWanted(offset n) ─▶ …                                  whole, and its hash is right: done
//
// A question without an answer is asked again. total_bytes 0: the master has it no more.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/proto/messages.h"
#include "worker/module_cache.h"

namespace millrace {

/// See above. One thread.
class ModuleFetcher {
 public:
  static constexpr std::uint64_t kRetryMs = 1'000;
  static constexpr int kTriesMax = 3;  ///< Times that it comes whole, but wrong.

  explicit ModuleFetcher(ModuleCache& cache) : cache_(cache) {}

  /// Starts, or goes on with, a module that isn't in the cache.
  void Want(const ModuleFile& module, std::uint64_t now_ms);
  /// Nobody waits for any module any more.
  void Clear() { wanted_.clear(); }
  void Take(const FileData& data, std::uint64_t now_ms);
  /// To be sent to the master now.
  std::vector<FileWanted> TakeQuestions(std::uint64_t now_ms);
  /// UINT64_MAX: nothing to ask.
  std::uint64_t NextTimerMs() const;

  struct Failure {
    Hash128 hash;
    Status status;
  };
  /// Those that can't be had; each is told once and then forgotten.
  std::vector<Failure> TakeFailures();
  /// Whether any has come since the last call.
  bool TakeArrivals();

 private:
  struct Wanted {
    ModuleFile module;
    std::unique_ptr<ModuleCache::NewModule> file;
    std::uint64_t next_ms = 0;
    int tries = 0;
  };
  // Ok: more is to come, or all has.
  Status Append(Wanted& wanted, const FileData& data, bool* is_done);

  ModuleCache& cache_;
  std::map<std::string, Wanted> wanted_;  // By hash, in hex.
  std::vector<Failure> failures_;
  bool has_arrived_ = false;
};

}  // namespace millrace

#endif  // WORKER_MODULE_FETCHER_H_
