// SPDX-License-Identifier: Apache-2.0
#include "worker/module_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>
#include <vector>

#include "mapreduce/engine/file_digest.h"
#include "mapreduce/io/errno_status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {
namespace {

// So long ago nobody who wants one waits for the others that he wants.
constexpr std::int64_t kInUseNs = 600'000'000'000;

Status MakeDirectory(const std::string& path) {
  if (IoFails() || (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST))
    return NameErrno("create the directory", path, errno);
  return Status::Ok();
}

std::int64_t NowNs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace

Result<std::unique_ptr<ModuleCache>> ModuleCache::Open(const std::string& directory,
                                                       const std::string& new_directory,
                                                       std::uint64_t bytes_max) {
  MR_RETURN_IF_ERROR(MakeDirectory(directory));
  struct stat info;
  if (::lstat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
      info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
    return Status::CannotCreate("cannot keep job modules in ", directory,
                                ": it must be a directory that only this user can write to");
  }
  return std::unique_ptr<ModuleCache>(new ModuleCache(directory, new_directory, bytes_max));
}

std::string ModuleCache::PathOf(const Hash128& hash) const {
  return JoinPath(directory_, hash.Hex() + ".so");
}

std::optional<std::string> ModuleCache::Find(const Hash128& hash) {
  const std::string path = PathOf(hash);
  const std::optional<FileId> id = IdOf(path);
  if (!id || ::access(path.c_str(), R_OK) != 0) {
    checked_.erase(path);
    return std::nullopt;
  }
  if (const auto checked = checked_.find(path);
      checked == checked_.end() || checked->second != *id) {
    const Result<Hash128> found = HashFile(LocalFileSystem(), path, CancelToken());
    if (!found.ok() || *found != hash) {
      static_cast<void>(LocalFileSystem().RemoveFile(path));
      return std::nullopt;
    }
    checked_[path] = *id;
  }
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);  // In use: it stays longest.
  return path;
}

void ModuleCache::Remove(const Hash128& hash) {
  const std::string path = PathOf(hash);
  static_cast<void>(LocalFileSystem().RemoveFile(path));
  checked_.erase(path);
}

// Not by the time: whoever uses the file sets that.
std::optional<ModuleCache::FileId> ModuleCache::IdOf(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return FileId{info.st_dev, info.st_ino, info.st_size};
}

ModuleCache::NewModule::~NewModule() {
  if (file_.get() >= 0) ::unlink(path_.c_str());
}

Status ModuleCache::NewModule::Append(std::string_view bytes) {
  hasher_.Update(bytes);
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t put = IoFails() ? -1 : ::write(file_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return WriteErrno("write", path_, put < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return Status::Ok();
}

Result<std::unique_ptr<ModuleCache::NewModule>> ModuleCache::Create(const Hash128& hash) {
  const std::string path = JoinPath(new_directory_, hash.Hex());
  ::unlink(path.c_str());
  Descriptor file(
      IoFails() ? -1
                : ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500));
  if (file.get() < 0) return WriteErrno("create", path, errno);
  return std::unique_ptr<NewModule>(new NewModule(path, std::move(file)));
}

Status ModuleCache::Finish(const Hash128& hash, std::unique_ptr<NewModule> module) {
  if (module->hasher_.Digest() != hash)
    return Status::Corrupt("the job module ", hash.Hex(), " came with other bytes");
  const std::string path = PathOf(hash);
  const std::string from = module->path_;
  // Closed first: a file that is open for writing can't be executed, should anybody want to.
  { const Descriptor closed(module->file_.Take()); }
  Status status = LocalFileSystem().Rename(from, path);
  if (status.code() == StatusCode::kCannotCreate && MakeDirectory(directory_).ok())
    status = LocalFileSystem().Rename(from, path);  // Somebody tidied up.
  if (!status.ok()) {
    ::unlink(from.c_str());
    return Status::ResourceLimit(status.message());  // This worker's alone.
  }
  if (const std::optional<FileId> id = IdOf(path)) checked_[path] = *id;
  Evict(path);
  return Status::Ok();
}

// Spares what was used just now: another worker's child may be about to load it, or tasks wait for
// others besides.
void ModuleCache::Evict(const std::string& but) {
  auto entries = LocalFileSystem().List(directory_);
  if (!entries.ok()) return;
  std::sort(entries->begin(), entries->end(), [](const FileInfo& a, const FileInfo& b) {
    return std::pair(a.mtime_ns, a.path) < std::pair(b.mtime_ns, b.path);
  });
  std::uint64_t bytes = 0;
  for (const FileInfo& entry : *entries) bytes += entry.bytes;
  const std::int64_t in_use_since_ns = NowNs() - kInUseNs;
  for (const FileInfo& entry : *entries) {
    if (bytes <= bytes_max_ || entry.mtime_ns > in_use_since_ns) return;
    if (entry.path == but || entry.is_directory) continue;
    if (LocalFileSystem().RemoveFile(entry.path).ok()) bytes -= entry.bytes;
    checked_.erase(entry.path);
  }
}

}  // namespace millrace
