// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_READ_WINDOW_H_
#define MAPREDUCE_FORMATS_READ_WINDOW_H_

// The bytes of a shard that a scanner looks at: what it still needs of those it has read, and what
// is read behind them. Only what is needed is moved.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

/// One thread at a time.
class ReadWindow {
 public:
  /// So many zeros follow the bytes.
  static constexpr std::size_t kPaddingBytes = 128;

  /// `reader` must outlive it.
  explicit ReadWindow(ShardReader& reader)
      : reader_(reader),
        bytes_(std::make_unique<char[]>(kPaddingBytes)),
        capacity_(kPaddingBytes),
        end_(bytes_.get()),
        offset_(reader.offset()) {}
  ReadWindow(const ReadWindow&) = delete;
  ReadWindow& operator=(const ReadWindow&) = delete;

  const char* begin() const { return bytes_.get(); }
  const char* end() const { return end_; }
  bool is_at_eof() const { return is_at_eof_; }
  /// In the shard's decompressed bytes.
  std::uint64_t OffsetOf(const char* at) const {
    return offset_ + static_cast<std::uint64_t>(at - begin());
  }
  /// Requires: OffsetOf(begin()) <= offset <= OffsetOf(end()).
  const char* At(std::uint64_t offset) const { return begin() + (offset - offset_); }

  /// Reads more, and forgets what is before `keep`, which is at begin() then. Whatever pointed into
  /// the window means nothing any more. Errors: the reader's.
  Status Read(const char* keep) {
    const auto kept = static_cast<std::size_t>(end_ - keep);
    MakeRoom(keep, kept, reader_.NextReadBytes());
    Result<std::size_t> count = reader_.Read(end_, capacity_ - kPaddingBytes - kept);
    if (count.ok()) {
      end_ += *count;
      is_at_eof_ = *count == 0;
    }
    std::memset(end_, 0, kPaddingBytes);
    return count.ok() ? Status::Ok() : count.error();
  }

 private:
  static constexpr std::size_t kSlackBytesMax = std::size_t{64} << 10;

  void MakeRoom(const char* keep, std::size_t kept, std::size_t room) {
    const std::size_t needed = kept + room + kPaddingBytes;
    offset_ = OffsetOf(keep);
    if (needed > capacity_) {
      // Twice as much for a long record, so that it is moved a bounded number of times.
      const std::size_t grown =
          std::max(needed + std::min(needed, kSlackBytesMax), kept > room ? 2 * capacity_ : 0);
      auto larger = std::make_unique_for_overwrite<char[]>(grown);
      std::memcpy(larger.get(), keep, kept);
      bytes_ = std::move(larger);
      capacity_ = grown;
    } else {
      std::memmove(bytes_.get(), keep, kept);
    }
    end_ = bytes_.get() + kept;
  }

  ShardReader& reader_;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_;
  char* end_;
  std::uint64_t offset_;  // Of begin() in the shard.
  bool is_at_eof_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_READ_WINDOW_H_
