// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RECORD_SINKS_H_
#define MAPREDUCE_SHUFFLE_RECORD_SINKS_H_

// Where sorted records go when a run is made: into a run file, or into a run in memory.

#include <memory>
#include <vector>

#include "mapreduce/shuffle/combine_operator.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/memory_run.h"
#include "mapreduce/shuffle/record_combiner.h"
#include "mapreduce/shuffle/run_cursor.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

/// Adds each record of each batch to a run file. Requires: batches come in key order.
class RunFileSink final : public EmitSink {
 public:
  explicit RunFileSink(RunWriter& writer) : writer_(writer) {}
  Status Consume(EmitBatch& batch) override;

 private:
  RunWriter& writer_;
};

/// Collects records for a MemoryRun. Requires: batches come in key order.
class MemoryRunSink final : public EmitSink {
 public:
  Status Consume(EmitBatch& batch) override;
  /// What the run will charge.
  std::uint64_t bytes() const { return block_bytes_ + entries_.size() * sizeof(SortEntry); }
  bool empty() const { return entries_.empty(); }
  /// Empties the sink.
  std::shared_ptr<const MemoryRun> TakeRun();

 private:
  std::vector<SortEntry> entries_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* to_ = nullptr;
  std::size_t block_left_ = 0;
  std::uint64_t block_bytes_ = 0;
};

/// Copies all that `cursor` has left. Errors: the cursor's; the writer's stay with it until Close.
Status CopyRun(RunCursor& cursor, RunWriter& writer);

/// Lets merge passes combine through an operator.
class OperatorCombiner final : public RecordCombiner {
 public:
  explicit OperatorCombiner(CombineOperator* combiner) : combiner_(combiner) {}
  Status Combine(Merger& in, RunWriter& out) override;

 private:
  CombineOperator* const combiner_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RECORD_SINKS_H_
