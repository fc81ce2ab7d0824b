// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_MODULE_CACHE_H_
#define WORKER_MODULE_CACHE_H_

// Job modules by content, shared by all workers of a spool:
//
//   DIR/modules/<XXH3-128, 32 hex digits>.so     mode 0500
//
// A module gets its name when it is whole and its hash is right; until then it lies in its worker's
// own folder. Whoever finds one there still hashes it once before it uses it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {

/// See above. One thread.
class ModuleCache {
 public:
  /// Beyond, the modules that were not used for longest go, but none of the last ten minutes.
  static constexpr std::uint64_t kBytesMax = std::uint64_t{2} << 30;

  /// `directory` is made if it is missing; `new_directory` exists, on the same file system.
  static Result<std::unique_ptr<ModuleCache>> Open(const std::string& directory,
                                                   const std::string& new_directory,
                                                   std::uint64_t bytes_max = kBytesMax);

  /// The file, if it is there. Cost: a module's hash, the first time in this process.
  std::optional<std::string> Find(const Hash128& hash);

  /// Its bytes are others by now.
  void Remove(const Hash128& hash);

  /// One that comes in pieces. Removed again unless it is finished.
  class NewModule {
   public:
    NewModule(const NewModule&) = delete;
    NewModule& operator=(const NewModule&) = delete;
    ~NewModule();
    /// kResourceLimit.
    Status Append(std::string_view bytes);
    std::uint64_t bytes() const { return bytes_; }

   private:
    friend class ModuleCache;
    NewModule(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}
    const std::string path_;
    Descriptor file_;
    Hasher128 hasher_;
    std::uint64_t bytes_ = 0;
  };
  Result<std::unique_ptr<NewModule>> Create(const Hash128& hash);
  /// kCorrupt: its bytes are others; kResourceLimit: it can't be kept. Removes old ones where there
  /// are too many.
  Status Finish(const Hash128& hash, std::unique_ptr<NewModule> module);

 private:
  ModuleCache(std::string directory, std::string new_directory, std::uint64_t bytes_max)
      : directory_(std::move(directory)),
        new_directory_(std::move(new_directory)),
        bytes_max_(bytes_max) {}
  using FileId = std::tuple<std::uint64_t, std::uint64_t, std::int64_t>;  // Device, inode, size.
  static std::optional<FileId> IdOf(const std::string& path);
  std::string PathOf(const Hash128& hash) const;
  void Evict(const std::string& but);

  const std::string directory_, new_directory_;
  const std::uint64_t bytes_max_;
  std::map<std::string, FileId> checked_;  // By path.
};

}  // namespace millrace

#endif  // WORKER_MODULE_CACHE_H_
