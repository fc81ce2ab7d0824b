// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_BLOCK_READER_H_
#define MAPREDUCE_FORMATS_BLOCK_READER_H_

// Blocks of lines, which is all that parsers and maps see. Lines of text and TSV are handed on as
// they lie in the file. Rows of every other format are made into lines of TSV on the way, with only
// the columns that the job reads; beside the lines stands where in the file each came from, so that
// what is set aside is told by its own offset and bytes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// So many bytes can be read behind a block's end (their content means nothing): the parsers look
/// at 64 bytes at once.
inline constexpr std::size_t kLineBlockPadding = 64;

/// The record of a file that a line was made of.
struct SourceRecord {
  const char* line = nullptr;  ///< Where its line begins, in the block.
  std::uint64_t offset = 0;    ///< Of the record in the shard's decompressed bytes.
  std::string_view raw;        ///< Its bytes there, without what ends it.
};

/// Whole lines: [begin, end) ends with LF, unless its last line is the shard's last and has none.
/// Never empty when a BlockReader gave it, but for a record that is no row.
struct LineBlock {
  const char* begin = nullptr;
  const char* end = nullptr;
  std::uint64_t offset = 0;  ///< Of `begin` in the shard's decompressed bytes; of its record.
  /// Of a block whose lines were made: one for each line, in order. Null: the lines are the
  /// records.
  const std::vector<SourceRecord>* records = nullptr;
  /// Not empty: the block has no line, and one record, which is to be rejected for this reason.
  std::string_view reject = {};
};

/// Reads one range of a shard. One thread at a time. Sticky: after an error or the end, Next() only
/// repeats it.
class BlockReader {
 public:
  virtual ~BlockReader() = default;
  /// False at the end of the range. `block` and all it points to are valid until the next call.
  /// Errors: what the ShardReader says; kBadData for a record over the limit.
  virtual Result<bool> Next(LineBlock* block) = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_BLOCK_READER_H_
