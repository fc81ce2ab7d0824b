// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_OPERATORS_H_
#define MAPREDUCE_API_OPERATORS_H_

// What the engine runs: a job's typed classes behind interfaces that take blocks, batches and
// sorted streams. One virtual call per block or batch, none per record. Operators are made per
// task and used by one thread.

#include <cstdint>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/group_reader.h"

namespace millrace {

/// Parses blocks of a shard and maps each record.
class MapOperator {
 public:
  virtual ~MapOperator() = default;
  /// Requires: the context knows the block's shard. Errors: the sink's, the rejects' limit.
  virtual Status MapBlock(const LineBlock& block) = 0;
  /// Tears down and hands on what is left.
  virtual Status Close() = 0;
  /// Records read so far, rejected ones included.
  virtual std::uint64_t record_count() const = 0;
};

/// Maps records that another stage emitted.
class RecordMapOperator : public EmitSink {
 public:
  virtual Status Close() = 0;
};

/// Reduces groups.
class ReduceOperator {
 public:
  virtual ~ReduceOperator() = default;
  /// Reduces every group of the merged stream. Requires: `in` is started.
  virtual Status Run(Merger& in) = 0;
  /// Tears down and hands on what is left.
  virtual Status Close() = 0;
};

/// Takes the text of rows.
class RowSink {
 public:
  virtual ~RowSink() = default;
  /// `rows` whole rows of an output.
  virtual Status AppendRows(std::string_view text, std::uint64_t rows) = 0;
};

/// Formats emitted records as rows of an output.
class WriteOperator : public EmitSink {
 public:
  virtual Status Close() = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_OPERATORS_H_
