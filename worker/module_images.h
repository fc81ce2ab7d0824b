// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_MODULE_IMAGES_H_
#define WORKER_MODULE_IMAGES_H_

// Job modules as children get them: read from the cache into memory that nobody can change, and
// checked there. The worker itself never loads one.
//
//   ModuleCache's file ─▶ sealed memory ─▶ hash ─▶ signature ─▶ ABI note ─▶ a child's descriptor

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/module_image.h"
#include "mapreduce/security/key.h"
#include "mapreduce/security/module_signature.h"
#include "worker/module_cache.h"

namespace millrace {

/// The keys whose job modules a worker executes, as they are now. Empty: anybody's.
using ModuleSigners = std::function<std::vector<PublicKey>()>;

/// See above. One thread.
class ModuleImages {
 public:
  /// So many stay in memory although no task needs them now: the next one may.
  static constexpr std::size_t kUnusedMax = 2;

  ModuleImages(ModuleCache& cache, ModuleSigners signers)
      : cache_(cache), signers_(std::move(signers)) {}
  ModuleImages(const ModuleImages&) = delete;
  ModuleImages& operator=(const ModuleImages&) = delete;

  /// Before it is fetched: kInvalidArgument if it is not signed by one who may.
  Status CheckSigner(const ModuleFile& module) const;

  /// Null: the cache doesn't have it. kInvalidArgument: it is refused, with a sentence that names
  /// it and says what to do; kResourceLimit: it can't be read here. Whoever needs it keeps it.
  Result<std::shared_ptr<const ModuleImage>> Get(const ModuleFile& module);

  /// That are in memory.
  std::size_t count() const { return known_.size(); }

 private:
  struct Known {
    Hash128 hash;
    std::shared_ptr<const ModuleImage> image;
    ModuleDigest digest;  // Where signatures count.
  };
  Result<Known*> Find(const ModuleFile& module);
  void Forget();

  ModuleCache& cache_;
  const ModuleSigners signers_;
  std::list<Known> known_;  // What was needed last first.
};

}  // namespace millrace

#endif  // WORKER_MODULE_IMAGES_H_
