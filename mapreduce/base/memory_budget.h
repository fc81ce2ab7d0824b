// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_MEMORY_BUDGET_H_
#define MAPREDUCE_BASE_MEMORY_BUDGET_H_

// The memory budget of the process, shared by its slots. A slot that runs alone may take nearly
// all of it, several no more than an even share each; yet each slot can always get its guarantee,
// a quarter of its even share, even when it joins late: nobody may eat into what others have not
// used of theirs. So a task that respects TryGrow neither waits nor fails because of its
// neighbours; it only spills earlier.
//
//   100 MiB, 2 slots: guarantee 12.5 MiB. One slot alone can grow to 87.5 MiB, two to 50 MiB.

#include <cstdint>
#include <utility>

#include "mapreduce/base/mutex.h"
#include "mapreduce/base/status.h"

namespace millrace {

/// Thread-safe. Counts, allocates nothing. Outlives its leases.
class MemoryBudget {
 public:
  /// One slot's part of the budget, given back by the destructor. Move-only. One thread at a time.
  class Lease {
   public:
    Lease(Lease&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), used_(std::exchange(other.used_, 0)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(used_, other.used_);
      return *this;
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();

    /// True, and counted, if the slot may use `bytes` more: within its guarantee always; up to an
    /// even share of the slots that have joined if the others' guarantees stay free.
    bool TryGrow(std::uint64_t bytes);
    /// Requires: bytes <= used().
    void Shrink(std::uint64_t bytes);
    /// True, and counted, if `bytes` of what the slot uses may stay as finished data that belongs
    /// to no slot (see TryRetain). Requires: bytes <= used().
    bool TryHandOver(std::uint64_t bytes);
    std::uint64_t used() const { return used_; }

   private:
    friend class MemoryBudget;
    explicit Lease(MemoryBudget* budget) : budget_(budget) {}
    MemoryBudget* budget_;
    std::uint64_t used_ = 0;
  };

  /// Requires: slot_count > 0.
  MemoryBudget(std::uint64_t total_bytes, int slot_count);
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  /// Takes a slot. Requires: fewer than slot_count leases are alive.
  Lease Join() MR_EXCLUDES(mutex_);

  /// For finished data in memory that belongs to no slot: true, and counted, if all slots'
  /// guarantees stay free.
  bool TryRetain(std::uint64_t bytes) MR_EXCLUDES(mutex_);
  /// Requires: `bytes` were retained.
  void Unretain(std::uint64_t bytes) MR_EXCLUDES(mutex_);

  /// What each slot can always have: total / (4 * slots).
  std::uint64_t guarantee() const { return guarantee_; }
  std::uint64_t total() const { return total_; }
  /// All that is leased and retained now.
  std::uint64_t used() const MR_EXCLUDES(mutex_);

 private:
  std::uint64_t FreeGuarantee(std::uint64_t used) const {
    return used < guarantee_ ? guarantee_ - used : 0;
  }
  bool TryGrow(std::uint64_t from, std::uint64_t bytes) MR_EXCLUDES(mutex_);
  void Shrink(std::uint64_t from, std::uint64_t bytes) MR_EXCLUDES(mutex_);
  bool TryHandOver(std::uint64_t from, std::uint64_t bytes) MR_EXCLUDES(mutex_);
  void Leave(std::uint64_t used) MR_EXCLUDES(mutex_);

  const std::uint64_t total_;
  const int slot_count_;
  const std::uint64_t guarantee_;
  mutable Mutex mutex_;
  int joined_count_ MR_GUARDED_BY(mutex_) = 0;
  std::uint64_t used_ MR_GUARDED_BY(mutex_) = 0;
  // Sum over all slots, joined or not, of what they have not used of their guarantee.
  // Invariant: used_ + free_guarantees_ <= total_.
  std::uint64_t free_guarantees_ MR_GUARDED_BY(mutex_);
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_MEMORY_BUDGET_H_
