// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/memory_budget.h"

#include <algorithm>

namespace millrace {

MemoryBudget::MemoryBudget(std::uint64_t total_bytes, int slot_count)
    : total_(total_bytes),
      slot_count_(slot_count),
      guarantee_(total_bytes / 4 / static_cast<std::uint64_t>(slot_count)),
      free_guarantees_(guarantee_ * static_cast<std::uint64_t>(slot_count)) {
  MR_CHECK(slot_count > 0);
}

MemoryBudget::Lease MemoryBudget::Join() {
  MutexLock lock(mutex_);
  MR_CHECK(joined_count_ < slot_count_);
  ++joined_count_;
  return Lease(this);
}

MemoryBudget::Lease::~Lease() {
  if (budget_ != nullptr) budget_->Leave(used_);
}

bool MemoryBudget::Lease::TryGrow(std::uint64_t bytes) {
  if (!budget_->TryGrow(used_, bytes)) return false;
  used_ += bytes;
  return true;
}

void MemoryBudget::Lease::Shrink(std::uint64_t bytes) {
  MR_CHECK(bytes <= used_);
  budget_->Shrink(used_, bytes);
  used_ -= bytes;
}

bool MemoryBudget::Lease::TryHandOver(std::uint64_t bytes) {
  MR_CHECK(bytes <= used_);
  if (!budget_->TryHandOver(used_, bytes)) return false;
  used_ -= bytes;
  return true;
}

bool MemoryBudget::TryGrow(std::uint64_t from, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  const std::uint64_t share = total_ / static_cast<std::uint64_t>(std::max(1, joined_count_));
  if (from + bytes > std::max(guarantee_, share)) return false;
  const std::uint64_t others_free = free_guarantees_ - FreeGuarantee(from);
  // used_ + others_free <= total_, so neither side wraps. Within the guarantee it always fits:
  // the invariant counts the rest of ours as well.
  if (bytes > total_ - used_ - others_free) return false;
  used_ += bytes;
  free_guarantees_ = others_free + FreeGuarantee(from + bytes);
  return true;
}

void MemoryBudget::Shrink(std::uint64_t from, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  used_ -= bytes;
  free_guarantees_ += FreeGuarantee(from - bytes) - FreeGuarantee(from);
}

// What stays used stays counted; only the slot's own guarantee must be free again.
bool MemoryBudget::TryHandOver(std::uint64_t from, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  const std::uint64_t free_again = FreeGuarantee(from - bytes) - FreeGuarantee(from);
  if (free_again > total_ - used_ - free_guarantees_) return false;
  free_guarantees_ += free_again;
  return true;
}

void MemoryBudget::Leave(std::uint64_t used) {
  Shrink(used, used);
  MutexLock lock(mutex_);
  --joined_count_;
}

bool MemoryBudget::TryRetain(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  if (bytes > total_ - used_ - free_guarantees_) return false;
  used_ += bytes;
  return true;
}

void MemoryBudget::Unretain(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  MR_CHECK(bytes <= used_);
  used_ -= bytes;
}

std::uint64_t MemoryBudget::used() const {
  MutexLock lock(mutex_);
  return used_;
}

}  // namespace millrace
