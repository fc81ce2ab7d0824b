// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_FILE_STORE_H_
#define MASTER_FILE_STORE_H_

// Files by content that clients hand in and workers fetch: job modules.
//
//   DIRECTORY/<hash>        32 hex digits: its XXH3-128
//   DIRECTORY/<hash>.part   what has come so far; begun anew by each process
//
// A file that is there is whole: it is renamed when its hash is right. The least used go when there
// are too many.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

/// One thread at a time.
class FileStore {
 public:
  static constexpr std::uint64_t kFileBytesMax = std::uint64_t{1} << 30;
  static constexpr std::size_t kFilesMax = 256;
  static constexpr std::size_t kIncomingMax = 16;

  /// Makes the directory, and clears what an earlier process had begun.
  static Result<FileStore> Open(FileSystem& files, std::string directory);

  bool Has(const Hash128& hash);
  /// The piece at `offset`; total_bytes is 0 where the file isn't there.
  FileData Read(const FileWanted& wanted);
  /// From where on the file is still to come.
  std::uint64_t Received(const Hash128& hash) const;
  /// Takes the next piece of a file; others are ignored. kCorrupt: all of it has come, and it is
  /// not what it was said to be. kResourceLimit: it is too large, or the disk is full.
  Status Take(const FileData& data);

 private:
  struct Incoming {
    std::uint64_t number = 0;  // In the order in which they began.
    std::unique_ptr<WritableFile> file;
    std::uint64_t bytes = 0;
    Hasher128 hasher;
  };
  FileStore(FileSystem& files, std::string directory)
      : files_(&files), directory_(std::move(directory)) {}
  std::string PathOf(const Hash128& hash) const { return JoinPath(directory_, hash.Hex()); }
  Status Finish(const Hash128& hash, Incoming& incoming);
  Status MakeRoom();
  void DropOldest();

  FileSystem* files_;
  std::string directory_;
  std::map<std::string, Incoming> incoming_;  // By hex.
  std::uint64_t begun_count_ = 0;
};

}  // namespace millrace

#endif  // MASTER_FILE_STORE_H_
