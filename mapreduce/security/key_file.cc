// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/key_file.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace millrace {
namespace {

constexpr mode_t kSecretMode = 0600, kPublicMode = 0644;

// Closed on every way out. (Descriptor of io is a layer above.)
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  const int fd_;
};

Status CheckPermissions(const std::string& path, FileSecrecy secrecy, const struct stat& info) {
  const bool is_roots = info.st_uid == 0;
  if (!is_roots && info.st_uid != ::geteuid()) {
    return Status::InvalidArgument(path, " belongs to another user; it must be this user's");
  }
  if (secrecy == FileSecrecy::kPublic) {
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) == 0) return Status::Ok();
    return Status::InvalidArgument("others may write ", path, "; chmod go-w it");
  }
  // What root gives to a group, as Kubernetes does with secrets, it gives on purpose.
  const mode_t forbidden = is_roots ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((info.st_mode & forbidden) == 0) return Status::Ok();
  return Status::InvalidArgument("others may read the secret key ", path, "; chmod 600 it");
}

// The only line that is for us; nullopt: there are none, or more.
std::optional<std::string_view> OnlyLine(std::string_view text) {
  std::optional<std::string_view> only;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (only.has_value()) return std::nullopt;
    only = line;
  }
  return only;
}

template <class Key>
Result<Key> ReadKey(const std::string& path, FileSecrecy secrecy) {
  MR_ASSIGN_OR_RETURN(std::string text, ReadKeyFile(path, secrecy));
  const std::optional<std::string_view> line = OnlyLine(text);
  const std::optional<Key> key = line.has_value() ? Key::FromHex(*line) : std::nullopt;
  sodium_memzero(text.data(), text.size());
  if (key.has_value()) return *key;
  return Status::InvalidArgument(path, " holds no key: that is one line of 64 hex digits");
}

}  // namespace

Result<std::string> ReadKeyFile(const std::string& path, FileSecrecy secrecy, struct stat* info) {
  // Not to wait for the other end of what turns out to be a pipe.
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.get() < 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) return Status::NotFound(path, " is missing");
    return Status::InvalidArgument("cannot read ", path, ": ", std::strerror(error));
  }
  struct stat found {};
  if (::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
    return Status::InvalidArgument(path, " is no file");
  }
  MR_RETURN_IF_ERROR(CheckPermissions(path, secrecy, found));
  if (found.st_size > static_cast<off_t>(kKeyFileBytesMax)) {
    return Status::InvalidArgument(path, " is too large for a file of keys");
  }
  std::string text(static_cast<std::size_t>(found.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t bytes = ::read(file.get(), text.data() + done, text.size() - done);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) {
      return Status::InvalidArgument("cannot read ", path, ": ", std::strerror(errno));
    }
    if (bytes == 0) break;
    done += static_cast<std::size_t>(bytes);
  }
  text.resize(done);
  if (info != nullptr) *info = found;
  return text;
}

Result<SecretKey> ReadSecretKey(const std::string& path) {
  return ReadKey<SecretKey>(path, FileSecrecy::kSecret);
}

Result<PublicKey> ReadPublicKey(const std::string& path) {
  return ReadKey<PublicKey>(path, FileSecrecy::kPublic);
}

Status WriteKeyFile(const std::string& path, FileSecrecy secrecy, std::string_view text) {
  const mode_t mode = secrecy == FileSecrecy::kSecret ? kSecretMode : kPublicMode;
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (file.get() < 0) {
    return Status::CannotCreate("cannot create ", path, ": ", std::strerror(errno));
  }
  ::fchmod(file.get(), mode);  // Whatever the umask is.
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t bytes = ::write(file.get(), text.data() + done, text.size() - done);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return Status::CannotCreate("cannot write ", path, ": ", std::strerror(errno));
    done += static_cast<std::size_t>(bytes);
  }
  if (::fsync(file.get()) != 0) {
    return Status::CannotCreate("cannot write ", path, ": ", std::strerror(errno));
  }
  return Status::Ok();
}

}  // namespace millrace
