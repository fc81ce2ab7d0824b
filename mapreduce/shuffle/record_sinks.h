// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RECORD_SINKS_H_
#define MAPREDUCE_SHUFFLE_RECORD_SINKS_H_

// Where sorted records go when a run is made: into a run file, or into a run in memory.

#include <memory>
#include <vector>

#include "mapreduce/shuffle/combine_operator.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/memory_run.h"
#include "mapreduce/shuffle/record_codec.h"
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

/// Packs records into a MemoryRun of blocks. Requires: records come in key order.
class MemoryRunSink final : public EmitSink {
 public:
  Status Consume(EmitBatch& batch) override;
  void Add(const RecordView& record);
  /// What the run will charge so far, and at most when a record of `record_bytes` has been added.
  std::uint64_t bytes() const {
    return memory_bytes_ + blocks_.capacity() * sizeof(MemoryRun::Block);
  }
  std::uint64_t BytesWith(std::size_t record_bytes) const;
  bool empty() const { return record_count_ == 0; }
  /// Empties the sink.
  std::shared_ptr<const MemoryRun> TakeRun();

 private:
  void NewMemory(std::size_t bytes);
  std::size_t NextMemoryBytes(std::size_t bytes) const;

  std::vector<MemoryRun::Block> blocks_;
  std::vector<std::unique_ptr<char[]>> memory_;
  std::uint64_t memory_bytes_ = 0;
  char* to_ = nullptr;
  std::size_t left_ = 0;
  std::size_t record_count_ = 0;
  RecordEncoder encoder_;
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
