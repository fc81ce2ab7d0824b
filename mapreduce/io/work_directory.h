// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_WORK_DIRECTORY_H_
#define MAPREDUCE_IO_WORK_DIRECTORY_H_

// A private folder with a lock: two runs with the same output must not write into each other, and
// what a killed run left behind goes away with the next one.
//
//   PATH/lock    "millrace work directory\npid 4711\n", held by flock while the run is alive
//   PATH/...     the run's own files
//
// The kernel releases the lock when its holder dies, however it dies: a lock that can be taken
// means the owner is gone. Only a folder with the marker line is ever emptied.

#include <string>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

/// Move-only. One thread at a time.
class WorkDirectory {
 public:
  /// Makes (or takes over and empties) `path`; its parent must exist. kUnavailable: another live
  /// process has it. kCannotCreate: it can't be made, or is something else, which stays untouched.
  static Result<WorkDirectory> Acquire(FileSystem& files, std::string path);

  WorkDirectory(WorkDirectory&& other) noexcept
      : files_(other.files_),
        path_(std::move(other.path_)),
        lock_fd_(std::exchange(other.lock_fd_, -1)) {}
  WorkDirectory& operator=(WorkDirectory&& other) noexcept {
    std::swap(files_, other.files_);
    std::swap(path_, other.path_);
    std::swap(lock_fd_, other.lock_fd_);
    return *this;
  }
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  /// Removes it, without a promise.
  ~WorkDirectory();

  const std::string& path() const { return path_; }

  /// Removes the folder with all in it and gives the lock back. After an error what is left carries
  /// the marker, so the next Acquire clears it. A second call does nothing.
  Status Remove();

 private:
  WorkDirectory(FileSystem& files, std::string path, int lock_fd)
      : files_(&files), path_(std::move(path)), lock_fd_(lock_fd) {}
  Status Empty();

  FileSystem* files_;
  std::string path_;
  int lock_fd_;
};

}  // namespace millrace

#endif  // MAPREDUCE_IO_WORK_DIRECTORY_H_
