// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_VIRTUAL_BUFFER_H_
#define MAPREDUCE_BASE_VIRTUAL_BUFFER_H_

// A large buffer that never moves: address space is reserved at once, memory comes page by page
// (zeroed) when it is first touched and goes back when released. Growing an arena so copies
// nothing and invalidates no pointer.

#include <cstddef>
#include <utility>

#include "mapreduce/base/status.h"

namespace millrace {

inline constexpr std::size_t kPopulateBytesMin = std::size_t{32} << 10;

/// Has the pages of [begin, begin + bytes) there, to be written: for memory that is about to be
/// filled, all of it. One call costs less than a fault for each page; and where a page is first
/// read, as of a hash table, there are two faults, an interrupt on every processor and, before
/// Linux 6.13, no huge page (toplist: 2 to 11 % of the time, by how busy the host is). Does nothing
/// for less than kPopulateBytesMin, nor before Linux 5.14. Requires: the memory is mapped.
/// Thread-safe.
void PopulatePages(char* begin, std::size_t bytes);

/// Move-only. One thread at a time for Release; the bytes are the owner's.
class VirtualBuffer {
 public:
  VirtualBuffer() = default;
  VirtualBuffer(VirtualBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  VirtualBuffer& operator=(VirtualBuffer&& other) noexcept;
  VirtualBuffer(const VirtualBuffer&) = delete;
  VirtualBuffer& operator=(const VirtualBuffer&) = delete;
  ~VirtualBuffer();

  /// At least `bytes` (rounded up to pages) of address space. Page-aligned, from 2 MiB on 2 MiB
  /// aligned; with `huge_pages` those are in huge pages where the kernel has them. kResourceLimit
  /// when there is not enough address space.
  static Result<VirtualBuffer> Reserve(std::size_t bytes, bool huge_pages);

  char* data() { return data_; }
  const char* data() const { return data_; }
  std::size_t size() const { return size_; }

  /// As if [from, to) had been reserved with `huge_pages`: for what turns out to be large. Below
  /// 2 MiB it does nothing: a huge page is no gain there, and zeroing it costs.
  void PreferHugePages(std::size_t from, std::size_t to);

  /// Gives memory and address space of the whole pages behind `bytes` back. Requires: bytes <=
  /// size().
  void Truncate(std::size_t bytes);

  /// Gives the memory of the whole pages inside [from, to) back; they read as zeros afterwards.
  /// Requires: from <= to <= size().
  void Release(std::size_t from, std::size_t to);

 private:
  VirtualBuffer(char* data, std::size_t size) : data_(data), size_(size) {}
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_VIRTUAL_BUFFER_H_
