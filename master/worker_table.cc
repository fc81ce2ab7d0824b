// SPDX-License-Identifier: Apache-2.0
#include "master/worker_table.h"

#include <algorithm>

#include "mapreduce/base/status.h"

namespace millrace {
namespace {

constexpr std::uint32_t kDoublingsMax = 6;  // Of the time for which a worker is set aside.

bool IsUsable(const WorkerEntry& worker, std::uint64_t now_ms) {
  return worker.is_registered && worker.slots > 0 && worker.takes_tasks &&
         worker.set_aside_until_ms <= now_ms;
}

}  // namespace

WorkerEntry* WorkerTable::Find(WorkerId id) {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : &found->second;
}

WorkerEntry& WorkerTable::Add(WorkerId id) {
  const auto [at, is_new] = workers_.try_emplace(id);
  MR_CHECK(is_new);
  at->second.id = id;
  return at->second;
}

void WorkerTable::Remove(WorkerId id) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  leases_.erase({found->second.lease_end_ms, id});
  if (const auto place = free_places_.find(id); place != free_places_.end()) {
    free_.erase(place->second);
    free_places_.erase(place);
  }
  workers_.erase(found);
}

void WorkerTable::SetLeaseEnd(WorkerEntry& worker, std::uint64_t end_ms) {
  leases_.erase({worker.lease_end_ms, worker.id});
  worker.lease_end_ms = end_ms;
  leases_.insert({end_ms, worker.id});
}

std::uint64_t WorkerTable::FirstLeaseEndMs() const {
  return leases_.empty() ? 0 : leases_.begin()->first;
}

WorkerEntry* WorkerTable::FirstExpired(std::uint64_t now_ms) {
  if (leases_.empty() || leases_.begin()->first > now_ms) return nullptr;
  return Find(leases_.begin()->second);
}

void WorkerTable::UpdateFree(WorkerEntry& worker, std::uint64_t now_ms) {
  const auto place = free_places_.find(worker.id);
  if (place != free_places_.end()) {
    free_.erase(place->second);
    free_places_.erase(place);
  }
  if (!IsUsable(worker, now_ms) || worker.attempts.size() >= worker.slots) return;
  const FreePlace now{worker.slots - static_cast<std::uint32_t>(worker.attempts.size()), worker.id};
  free_.insert(now);
  ++free_version_;
  free_places_.emplace(worker.id, now);
}

WorkerEntry* WorkerTable::PickFree(const std::function<bool(const WorkerEntry&)>& suits) {
  for (const FreePlace& place : free_) {  // Nearly always the first suits.
    WorkerEntry& worker = workers_.at(place.id);
    if (suits(worker)) return &worker;
  }
  return nullptr;
}

bool WorkerTable::HasUsable(std::uint64_t now_ms,
                            const std::function<bool(const WorkerEntry&)>& suits) const {
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return IsUsable(entry.second, now_ms) && suits(entry.second);
  });
}

bool WorkerTable::HasRegistered(const std::function<bool(const WorkerEntry&)>& suits) const {
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second.is_registered && suits(entry.second);
  });
}

bool WorkerTable::CountFailure(WorkerEntry& worker, std::uint32_t failures_max,
                               std::uint64_t set_aside_ms, std::uint64_t now_ms) {
  if (++worker.failures < failures_max || worker.set_aside_until_ms > now_ms) return false;
  const auto aside = std::count_if(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second.set_aside_until_ms > now_ms;
  });
  if (static_cast<std::size_t>(aside + 1) * 2 > workers_.size()) return false;
  worker.failures = 0;
  worker.set_aside_until_ms =
      now_ms + (set_aside_ms << std::min(worker.times_set_aside, kDoublingsMax));
  ++worker.times_set_aside;
  return true;
}

}  // namespace millrace
