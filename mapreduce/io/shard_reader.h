// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_SHARD_READER_H_
#define MAPREDUCE_IO_SHARD_READER_H_

// The decompressed bytes of a shard from a range's begin on, and on beyond its end for as long as
// the caller reads: a record that begins in the range may end in the next one.
//
//   while (true) {
//     buffer.EnsureRoom(reader->NextReadBytes());
//     MR_ASSIGN_OR_RETURN(const std::size_t n, reader->Read(buffer.end(), buffer.room()));
//     if (n == 0) break;  // The end of the shard.
//     ...
//   }
//   MR_RETURN_IF_ERROR(reader->Finish());
//
// Bytes are not copied on the way: plain files are read, and zstd frames of known size are
// decompressed by one call, straight into the caller's buffer.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "mapreduce/base/phase_clock.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/io/shard_digest.h"

namespace millrace {

/// No Read needs more room than this.
inline constexpr std::size_t kShardReadBytesMax = std::size_t{8} << 20;

/// One thread at a time. Errors are sticky. kCorrupt: damaged compressed data, naming the file and
/// the stored offset. kStale: the file changed since the plan looked at it. kBadData: it can't be
/// read, or needs a zstd window of more than 128 MiB.
class ShardReader {
 public:
  virtual ~ShardReader() = default;

  /// `range` is one of CutShard's. `shard`, `digest` and `timer` must outlive the reader; the
  /// latter two may be null. `digest` gets the blocks of stored bytes whose first byte lies in the
  /// range.
  static Result<std::unique_ptr<ShardReader>> Open(FileSystem& files, const Shard& shard,
                                                   const ShardRange& range, ShardDigest* digest,
                                                   PhaseTimer* timer);

  /// The room that the next Read needs, at most kShardReadBytesMax; 0 at the end of the shard or
  /// when Read will fail. May read from the file.
  virtual std::size_t NextReadBytes() = 0;

  /// Puts the next bytes of the shard at `into` and says how many; 0 at its end. Requires:
  /// room >= NextReadBytes().
  virtual Result<std::size_t> Read(char* into, std::size_t room) = 0;

  /// The place of the next byte in the decompressed shard.
  virtual std::uint64_t offset() const = 0;

  /// Call once, at the end. Reads and hashes what the caller did not need of the range's own
  /// blocks, then checks that the file is still what the plan saw.
  virtual Status Finish() = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_IO_SHARD_READER_H_
