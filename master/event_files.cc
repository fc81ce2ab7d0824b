// SPDX-License-Identifier: Apache-2.0
#include "master/event_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>
#include <tuple>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/io/errno_status.h"

namespace millrace {
namespace {

constexpr std::string_view kEnding = ".jsonl";
constexpr std::size_t kStemBytesMax = 200;  // A file's name has 255 at most.

bool IsPlain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
}

Status Lost(int error) { return Status::ResourceLimit(std::strerror(error)); }

// The last bytes of a file, at most `bytes_max`; shorter where it can't be read.
std::string Tail(int fd, std::uint64_t file_bytes, std::size_t bytes_max) {
  std::string tail(std::min<std::uint64_t>(file_bytes, bytes_max), '\0');
  const ssize_t got =
      ::pread(fd, tail.data(), tail.size(), static_cast<off_t>(file_bytes - tail.size()));
  tail.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return tail;
}

}  // namespace

Result<EventFiles> EventFiles::Open(const std::string& directory, const Limits& limits) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return NameErrno("create", directory, errno);
  Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0 && (errno == ELOOP || errno == ENOTDIR))
    return Status::CannotCreate(directory, " is no folder, but event logs go there; move it away");
  if (fd.get() < 0) return NameErrno("open", directory, errno);
  return EventFiles(std::move(fd), limits);
}

std::string EventFiles::NameOf(std::string_view run) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string stem;
  for (const char c : run) {
    if (IsPlain(c) && !(c == '.' && stem.empty())) {
      stem += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      stem += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  if (stem.size() > kStemBytesMax)
    stem = stem.substr(0, kStemBytesMax) + "-" + HashOf128(run).Hex();
  return stem + std::string(kEnding);
}

bool EventFiles::IsOurs(std::string_view name) {
  return name.ends_with(kEnding) && name.size() > kEnding.size() && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) { return IsPlain(c) || c == '%'; });
}

// A descriptor, or -1 and errno.
int EventFiles::OpenFile(const std::string& name, int flags) const {
  constexpr int kFlags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const int fd = ::openat(directory_.get(), name.c_str(), flags | kFlags, 0600);
  if (fd < 0) return -1;
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) return fd;
  ::close(fd);
  errno = EINVAL;
  return -1;
}

Result<std::uint64_t> EventFiles::Repair(const std::string& name) {
  const Descriptor fd(OpenFile(name, O_RDWR));
  if (fd.get() < 0) return errno == ENOENT ? Result<std::uint64_t>(0) : Lost(errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return Lost(errno);
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  const std::string tail = Tail(fd.get(), bytes, kLineBytesMax);
  const std::size_t behind_line = tail.find_last_of('\n') + 1;  // npos + 1 is 0.
  const std::uint64_t kept = bytes - (tail.size() - behind_line);
  if (kept != bytes && ::ftruncate(fd.get(), static_cast<off_t>(kept)) != 0) return Lost(errno);
  return kept;
}

std::optional<std::string> EventFiles::LastLine(const std::string& name) {
  const Descriptor fd(OpenFile(name, O_RDONLY));
  struct stat status {};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0) return std::nullopt;
  std::string tail = Tail(fd.get(), static_cast<std::uint64_t>(status.st_size), kLineBytesMax);
  if (!tail.ends_with('\n')) return std::nullopt;
  tail.pop_back();
  return tail.substr(tail.find_last_of('\n') + 1);
}

// There is no other writer: the master has its state directory alone.
Status EventFiles::Append(const std::string& name, std::string_view lines) {
  const Descriptor fd(OpenFile(name, O_WRONLY | O_APPEND | O_CREAT));
  if (fd.get() < 0) return Status::CannotCreate(std::strerror(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return Lost(errno);
  while (!lines.empty()) {
    const ssize_t written = ::write(fd.get(), lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = errno;
      static_cast<void>(::ftruncate(fd.get(), status.st_size));  // Else the next Repair() does.
      return Lost(error);
    }
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
  return Status::Ok();
}

void EventFiles::Prune(const std::set<std::string>& kept) {
  const int fd = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd), ::closedir);
  if (listing == nullptr) {
    ::close(fd);
    return;
  }
  struct Old {
    std::int64_t seconds, nanoseconds;
    std::string name;
    std::uint64_t bytes;
  };
  std::vector<Old> old;
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  while (const dirent* const entry = ::readdir(listing.get())) {
    struct stat status {};
    if (!IsOurs(entry->d_name) ||
        ::fstatat(directory_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode)) {
      continue;
    }
    ++files;
    bytes += static_cast<std::uint64_t>(status.st_size);
    if (kept.contains(entry->d_name)) continue;
    old.push_back({status.st_mtim.tv_sec, status.st_mtim.tv_nsec, entry->d_name,
                   static_cast<std::uint64_t>(status.st_size)});
  }
  std::sort(old.begin(), old.end(), [](const Old& a, const Old& b) {
    return std::tie(a.seconds, a.nanoseconds, a.name) < std::tie(b.seconds, b.nanoseconds, b.name);
  });
  for (const Old& oldest : old) {
    if (files < limits_.files_max && bytes <= limits_.all_bytes_max) return;
    if (::unlinkat(directory_.get(), oldest.name.c_str(), 0) != 0) continue;
    --files;
    bytes -= oldest.bytes;
  }
}

}  // namespace millrace
