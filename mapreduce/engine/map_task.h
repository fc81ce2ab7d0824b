// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_MAP_TASK_H_
#define MAPREDUCE_ENGINE_MAP_TASK_H_

#include <memory>
#include <vector>

#include "mapreduce/engine/split_plan.h"
#include "mapreduce/engine/task_environment.h"
#include "mapreduce/engine/task_pool.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

/// The map tasks of one input of one stage.
struct MapPhase {
  std::size_t stage = 0;
  const StageSource* source = nullptr;
  RunStore* store = nullptr;  ///< For a stage with a reduce.
  const std::vector<Split>* splits = nullptr;
  std::size_t first_number = 0;  ///< Of the source's map tasks: that of the first split.
  std::uint64_t order_base = 0;  ///< Of the runs: several sources of a stage stay apart.
  std::uint64_t reject_order = 0;
  /// For a stage without a reduce: the files by output and part, and the part of each task.
  std::vector<std::vector<std::unique_ptr<PartFile>>>* parts = nullptr;
  std::vector<std::size_t> part_of_task;
  /// Records that are rejected unseen; in any order. May be null.
  const std::vector<RecordPosition>* set_aside = nullptr;
};

/// Reads a split, maps its records, collects what they emit.
Result<std::unique_ptr<Slot>> MakeMapSlot(TaskEnvironment& environment, const MapPhase& phase);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_MAP_TASK_H_
