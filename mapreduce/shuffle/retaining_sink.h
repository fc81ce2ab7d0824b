// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RETAINING_SINK_H_
#define MAPREDUCE_SHUFFLE_RETAINING_SINK_H_

#include <cstdint>
#include <memory>

#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/record_sinks.h"
#include "mapreduce/shuffle/run_store.h"

namespace millrace {

/// Makes one run of sorted records whose size nobody knows beforehand: in memory while the store
/// retains it, in a run file from where it no longer does. One thread at a time.
class RetainingSink final : public EmitSink {
 public:
  explicit RetainingSink(RunStore& store) : store_(store) {}
  RetainingSink(const RetainingSink&) = delete;
  RetainingSink& operator=(const RetainingSink&) = delete;
  ~RetainingSink() override { store_.CancelRetain(retained_bytes_); }

  Status Consume(EmitBatch& batch) override;
  /// All that `cursor` has left.
  Status Copy(RunCursor& cursor);
  /// What was written to a file so far.
  std::uint64_t spilled_bytes() const { return writer_ == nullptr ? 0 : writer_->bytes_written(); }
  /// Gives the run to the store; none if nothing came. Call once.
  Status Close(RunOrder order);

 private:
  void Add(const RecordView& record);
  bool TryRetainFor(const RecordView& record);
  void MoveToFile();
  Status status() const;

  RunStore& store_;
  MemoryRunSink memory_;
  std::uint64_t retained_bytes_ = 0;
  std::unique_ptr<RunWriter> writer_;  // Once it is a file.
  Status copied_;                      // What was in memory, to the file.
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RETAINING_SINK_H_
