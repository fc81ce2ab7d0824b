// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_LINE_BLOCKS_H_
#define MAPREDUCE_FORMATS_LINE_BLOCKS_H_

// Cuts one range of a shard into blocks of whole lines. Which lines a range has (Hadoop's rule):
// those that start in (begin, end], and for begin = 0 also the one that starts at 0. So a range
// skips through the first LF at or after begin, and ends with the first LF at or after end:
//
//   shard    a a \n b b b b \n c \n          ranges [0,4) [4,8) [8,10)
//   offset   0 1 2  3 4 5 6 7  8 9           lines   a b    c     none
//
// The ranges of any cut give each line to exactly one of them.
//
// Bytes are read straight into one buffer, behind the partial line left over from the last block;
// only that partial line is ever moved.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/block_reader.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

/// What the readers of one thread read into, one after the other: each with memory of its own, the
/// kernel had as many pages to give as their number times a read has.
struct LineBuffer {
  std::unique_ptr<char[]> bytes;
  std::size_t capacity = 0;
};

/// Lines as they lie in the file.
class LineBlockReader final : public BlockReader {
 public:
  /// `reader` was opened for `range` and outlives this; its Finish() stays with the caller. A line
  /// without its LF may have `record_bytes_max` bytes. `shard_path` is for messages. `shared`
  /// serves one reader at a time, keeps a usual buffer for the next one, and outlives this; null:
  /// memory of its own.
  LineBlockReader(ShardReader& reader, const ShardRange& range, std::size_t record_bytes_max,
                  std::string shard_path, LineBuffer* shared = nullptr);
  ~LineBlockReader() override;
  LineBlockReader(const LineBlockReader&) = delete;
  LineBlockReader& operator=(const LineBlockReader&) = delete;

  /// kBadData for a line over the limit, wherever the range's reads happen to fall.
  Result<bool> Next(LineBlock* block) override;

  /// Memory held now: a read's room, the longest line so far, and the padding; or what a shared
  /// buffer had.
  std::size_t buffer_bytes() const { return buffer_.capacity; }

 private:
  Result<bool> ReadMore();                // False at the end of the shard.
  void MakeRoom(std::size_t read_bytes);  // Moves the partial line to the front; may grow.
  bool SkipFirstLine();                   // False while its LF was not read yet, or none is ours.
  Result<bool> Emit(const char* end, LineBlock* block);
  Status CheckLineLengths(const char* begin, const char* end) const;
  Status LineTooLong(const char* line) const;
  std::uint64_t OffsetOf(const char* at) const {
    return offset_ + static_cast<std::uint64_t>(at - line_);
  }

  ShardReader& reader_;
  const std::uint64_t range_end_;
  const std::size_t record_bytes_max_;
  const std::string shard_path_;

  LineBuffer* const shared_;
  LineBuffer buffer_;              // The shared one's, meanwhile.
  const char* line_ = nullptr;     // First byte not handed out yet; starts a line once skipped.
  const char* scanned_ = nullptr;  // No LF that ends a line of ours in [line_, scanned_).
  char* filled_ = nullptr;         // End of the bytes read.
  std::uint64_t offset_ = 0;       // Of line_ in the shard.
  bool must_skip_;
  bool is_done_ = false;
  Status error_;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_LINE_BLOCKS_H_
