// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_STORED_READER_H_
#define MAPREDUCE_IO_STORED_READER_H_

// The stored bytes of a shard's range, in order, piece by aligned piece, hashed block by block on
// the way: the half of a ShardReader that all compressions share.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/phase_clock.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/io/shard_digest.h"

namespace millrace {

/// One thread at a time. Errors as ShardReader's.
class StoredReader {
 public:
  static Result<StoredReader> Open(FileSystem& files, const Shard& shard, const ShardRange& range,
                                   ShardDigest* digest, PhaseTimer* timer);

  /// The place of the next stored byte.
  std::uint64_t position() const { return position_; }
  std::uint64_t file_bytes() const { return planned_->bytes; }
  bool AtEnd() const { return position_ == planned_->bytes; }
  const std::string& path() const { return planned_->path; }

  /// How many bytes the next Read gives: the rest of the aligned piece; less in blocks that belong
  /// to another range, beyond this one's end, where the caller needs only the rest of a record. 0
  /// at the end of the file.
  std::size_t NextBytes() const;
  /// Reads NextBytes() bytes to `into` and hashes them if their block is the range's own.
  Result<std::size_t> Read(char* into);

  /// Hashes the range's own blocks from position() on, then checks that the file is as planned.
  Status Finish();

 private:
  StoredReader(const Shard& shard, const ShardRange& range, ShardDigest* digest, PhaseTimer* timer)
      : planned_(&shard.file),
        range_begin_(range.stored_begin),
        range_end_(range.stored_end),
        position_(range.stored_begin),
        digest_(digest),
        timer_(timer) {}
  bool OwnsBlockOf(std::uint64_t position) const {
    const std::uint64_t begin = position - position % kDigestBlockBytes;
    return begin >= range_begin_ && begin < range_end_;
  }
  Status CheckUnchanged();

  const FileInfo* planned_;
  std::uint64_t range_begin_;
  std::uint64_t range_end_;
  std::uint64_t position_;
  ShardDigest* digest_;
  Hasher128 hasher_;  // Of what was read of the block at position_, where that is our own.
  PhaseTimer* timer_;
  std::unique_ptr<RandomAccessFile> file_;
};

/// kStale unless `now` is the file that `planned` was.
Status CheckSameFile(const FileInfo& planned, const FileInfo& now);

}  // namespace millrace

#endif  // MAPREDUCE_IO_STORED_READER_H_
