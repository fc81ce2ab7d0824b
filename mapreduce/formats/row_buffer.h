// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_ROW_BUFFER_H_
#define MAPREDUCE_FORMATS_ROW_BUFFER_H_

// Bytes of rows on their way out: a string whose end can be written in place, without first
// filling it with zeros. Clear() keeps the memory.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace millrace {

/// One thread at a time. Views die with the next change.
class RowBuffer {
 public:
  RowBuffer() = default;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t capacity() const { return capacity_; }
  std::string_view view() const { return {data_.get(), size_}; }
  void Clear() { size_ = 0; }
  /// Requires: at most size().
  void Truncate(std::size_t size) { size_ = size; }

  /// Where the next bytes go, with room for `bytes` of them; Commit() makes those written count.
  char* Room(std::size_t bytes) {
    if (capacity_ - size_ < bytes) [[unlikely]]
      Grow(bytes);
    return data_.get() + size_;
  }
  /// Requires: at most as many as Room() was asked for.
  void Commit(std::size_t bytes) { size_ += bytes; }

  void Append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(Room(bytes.size()), bytes.data(), bytes.size());
    Commit(bytes.size());
  }
  void Append(char byte) {
    *Room(1) = byte;
    Commit(1);
  }

 private:
  [[gnu::noinline]] void Grow(std::size_t bytes) {
    const std::size_t capacity = std::max({size_ + bytes, 2 * capacity_, std::size_t{4096}});
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_ROW_BUFFER_H_
