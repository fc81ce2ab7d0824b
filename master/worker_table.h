// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_WORKER_TABLE_H_
#define MASTER_WORKER_TABLE_H_

// The workers: until when their leases last, what they do and hold, and which of them gets the next
// task. None of this is in the journal: after a restart the table is filled with the workers that
// the journal names, which then have some time to come back.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "mapreduce/proto/ids.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

/// One worker, from its Hello (or a journal that names it) to its loss.
struct WorkerEntry {
  WorkerId id;
  std::string host;
  std::string endpoint;
  std::uint32_t slots = 0;
  std::uint64_t slot_memory_bytes = 0;
  bool is_registered = false;  ///< Has said Hello to this epoch.
  bool takes_tasks = false;
  std::uint64_t lease_end_ms = 0;
  std::uint64_t last_sequence = 0;   ///< Of its messages,
  std::uint64_t last_heartbeat = 0;  ///< and of the heartbeats among them.
  std::set<AttemptId> attempts;      ///< Started or about to be: each has a slot.
  std::set<PhaseId> held_phases;     ///< Of which it holds outputs, or has held some.

  // Failures that tell of the worker: those of tasks that then succeeded elsewhere.
  std::uint32_t failures = 0;
  std::uint32_t times_set_aside = 0;
  std::uint64_t set_aside_until_ms = 0;
};

/// See above. One thread. References stay valid until the worker is removed.
class WorkerTable {
 public:
  WorkerEntry* Find(WorkerId id);
  /// Requires: not there yet.
  WorkerEntry& Add(WorkerId id);
  void Remove(WorkerId id);
  std::size_t size() const { return workers_.size(); }
  const std::map<WorkerId, WorkerEntry>& workers() const { return workers_; }

  void SetLeaseEnd(WorkerEntry& worker, std::uint64_t end_ms);
  /// The first lease to end; 0: none.
  std::uint64_t FirstLeaseEndMs() const;
  /// A worker whose lease is over at `now_ms`; null: none.
  WorkerEntry* FirstExpired(std::uint64_t now_ms);

  /// To be called after anything of a worker changed that decides whether it gets tasks.
  void UpdateFree(WorkerEntry& worker, std::uint64_t now_ms);
  bool HasFree() const { return !free_.empty(); }
  /// Of the workers with a free slot the one with the most for which `suits` is true; null: none.
  WorkerEntry* PickFree(const std::function<bool(const WorkerEntry&)>& suits);
  /// Whether any worker could get a task, now or when it is free again.
  bool HasUsable(std::uint64_t now_ms, const std::function<bool(const WorkerEntry&)>& suits) const;

  /// As HasUsable, those included that are set aside or take no tasks for the time being.
  bool HasRegistered(const std::function<bool(const WorkerEntry&)>& suits) const;
  /// Grows whenever a worker gets a free slot.
  std::uint64_t free_version() const { return free_version_; }

  /// Counts a failure; true if the worker is set aside for it. Half of the workers always stay.
  bool CountFailure(WorkerEntry& worker, std::uint32_t failures_max, std::uint64_t set_aside_ms,
                    std::uint64_t now_ms);

 private:
  // Most free slots first.
  struct FreePlace {
    std::uint32_t free_slots;
    WorkerId id;
    friend bool operator<(const FreePlace& a, const FreePlace& b) {
      if (a.free_slots != b.free_slots) return a.free_slots > b.free_slots;
      return a.id < b.id;
    }
  };

  std::map<WorkerId, WorkerEntry> workers_;
  std::set<std::pair<std::uint64_t, WorkerId>> leases_;  // By end.
  std::set<FreePlace> free_;
  std::uint64_t free_version_ = 0;
  std::map<WorkerId, FreePlace> free_places_;
};

}  // namespace millrace

#endif  // MASTER_WORKER_TABLE_H_
