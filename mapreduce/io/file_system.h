// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_FILE_SYSTEM_H_
#define MAPREDUCE_IO_FILE_SYSTEM_H_

// Files behind one interface: all that the layers above know of storage.
//
// Errors by code. Reading: kNotFound for what is missing, kBadData for what can't be read.
// Creating, renaming, removing names: kCannotCreate where a name is taken or may not be made,
// kResourceLimit for the rest (full disk, broken disk). Writing: kResourceLimit. Too many open
// files are kResourceLimit everywhere. Every message names the path.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// What a file system says about a name. A symbolic link is what it points to; one that points
/// nowhere is a file that can't be opened.
struct FileInfo {
  std::string path;           ///< As asked for; for List: the directory's path and the name.
  std::uint64_t bytes = 0;    ///< Stored size.
  std::int64_t mtime_ns = 0;  ///< Last change, in nanoseconds since 1970.
  std::uint64_t inode = 0;    ///< With `device` the file's identity; 0 where there is none.
  std::uint64_t device = 0;
  bool is_directory = false;
};

/// An open file to read from. Thread-safe.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  /// Reads n bytes at `offset`; fewer only where the file ends. kBadData names file and offset.
  virtual Result<std::size_t> ReadAt(std::uint64_t offset, char* into, std::size_t n) = 0;
  /// The open file as it is now, whatever its name means by now.
  virtual Result<FileInfo> Stat() = 0;
};

/// A new file to write to. One thread at a time. The destructor closes without a promise.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  /// Writes all of `bytes` behind what is there; an error may be told later, by Close at the last.
  virtual Status Append(std::string_view bytes) = 0;
  /// Returns when the contents will survive a power cut (the name: see SyncDirectory).
  virtual Status Sync() = 0;
  virtual Status Close() = 0;
};

/// All of a file, in memory. Thread-safe.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  /// Valid as long as this object.
  virtual std::string_view bytes() const = 0;
};

/// What a file is for.
enum class FileUse {
  kKept,     ///< An input, or an output that will be synced.
  kScratch,  ///< Written once, read once from front to back by each reader, removed; in the page
             ///< cache, as far as it has room.
  kMapped,   ///< Read by Map(), again and again: stays in the page cache.
};

/// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Only regular files: a directory, pipe or device is kBadData.
  virtual Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                                FileUse use) = 0;
  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path) {
    return OpenForRead(path, FileUse::kKept);
  }
  /// A new, empty file; kCannotCreate if the name is taken.
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileUse use) = 0;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) {
    return Create(path, FileUse::kKept);
  }

  /// A file of Millrace's own that nobody changes any more: its pages are read when they are looked
  /// at, and shared by all processes that map it. Where files can't be mapped, a copy.
  virtual Result<std::unique_ptr<MappedFile>> Map(const std::string& path);

  virtual Result<FileInfo> Stat(const std::string& path) = 0;
  /// All entries but "." and "..", sorted by the bytes of their names.
  virtual Result<std::vector<FileInfo>> List(const std::string& directory) = 0;

  /// kCannotCreate if the name is taken.
  virtual Status MakeDirectory(const std::string& path) = 0;
  /// With all missing parents; what exists as a directory is fine.
  virtual Status MakeDirectories(const std::string& path) = 0;
  /// A file or a symbolic link itself; kNotFound if there is none.
  virtual Status RemoveFile(const std::string& path) = 0;
  /// A directory with all in it, or a file. Links are removed, not followed. Ok if there is
  /// nothing. After an error a part may be gone.
  virtual Status RemoveTree(const std::string& path) = 0;

  /// Replaces a file or an empty directory `to`. Atomic.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  /// kCannotCreate if `to` exists. Atomic.
  virtual Status RenameNoReplace(const std::string& from, const std::string& to) = 0;
  /// Swaps two names. Atomic. kUnavailable where the file system can't.
  virtual Status Exchange(const std::string& a, const std::string& b) = 0;

  /// Makes the names in a directory survive a power cut.
  virtual Status SyncDirectory(const std::string& path) = 0;
  /// Makes all files and names below a directory survive a power cut, the directory's own
  /// contents included (its name: SyncDirectory of its parent).
  virtual Status SyncTree(const std::string& path) = 0;
};

/// The files of this machine, mounted shared ones included. Never destroyed. Each of its system
/// calls hits the failpoint "io".
FileSystem& LocalFileSystem();

/// The folder part: "a/b" -> "a", "b" -> ".", "/b" -> "/", "a/b/" -> "a".
std::string ParentPath(std::string_view path);

/// `directory` and `name` with one slash between.
std::string JoinPath(std::string_view directory, std::string_view name);

}  // namespace millrace

#endif  // MAPREDUCE_IO_FILE_SYSTEM_H_
