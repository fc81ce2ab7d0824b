// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/memory_run.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/emitted_view.h"
#include "mapreduce/shuffle/range_slicer.h"
#include "mapreduce/shuffle/record_codec.h"

namespace millrace {
namespace {

// For what of a batch is put together: as much as its views take. A merge may have thousands of
// cursors.
constexpr std::size_t kRebuiltRoom = RecordDecoder::kViewBytes;
static_assert(MemoryRun::kCursorBytes >= RecordDecoder::kViewBytes + kRebuiltRoom + 2048);

}  // namespace

std::shared_ptr<const MemoryRun> MemoryRun::OfRecords(const SortEntry* entries, std::size_t count,
                                                      std::vector<VirtualBuffer> memory,
                                                      std::uint64_t charged_bytes) {
  std::shared_ptr<MemoryRun> run(new MemoryRun);
  run->entries_ = entries;
  run->count_ = count;
  run->memory_ = std::move(memory);
  run->charged_bytes_ = charged_bytes;
  return run;
}

std::shared_ptr<const MemoryRun> MemoryRun::OfBlocks(std::vector<Block> blocks,
                                                     std::vector<std::unique_ptr<char[]>> memory,
                                                     std::size_t count,
                                                     std::uint64_t charged_bytes) {
  std::shared_ptr<MemoryRun> run(new MemoryRun);
  run->blocks_ = std::move(blocks);
  run->block_memory_ = std::move(memory);
  run->count_ = count;
  run->charged_bytes_ = charged_bytes;
  return run;
}

std::shared_ptr<const MemoryRun> MemoryRun::OfCells(
    const char* cells, std::size_t count, std::size_t cell_bytes, std::size_t cell_key_bytes,
    std::size_t state_bytes, std::vector<VirtualBuffer> memory, std::uint64_t charged_bytes) {
  std::shared_ptr<MemoryRun> run(new MemoryRun);
  run->cells_ = cells;
  run->cell_bytes_ = cell_bytes;
  run->cell_key_bytes_ = cell_key_bytes;
  run->state_bytes_ = state_bytes;
  run->count_ = count;
  run->memory_ = std::move(memory);
  run->charged_bytes_ = charged_bytes;
  return run;
}

std::shared_ptr<const MemoryRun> MemoryRun::OfBuckets(std::unique_ptr<const BucketRun> buckets,
                                                      std::size_t count,
                                                      std::uint64_t charged_bytes) {
  std::shared_ptr<MemoryRun> run(new MemoryRun);
  run->buckets_ = std::move(buckets);
  run->count_ = count;
  run->charged_bytes_ = charged_bytes;
  return run;
}

namespace {

inline void SetCellView(const char* cell, std::size_t key_bytes, std::size_t state_bytes,
                        RecordView* view) {
  view->prefix = LoadBig64(cell);
  view->key = cell;
  view->value = cell + key_bytes;
  view->key_bytes = static_cast<std::uint32_t>(static_cast<unsigned char>(cell[key_bytes - 1])) - 1;
  view->value_bytes = static_cast<std::uint32_t>(state_bytes);
}

}  // namespace

RecordView MemoryRun::EntryRecord(std::size_t i) const {
  RecordView view;
  SetEmittedView(reinterpret_cast<const char*>(entries_[i].ref), &view);
  return view;
}

RecordView MemoryRun::CellRecord(std::size_t i) const {
  RecordView view;
  SetCellView(cells_ + i * cell_bytes_, cell_key_bytes_, state_bytes_, &view);
  return view;
}

std::size_t MemoryRun::LowerBound(std::string_view key) const {
  std::size_t low = 0, high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (Record(middle).key_view() < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Views of a slice of entries or cells, some at a time; the records of the next batch are
/// prefetched.
class IndexedCursor final : public RunCursor {
 public:
  IndexedCursor(const MemoryRun& run, std::size_t begin, std::size_t end)
      : run_(run), next_(begin), end_(end) {}

  Result<bool> Next(std::span<const RecordView>* batch) override {
    const std::size_t count = std::min(views_.size(), end_ - next_);
    if (run_.entries_ != nullptr) {
      const std::size_t ahead_end = std::min(end_, next_ + 2 * views_.size());
      for (std::size_t i = next_ + count; i < ahead_end; ++i) {
        const char* const record = reinterpret_cast<const char*>(run_.entries_[i].ref);
        for (std::size_t at = 0; at < prefetch_bytes_; at += kLineBytes)
          __builtin_prefetch(record + at);
        __builtin_prefetch(record + prefetch_bytes_);
      }
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < count; ++i) {
        SetEmittedView(reinterpret_cast<const char*>(run_.entries_[next_ + i].ref), &views_[i]);
        bytes += EmitBatch::kHeaderBytes + views_[i].key_bytes + views_[i].value_bytes;
      }
      if (count > 0) prefetch_bytes_ = std::min(bytes / count, kPrefetchBytesMax);
    } else {
      const std::size_t cell_bytes = run_.cell_bytes_;
      const char* cell = run_.cells_ + next_ * cell_bytes;
      for (std::size_t i = 0; i < count; ++i, cell += cell_bytes)
        SetCellView(cell, run_.cell_key_bytes_, run_.state_bytes_, &views_[i]);
    }
    next_ += count;
    *batch = std::span<const RecordView>(views_.data(), count);
    return count > 0;
  }

 private:
  // Few: a core waits for some ten lines at once, and a burst of more prefetches stalls it (a sort
  // of 100-byte lines: 6.4 s of user time with 32, 5.7 with 8). Thousands of cursors stay cheap.
  static constexpr std::size_t kBatchRecordsMax = 8;
  static constexpr std::size_t kLineBytes = 64;
  static constexpr std::size_t kPrefetchBytesMax = 4 * kLineBytes;
  const MemoryRun& run_;
  std::size_t prefetch_bytes_ = kLineBytes / 2;  // Of a record: as long as the last batch's were.
  std::size_t next_;
  const std::size_t end_;
  std::array<RecordView, kBatchRecordsMax> views_;
};

/// The records of a slice of the blocks.
class BlockCursor final : public RunCursor {
 public:
  BlockCursor(const MemoryRun& run, const KeyRange& range)
      : slicer_(range), block_(run.blocks_.data()), end_(block_ + run.blocks_.size()) {
    if (range.begin.has_value()) {
      // Equal keys may span blocks: those before the first block that starts with the key may end
      // with it, too.
      const MemoryRun::Block* const at = FirstBlockFrom(*range.begin);
      if (at != block_) block_ = at - 1;
    }
    if (range.end.has_value()) end_ = std::max(block_, FirstBlockFrom(*range.end));
    if (slicer_.is_empty()) block_ = end_;
  }

  Result<bool> Next(std::span<const RecordView>* batch) override {
    *batch = {};
    for (;;) {
      if (decoder_.records_left() == 0) {
        if (block_ == end_) return false;
        decoder_.Begin(block_->payload, block_->payload + block_->bytes, block_->record_count);
        ++block_;
      }
      const auto decoded = decoder_.Next();
      if (!decoded) return Status::Internal("a run in memory is damaged");
      *batch = slicer_.Slice(*decoded);
      if (slicer_.is_past_end()) {
        decoder_.Skip();
        block_ = end_;
      }
      if (!batch->empty()) return true;
    }
  }

 private:
  // A block's first key shares nothing, so it lies there whole.
  static std::string_view FirstKey(const MemoryRun::Block& block) {
    const char* const end = block.payload + block.bytes;
    std::uint64_t shared = 0, key_bytes = 0, value_bytes = 0;
    const char* at = GetVarint(block.payload, end, &shared);
    at = GetVarint(at, end, &key_bytes);
    at = GetVarint(at, end, &value_bytes);
    return {at, key_bytes};
  }
  const MemoryRun::Block* FirstBlockFrom(std::string_view key) const {
    return std::partition_point(
        block_, end_, [&](const MemoryRun::Block& block) { return FirstKey(block) < key; });
  }

  RangeSlicer slicer_;
  const MemoryRun::Block* block_;
  const MemoryRun::Block* end_;
  RecordDecoder decoder_{kRebuiltRoom};
};

std::unique_ptr<RunCursor> MemoryRun::Read(const KeyRange& range) const {
  if (buckets_ != nullptr) return buckets_->Read(range);
  if (!blocks_.empty()) return std::make_unique<BlockCursor>(*this, range);
  const std::size_t begin = range.begin ? LowerBound(*range.begin) : 0;
  const std::size_t end = range.end ? LowerBound(*range.end) : count_;
  return std::make_unique<IndexedCursor>(*this, begin, std::max(begin, end));
}

}  // namespace millrace
