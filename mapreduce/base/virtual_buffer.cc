// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/virtual_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>

#include "mapreduce/base/size.h"

namespace millrace {
namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

std::size_t PageBytes() {
  static const std::size_t bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

std::size_t RoundUp(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

void PopulatePages([[maybe_unused]] char* begin, std::size_t bytes) {
  if (bytes < kPopulateBytesMin) return;
#if defined(MADV_POPULATE_WRITE)
  char* const first = begin - reinterpret_cast<std::uintptr_t>(begin) % PageBytes();
  const std::size_t before = static_cast<std::size_t>(begin - first);
  ::madvise(first, before + bytes, MADV_POPULATE_WRITE);  // A wish: works as well without.
#endif
}

Result<VirtualBuffer> VirtualBuffer::Reserve(std::size_t bytes, bool huge_pages) {
  const bool is_large = bytes >= kHugePageBytes;
  const std::size_t unit = is_large ? kHugePageBytes : PageBytes();
  if (bytes > std::numeric_limits<std::size_t>::max() - 2 * kHugePageBytes) {
    return Status::ResourceLimit("cannot reserve ", bytes, " bytes of address space");
  }
  const std::size_t size = RoundUp(bytes == 0 ? 1 : bytes, unit);
  const std::size_t mapped_bytes = is_large ? size + kHugePageBytes : size;  // Room to align.
  void* const mapped = ::mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    return Status::ResourceLimit("cannot reserve ", FormatBytes(bytes),
                                 " of address space: ", std::strerror(errno),
                                 "; lower --memory or raise the limit (ulimit -v)");
  }
  char* data = static_cast<char*>(mapped);
  if (is_large) {
    char* const aligned =
        reinterpret_cast<char*>(RoundUp(reinterpret_cast<std::uintptr_t>(data), kHugePageBytes));
    char* const end = data + mapped_bytes;
    if (aligned != data) ::munmap(data, static_cast<std::size_t>(aligned - data));
    if (aligned + size != end) {
      ::munmap(aligned + size, static_cast<std::size_t>(end - (aligned + size)));
    }
    data = aligned;
    if (huge_pages) ::madvise(data, size, MADV_HUGEPAGE);  // A wish: works as well without.
  }
  return VirtualBuffer(data, size);
}

VirtualBuffer& VirtualBuffer::operator=(VirtualBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

VirtualBuffer::~VirtualBuffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void VirtualBuffer::PreferHugePages(std::size_t from, std::size_t to) {
  MR_CHECK(from <= to && to <= size_);
  if (to < kHugePageBytes) return;
  const std::size_t begin = from / PageBytes() * PageBytes();
  ::madvise(data_ + begin, to - begin, MADV_HUGEPAGE);  // A wish: works as well without.
}

void VirtualBuffer::Truncate(std::size_t bytes) {
  MR_CHECK(bytes <= size_);
  const std::size_t kept = RoundUp(bytes == 0 ? 1 : bytes, PageBytes());
  if (kept < size_ && ::munmap(data_ + kept, size_ - kept) == 0) size_ = kept;
}

void VirtualBuffer::Release(std::size_t from, std::size_t to) {
  MR_CHECK(from <= to && to <= size_);
  const std::size_t begin = RoundUp(from, PageBytes());
  const std::size_t end = to / PageBytes() * PageBytes();
  if (begin < end) ::madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

}  // namespace millrace
