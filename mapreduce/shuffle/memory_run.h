// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_MEMORY_RUN_H_
#define MAPREDUCE_SHUFFLE_MEMORY_RUN_H_

// A sorted run that stays in memory: what a local run does not have to write out is read from here.
// Four layouts:
//
//   blocks     records as in a run file's blocks (record_codec.h), a few KiB each
//   cells      fixed cells of a combining table, packed in key order: key bytes zero-padded, their
//              number plus one in the last byte, then the state, perhaps padding
//   records    as an EmitBatch writes them (header, key, value), found through sorted entries:
//              what was sorted and is about to be read once
//   buckets    records not sorted yet, by key range (bucket_run.h)
//
// Each page of memory costs its first touch (in a virtual machine up to 15 us), so what is kept is
// packed: 15 M listeners took 300 instead of 850 MiB, and 4 s of CPU time less.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mapreduce/base/virtual_buffer.h"
#include "mapreduce/shuffle/bucket_run.h"
#include "mapreduce/shuffle/entry_sort.h"
#include "mapreduce/shuffle/run_cursor.h"

namespace millrace {

/// Immutable once made; thread-safe to read.
class MemoryRun {
 public:
  /// What a cursor takes, but of buckets.
  static constexpr std::size_t kCursorBytes = std::size_t{6} << 10;

  /// `entries` refer (by address) to records with EmitBatch headers inside `memory`; their
  /// prefixes are not looked at.
  /// `charged_bytes`: what it holds of the memory budget.
  static std::shared_ptr<const MemoryRun> OfRecords(const SortEntry* entries, std::size_t count,
                                                    std::vector<VirtualBuffer> memory,
                                                    std::uint64_t charged_bytes);
  /// What RecordEncoder made of sorted records; `memory` holds the blocks.
  struct Block {
    const char* payload = nullptr;
    std::uint32_t bytes = 0;
    std::uint32_t record_count = 0;
  };
  static std::shared_ptr<const MemoryRun> OfBlocks(std::vector<Block> blocks,
                                                   std::vector<std::unique_ptr<char[]>> memory,
                                                   std::size_t count, std::uint64_t charged_bytes);
  /// `cells`: count cells of cell_bytes, in key order: cell_key_bytes (16 or 32), state_bytes and
  /// perhaps padding.
  static std::shared_ptr<const MemoryRun> OfCells(
      const char* cells, std::size_t count, std::size_t cell_bytes, std::size_t cell_key_bytes,
      std::size_t state_bytes, std::vector<VirtualBuffer> memory, std::uint64_t charged_bytes);
  static std::shared_ptr<const MemoryRun> OfBuckets(std::unique_ptr<const BucketRun> buckets,
                                                    std::size_t count, std::uint64_t charged_bytes);

  /// The records with keys in `range`, in order. The run must outlive the cursor.
  std::unique_ptr<RunCursor> Read(const KeyRange& range) const;

  std::size_t record_count() const { return count_; }
  std::uint64_t charged_bytes() const { return charged_bytes_; }
  /// What one cursor takes at most.
  std::uint64_t cursor_bytes() const {
    return kCursorBytes + (buckets_ != nullptr ? buckets_->cursor_bytes() : 0);
  }
  /// Record `i` in key order. Cost: one cache miss. Requires: a run of records or cells.
  RecordView Record(std::size_t i) const {
    return entries_ != nullptr ? EntryRecord(i) : CellRecord(i);
  }

 private:
  friend class IndexedCursor;
  friend class BlockCursor;
  MemoryRun() = default;
  RecordView EntryRecord(std::size_t i) const;
  RecordView CellRecord(std::size_t i) const;
  std::size_t LowerBound(std::string_view key) const;

  const SortEntry* entries_ = nullptr;
  const char* cells_ = nullptr;
  std::size_t cell_bytes_ = 0;
  std::size_t cell_key_bytes_ = 0;
  std::size_t state_bytes_ = 0;
  std::size_t count_ = 0;
  std::vector<VirtualBuffer> memory_;
  std::vector<Block> blocks_;
  std::vector<std::unique_ptr<char[]>> block_memory_;
  std::unique_ptr<const BucketRun> buckets_;
  std::uint64_t charged_bytes_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_MEMORY_RUN_H_
