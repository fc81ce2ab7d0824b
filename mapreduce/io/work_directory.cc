// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/work_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string_view>
#include <utility>
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

// The lock file, open. Closed on every way out, so that no lock stays behind.
struct OpenedLock {
  OpenedLock() = default;
  OpenedLock(const OpenedLock&) = delete;
  OpenedLock& operator=(const OpenedLock&) = delete;
  ~OpenedLock() {
    if (fd >= 0) ::close(fd);
  }
  int fd = -1;
  bool made_file = false;
  bool made_folder = false;
};

// What a failed attempt has made goes again: the lock file if nobody else has it by now, the folder
// if nobody else uses it.
void RemoveWhatWasMade(const OpenedLock& lock, const std::string& path,
                       const std::string& lock_path) {
  struct stat opened, named;
  if (lock.made_file && ::flock(lock.fd, LOCK_EX | LOCK_NB) == 0 &&
      ::fstat(lock.fd, &opened) == 0 && ::lstat(lock_path.c_str(), &named) == 0 &&
      opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
    ::unlink(lock_path.c_str());
  }
  if (lock.made_folder) ::rmdir(path.c_str());
}

// Opens the lock file, or makes it in a folder that is new or empty. fd is -1 where somebody else
// was faster: look again.
Status OpenLock(FileSystem& files, const std::string& path, const std::string& lock_path,
                OpenedLock* lock) {
  struct stat stat;
  if (IoFails()) return NameErrno("create the directory", path, errno);
  lock->made_folder = ::mkdir(path.c_str(), 0777) == 0;
  if (!lock->made_folder && errno != EEXIST) {
    return NameErrno("create the directory", path, errno);
  }
  if (IoFails() || ::lstat(path.c_str(), &stat) != 0) {
    return errno == ENOENT ? Status::Ok() : NameErrno("look at", path, errno);
  }
  if (!S_ISDIR(stat.st_mode)) return CannotTake(path, "it is not a directory");

  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  if (!IoFails()) {
    lock->fd = ::open(lock_path.c_str(), kFlags);
    if (lock->fd >= 0) return Status::Ok();
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
  lock->fd = ::open(lock_path.c_str(), kFlags | O_CREAT | O_EXCL, 0666);
  lock->made_file = lock->fd >= 0;
  if (lock->made_file || errno == EEXIST || errno == ENOENT) return Status::Ok();
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
    OpenedLock lock;
    bool is_ours = false;
    Status status = OpenLock(files, path, lock_path, &lock);
    if (status.ok() && lock.fd >= 0) status = TakeLock(lock.fd, path, lock_path, &is_ours);
    if (status.ok() && is_ours) status = CheckMarker(files, lock.fd, path, lock_path);
    if (!status.ok()) {
      RemoveWhatWasMade(lock, path, lock_path);
      return status;
    }
    if (!is_ours) continue;
    // From here on the folder is ours: should a step fail, the destructor removes it.
    WorkDirectory directory(files, path, -1);
    directory.lock_fd_ = std::exchange(lock.fd, -1);
    MR_RETURN_IF_ERROR(WriteMarker(directory.lock_fd_, lock_path));
    MR_RETURN_IF_ERROR(directory.Empty().Annotate("clearing what an ended run left in ", path));
    return directory;
  }
  return Status::Unavailable("other runs keep making and removing ", path, "; try again later");
}

WorkDirectory::~WorkDirectory() {
  try {
    static_cast<void>(Remove());
  } catch (const std::bad_alloc&) {  // What is left carries the marker: the next run clears it.
    if (lock_fd_ >= 0) ::close(lock_fd_);
  }
}

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
