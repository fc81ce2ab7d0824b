// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/sort_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mapreduce/base/bytes.h"

namespace millrace {
namespace {

/// The budget is asked for this much at a time.
constexpr std::uint64_t kChargeStep = std::uint64_t{256} << 10;

struct RecordKey {
  std::string_view operator()(std::uint64_t ref) const {
    const char* const record = reinterpret_cast<const char*>(ref);
    return {EmitBatch::Key(record), EmitBatch::KeyBytes(record)};
  }
};

}  // namespace

SortBuffer::SortBuffer(MemoryBudget::Lease& lease, std::uint64_t reserve_bytes)
    : lease_(lease), reserve_bytes_(reserve_bytes) {}

SortBuffer::~SortBuffer() { lease_.Shrink(charged_); }

Status SortBuffer::Reserve() {
  // A record takes at least its header and two entries of the budget.
  const std::uint64_t entries_bytes =
      reserve_bytes_ / (EmitBatch::kHeaderBytes + kEntryBytes) * sizeof(SortEntry);
  MR_ASSIGN_OR_RETURN(entries_, VirtualBuffer::Reserve(entries_bytes + 64, /*huge_pages=*/true));
  MR_ASSIGN_OR_RETURN(scratch_, VirtualBuffer::Reserve(entries_bytes + 64, /*huge_pages=*/true));
  MR_ASSIGN_OR_RETURN(arena_, VirtualBuffer::Reserve(reserve_bytes_ + 64, /*huge_pages=*/true));
  return Status::Ok();
}

Result<bool> SortBuffer::Add(const EmitBatch& batch) {
  const std::uint64_t needed = arena_used_ + batch.bytes() + (count_ + batch.count()) * kEntryBytes;
  if (needed > reserve_bytes_) return false;
  if (needed > charged_) {
    const std::uint64_t least = needed - charged_;
    std::uint64_t step = std::max(least, kChargeStep);
    if (!lease_.TryGrow(step)) {
      step = least;
      if (!lease_.TryGrow(step)) return false;
    }
    charged_ += step;
  }
  if (arena_.data() == nullptr) MR_RETURN_IF_ERROR(Reserve());
  Touch(arena_used_ + batch.bytes(), (count_ + batch.count()) * sizeof(SortEntry));
  char* const to = arena_.data() + arena_used_;
  std::memcpy(to, batch.begin(), batch.bytes());
  auto* entry = reinterpret_cast<SortEntry*>(entries_.data()) + count_;
  const std::size_t count = batch.count();
  for (std::size_t i = 0; i < count; ++i, ++entry) {
    const char* const record = batch.begin() + batch.offset(i);
    entry->prefix = KeyPrefix(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
    entry->ref = reinterpret_cast<std::uint64_t>(to + batch.offset(i));
  }
  arena_used_ += batch.bytes();
  count_ += count;
  return true;
}

// Pages of an earlier filling stay until other ones would make them too many: where large records
// are followed by small ones, the arena has pages that the index now needs.
void SortBuffer::Touch(std::uint64_t arena_bytes, std::uint64_t entries_bytes) {
  arena_touched_ = std::max(arena_touched_, arena_bytes);
  entries_touched_ = std::max(entries_touched_, entries_bytes);
  if (arena_touched_ + entries_touched_ + std::max(entries_touched_, scratch_touched_) <= charged_)
    return;
  arena_.Release(arena_bytes, arena_.size());
  entries_.Release(entries_bytes, entries_.size());
  scratch_.Release(0, scratch_.size());
  arena_touched_ = arena_bytes;
  entries_touched_ = entries_bytes;
  scratch_touched_ = 0;
}

void SortBuffer::Sort() {
  if (count_ == 0) return;
  scratch_touched_ = std::max<std::uint64_t>(scratch_touched_, count_ * sizeof(SortEntry));
  EntrySorter<RecordKey> sorter(reinterpret_cast<SortEntry*>(scratch_.data()), RecordKey{});
  sorter.Sort(reinterpret_cast<SortEntry*>(entries_.data()), count_);
}

namespace {

/// A cursor that keeps the run it reads.
class OwningCursor final : public RunCursor {
 public:
  explicit OwningCursor(std::shared_ptr<const MemoryRun> run)
      : run_(std::move(run)), cursor_(run_->Read({})) {}
  Result<bool> Next(std::span<const RecordView>* batch) override { return cursor_->Next(batch); }

 private:
  const std::shared_ptr<const MemoryRun> run_;
  const std::unique_ptr<RunCursor> cursor_;
};

}  // namespace

std::unique_ptr<RunCursor> SortBuffer::Read() const {
  return std::make_unique<OwningCursor>(
      MemoryRun::OfRecords(reinterpret_cast<const SortEntry*>(entries_.data()), count_, {}, 0));
}

void SortBuffer::Clear() {
  arena_used_ = 0;
  count_ = 0;
}

void SortBuffer::Release() {
  Clear();
  arena_.Release(0, arena_.size());
  entries_.Release(0, entries_.size());
  scratch_.Release(0, scratch_.size());
  arena_touched_ = 0;
  entries_touched_ = 0;
  scratch_touched_ = 0;
  lease_.Shrink(charged_);
  charged_ = 0;
}

}  // namespace millrace
