// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_COMBINING_TABLE_H_
#define MAPREDUCE_SHUFFLE_COMBINING_TABLE_H_

// Open-addressing hash tables from keys to states of a fixed size, updated in place. Three tiers
// by key length, since a key that lies elsewhere costs a second cache miss (2-3 times the time):
//
//   up to 15 bytes   cell = 16 key bytes, state    the last key byte holds the length + 1, so
//   up to 31 bytes   cell = 32 key bytes, state    cells compare as numbers, 0 = empty, and
//                                                  cell bytes order as keys do
//                                                  (one of 56 bytes is padded to a line)
//   longer           slot = hash, address of an arena record (EmitBatch header, key, state)
//
// Keys come in chunks of up to 64: first all are loaded and hashed and their cells prefetched,
// then probed. Alone this is 2.7 times faster than one at a time. Both lines of a cell that lies
// across two are prefetched (toplist's combining: 1.5 -> 1.0 s). Keys whose homes others have are
// probed on after all the chunk's others, their next cells prefetched at once, too: of a table half
// full that is every fourth key (wordcount 4 to 6 %, revenue 2 % of CPU time). Cells are built by
// vector operations only: a byte stored into one before a wide load would stall it.
//
// A cell's home is its key's hash times the capacity, shifted right by 64, so when a table grows,
// all homes move up in their order: cells spread in place, and sealing sorts them in place. What a
// table never needs is a second one: fresh memory costs more than the work (toplist took 383 MiB
// with it, 206 without). For the same reason a large table doubles in two steps, and only when 3/4
// of it are taken (1.97 M keys of toplist: 72 instead of 96 MiB, no more CPU time). With the same
// from 8 MB on, wordcount and toplist took a tenth more.
//
// A hash decides only where a cell lies: sorted output never shows it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/status.h"
#include "mapreduce/base/virtual_buffer.h"
#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/memory_run.h"

namespace millrace {

/// One slot's table. Charges its memory to `lease`. One thread at a time.
class CombiningTable {
 public:
  static constexpr std::size_t kChunkMax = 64;

  /// state_bytes: a multiple of 8, 0 for "the key alone". `reserve_bytes` bounds each tier and
  /// the arena of long keys (address space only). `lease` must outlive it.
  CombiningTable(std::size_t state_bytes, MemoryBudget::Lease& lease, std::uint64_t reserve_bytes);
  CombiningTable(const CombiningTable&) = delete;
  CombiningTable& operator=(const CombiningTable&) = delete;
  ~CombiningTable();

  /// What Resolve found, by position in the chunk.
  struct Chunk {
    std::array<char*, kChunkMax> states;
    std::uint64_t is_new;  ///< Bit i: key i was not in the table; its state is zeroed.
  };

  /// Finds or adds the keys of records [from, from + count) of `batch`. The states are valid until
  /// the next call. False, and nothing is added, where the budget is short: seal, then try again.
  /// Requires: count <= kChunkMax.
  Result<bool> Resolve(const EmitBatch& batch, std::size_t from, std::size_t count, Chunk* chunk);

  std::size_t key_count() const { return short_.count + middle_.count + long_.count; }
  bool empty() const { return key_count() == 0; }

  /// The keys with their states as sorted runs, one per tier in use. What they charge stays with
  /// the lease: the caller hands it over or gives it back. The table is empty afterwards.
  Result<std::vector<std::shared_ptr<const MemoryRun>>> TakeRuns();

 private:
  // Cells of fixed size, or slots of the long tier.
  struct Tier {
    VirtualBuffer cells;
    std::size_t cell_bytes = 0;
    std::size_t capacity = 0;  // 2^n or 3 * 2^n; 0: nothing is allocated yet.
    std::size_t count = 0;
    std::size_t limit = 0;  // Grows before it holds more.
  };
  struct LongSlot {
    std::uint64_t hash;  // 0: empty; a hash of 0 is taken as 1.
    std::uint64_t record;
  };

  Result<bool> ResolveTiers(const EmitBatch& batch, std::size_t from, std::size_t count,
                            Chunk* chunk);
  template <std::size_t kKeyBytes>
  void ResolveCells(Tier& tier, const EmitBatch& batch, std::size_t from, const std::uint8_t* picks,
                    std::size_t count, Chunk* chunk);
  void ResolveLong(const EmitBatch& batch, std::size_t from, const std::uint8_t* picks,
                   std::size_t count, Chunk* chunk);
  template <std::size_t kKeyBytes>
  Result<bool> EnsureRoom(Tier& tier, std::size_t more);
  static bool StretchLimit(Tier& tier, std::size_t more);
  Result<bool> EnsureLongRoom(std::size_t more, std::size_t arena_bytes);
  template <std::size_t kKeyBytes>
  static void SpreadCells(Tier& tier, std::size_t capacity);
  template <std::size_t kKeyBytes>
  std::shared_ptr<const MemoryRun> TakeCells(Tier& tier);
  Result<std::shared_ptr<const MemoryRun>> TakeLong();
  std::uint64_t ChargeOf(const Tier& tier, std::size_t capacity) const;
  void Forget(Tier& tier, std::uint64_t kept_bytes);

  const std::size_t state_bytes_;
  MemoryBudget::Lease& lease_;
  const std::uint64_t reserve_bytes_;
  Tier short_, middle_, long_;
  VirtualBuffer arena_;
  std::uint64_t arena_used_ = 0;
  std::uint64_t arena_charged_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_COMBINING_TABLE_H_
