// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_BUCKET_BUFFER_H_
#define MAPREDUCE_SHUFFLE_BUCKET_BUFFER_H_

// Spreads records over the buckets of a BucketRun as they are emitted. The borders come from the
// records that were there first: they decide about speed alone.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/status.h"
#include "mapreduce/base/virtual_buffer.h"
#include "mapreduce/shuffle/bucket_run.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/entry_sort.h"
#include "mapreduce/shuffle/memory_run.h"

namespace millrace {

/// One slot's buckets. Charges chunks, and what it takes to sort the largest bucket, to `lease`.
/// One thread at a time.
class BucketBuffer {
 public:
  /// `reserve_bytes`: the most it can ever hold (address space only). The lease must outlive it.
  BucketBuffer(MemoryBudget::Lease& lease, std::uint64_t reserve_bytes)
      : lease_(lease), reserve_bytes_(reserve_bytes) {}
  BucketBuffer(const BucketBuffer&) = delete;
  BucketBuffer& operator=(const BucketBuffer&) = delete;
  ~BucketBuffer() { lease_.Shrink(charged_); }

  /// Begins with these records, found by address as a SortBuffer has them. False, and it stays
  /// closed, where the budget is short. kResourceLimit when no address space can be had.
  Result<bool> Open(std::span<const SortEntry> records, std::uint64_t bytes);
  bool is_open() const { return arena_.data() != nullptr; }
  /// Adds all records of `batch`, or none and returns false where the budget is short. Requires:
  /// is_open().
  bool Add(const EmitBatch& batch);

  std::uint64_t bytes() const { return used_; }
  /// Whether sorting the largest bucket takes a small part of what all take.
  bool is_even() const { return IndexBytes() <= used_ / kIndexShare; }

  /// Closes the buffer. What the run charges stays with the lease: the caller hands it over or
  /// gives it back.
  std::shared_ptr<const MemoryRun> TakeRun();

 private:
  static constexpr std::size_t kChunkBytes = std::size_t{4} << 10;
  static constexpr std::size_t kChunkRecordsMax = kChunkBytes / BucketRecord::kHeaderBytesMin;
  static constexpr std::size_t kCopySlack = 16;  // Copies are of 16 bytes each.
  static constexpr std::size_t kGroup = 64;      // Records whose buckets are searched together.
  static constexpr std::uint64_t kIndexShare = 32;
  struct Cursor {
    char* at = nullptr;
    char* end = nullptr;  // Less the slack.
    BucketRun::Chunk* chunk = nullptr;
    std::size_t record_count = 0;
  };

  std::uint64_t IndexBytes() const { return 2 * sizeof(SortEntry) * record_count_max_; }
  bool EnsureRoom(std::size_t records, std::uint64_t bytes);
  void AddGroup(const char* const* records, std::size_t count);
  void NewChunk(std::size_t bucket, std::size_t record_bytes);

  MemoryBudget::Lease& lease_;
  const std::uint64_t reserve_bytes_;
  BucketBorders borders_;
  std::vector<Cursor> cursors_;
  std::vector<BucketRun::Bucket> buckets_;
  VirtualBuffer arena_;
  std::uint64_t used_ = 0;       // Of the arena.
  std::uint64_t populated_ = 0;  // So much of it has its pages.
  std::uint64_t charged_ = 0;    // For it, and for IndexBytes().
  std::size_t record_count_ = 0;
  std::size_t record_count_max_ = 0;  // No bucket has more.
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_BUCKET_BUFFER_H_
