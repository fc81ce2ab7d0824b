// SPDX-License-Identifier: Apache-2.0
#include "worker/task_assignment.h"

#include <cstdio>
#include <memory>
#include <utility>

#include "mapreduce/engine/attempt_directory.h"

namespace millrace {
namespace {

// With the rows that touch the range; some, if there are any: no rows at all means all bytes.
std::shared_ptr<const ShardLayout> LayoutOf(const ShardLayout& whole, const ShardRange& range) {
  auto layout = std::make_shared<ShardLayout>();
  layout->columns = whole.columns;
  layout->dialect = whole.dialect;
  for (const RowRange& rows : whole.rows) {
    if (rows.end > range.begin && rows.begin < range.end) layout->rows.push_back(rows);
  }
  if (layout->rows.empty() && !whole.rows.empty()) layout->rows.push_back(whole.rows.front());
  return layout;
}

TaskPiece PieceOf(const ClusterPlan& plan, const SplitPiece& piece) {
  const Shard& shard = plan.inputs[static_cast<std::size_t>(piece.input)]
                           .shards[static_cast<std::size_t>(piece.shard)];
  TaskPiece of{static_cast<std::uint32_t>(piece.shard), shard, piece.range};
  std::vector<ShardFrame>& frames = of.file.frames;
  std::erase_if(frames, [&](const ShardFrame& frame) {
    return frame.stored_offset < piece.range.stored_begin;
  });
  if (shard.layout != nullptr) of.file.layout = LayoutOf(*shard.layout, piece.range);
  return of;
}

// The tables of the phase, each with a file for each task that made it.
Result<std::vector<TaskTable>> TablesOf(const ClusterPlan& plan, const ClusterPhase& phase,
                                        const StartTask& task, const std::string& output) {
  std::vector<TaskTable> tables;
  for (const TableFiles& told : task.tables) {
    const std::size_t i = tables.size();
    if (i >= phase.tables.size() || told.phase != phase.tables[i] ||
        told.files.size() != plan.plan.parts())
      return Status::InvalidArgument("task ", task.attempt.task, " looks up in other tables");
    TaskTable& table = tables.emplace_back();
    table.stage = plan.phases[told.phase].stage;
    for (std::uint32_t index = 0; index < told.files.size(); ++index) {
      const AttemptId maker{{{task.attempt.task.phase.run, told.phase}, index},
                            told.files[index].number};
      table.files.push_back(
          {JoinPath(AttemptDirectory(output, maker), kTableFileName), told.files[index].bytes});
    }
  }
  if (tables.size() != phase.tables.size())
    return Status::InvalidArgument("task ", task.attempt.task, " looks up in more tables");
  return tables;
}

}  // namespace

std::string TaskNameOf(const TaskAssignment& assignment) {
  char name[32];
  std::snprintf(name, sizeof(name), "%s-%05u", assignment.kind == TaskKind::kMap ? "map" : "reduce",
                assignment.attempt.task.index);
  return name;
}

Result<TaskAssignment> AssignmentOf(const ClusterPlan& plan, const StartTask& task,
                                    const TaskPlaces& places) {
  const TaskId& id = task.attempt.task;
  if (id.phase.index >= plan.phases.size())
    return Status::InvalidArgument("the plan has no phase ", id.phase.index);
  const ClusterPhase& phase = plan.phases[id.phase.index];
  if (phase.kind != task.kind) return Status::InvalidArgument("task ", id, " is of another kind");
  if (phase.channels != places.runs.size())
    return Status::InvalidArgument("task ", id, " makes ", phase.channels, " run files");

  TaskAssignment assignment;
  assignment.attempt = task.attempt;
  assignment.kind = task.kind;
  assignment.stage = phase.stage;
  assignment.source = phase.source;
  assignment.job = plan.plan.job();
  for (const proto::Parameter& param : plan.plan.parameters())
    assignment.params[param.name()] = param.value();
  assignment.date = plan.plan.date();
  assignment.parts = plan.plan.parts();
  MR_ASSIGN_OR_RETURN(assignment.compression, ParseCompression(plan.plan.compression()));
  if (const std::string& format = plan.plan.output_format(); !format.empty()) {
    MR_ASSIGN_OR_RETURN(assignment.output_format, ParseOutputFormat(format));
  }
  assignment.code = plan.plan.code();
  assignment.directory = plan.plan.directory();
  for (const ModuleFile& module : plan.modules) assignment.modules.push_back(module.name);
  assignment.memory_bytes = places.memory_bytes;
  assignment.scratch_directory = places.scratch_directory;
  assignment.runs = places.runs;
  if (plan.needs_folders(phase)) assignment.output_directory = places.output_directory;
  MR_ASSIGN_OR_RETURN(assignment.tables, TablesOf(plan, phase, task, places.output));
  assignment.set_aside = task.set_aside;
  assignment.goes_one_by_one = task.goes_one_by_one;
  if (phase.is_map()) {
    if (id.index >= phase.splits.size())
      return Status::InvalidArgument("phase ", id.phase, " has no task ", id.index);
    const Split& split = phase.splits[id.index];
    for (const SplitPiece& piece : split.pieces) assignment.pieces.push_back(PieceOf(plan, piece));
    assignment.stored_bytes = split.stored_bytes;
    assignment.input_format = plan.inputs[phase.input].format;
    if (phase.is_map_alone()) assignment.part = id.index;
  } else {
    assignment.part = id.index;
    assignment.range = {task.borders.begin, task.borders.end};
    assignment.inputs = places.inputs;
  }
  // A share in percent is for the master to judge, over all tasks.
  if (plan.max_rejects.percent < 0) assignment.rejects_max = plan.max_rejects.count;
  return assignment;
}

}  // namespace millrace
