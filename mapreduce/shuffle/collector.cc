// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/collector.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "mapreduce/shuffle/record_sinks.h"
#include "mapreduce/shuffle/retaining_sink.h"

namespace millrace {
namespace {

// A table that does not fit the caches and finds fewer than one equal key in five costs more than
// sorting. Judged over the last 256 Ki emissions, so that Zipf's cold start is over.
constexpr std::uint64_t kHitWindow = std::uint64_t{1} << 18;
constexpr std::size_t kHitKeysMin = std::size_t{1} << 17;

// What stays in memory is sealed whenever so much was buffered. Sorting jumps about in it: at some
// 400 MiB, which the budget would allow, 15 M records took 2.5 times as long; at 32 MiB as long as
// at 16 on a quiet machine, and 5 % longer where others use the third cache. Yet a large budget is
// to hold hundreds of runs, not thousands.
constexpr std::uint64_t kKeptRunBytesMin = std::uint64_t{16} << 20;
constexpr std::uint64_t kKeptRunBytesMax = std::uint64_t{64} << 20;
constexpr std::uint64_t kKeptRunShare = 64;
// Buckets begin with the first full buffer: fewer than some of those are not worth it.
constexpr std::uint64_t kBucketRunsMin = 4;
// What thinning holds is a small part of what may stay in memory, so that there is room to sort.
constexpr std::uint64_t kThinShare = 4;
// On average. Larger ones would leave much of their chunks free: of 2 KB, half.
constexpr std::uint64_t kBucketRecordBytesMax = 512;

}  // namespace

SortCollector::SortCollector(const CollectorOptions& options, bool combines_kept)
    : Collector(options),
      options_(options),
      combines_kept_(combines_kept),
      keeps_runs_(options.store->keeps_runs()),
      kept_run_bytes_(
          std::clamp(options.reserve_bytes / kKeptRunShare, kKeptRunBytesMin, kKeptRunBytesMax)),
      buffer_(*options.lease, options.reserve_bytes),
      buckets_(*options.lease, options.reserve_bytes),
      uses_buckets_(!(options.combiner != nullptr && combines_kept) &&
                    options.bucket_bytes_max >= kBucketRunsMin * kept_run_bytes_),
      sampled_(options.group_bytes),
      sample_(options.store->sample_capacity()) {
  const std::uint64_t wanted = options.combiner != nullptr ? options.combiner->thin_bytes_max() : 0;
  if (wanted * kThinShare <= options.bucket_bytes_max && options.lease->TryGrow(wanted))
    thin_bytes_ = wanted;
}

void SortCollector::Thin(EmitBatch& batch) {
  options_.timer->Switch(Phase::kCombine);
  if (options_.combiner->Thin(batch)) return;
  options_.lease->Shrink(std::exchange(thin_bytes_, 0));
}

Status SortCollector::Consume(EmitBatch& batch) {
  const Phase previous = options_.timer->Switch(Phase::kSort);
  if (thin_bytes_ > 0) {
    Thin(batch);
    options_.timer->Switch(batch.count() > 0 ? Phase::kSort : previous);
    if (batch.count() == 0) return Status::Ok();
  }
  Status status;
  const bool is_giant = batch.bytes() > options_.batch_bytes_max;
  Result<bool> added = is_giant ? Result<bool>(false) : Add(batch);
  if (added.ok() && !*added && !empty()) {
    status = Seal(/*memory_is_short=*/true);
    if (status.ok() && !is_giant) added = buffer_.Add(batch);
  }
  if (is_giant) buffer_.Release();  // The record itself lies beside the budget.
  if (status.ok() && !added.ok()) status = added.error();
  if (status.ok() && !*added) status = SpillBatch(batch);
  if (status.ok() && options_.spill_every_batch) status = Seal(/*memory_is_short=*/true);
  if (status.ok() && keeps_runs_) status = SealWhatIsFull();
  options_.timer->Switch(previous);
  return status;
}

Result<bool> SortCollector::Add(const EmitBatch& batch) {
  if (!buckets_.is_open()) return buffer_.Add(batch);
  if (!buckets_.Add(batch)) return false;
  for (std::size_t i = 0; i < batch.count(); ++i) {
    const char* const record = batch.begin() + batch.offset(i);
    Sample({EmitBatch::Key(record), EmitBatch::KeyBytes(record)});
  }
  return true;
}

Status SortCollector::SealWhatIsFull() {
  if (buckets_.is_open()) {
    const bool is_full = buckets_.bytes() >= options_.bucket_bytes_max || !buckets_.is_even();
    return is_full ? Seal(/*memory_is_short=*/false) : Status::Ok();
  }
  if (buffer_.bytes() < kept_run_bytes_) return Status::Ok();
  return uses_buckets_ ? OpenBuckets() : Seal(/*memory_is_short=*/false);
}

Status SortCollector::OpenBuckets() {
  const std::span<const SortEntry> entries = buffer_.entries();
  uses_buckets_ = buffer_.bytes() / entries.size() <= kBucketRecordBytesMax;
  if (uses_buckets_) {
    MR_ASSIGN_OR_RETURN(uses_buckets_, buckets_.Open(entries, buffer_.bytes()));
  }
  if (!uses_buckets_) return Seal(/*memory_is_short=*/false);
  for (const SortEntry& entry : entries) {
    const char* const record = reinterpret_cast<const char*>(entry.ref);
    Sample({EmitBatch::Key(record), EmitBatch::KeyBytes(record)});
  }
  buffer_.Clear();
  return Status::Ok();
}

// A run is packed anew, key by key, so the buffer serves the next task, warm in the caches.
Status SortCollector::Seal(bool memory_is_short) {
  if (empty()) return Status::Ok();
  const Phase previous = options_.timer->Switch(Phase::kSort);
  Status status;
  if (buckets_.is_open()) {
    status = SealBuckets(memory_is_short);
  } else {
    buffer_.Sort();
    status = SealRecords(Sampling(buffer_.Read()), memory_is_short);
    buffer_.Clear();
  }
  options_.timer->Switch(previous);
  return status;
}

// Keys that came in were sampled as they did.
Status SortCollector::SealBuckets(bool memory_is_short) {
  const bool stays = !memory_is_short && buckets_.is_even();
  const bool is_full = buckets_.bytes() >= options_.bucket_bytes_max;
  if (!stays) uses_buckets_ = false;
  std::shared_ptr<const MemoryRun> run = buckets_.TakeRun();
  const std::uint64_t bytes = run->charged_bytes();
  if (stays && !is_full && options_.store->TryRetain(bytes, options_.lease)) {
    options_.store->AddMemory(NextOrder(), std::move(run), bytes);
    return Status::Ok();
  }
  const Status status = SealRecords(run->Read({}), memory_is_short);
  run.reset();
  options_.lease->Shrink(bytes);
  return status;
}

Status SortCollector::SealRecords(std::unique_ptr<RunCursor> records, bool memory_is_short) {
  const bool combines = options_.combiner != nullptr && (combines_kept_ || memory_is_short);
  if (combines) return SealCombined(std::move(records));
  return !memory_is_short && keeps_runs_ ? KeepRun(*records) : WriteRun(*records);
}

std::unique_ptr<RunCursor> SortCollector::Sampling(std::unique_ptr<RunCursor> records) {
  return std::make_unique<SamplingCursor>(std::move(records), sampled_, sample_);
}

Status SortCollector::SealCombined(std::unique_ptr<RunCursor> records) {
  options_.timer->Switch(Phase::kCombine);
  std::vector<std::unique_ptr<RunCursor>> cursors;
  cursors.push_back(std::move(records));
  Merger merger(std::move(cursors));
  MR_RETURN_IF_ERROR(merger.Start());
  RetainingSink sink(*options_.store);
  MR_RETURN_IF_ERROR(options_.combiner->Run(merger, sink));
  return CloseRun(sink);
}

Status SortCollector::CloseRun(RetainingSink& sink) {
  keeps_runs_ = keeps_runs_ && sink.spilled_bytes() == 0;  // Runs in files had better be long.
  options_.timer->AddBytes(Phase::kSpill, sink.spilled_bytes());
  return sink.Close(NextOrder());
}

Status SortCollector::KeepRun(RunCursor& records) {
  RetainingSink sink(*options_.store);
  MR_RETURN_IF_ERROR(sink.Copy(records));
  return CloseRun(sink);
}

Status SortCollector::WriteRun(RunCursor& cursor) {
  options_.timer->Switch(Phase::kSpill);
  const std::unique_ptr<RunWriter> writer = options_.store->NewWriter();
  MR_RETURN_IF_ERROR(CopyRun(cursor, *writer));
  MR_RETURN_IF_ERROR(options_.store->AddFile(NextOrder(), *writer));
  options_.timer->AddBytes(Phase::kSpill, writer->bytes_written());
  return Status::Ok();
}

// A batch larger than the budget allows (one giant record) becomes a run of its own, straight from
// where it was emitted.
Status SortCollector::SpillBatch(const EmitBatch& batch) {
  std::vector<SortEntry> entries(batch.count()), scratch(batch.count());
  for (std::size_t i = 0; i < batch.count(); ++i) {
    const char* const record = batch.begin() + batch.offset(i);
    entries[i] = {KeyPrefix(EmitBatch::Key(record), EmitBatch::KeyBytes(record)),
                  reinterpret_cast<std::uint64_t>(record)};
  }
  const auto key_at = [](std::uint64_t ref) {
    const char* const record = reinterpret_cast<const char*>(ref);
    return std::string_view(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
  };
  EntrySorter sorter(scratch.data(), key_at);
  sorter.Sort(entries.data(), entries.size());
  const auto run = MemoryRun::OfRecords(entries.data(), entries.size(), {}, 0);
  return WriteRun(*Sampling(run->Read({})));
}

Status SortCollector::Close() {
  MR_RETURN_IF_ERROR(Seal(/*memory_is_short=*/false));
  options_.store->AddSample(sample_);
  return Status::Ok();
}

TableCollector::TableCollector(const CollectorOptions& options, std::size_t state_bytes)
    : Collector(options),
      options_(options),
      table_(state_bytes, *options.lease, options.reserve_bytes),
      rest_(options, /*combines_kept=*/false),  // It comes in because hardly any keys are equal.
      rest_batch_(rest_),
      sampled_(options.group_bytes),
      sample_(options.store->sample_capacity()) {}

Status TableCollector::Consume(EmitBatch& batch) {
  const Phase previous = options_.timer->Switch(Phase::kCombine);
  Status status;
  CombiningTable::Chunk chunk;
  std::size_t from = 0;
  if (batch.bytes() > options_.batch_bytes_max) {  // States know no order: it may go ahead.
    status = Forward(batch, from);
    from = batch.count();
  }
  while (from < batch.count() && combines_ && status.ok()) {
    const std::size_t count = std::min(CombiningTable::kChunkMax, batch.count() - from);
    Result<bool> resolved = table_.Resolve(batch, from, count, &chunk);
    if (resolved.ok() && !*resolved && !table_.empty()) {
      status = StoreTable(/*memory_is_short=*/true);
      if (status.ok()) resolved = table_.Resolve(batch, from, count, &chunk);
    }
    if (!status.ok()) break;
    if (!resolved.ok()) {
      status = resolved.error();
    } else if (!*resolved) {
      combines_ = false;  // Not even a small table fits the budget.
    } else {
      Apply(batch, from, count, chunk);
      from += count;
      WatchHits(count, chunk.is_new);
    }
  }
  if (status.ok() && !combines_ && !table_.empty()) status = StoreTable(/*memory_is_short=*/false);
  if (status.ok() && from < batch.count()) status = Forward(batch, from);
  if (status.ok() && options_.spill_every_batch && !table_.empty())
    status = StoreTable(/*memory_is_short=*/true);
  options_.timer->Switch(previous);
  return status;
}

void TableCollector::WatchHits(std::size_t resolved, std::uint64_t is_new) {
  window_resolved_ += resolved;
  window_new_ += static_cast<std::uint64_t>(std::popcount(is_new));
  if (window_resolved_ < kHitWindow) return;
  if (table_.key_count() >= kHitKeysMin && window_new_ > window_resolved_ / 5 * 4)
    combines_ = false;
  window_resolved_ = 0;
  window_new_ = 0;
}

Status TableCollector::Forward(EmitBatch& batch, std::size_t from) {
  if (from == 0 && IsStateless()) return rest_.Consume(batch);
  EmitStates(batch, from, rest_batch_);
  rest_batch_.Flush();
  return rest_batch_.status();
}

Status TableCollector::StoreTable(bool memory_is_short) {
  const Phase previous = options_.timer->Switch(Phase::kSort);
  MR_ASSIGN_OR_RETURN(auto runs, table_.TakeRuns());
  const std::uint64_t table = options_.store->NewTable();
  for (std::shared_ptr<const MemoryRun>& run : runs) {
    for (std::size_t i = 0; i < run->record_count(); ++i) {
      const RecordView record = run->Record(i);
      sample_.Offer(sampled_.Of(record.key_view()));
    }
    const RunOrder order{0, sequence_++};
    const std::uint64_t bytes = run->charged_bytes();
    if (!memory_is_short && options_.store->TryRetain(bytes, options_.lease)) {
      options_.store->AddMemory(order, std::move(run), bytes, table);
      continue;
    }
    options_.timer->Switch(Phase::kSpill);
    const std::unique_ptr<RunWriter> writer = options_.store->NewWriter();
    MR_RETURN_IF_ERROR(CopyRun(*run->Read({}), *writer));
    MR_RETURN_IF_ERROR(options_.store->AddFile(order, *writer, table));
    options_.timer->AddBytes(Phase::kSpill, writer->bytes_written());
    run.reset();
    options_.lease->Shrink(bytes);
    options_.timer->Switch(Phase::kSort);
  }
  options_.timer->Switch(previous);
  return Status::Ok();
}

Status TableCollector::Close() {
  MR_RETURN_IF_ERROR(StoreTable(/*memory_is_short=*/false));
  options_.store->AddSample(sample_);
  return rest_.Close();
}

}  // namespace millrace
