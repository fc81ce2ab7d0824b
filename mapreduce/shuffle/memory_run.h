// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_MEMORY_RUN_H_
#define MAPREDUCE_SHUFFLE_MEMORY_RUN_H_

// A sorted run that stays in memory: sorted entries and the bytes they refer to. What a local run
// does not have to write out is read from here.
//
// Two layouts: records as an EmitBatch writes them (header, key, value), found through an entry;
// or fixed cells of a combining table, packed in key order: key bytes zero-padded, their number
// plus one in the last byte, then the state.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mapreduce/base/virtual_buffer.h"
#include "mapreduce/shuffle/entry_sort.h"
#include "mapreduce/shuffle/run_cursor.h"

namespace millrace {

/// Immutable once made; thread-safe to read.
class MemoryRun {
 public:
  /// `entries` refer (by address) to records with EmitBatch headers inside `memory`; their
  /// prefixes are not looked at.
  /// `charged_bytes`: what it holds of the memory budget.
  static std::shared_ptr<const MemoryRun> OfRecords(const SortEntry* entries, std::size_t count,
                                                    std::vector<VirtualBuffer> memory,
                                                    std::uint64_t charged_bytes);
  /// The same with entries and records in blocks of the heap.
  static std::shared_ptr<const MemoryRun> OfBlocks(std::vector<SortEntry> entries,
                                                   std::vector<std::unique_ptr<char[]>> blocks,
                                                   std::uint64_t charged_bytes);
  /// `cells`: count cells of cell_key_bytes (16 or 32) + state_bytes, in key order.
  static std::shared_ptr<const MemoryRun> OfCells(const char* cells, std::size_t count,
                                                  std::size_t cell_key_bytes,
                                                  std::size_t state_bytes,
                                                  std::vector<VirtualBuffer> memory,
                                                  std::uint64_t charged_bytes);

  /// The records with keys in `range`, in order. The run must outlive the cursor.
  std::unique_ptr<RunCursor> Read(const KeyRange& range) const;

  std::size_t record_count() const { return count_; }
  std::uint64_t charged_bytes() const { return charged_bytes_; }
  /// Record `i` in key order. Cost: one cache miss.
  RecordView Record(std::size_t i) const {
    return entries_ != nullptr ? EntryRecord(i) : CellRecord(i);
  }

 private:
  friend class MemoryRunCursor;
  MemoryRun() = default;
  RecordView EntryRecord(std::size_t i) const;
  RecordView CellRecord(std::size_t i) const;
  std::size_t LowerBound(std::string_view key) const;

  const SortEntry* entries_ = nullptr;
  const char* cells_ = nullptr;
  std::size_t cell_key_bytes_ = 0;
  std::size_t state_bytes_ = 0;
  std::size_t count_ = 0;
  std::vector<VirtualBuffer> memory_;
  std::vector<SortEntry> owned_entries_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::uint64_t charged_bytes_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_MEMORY_RUN_H_
