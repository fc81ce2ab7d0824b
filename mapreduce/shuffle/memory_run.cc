// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/memory_run.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/emit_batch.h"

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

std::shared_ptr<const MemoryRun> MemoryRun::OfBlocks(std::vector<SortEntry> entries,
                                                     std::vector<std::unique_ptr<char[]>> blocks,
                                                     std::uint64_t charged_bytes) {
  std::shared_ptr<MemoryRun> run(new MemoryRun);
  run->owned_entries_ = std::move(entries);
  run->entries_ = run->owned_entries_.data();
  run->count_ = run->owned_entries_.size();
  run->blocks_ = std::move(blocks);
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

/// Views of a slice, some at a time; the records of the next batch are prefetched.
class MemoryRunCursor final : public RunCursor {
 public:
  MemoryRunCursor(const MemoryRun& run, std::size_t begin, std::size_t end)
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

std::unique_ptr<RunCursor> MemoryRun::Read(const KeyRange& range) const {
  const std::size_t begin = range.begin ? LowerBound(*range.begin) : 0;
  const std::size_t end = range.end ? LowerBound(*range.end) : count_;
  return std::make_unique<MemoryRunCursor>(*this, begin, std::max(begin, end));
}

}  // namespace millrace
