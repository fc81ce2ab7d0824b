// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/module_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "mapreduce/base/size.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/io/errno_status.h"
#include "mapreduce/io/memory_file.h"

namespace millrace {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kMemoryNameBytesMax = 200;  // The kernel's limit is 249.

Status NoMemory(const std::string& name, int error) {
  return Status::ResourceLimit("no memory for the module ", Printable(name), ": ",
                               std::strerror(error));
}

Status WriteAll(int to, std::string_view bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t put = IoFails() ? -1 : ::write(to, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return NoMemory(name, put < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return Status::Ok();
}

// As many bytes as the file had when it was opened: one that is written to must not fill memory.
Status CopyTo(int memory, int file, std::uint64_t bytes, const std::string& path) {
  std::vector<char> piece(kPieceBytes);
  while (bytes > 0) {
    const std::size_t want = std::min<std::uint64_t>(piece.size(), bytes);
    const ssize_t got = IoFails() ? -1 : ::read(file, piece.data(), want);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ReadErrno("read", path, errno);
    if (got == 0) return Status::Error(StatusCode::kStale, path, " changes");
    MR_RETURN_IF_ERROR(WriteAll(memory, {piece.data(), static_cast<std::size_t>(got)}, path));
    bytes -= static_cast<std::uint64_t>(got);
  }
  return Status::Ok();
}

}  // namespace

Result<std::shared_ptr<const ModuleImage>> ModuleImage::Read(const std::string& path) {
  const Descriptor file(IoFails() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return ReadErrno("open", path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return ReadErrno("look at", path, errno);
  if (!S_ISREG(info.st_mode)) return Status::InvalidArgument(Printable(path), " is no file");
  const auto bytes = static_cast<std::uint64_t>(info.st_size);
  if (bytes > kBytesMax) {
    return Status::InvalidArgument("the module ", Printable(path), " has ", FormatBytes(bytes),
                                   ", more than the ", FormatBytes(kBytesMax), " it may have");
  }
  const std::string name = path.substr(path.rfind('/') + 1).substr(0, kMemoryNameBytesMax);
  Descriptor memory = MakeMemoryFile(name.c_str());
  if (memory.get() < 0) return NoMemory(path, errno);
  MR_RETURN_IF_ERROR(CopyTo(memory.get(), file.get(), bytes, path));
  if (!SealMemoryFile(memory.get(), kReadOnlySeals)) return NoMemory(path, errno);
  return Adopt(std::move(memory), path);
}

Result<std::shared_ptr<const ModuleImage>> ModuleImage::Adopt(Descriptor memory, std::string name) {
  struct stat info {};
  const int seals = ::fcntl(memory.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kReadOnlySeals) != kReadOnlySeals || ::fstat(memory.get(), &info) != 0)
    return Status::Corrupt("the module ", Printable(name), " is not in memory that is sealed");
  std::string_view bytes;
  if (info.st_size > 0) {
    const auto size = static_cast<std::size_t>(info.st_size);
    void* const at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, memory.get(), 0);
    if (at == MAP_FAILED) return NoMemory(name, errno);
    bytes = {static_cast<const char*>(at), size};
  }
  return std::shared_ptr<const ModuleImage>(
      new ModuleImage(std::move(name), std::move(memory), bytes));
}

ModuleImage::~ModuleImage() {
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace millrace
