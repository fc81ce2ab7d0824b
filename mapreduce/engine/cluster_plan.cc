// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/cluster_plan.h"

#include <set>
#include <utility>

#include "mapreduce/engine/cluster_plan_check.h"
#include "mapreduce/engine/followers.h"
#include "mapreduce/engine/part_ranges.h"

namespace millrace {
namespace {

// Runs of an earlier stage's reduce that a source of this stage reads.
PhaseSource RunsOf(const JobGraph& graph, const std::vector<std::uint32_t>& reduce_of_stage,
                   std::size_t stage, std::size_t source) {
  const auto feeding = static_cast<std::size_t>(graph.stages[stage].sources[source].stage);
  const std::vector<Follower> followers = Followers(graph, feeding);
  std::uint32_t channel = 0;
  while (followers[channel].stage != stage || followers[channel].source != source) ++channel;
  return {reduce_of_stage[feeding], channel};
}

// The phases that make these tables. Their stages come before those that look up in them.
std::vector<std::uint32_t> MakersOf(const JobGraph& graph,
                                    const std::vector<std::uint32_t>& reduce_of_stage,
                                    const std::vector<int>& tables) {
  std::set<std::uint32_t> makers;
  for (const int table : tables) {
    const int stage = graph.tables[static_cast<std::size_t>(table)].stage;
    makers.insert(reduce_of_stage[static_cast<std::size_t>(stage)]);
  }
  return {makers.begin(), makers.end()};
}

// The phases of a job, without splits.
std::vector<ClusterPhase> MakePhases(const JobGraph& graph) {
  std::vector<ClusterPhase> phases;
  std::vector<std::uint32_t> reduce_of_stage;
  for (std::size_t stage = 0; stage < graph.stages.size(); ++stage) {
    const StageSpec& spec = graph.stages[stage];
    const bool has_reduce = spec.has_reduce();
    ClusterPhase reduce;
    reduce.kind = TaskKind::kReduce;
    reduce.stage = static_cast<std::uint32_t>(stage);
    for (std::size_t source = 0; source < spec.sources.size(); ++source) {
      if (spec.sources[source].input < 0) {
        reduce.sources.push_back(RunsOf(graph, reduce_of_stage, stage, source));
        continue;
      }
      reduce.sources.push_back({static_cast<std::uint32_t>(phases.size()), 0});
      ClusterPhase& map = phases.emplace_back();
      map.stage = reduce.stage;
      map.source = static_cast<std::uint32_t>(source);
      map.input = static_cast<std::uint32_t>(spec.sources[source].input);
      map.channels = has_reduce ? 1 : 0;
      map.tables = MakersOf(graph, reduce_of_stage, spec.sources[source].tables);
    }
    reduce_of_stage.push_back(static_cast<std::uint32_t>(phases.size()));
    if (has_reduce) {
      reduce.channels = static_cast<std::uint32_t>(Followers(graph, stage).size());
      reduce.makes_table = spec.table >= 0;
      reduce.tables = MakersOf(graph, reduce_of_stage, TablesOfReduce(graph, stage));
      phases.push_back(std::move(reduce));
    }
    for (const StageWrite& write : spec.writes)
      phases.back().outputs.push_back(static_cast<std::uint32_t>(write.output));
  }
  return phases;
}

Status CheckSamePhase(const PhaseSpec& expected, const PhaseSpec& phase) {
  const auto differs = [&](std::string_view what) {
    return Status::InvalidArgument("phase ", expected.name, " has ", what,
                                   " that are not the plan's; submit the run anew");
  };
  if (phase.name != expected.name || phase.kind != expected.kind) return differs("name and kind");
  if (phase.task_count != expected.task_count) return differs("tasks");
  if (phase.sources != expected.sources) return differs("sources");
  if (phase.channels != expected.channels) return differs("channels");
  if (phase.writes_parts != expected.writes_parts) return differs("parts");
  if (phase.makes_table != expected.makes_table || phase.tables != expected.tables)
    return differs("tables");
  if (phase.sample_capacity != expected.sample_capacity) return differs("samples");
  if (phase.task_bytes != expected.task_bytes) return differs("sizes");
  return Status::Ok();
}

}  // namespace

Result<ClusterPlan> MakeClusterPlan(const PlannedJob& planned, const ClusterPlanOptions& options) {
  MR_RETURN_IF_ERROR(CheckSplitBytes(planned.stored_bytes, options.split_bytes));
  ClusterPlan plan{options, planned.plan, planned.inputs, {}, {}, {}};
  for (proto::PlanInput& input : *plan.plan.mutable_inputs()) {
    // Looking at what is there already may have found them.
    for (proto::InputShard& shard : *input.mutable_shards()) shard.clear_xxh128();
  }
  for (ExecutionInput& input : plan.inputs) {
    for (Shard& shard : input.shards) {
      if (CutShard(shard, options.split_bytes).size() == 1) shard.frames.clear();
    }
  }
  const JobGraph& graph = planned.job->graph();
  for (const StageSpec& stage : graph.stages) plan.stages.push_back(stage.name);
  for (const OutputSpec& output : graph.outputs) plan.outputs.push_back(output.name);
  plan.phases = MakePhases(graph);
  if (const Status status = CheckClusterPlan(plan); !status.ok())
    return Status::InvalidArgument("no cluster can run the plan: ", status.message());
  MR_RETURN_IF_ERROR(FillSplits(plan));
  return plan;
}

std::vector<PhaseSpec> PhasesOf(const ClusterPlan& plan) {
  const auto parts = plan.plan.parts();
  std::vector<PhaseSpec> specs;
  specs.reserve(plan.phases.size());
  for (const ClusterPhase& phase : plan.phases) {
    PhaseSpec& spec = specs.emplace_back();
    spec.name = plan.stages[phase.stage] + (phase.is_map() ? " map" : " reduce");
    spec.kind = phase.kind;
    spec.task_count = phase.is_map() ? static_cast<std::uint32_t>(phase.splits.size()) : parts;
    spec.sources = phase.sources;
    spec.channels = phase.channels;
    spec.writes_parts = !phase.outputs.empty();
    spec.makes_table = phase.makes_table;
    spec.tables = phase.tables;
    spec.sample_capacity = static_cast<std::uint32_t>(SampleCapacity(static_cast<int>(parts)));
    for (const Split& split : phase.splits) spec.task_bytes.push_back(split.stored_bytes);
  }
  return specs;
}

Status CheckFits(const ClusterPlan& plan, const RunSpec& spec) {
  const std::vector<PhaseSpec> expected = PhasesOf(plan);
  if (spec.phases.size() != expected.size()) {
    return Status::InvalidArgument("the run has ", spec.phases.size(), " phases, its plan ",
                                   expected.size(), "; submit it anew");
  }
  for (std::size_t index = 0; index < expected.size(); ++index)
    MR_RETURN_IF_ERROR(CheckSamePhase(expected[index], spec.phases[index]));
  return Status::Ok();
}

Status CheckFitsJob(const ClusterPlan& plan, const JobGraph& graph) {
  const auto differs = [&](std::string_view what) {
    return Status::InvalidArgument("the job ", plan.plan.job(), " as it is defined here has other ",
                                   what, " than the plan; use the same build everywhere");
  };
  const auto same_names = [](const auto& names, const auto& specs) {
    if (names.size() != specs.size()) return false;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] != specs[i].name) return false;
    }
    return true;
  };
  std::vector<std::string> inputs;
  for (const ExecutionInput& input : plan.inputs) inputs.push_back(input.name);
  if (!same_names(inputs, graph.inputs)) return differs("inputs");
  if (!same_names(plan.stages, graph.stages)) return differs("stages");
  if (!same_names(plan.outputs, graph.outputs)) return differs("outputs");
  const std::vector<ClusterPhase> phases = MakePhases(graph);
  if (plan.phases.size() != phases.size()) return differs("phases");
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const ClusterPhase &here = phases[i], &there = plan.phases[i];
    if (here.kind != there.kind || here.stage != there.stage || here.source != there.source ||
        here.input != there.input || here.sources != there.sources ||
        here.channels != there.channels || here.outputs != there.outputs ||
        here.makes_table != there.makes_table || here.tables != there.tables)
      return differs("phases");
  }
  return Status::Ok();
}

}  // namespace millrace
