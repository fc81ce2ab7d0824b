// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_SORT_BUFFER_H_
#define MAPREDUCE_SHUFFLE_SORT_BUFFER_H_

// The emit arena for records that are not combined in a table: a batch is appended by one copy,
// with an index entry of 16 bytes per record, sorted when the buffer is sealed.
//
// Arena and index are address space reserved once and touched as needed, so growing copies
// nothing, and what spilled before leaves its pages for what comes next.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/status.h"
#include "mapreduce/base/virtual_buffer.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/memory_run.h"
#include "mapreduce/shuffle/run_cursor.h"

namespace millrace {

/// One slot's buffer. Charges arena, index and sort scratch to `lease`. One thread at a time.
class SortBuffer {
 public:
  /// `reserve_bytes`: the most it can ever hold (address space only). Lease and budget must
  /// outlive it.
  SortBuffer(MemoryBudget::Lease& lease, std::uint64_t reserve_bytes);
  SortBuffer(const SortBuffer&) = delete;
  SortBuffer& operator=(const SortBuffer&) = delete;
  ~SortBuffer();

  /// Appends all records of `batch`, or none and returns false where the budget is short.
  /// kResourceLimit when no address space can be had.
  Result<bool> Add(const EmitBatch& batch);

  bool empty() const { return count_ == 0; }
  std::size_t record_count() const { return count_; }
  /// Of records and index.
  std::uint64_t bytes() const { return arena_used_ + count_ * sizeof(SortEntry); }

  /// The records by address, in order of emission. Requires: Sort() was not called yet.
  std::span<const SortEntry> entries() const {
    return {reinterpret_cast<const SortEntry*>(entries_.data()), count_};
  }

  /// Sorts what is there by key, keeping the order of emission among equal keys.
  void Sort();
  /// Reads the sorted records. Requires: Sort() was called last. The buffer must outlive it.
  std::unique_ptr<RunCursor> Read() const;
  /// Empties the buffer; its pages stay for what comes next.
  void Clear();
  /// Empties the buffer and gives its pages back.
  void Release();

 private:
  static constexpr std::uint64_t kEntryBytes = 2 * sizeof(SortEntry);  // The entry and its scratch.
  Status Reserve();
  void Touch(std::uint64_t arena_bytes, std::uint64_t entries_bytes);

  MemoryBudget::Lease& lease_;
  const std::uint64_t reserve_bytes_;
  VirtualBuffer arena_;
  VirtualBuffer entries_;
  VirtualBuffer scratch_;
  std::uint64_t arena_used_ = 0;
  std::size_t count_ = 0;
  std::uint64_t charged_ = 0;
  std::uint64_t arena_touched_ = 0;  // Bytes from the front that may have pages.
  std::uint64_t entries_touched_ = 0;
  std::uint64_t scratch_touched_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_SORT_BUFFER_H_
