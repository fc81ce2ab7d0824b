// SPDX-License-Identifier: Apache-2.0
#include "worker/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/random_id.h"
#include "mapreduce/io/descriptor.h"
#include "mapreduce/io/errno_status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {
namespace {

constexpr std::string_view kPrefix = "worker-";
constexpr int kNamesMax = 20;  // Tried, should somebody take the new folder for a dead one's.

// Those whose lock nobody holds. What can't be cleared is left: it may be another user's.
void ClearDead(const std::string& directory) {
  const auto entries = LocalFileSystem().List(directory);
  if (!entries.ok()) return;
  for (const FileInfo& entry : *entries) {
    const std::string name = entry.path.substr(entry.path.find_last_of('/') + 1);
    if (!entry.is_directory || !name.starts_with(kPrefix)) continue;
    auto dead = WorkDirectory::Acquire(LocalFileSystem(), entry.path);
    if (dead.ok()) static_cast<void>(dead->Remove());
  }
}

Result<std::string> RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return NameErrno("find", path, errno);
  return std::string(resolved);
}

// Below a worker's folder.
std::string FolderOf(const AttemptId& attempt) {
  const TaskId& task = attempt.task;
  std::ostringstream path;
  path << "/attempts/" << task.phase.run.value << "-" << task.phase.index << "-" << task.index
       << "-" << attempt.number;
  return std::move(path).str();
}

std::string NameOfRun(std::size_t channel) { return "/run-" + std::to_string(channel); }

}  // namespace

Result<std::unique_ptr<Spool>> Spool::Open(const std::string& directory) {
  MR_RETURN_IF_ERROR(LocalFileSystem().MakeDirectories(directory));
  MR_ASSIGN_OR_RETURN(const std::string shared, RealPath(directory));
  ClearDead(shared);
  Status status;
  for (int i = 0; i < kNamesMax; ++i) {
    auto work = WorkDirectory::Acquire(LocalFileSystem(),
                                       JoinPath(shared, std::string(kPrefix) + Hex(RandomId())));
    if (!work.ok()) {
      status = work.error();
      if (status.code() == StatusCode::kUnavailable) continue;
      return status;
    }
    // What jobs read is nobody else's business.
    if (IoFails() || ::chmod(work->path().c_str(), 0700) != 0)
      return NameErrno("change the mode of", work->path(), errno);
    for (const char* name : {"attempts", "trash", "modules"})
      MR_RETURN_IF_ERROR(LocalFileSystem().MakeDirectory(JoinPath(work->path(), name)));
    return std::unique_ptr<Spool>(new Spool(shared, *std::move(work)));
  }
  return status;
}

Spool::Spool(std::string shared_directory, WorkDirectory work)
    : shared_directory_(std::move(shared_directory)), work_(std::move(work)) {}

std::string Spool::AttemptFolder(const AttemptId& attempt) const {
  return work_.path() + FolderOf(attempt);
}

std::string Spool::FetchPath(const FetchKey& key) const {
  std::ostringstream path;
  path << AttemptFolder(key.reader) << "/fetched/" << key.source.phase << "-" << key.source.channel
       << "-" << Hex(key.from.value);
  return std::move(path).str();
}

std::string Spool::ScratchFolder(const AttemptId& attempt) const {
  return AttemptFolder(attempt) + "/scratch";
}

std::string Spool::RunPath(const AttemptId& attempt, std::size_t channel) const {
  return AttemptFolder(attempt) + NameOfRun(channel);
}

bool Spool::IsRunPath(std::string_view path, const AttemptId& attempt, std::size_t channel) {
  constexpr std::size_t kIdDigits = 16;
  const std::string end = FolderOf(attempt) + NameOfRun(channel);
  if (!path.starts_with('/') || !path.ends_with(end)) return false;
  if (path.find('\0') != path.npos || path.find("/../") != path.npos) return false;
  path.remove_suffix(end.size());
  const std::string_view folder = path.substr(path.find_last_of('/') + 1);
  if (folder.size() != kPrefix.size() + kIdDigits || !folder.starts_with(kPrefix)) return false;
  return folder.find_first_not_of("0123456789abcdef", kPrefix.size()) == folder.npos;
}

Status Spool::MakeAttemptFolder(const AttemptId& attempt) {
  const std::string folder = AttemptFolder(attempt);
  for (const char* name : {"", "/fetched", "/scratch"}) {
    const std::string path = folder + name;
    if (IoFails() || (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST))
      return WriteErrno("create the directory", path, errno);
  }
  return Status::Ok();
}

// Opened anew for each piece: a reduce may have thousands of sources, each with a file.
Status Spool::Append(const FetchKey& key, const std::string& bytes) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
  const std::string path = FetchPath(key);
  int fd = IoFails() ? -1 : ::open(path.c_str(), kFlags, 0600);
  if (fd < 0 && errno == ENOENT) {
    MR_RETURN_IF_ERROR(MakeAttemptFolder(key.reader));
    fd = ::open(path.c_str(), kFlags, 0600);
  }
  const Descriptor file(fd);
  if (file.get() < 0) return WriteErrno("open", path, errno);
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t put = IoFails() ? -1 : ::write(file.get(), bytes.data() + at, bytes.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return WriteErrno("write", path, put < 0 ? errno : ENOSPC);
    at += static_cast<std::size_t>(put);
  }
  return Status::Ok();
}

void Spool::DropInputs(const AttemptId& attempt) {
  Discard(AttemptFolder(attempt) + "/fetched");
  Discard(ScratchFolder(attempt));
  Discard(ScratchFolder(attempt) + "-again");
}

void Spool::Drop(const AttemptId& attempt) { Discard(AttemptFolder(attempt)); }

void Spool::Discard(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return;
  const std::string trash = work_.path() + "/trash/" + std::to_string(next_trash_++);
  const bool is_renamed = LocalFileSystem().Rename(path, trash).ok();
  remover_.Remove(is_renamed ? trash : path);
}

Status Spool::Remove() {
  remover_.Stop();
  return work_.Remove();
}

Result<std::uint64_t> HalfOfFreeBytes(const std::string& directory) {
  struct statvfs stat;
  if (IoFails() || ::statvfs(directory.c_str(), &stat) != 0)
    return ReadErrno("look at the file system of", directory, errno);
  return std::uint64_t{stat.f_bavail} * stat.f_frsize / 2;
}

}  // namespace millrace
