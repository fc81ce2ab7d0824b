// SPDX-License-Identifier: Apache-2.0
#include "master/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "mapreduce/io/errno_status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {
namespace {

constexpr std::string_view kMarkerLine = "millrace master\n";

// "pid 4711", or "" where the file does not say.
std::string Owner(int fd) {
  char text[256];
  const ssize_t got = IoFails() ? -1 : ::pread(fd, text, sizeof(text), 0);
  std::string_view owner(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  if (!owner.starts_with(kMarkerLine)) return "";
  owner.remove_prefix(kMarkerLine.size());
  return std::string(owner.substr(0, owner.find('\n')));
}

// For people only, so it is not synced.
Status WriteOwner(int fd, const std::string& path) {
  const std::string text = std::string(kMarkerLine) + "pid " + std::to_string(::getpid()) + "\n";
  const ssize_t put = IoFails() ? -1 : ::pwrite(fd, text.data(), text.size(), 0);
  if (put < 0) return WriteErrno("write", path, errno);
  if (static_cast<std::size_t>(put) != text.size()) return WriteErrno("write", path, ENOSPC);
  if (IoFails() || ::ftruncate(fd, static_cast<off_t>(text.size())) != 0) {
    return WriteErrno("write", path, errno);
  }
  return Status::Ok();
}

}  // namespace

Result<StateLock> StateLock::Acquire(const std::string& directory) {
  MR_RETURN_IF_ERROR(LocalFileSystem().MakeDirectories(directory));
  const std::string path = JoinPath(directory, "lock");
  constexpr int kFlags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  Descriptor fd(IoFails() ? -1 : ::open(path.c_str(), kFlags, 0666));
  if (fd.get() < 0) return NameErrno("open", path, errno);
  if (IoFails() || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return WriteErrno("lock", path, errno);
    const std::string owner = Owner(fd.get());
    return Status::Unavailable("another master", owner.empty() ? "" : " (" + owner + ")",
                               " is using the state directory ", directory,
                               "; stop it, or choose another directory");
  }
  MR_RETURN_IF_ERROR(WriteOwner(fd.get(), path));
  return StateLock(std::move(fd));
}

}  // namespace millrace
