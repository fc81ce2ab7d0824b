// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/memory_run.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/record_codec.h"

namespace millrace {

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

std::shared_ptr<const MemoryRun> MemoryRun::OfCells(const char* cells, std::size_t count,
                                                    std::size_t cell_key_bytes,
                                                    std::size_t state_bytes,
                                                    std::vector<VirtualBuffer> memory,
                                                    std::uint64_t charged_bytes) {
  std::shared_ptr<MemoryRun> run(new MemoryRun);
  run->cells_ = cells;
  run->cell_key_bytes_ = cell_key_bytes;
  run->state_bytes_ = state_bytes;
  run->count_ = count;
  run->memory_ = std::move(memory);
  run->charged_bytes_ = charged_bytes;
  return run;
}

RecordView MemoryRun::EntryRecord(std::size_t i) const {
  const char* const record = reinterpret_cast<const char*>(entries_[i].ref);
  RecordView view;
  view.key = EmitBatch::Key(record);
  view.key_bytes = EmitBatch::KeyBytes(record);
  view.prefix = KeyPrefix(view.key, view.key_bytes);
  view.value = view.key + view.key_bytes;
  view.value_bytes = EmitBatch::ValueBytes(record);
  return view;
}

RecordView MemoryRun::CellRecord(std::size_t i) const {
  const char* const cell = cells_ + i * (cell_key_bytes_ + state_bytes_);
  RecordView view;
  view.prefix = LoadBig64(cell);
  view.key = cell;
  view.key_bytes =
      static_cast<std::uint32_t>(static_cast<unsigned char>(cell[cell_key_bytes_ - 1])) - 1;
  view.value = cell + cell_key_bytes_;
  view.value_bytes = static_cast<std::uint32_t>(state_bytes_);
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
        __builtin_prefetch(record);
        __builtin_prefetch(record + 40);  // Half of all short records end in the next line.
      }
      for (std::size_t i = 0; i < count; ++i) views_[i] = run_.EntryRecord(next_ + i);
    } else {
      for (std::size_t i = 0; i < count; ++i) views_[i] = run_.CellRecord(next_ + i);
    }
    next_ += count;
    *batch = std::span<const RecordView>(views_.data(), count);
    return count > 0;
  }

 private:
  static constexpr std::size_t kBatchRecordsMax = 32;  // 1 KiB: thousands of cursors stay cheap.
  const MemoryRun& run_;
  std::size_t next_;
  const std::size_t end_;
  std::array<RecordView, kBatchRecordsMax> views_;
};

/// The records of a slice of the blocks.
class BlockCursor final : public RunCursor {
 public:
  BlockCursor(const MemoryRun& run, const KeyRange& range)
      : range_(range), block_(run.blocks_.data()), end_(block_ + run.blocks_.size()) {
    if (range_.begin.has_value()) {
      begin_ = MakeRecordView(*range_.begin, {});
      is_before_begin_ = true;
      // Equal keys may span blocks: those before the first block that starts with the key may end
      // with it, too.
      const MemoryRun::Block* const at = FirstBlockFrom(*range_.begin);
      if (at != block_) block_ = at - 1;
    }
    if (range_.end.has_value()) {
      last_ = MakeRecordView(*range_.end, {});
      end_ = std::max(block_, FirstBlockFrom(*range_.end));
      if (range_.begin.has_value() && *range_.begin >= *range_.end) block_ = end_;
    }
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
      std::span<const RecordView> records = *decoded;
      if (is_before_begin_) {
        const auto first = std::lower_bound(records.begin(), records.end(), begin_, KeyLess);
        records = records.subspan(static_cast<std::size_t>(first - records.begin()));
        if (records.empty()) continue;
        is_before_begin_ = false;
      }
      if (range_.end.has_value() && !KeyLess(records.back(), last_)) {
        const auto end = std::lower_bound(records.begin(), records.end(), last_, KeyLess);
        records = records.first(static_cast<std::size_t>(end - records.begin()));
        decoder_.Skip();
        block_ = end_;
        if (records.empty()) return false;
      }
      *batch = records;
      return true;
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

  const KeyRange range_;
  const MemoryRun::Block* block_;
  const MemoryRun::Block* end_;
  RecordView begin_, last_;  // Of range_, where it has them.
  bool is_before_begin_ = false;
  RecordDecoder decoder_;
};

std::unique_ptr<RunCursor> MemoryRun::Read(const KeyRange& range) const {
  if (!blocks_.empty()) return std::make_unique<BlockCursor>(*this, range);
  const std::size_t begin = range.begin ? LowerBound(*range.begin) : 0;
  const std::size_t end = range.end ? LowerBound(*range.end) : count_;
  return std::make_unique<IndexedCursor>(*this, begin, std::max(begin, end));
}

}  // namespace millrace
