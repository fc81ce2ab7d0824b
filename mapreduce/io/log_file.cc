// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "mapreduce/io/errno_status.h"

namespace millrace {
namespace {

// O_NONBLOCK: to open a pipe that nobody reads must not wait; it means nothing for a file.
Result<Descriptor> OpenFile(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  Descriptor fd(::open(path.c_str(), kFlags, 0600));
  if (fd.get() < 0 && errno == ELOOP)
    return Status::CannotCreate(path, " is a symbolic link; a log is written to a file itself");
  if (fd.get() < 0 && (errno == ENXIO || errno == EISDIR))
    return Status::CannotCreate(path, " is no file; choose another name for the log");
  if (fd.get() < 0) return NameErrno("open", path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return NameErrno("open", path, errno);
  if (!S_ISREG(status.st_mode))
    return Status::CannotCreate(path, " is no file; choose another name for the log");
  return fd;
}

// Bytes written before the first error, which is in errno if they are not all.
std::size_t Write(int fd, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (written > 0) {
      done += static_cast<std::size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      break;
    }
  }
  return done;
}

Status Lost(int error) { return Status::ResourceLimit(std::strerror(error)); }

}  // namespace

Result<std::unique_ptr<LogFile>> LogFile::Open(const std::string& path) {
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(path, error);  // Whatever chdir follows.
  if (error) return NameErrno("open", path, error.value());
  MR_ASSIGN_OR_RETURN(Descriptor fd, OpenFile(absolute));
  return std::unique_ptr<LogFile>(new LogFile(absolute, std::move(fd)));
}

bool LogFile::HasMoved() const {
  struct stat named {
  }, open{};
  if (::lstat(path_.c_str(), &named) != 0) return true;
  return ::fstat(fd_->get(), &open) != 0 || named.st_ino != open.st_ino ||
         named.st_dev != open.st_dev;
}

// The file that is at the path now. Where none can be made, the old one by its new name will do.
Status LogFile::FollowName() {
  Result<Descriptor> next = OpenFile(path_);
  if (next.ok()) {
    fd_.emplace(*std::move(next));
    return Status::Ok();
  }
  struct stat open {};
  const bool is_gone = ::fstat(fd_->get(), &open) != 0 || open.st_nlink == 0;
  return is_gone ? Status::ResourceLimit(next.error().message()) : Status::Ok();
}

Status LogFile::Append(std::string_view line) {
  const bool has_moved = HasMoved();
  if (!rest_.empty()) {
    rest_.erase(0, Write(fd_->get(), rest_));  // Where the line began.
    if (!rest_.empty() && !has_moved) return Lost(errno);
    rest_.clear();
  }
  if (has_moved) MR_RETURN_IF_ERROR(FollowName());
  const std::size_t written = Write(fd_->get(), line);
  if (written == 0) return Lost(errno);
  rest_ = line.substr(written);
  return Status::Ok();
}

}  // namespace millrace
