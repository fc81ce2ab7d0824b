// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_SHARED_RECORD_H_
#define MAPREDUCE_API_SHARED_RECORD_H_

// The page that a worker shares with the child that executes a task: how far it is, and the record
// it is at. The child may be killed at any instruction, and its code, which is a job's, may write
// anything here: the reader believes nothing and follows no pointer.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "mapreduce/api/current_record.h"

namespace millrace {

/// All zero is a good beginning.
struct SharedRecord {
  CurrentRecord current;
  std::atomic<std::uint64_t> records{0};  ///< Read so far: by blocks or batches.
  std::atomic<std::uint64_t> bytes{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// The next Context of this process notes its record there, if it isn't null. It outlives them.
/// Call once, before there is any.
void ShareCurrentRecord(CurrentRecord* page);

/// A copy that makes sense: of one moment, or of the last one of a process that is gone.
struct RecordSnapshot {
  std::string task;
  std::string shard;         ///< Of a map.
  std::uint64_t offset = 0;  ///< Of a map: in the shard.
  std::string key;           ///< Of a reduce: the group's, encoded.
  bool is_key_cut = false;
};

/// Nothing while no record is at work, or just then a block begins. `shared` may hold anything.
std::optional<RecordSnapshot> TakeSnapshot(const CurrentRecord& shared);

}  // namespace millrace

#endif  // MAPREDUCE_API_SHARED_RECORD_H_
