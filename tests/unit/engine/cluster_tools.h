// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_ENGINE_CLUSTER_TOOLS_H_
#define TESTS_UNIT_ENGINE_CLUSTER_TOOLS_H_

// Stands in for client, master and workers: executes a plan that came over the wire, task by task,
// and gathers what they report.

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/cluster_outcome.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/part_ranges.h"
#include "mapreduce/engine/single_task.h"
#include "mapreduce/engine/task_report.h"
#include "mapreduce/proto/wire_codec.h"
#include "mapreduce/shuffle/key_sampler.h"
#include "tests/unit/engine/execute_tools.h"
#include "tests/unit/engine/memory_files.h"
#include "tests/unit/engine/table_records.h"

namespace millrace {

/// What a client would have planned over these shards.
inline PlannedJob PlanByHand(std::unique_ptr<Job> job, std::vector<ExecutionInput> inputs,
                             int parts, Compression compression = Compression::kNone) {
  PlannedJob planned{.job = std::move(job), .inputs = std::move(inputs), .plan = {}};
  planned.plan.set_job("by_hand");
  planned.plan.set_code("of a test");
  planned.plan.set_date("2026-11-25");
  planned.plan.set_parts(static_cast<std::uint32_t>(parts));
  planned.plan.set_compression(std::string(CompressionName(compression)));
  for (const ExecutionInput& input : planned.inputs) {
    proto::PlanInput& to = *planned.plan.add_inputs();
    to.set_name(input.name);
    for (const Shard& shard : input.shards) {
      proto::InputShard& to_shard = *to.add_shards();
      to_shard.set_path(shard.file.path);
      to_shard.set_stored_bytes(shard.file.bytes);
      planned.stored_bytes += shard.file.bytes;
    }
  }
  return planned;
}

/// A run on a cluster. Outputs are in memory.
class ClusterRun {
 public:
  /// `bytes`: an encoded plan of `graph`.
  ClusterRun(const JobGraph& graph, std::string_view bytes) : graph_(graph) {
    Result<ClusterPlan> plan = DecodeClusterPlan(bytes);
    EXPECT_TRUE(plan.ok()) << plan.error().message();
    if (plan.ok()) plan_ = *std::move(plan);
    EXPECT_EQ(CheckFitsJob(plan_, graph).message(), "");
    phases_ = PhasesOf(plan_);
    EXPECT_TRUE(files_.MakeDirectories(kOutput).ok());
    EXPECT_TRUE(files_.MakeDirectories(RunWorkDirectory(kOutput)).ok());
  }

  Status Run() {
    for (std::size_t p = 0; p < plan_.phases.size(); ++p) {
      outputs_.emplace_back();
      tables_.emplace_back();
      runs_.emplace_back(phases_[p].channels);
      MR_RETURN_IF_ERROR(plan_.phases[p].is_map() ? RunMaps(p) : RunReduces(p));
    }
    return Status::Ok();
  }

  Result<ClusterOutcome> Assemble() {
    RunOutputs all;
    OutcomePlaces places{files_, kOutput, kRun, {}, reject_bytes_max_};
    for (const auto& outputs : outputs_) {
      auto& pointers = all.emplace_back();
      for (const TaskOutput& output : outputs) pointers.push_back(&output);
      places.committed.emplace_back(outputs.size(), 1);
    }
    return AssembleOutcome(plan_, all, places);
  }
  /// Bytes of _rejects.tsv; "" where there is none.
  std::string Rejects() {
    const auto found = files_.contents().find(RunRejectsPath(kOutput));
    return found == files_.contents().end() ? "" : *found->second;
  }
  std::string RejectFileOf(std::size_t phase, std::size_t task) {
    return JoinPath(AttemptDirectory(kOutput, {IdOf(phase, task), 1}), kRejectFileName);
  }

  /// `p`: the task's phase, whose tables are there.
  SingleTaskOptions Options(std::size_t p = 0) {
    SingleTaskOptions options;
    options.memory_bytes = std::uint64_t{16} << 20;
    options.parts = static_cast<int>(plan_.plan.parts());
    options.compression = *ParseCompression(plan_.plan.compression());
    options.date = plan_.plan.date();
    options.scratch_directory = NewFolder();
    options.tables.resize(graph_.tables.size());
    for (const std::uint32_t maker : phases_[p].tables) {
      const int table = graph_.stages[plan_.phases[maker].stage].table;
      const auto opened = OpenTable(files_, tables_[maker]);
      EXPECT_TRUE(opened.ok()) << opened.error().message();
      if (opened.ok()) options.tables[static_cast<std::size_t>(table)] = *opened;
    }
    return options;
  }

  static constexpr char kOutput[] = "/out";
  static constexpr JobRunId kRun{1};
  std::uint64_t reported_bytes_max_ = kReportedRejectBytesMax;
  std::uint64_t reject_bytes_max_ = kRunRejectBytesMax;
  ClusterPlan plan_;
  std::vector<PhaseSpec> phases_;
  MemoryFiles files_;
  std::vector<std::deque<TaskOutput>> outputs_;  // [phase][task]

 private:
  Status RunMaps(std::size_t p) {
    const ClusterPhase& phase = plan_.phases[p];
    for (std::size_t task = 0; task < phase.splits.size(); ++task) {
      MapTaskSpec spec;
      spec.stage = phase.stage;
      spec.source = phase.source;
      spec.task = spec.part = task;
      spec.split = phase.splits[task];
      spec.run = NextRun();
      spec.output_directory = kOutput;
      MR_ASSIGN_OR_RETURN(const MapTaskResult result,
                          ExecuteMapTask(files_, graph_, plan_.inputs, Options(p), spec));
      MR_ASSIGN_OR_RETURN(const TaskOutput output, OutputOf(files_, result, RejectsOf(p, task)));
      Report(p, output);
      if (phases_[p].channels > 0) runs_[p][0].push_back(result.run.info);
    }
    return Status::Ok();
  }

  Status RunReduces(std::size_t p) {
    const ClusterPhase& phase = plan_.phases[p];
    const auto parts = static_cast<int>(plan_.plan.parts());
    KeySampler sampler(phases_[p].sample_capacity);
    std::vector<ReduceInput> inputs;
    for (const PhaseSource& source : phase.sources) {
      for (const TaskOutput& output : outputs_[source.phase]) {
        for (const std::string& key : output.samples[source.channel]) sampler.Offer(key);
      }
      for (const RunInfo& run : runs_[source.phase][source.channel]) inputs.emplace_back(run);
    }
    const std::vector<KeyRange> ranges = PartRanges(sampler.Borders(parts), parts);
    for (std::size_t part = 0; part < ranges.size(); ++part) {
      ReduceTaskSpec spec;
      spec.stage = phase.stage;
      spec.part = part;
      spec.range = ranges[part];
      spec.inputs = inputs;
      spec.output_directory = kOutput;
      for (std::uint32_t c = 0; c < phase.channels; ++c) spec.next_runs.push_back(NextRun());
      MR_ASSIGN_OR_RETURN(const ReduceTaskResult result,
                          ExecuteReduceTask(files_, graph_, Options(p), spec));
      if (result.table) tables_[p].push_back({TakeTable(*result.table), result.table->bytes});
      MR_ASSIGN_OR_RETURN(const TaskOutput output, OutputOf(files_, result, RejectsOf(p, part)));
      Report(p, output);
      for (std::uint32_t c = 0; c < phase.channels; ++c)
        runs_[p][c].push_back(result.next[c].run.info);
    }
    return Status::Ok();
  }

  RejectPlace RejectsOf(std::size_t p, std::size_t task) {
    RejectPlace place;
    place.directory = ParentPath(RejectFileOf(p, task));
    place.reported_bytes_max = reported_bytes_max_;
    EXPECT_TRUE(files_.MakeDirectories(place.directory).ok());
    return place;
  }
  static TaskId IdOf(std::size_t phase, std::size_t task) {
    return {{kRun, static_cast<std::uint32_t>(phase)}, static_cast<std::uint32_t>(task)};
  }

  // All tasks have one folder here, and their tables one name: out of the way of the next.
  std::string TakeTable(const OutputFileRecord& table) {
    const std::string from = JoinPath(kOutput, table.path), to = NewFolder() + "/table";
    auto& contents = files_.contents();
    EXPECT_EQ(contents[from]->size(), table.bytes);
    EXPECT_EQ(HashOf128(TableRecords(*contents[from])), table.xxh128);
    contents[to] = contents[from];
    contents.erase(from);
    return to;
  }

  // Over the wire.
  void Report(std::size_t p, const TaskOutput& output) {
    const AttemptId attempt{IdOf(p, outputs_[p].size()), 1};
    Result<Message> message =
        DecodeMessage(EncodeMessage({Epoch{1}, 1, TaskDone{attempt, output}}));
    ASSERT_TRUE(message.ok()) << message.error().message();
    TaskOutput& came = std::get<TaskDone>(message->body).output;
    came.sample_digests.resize(output.sample_digests.size());  // Of no keys none are sent.
    EXPECT_TRUE(came == output);
    outputs_[p].push_back(std::move(came));
  }

  NewRun NextRun() { return {.path = NewFolder() + "/made.run", .file_id = ++run_count_}; }
  std::string NewFolder() {
    const std::string folder = "/task-" + std::to_string(++folder_count_);
    EXPECT_TRUE(files_.MakeDirectories(folder).ok());
    return folder;
  }

  const JobGraph& graph_;
  std::vector<std::vector<std::vector<RunInfo>>> runs_;  // [phase][channel][task]
  std::vector<std::vector<MadeTableFile>> tables_;       // [phase][task]
  std::uint64_t run_count_ = 0;
  int folder_count_ = 0;
};

}  // namespace millrace

#endif  // TESTS_UNIT_ENGINE_CLUSTER_TOOLS_H_
