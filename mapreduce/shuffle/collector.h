// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_COLLECTOR_H_
#define MAPREDUCE_SHUFFLE_COLLECTOR_H_

// What one slot does with the emissions of its map tasks. *When* to seal is decided here, *how* to
// store a run in RunStore:
//
//   SortCollector    buffers records; seals a run when the budget is short, at each task's end, so
//                    that no run mixes tasks and the order of values is that of the input. While
//                    runs stay in memory, a full buffer goes to buckets, and so does what follows
//                    in its run: sorted when they are read; but where the budget is small or keys
//                    are uneven, each full buffer is sealed
//   TableCollector   combines in place; its states know no order, so one table serves all tasks of
//                    the slot (a sorted output per 64 MiB split costs wordcount 35-40 %). Where
//                    combining finds too few equal keys it stops: the rest goes to a SortCollector,
//                    whose runs then need not end with a task

#include <cstdint>
#include <memory>

#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/phase_clock.h"
#include "mapreduce/base/status.h"
#include "mapreduce/shuffle/bucket_buffer.h"
#include "mapreduce/shuffle/combine_operator.h"
#include "mapreduce/shuffle/combining_table.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/group_reader.h"
#include "mapreduce/shuffle/retaining_sink.h"
#include "mapreduce/shuffle/run_store.h"
#include "mapreduce/shuffle/sampling_cursor.h"
#include "mapreduce/shuffle/sort_buffer.h"

namespace millrace {

struct CollectorOptions {
  RunStore* store = nullptr;
  MemoryBudget::Lease* lease = nullptr;
  PhaseTimer* timer = nullptr;
  std::uint64_t reserve_bytes = 0;           ///< Most that one slot can ever hold.
  std::uint64_t batch_bytes_max = SIZE_MAX;  ///< A larger batch (a giant record) is never copied.
  std::uint64_t bucket_bytes_max = 0;        ///< So much stays in memory without being sorted.
  CombineOperator* combiner = nullptr;       ///< May be null.
  GroupReader::PrefixBytes group_bytes = nullptr;  ///< Null: whole keys make groups.
  bool spill_every_batch = false;  ///< Tests: batches of one record, and nothing stays in memory.
};

/// One slot's sink of one stage. One thread at a time; lease, store and timer outlive it.
class Collector : public EmitSink {
 public:
  explicit Collector(const CollectorOptions& options)
      : batch_records_(options.spill_every_batch ? 1 : kBatchRecords) {}
  std::size_t batch_records() const final { return batch_records_; }

  /// What comes from now on belongs to `task`. Tasks of a slot come in increasing order.
  virtual void BeginTask(std::uint64_t task) = 0;
  /// The task's emissions are complete.
  virtual Status EndTask() = 0;
  /// The slot is done: everything goes to the store.
  virtual Status Close() = 0;

 private:
  const std::size_t batch_records_;
};

/// See above.
class SortCollector final : public Collector {
 public:
  /// `combines_kept`: runs that stay in memory are combined, too; else only what is written out.
  explicit SortCollector(const CollectorOptions& options, bool combines_kept = true);
  ~SortCollector() override { options_.lease->Shrink(thin_bytes_); }

  Status Consume(EmitBatch& batch) override;
  void BeginTask(std::uint64_t task) override { order_ = {task, 0}; }
  Status EndTask() override { return Seal(/*memory_is_short=*/false); }
  Status Close() override;

 private:
  Result<bool> Add(const EmitBatch& batch);
  bool empty() const { return buffer_.empty() && !buckets_.is_open(); }
  void Thin(EmitBatch& batch);
  Status SealWhatIsFull();
  Status OpenBuckets();
  void Sample(std::string_view key) { sample_.Offer(sampled_.Of(key)); }
  Status Seal(bool memory_is_short);
  Status SealBuckets(bool memory_is_short);
  Status SealRecords(std::unique_ptr<RunCursor> records, bool memory_is_short);
  Status SealCombined(std::unique_ptr<RunCursor> records);
  Status KeepRun(RunCursor& records);
  std::unique_ptr<RunCursor> Sampling(std::unique_ptr<RunCursor> records);
  Status CloseRun(RetainingSink& sink);
  Status WriteRun(RunCursor& cursor);
  Status SpillBatch(const EmitBatch& batch);
  RunOrder NextOrder() { return {order_.task, order_.sequence++}; }

  const CollectorOptions options_;
  const bool combines_kept_;
  bool keeps_runs_;                     // None has gone to a file so far.
  const std::uint64_t kept_run_bytes_;  // A run is sealed when so much is buffered.
  std::uint64_t thin_bytes_ = 0;        // Charged for the combiner; 0: it thins nothing.
  SortBuffer buffer_;
  BucketBuffer buckets_;
  bool uses_buckets_;
  RunOrder order_;
  const SampledKey sampled_;
  KeySampler sample_;
};

/// See above; the typed layer derives from it and applies values to states.
class TableCollector : public Collector {
 public:
  TableCollector(const CollectorOptions& options, std::size_t state_bytes);

  Status Consume(EmitBatch& batch) final;
  void BeginTask(std::uint64_t task) final { rest_.BeginTask(task); }
  Status EndTask() final { return Status::Ok(); }
  Status Close() final;

 protected:
  /// Adds the values of records [from, from + count) to their states.
  virtual void Apply(const EmitBatch& batch, std::size_t from, std::size_t count,
                     const CombiningTable::Chunk& chunk) = 0;
  /// Whether a record with a state for its value is the record itself.
  virtual bool IsStateless() const = 0;
  /// Emits records [from, end) to `out` with a state for each value.
  virtual void EmitStates(const EmitBatch& batch, std::size_t from, EmitBatch& out) = 0;

 private:
  Status StoreTable(bool memory_is_short);
  Status Forward(EmitBatch& batch, std::size_t from);
  void WatchHits(std::size_t resolved, std::uint64_t is_new);

  const CollectorOptions options_;
  CombiningTable table_;
  SortCollector rest_;
  EmitBatch rest_batch_;
  bool combines_ = true;
  std::uint64_t window_resolved_ = 0;
  std::uint64_t window_new_ = 0;
  std::uint64_t sequence_ = 0;
  const SampledKey sampled_;
  KeySampler sample_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_COLLECTOR_H_
