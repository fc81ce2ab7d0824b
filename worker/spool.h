// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_SPOOL_H_
#define WORKER_SPOOL_H_

// The disk of one worker process. Several may share DIR, at once or one after the other:
//
//   DIR/worker-0123456789abcdef/  this process's own, locked; a dead one's is cleared by the next
//     lock
//     attempts/<run>-<phase>-<task>-<number>/   all that an attempt leaves and needs
//       fetched/<phase>-<channel>-<worker>      what came for it from another worker
//       scratch/                                its child's
//       run-<channel>                           what it leaves
//     trash/                                    what a thread is removing
//     modules/                                  those that are being fetched
//   DIR/modules/                  job modules by content, shared (module_cache.h)
//
// Nothing here is synced: after a power cut it is cleared.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/io/work_directory.h"
#include "mapreduce/proto/ids.h"
#include "worker/fetcher.h"
#include "worker/tree_remover.h"

namespace millrace {

/// See above. One thread at a time.
class Spool {
 public:
  /// Makes DIR if it is missing, and a folder of its own in it; clears those of dead workers.
  /// kCannotCreate: DIR can't be used. kUnavailable: others are in the way; try again.
  static Result<std::unique_ptr<Spool>> Open(const std::string& directory);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  /// Removes the folder, without a promise.
  ~Spool() = default;

  /// DIR and the folder of this process: absolute, without links.
  const std::string& shared_directory() const { return shared_directory_; }
  const std::string& directory() const { return work_.path(); }

  /// Paths of an attempt; nothing is made.
  std::string AttemptFolder(const AttemptId& attempt) const;
  std::string FetchPath(const FetchKey& key) const;
  std::string ScratchFolder(const AttemptId& attempt) const;
  std::string RunPath(const AttemptId& attempt, std::size_t channel) const;

  /// Whether another worker's spool would keep the run there: its word is all there is for that.
  static bool IsRunPath(std::string_view path, const AttemptId& attempt, std::size_t channel);

  /// What exists is fine. kResourceLimit: the disk is full or broken.
  Status MakeAttemptFolder(const AttemptId& attempt);
  /// Appends to FetchPath(key). kResourceLimit; the file is then of no use any more.
  Status Append(const FetchKey& key, const std::string& bytes);
  /// What the attempt was given goes; what it left stays.
  void DropInputs(const AttemptId& attempt);
  /// What the attempt left goes, too. Returns before it is gone: big trees take long.
  void Drop(const AttemptId& attempt);
  /// A folder elsewhere goes, likewise; an error is tried again some times, and then left.
  void RemoveElsewhere(const std::string& path) { remover_.Remove(path); }

  /// Waits for what is being removed, then removes the folder.
  Status Remove();

 private:
  Spool(std::string shared_directory, WorkDirectory work);
  void Discard(const std::string& path);

  const std::string shared_directory_;
  WorkDirectory work_;
  std::uint64_t next_trash_ = 0;
  TreeRemover remover_;  // Last: stops before the folder goes.
};

/// Half of what is free where `directory` lies: what a spool may take if nobody says otherwise.
Result<std::uint64_t> HalfOfFreeBytes(const std::string& directory);

}  // namespace millrace

#endif  // WORKER_SPOOL_H_
