// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_REDUCE_TASK_H_
#define MAPREDUCE_ENGINE_REDUCE_TASK_H_

#include <memory>
#include <string>
#include <vector>

#include "mapreduce/engine/task_environment.h"
#include "mapreduce/engine/task_pool.h"

namespace millrace {

/// One range of the key space and the part it belongs to.
struct ReduceRange {
  KeyRange keys;
  std::size_t part = 0;
};

/// The reduce tasks of one stage.
struct ReducePhase {
  std::size_t stage = 0;
  const RunStore* store = nullptr;     ///< Finished.
  std::vector<RunStore*> next_stores;  ///< One for each of Followers(graph, stage).
  std::vector<ReduceRange> ranges;
  std::size_t first_number = 0;  ///< Of the stage's reduce tasks: that of the first range.
  std::uint64_t reject_order = 0;
  std::vector<std::vector<std::unique_ptr<PartFile>>>* parts = nullptr;  ///< By write, then part.
  /// Of a stage whose output is a table: the file of each range, and what became of it.
  std::vector<std::string> table_paths;
  std::vector<TableInfo>* tables_made = nullptr;
  bool has_durable_tables = false;
  std::uint64_t held_bytes_max = 0;  ///< TableWriterOptions' of each range.
  /// Groups that are rejected unseen: encoded keys, sorted. May be null.
  const std::vector<std::string>* groups_aside = nullptr;
  bool goes_one_by_one = false;  ///< What a group emits is handed on before the next begins.
};

/// Cuts the keys of a finished store into the parts' ranges, and those finer where there are fewer
/// than `ranges_wanted`.
std::vector<ReduceRange> CutRanges(const RunStore& store, int parts, std::size_t ranges_wanted);

/// The order in which ranges start: as many parts side by side as there are slots, so that a slot
/// seldom writes behind another one's back; the ranges of a part in theirs.
std::vector<std::size_t> StartOrder(const std::vector<ReduceRange>& ranges, int slots);

/// Merges a range of all runs, reduces its groups, and hands on what they emit.
Result<std::unique_ptr<Slot>> MakeReduceSlot(TaskEnvironment& environment,
                                             const ReducePhase& phase);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_REDUCE_TASK_H_
