// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_COMPRESSED_INPUT_H_
#define MAPREDUCE_IO_COMPRESSED_INPUT_H_

// Internal to io: what the readers of compressed shards have in common.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/io/shard_reader.h"
#include "mapreduce/io/stored_reader.h"

namespace millrace {

/// Streamed data is decompressed in pieces of at most this: who reads finds them in the second
/// cache. (Pieces of 1 MiB cost wordcount a tenth of its time, toplist an eighth.)
inline constexpr std::size_t kStreamPieceBytes = std::size_t{128} << 10;

/// Stored bytes that were read and not yet consumed, in one piece.
class CompressedInput {
 public:
  explicit CompressedInput(StoredReader stored) : stored_(std::move(stored)) {}

  const char* data() const { return buffer_.get() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  /// The place of data()[0] in the file.
  std::uint64_t position() const { return stored_.position() - size(); }
  /// True when nothing can be read behind data().
  bool AtEnd() const { return stored_.AtEnd(); }
  const std::string& path() const { return stored_.path(); }

  /// Requires: n <= size().
  void Consume(std::size_t n) { begin_ += n; }
  /// Reads the next piece behind data(), which may move. Requires: not AtEnd().
  Status Fill() {
    const std::size_t next = stored_.NextBytes();
    if (end_ + next > capacity_) MakeRoom(next);
    MR_ASSIGN_OR_RETURN(const std::size_t got, stored_.Read(buffer_.get() + end_));
    end_ += got;
    return Status::Ok();
  }
  /// Fills until size() >= n or AtEnd().
  Status FillTo(std::size_t n) {
    while (size() < n && !AtEnd()) MR_RETURN_IF_ERROR(Fill());
    return Status::Ok();
  }
  Status Finish() { return stored_.Finish(); }

 private:
  void MakeRoom(std::size_t n) {
    const std::size_t kept = size();
    if (kept + n > capacity_) {
      const std::size_t capacity = std::max(kept + n, 2 * capacity_);
      std::unique_ptr<char[]> larger(new char[capacity]);
      if (kept != 0) std::memcpy(larger.get(), data(), kept);
      buffer_ = std::move(larger);
      capacity_ = capacity;
    } else {
      std::memmove(buffer_.get(), data(), kept);
    }
    begin_ = 0;
    end_ = kept;
  }

  StoredReader stored_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// `stored` stands at the range's begin.
std::unique_ptr<ShardReader> NewZstdShardReader(StoredReader stored, const Shard& shard,
                                                const ShardRange& range, PhaseTimer* timer);
std::unique_ptr<ShardReader> NewGzipShardReader(StoredReader stored, PhaseTimer* timer);

}  // namespace millrace

#endif  // MAPREDUCE_IO_COMPRESSED_INPUT_H_
