// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/work_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <vector>

#include "mapreduce/io/errno_status.h"

namespace millrace {
namespace {

constexpr std::string_view kMarkerLine = "millrace work directory\n";
constexpr int kAttemptsMax = 100;  // Each one lost to another process that came or went.

struct LockFile {
  int fd = -1;
  bool is_locked = false;
};

Status CannotTake(const std::string& path, std::string_view why) {
  return Status::CannotCreate("cannot use ", path, " as a work directory: ", why,
                              "; move it away or choose another place");
}

std::string ReadStart(int fd) {
  char text[256];
  const ssize_t got = IoFails() ? -1 : ::pread(fd, text, sizeof(text), 0);
  return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : std::string();
}

bool HoldsNothingButLock(const std::vector<FileInfo>& entries, const std::string& lock_path) {
  return entries.empty() || (entries.size() == 1 && entries[0].path == lock_path);
}

// Opens the lock file, or makes it in a folder that is new or empty. fd is -1 where somebody else
// was faster: look again.
Status OpenLock(FileSystem& files, const std::string& path, const std::string& lock_path, int* fd) {
  *fd = -1;
  struct stat stat;
  if (IoFails()) return NameErrno("create the directory", path, errno);
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
    return NameErrno("create the directory", path, errno);
  }
  if (IoFails() || ::lstat(path.c_str(), &stat) != 0) {
    return errno == ENOENT ? Status::Ok() : NameErrno("look at", path, errno);
  }
  if (!S_ISDIR(stat.st_mode)) return CannotTake(path, "it is not a directory");

  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  if (!IoFails()) {
    *fd = ::open(lock_path.c_str(), kFlags);
    if (*fd >= 0) return Status::Ok();
  }
  if (errno != ENOENT) return NameErrno("open", lock_path, errno);
  Result<std::vector<FileInfo>> entries = files.List(path);
  if (!entries.has_value()) {
    if (entries.error().code() == StatusCode::kNotFound) return Status::Ok();
    return entries.error();
  }
  for (const FileInfo& entry : *entries) {
    if (entry.path == lock_path) return Status::Ok();  // Made since we tried to open it.
  }
  if (!entries->empty()) return CannotTake(path, "it holds other files");
  if (IoFails()) return NameErrno("create", lock_path, errno);
  *fd = ::open(lock_path.c_str(), kFlags | O_CREAT | O_EXCL, 0666);
  if (*fd >= 0 || errno == EEXIST || errno == ENOENT) return Status::Ok();
  return NameErrno("create", lock_path, errno);
}

// Locks the open file. `is_ours`: it is locked and still what the path names; where it is not, its
// owner removed it just now: look again.
Status TakeLock(int fd, const std::string& path, const std::string& lock_path, bool* is_ours) {
  *is_ours = false;
  if (IoFails() || ::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return WriteErrno("lock", lock_path, errno);
    std::string owner = ReadStart(fd);
    owner = owner.starts_with(kMarkerLine) ? owner.substr(kMarkerLine.size()) : "";
    owner = owner.substr(0, owner.find('\n'));
    return Status::Unavailable("another run", owner.empty() ? "" : " (" + owner + ")",
                               " is writing to ", path, "; try again when it has ended");
  }
  struct stat opened, named;
  if (IoFails() || ::fstat(fd, &opened) != 0) return WriteErrno("look at", lock_path, errno);
  if (IoFails() || ::lstat(lock_path.c_str(), &named) != 0) {
    return errno == ENOENT ? Status::Ok() : WriteErrno("look at", lock_path, errno);
  }
  *is_ours = opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
  return Status::Ok();
}

// Requires: we hold the lock. Says whether the folder is a work directory; a lock file that a
// crash left without its line counts where there is nothing else to lose.
Status CheckMarker(FileSystem& files, int fd, const std::string& path,
                   const std::string& lock_path) {
  const std::string start = ReadStart(fd);
  if (start.starts_with(kMarkerLine)) return Status::Ok();
  MR_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(path));
  if (kMarkerLine.starts_with(start) && HoldsNothingButLock(entries, lock_path)) {
    return Status::Ok();
  }
  return CannotTake(path, "its file 'lock' is not ours");
}

// Written in place: a marker that was there stays there at every moment.
Status WriteMarker(int fd, const std::string& lock_path) {
  const std::string text = std::string(kMarkerLine) + "pid " + std::to_string(::getpid()) + "\n";
  const ssize_t put = IoFails() ? -1 : ::pwrite(fd, text.data(), text.size(), 0);
  if (put < 0) return WriteErrno("write", lock_path, errno);
  if (static_cast<std::size_t>(put) != text.size()) return WriteErrno("write", lock_path, ENOSPC);
  if (IoFails() || ::ftruncate(fd, static_cast<off_t>(text.size())) != 0) {
    return WriteErrno("write", lock_path, errno);
  }
  // Before any other file is made here: else a power cut could keep those and lose the marker.
  if (IoFails() || ::fsync(fd) != 0) return WriteErrno("sync", lock_path, errno);
  return Status::Ok();
}

}  // namespace

Result<WorkDirectory> WorkDirectory::Acquire(FileSystem& files, std::string path) {
  const std::string lock_path = JoinPath(path, "lock");
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    int fd = -1;
    MR_RETURN_IF_ERROR(OpenLock(files, path, lock_path, &fd));
    if (fd < 0) continue;
    bool is_ours = false;
    Status status = TakeLock(fd, path, lock_path, &is_ours);
    if (status.ok() && is_ours) status = CheckMarker(files, fd, path, lock_path);
    if (!status.ok() || !is_ours) {
      ::close(fd);
      if (!status.ok()) return status;
      continue;
    }
    // From here on the folder is ours: should a step fail, the destructor removes it.
    WorkDirectory directory(files, path, fd);
    MR_RETURN_IF_ERROR(WriteMarker(fd, lock_path));
    MR_RETURN_IF_ERROR(directory.Empty().Annotate("clearing what an ended run left in ", path));
    return directory;
  }
  return Status::Unavailable("other runs keep making and removing ", path, "; try again later");
}

WorkDirectory::~WorkDirectory() { static_cast<void>(Remove()); }

Status WorkDirectory::Empty() {
  const std::string lock_path = JoinPath(path_, "lock");
  MR_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files_->List(path_));
  for (const FileInfo& entry : entries) {
    if (entry.path != lock_path) MR_RETURN_IF_ERROR(files_->RemoveTree(entry.path));
  }
  return Status::Ok();
}

Status WorkDirectory::Remove() {
  if (lock_fd_ < 0) return Status::Ok();
  Status status = Empty();
  // The lock goes last, while it is held: who waits for it finds out that it is no longer named.
  if (status.ok()) status = files_->RemoveFile(JoinPath(path_, "lock"));
  if (status.ok() && (IoFails() || (::rmdir(path_.c_str()) != 0 && errno != ENOTEMPTY &&
                                    errno != ENOENT && errno != EEXIST))) {
    status = NameErrno("remove", path_, errno);  // ENOTEMPTY: the next run is already in.
  }
  ::close(std::exchange(lock_fd_, -1));
  return status;
}

}  // namespace millrace
