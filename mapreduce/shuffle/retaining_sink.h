// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RETAINING_SINK_H_
#define MAPREDUCE_SHUFFLE_RETAINING_SINK_H_

#include <cstdint>
#include <memory>

#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/record_sinks.h"
#include "mapreduce/shuffle/run_store.h"

namespace millrace {

/// Makes one run of sorted batches whose size nobody knows beforehand: in memory while the store
/// retains it, in a run file from where it no longer does. One thread at a time.
class RetainingSink final : public EmitSink {
 public:
  explicit RetainingSink(RunStore& store) : store_(store) {}
  RetainingSink(const RetainingSink&) = delete;
  RetainingSink& operator=(const RetainingSink&) = delete;
  ~RetainingSink() override { store_.CancelRetain(retained_bytes_); }

  Status Consume(EmitBatch& batch) override;
  /// Gives the run to the store; none if nothing came. Call once.
  Status Close(RunOrder order);

 private:
  Status MoveToFile();

  RunStore& store_;
  MemoryRunSink memory_;
  std::uint64_t retained_bytes_ = 0;
  std::unique_ptr<RunWriter> writer_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RETAINING_SINK_H_
