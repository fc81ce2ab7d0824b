// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/cluster_outcome.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/input_digests.h"
#include "mapreduce/engine/manifest.h"
#include "mapreduce/engine/run_manifest.h"
#include "mapreduce/io/shard_digest.h"

namespace millrace {
namespace {

// ---- Shape --------------------------------------------------------------------------------------

// What a report must have for all below: one for each task, and in it what the phase leaves.
Status CheckOutputs(const ClusterPlan& plan, const RunOutputs& outputs,
                    const OutcomePlaces& places) {
  if (outputs.size() != plan.phases.size())
    return Status::Internal("outputs of ", outputs.size(), " phases for ", plan.phases.size());
  for (std::size_t p = 0; p < outputs.size(); ++p) {
    const ClusterPhase& phase = plan.phases[p];
    const std::size_t tasks = phase.is_map() ? phase.splits.size() : plan.plan.parts();
    if (outputs[p].size() != tasks)
      return Status::Internal("phase ", p, ": ", outputs[p].size(), " outputs of ", tasks,
                              " tasks");
    if (places.committed.size() <= p || places.committed[p].size() != tasks)
      return Status::Internal("phase ", p, ": nobody knows which attempts were committed");
    const std::size_t texts = 1 + (phase.is_map() ? 0 : phase.channels);
    for (std::size_t t = 0; t < tasks; ++t) {
      const TaskOutput* const output = outputs[p][t];
      if (output == nullptr || output->parts.size() != phase.outputs.size() ||
          output->table.has_value() != phase.makes_table || output->rejects.size() != texts ||
          (output->reject_file && output->reject_file->texts.size() != texts))
        return Status::Internal("phase ", p, ", task ", t, " reports what its phase doesn't leave");
    }
  }
  return Status::Ok();
}

// ---- Inputs -------------------------------------------------------------------------------------

/// The blocks of one shard.
class ShardBlocks {
 public:
  explicit ShardBlocks(const FileInfo& file)
      : file_(file),
        blocks_(DigestBlocksOf(0, file.bytes).end),
        is_set_(blocks_.size()),
        missing_count_(blocks_.size()) {}

  Status Add(const InputBlocks& from) {
    if (from.first_block > blocks_.size() ||
        from.digests.size() > blocks_.size() - from.first_block)
      return Status::Internal("a task has read more of ", file_.path, " than there is");
    for (std::size_t i = 0; i < from.digests.size(); ++i) {
      const std::size_t block = from.first_block + i;
      if (is_set_[block] && blocks_[block] != from.digests[i]) {
        return Status::Error(StatusCode::kStale, file_.path,
                             " changed while it was read; run again when it is complete");
      }
      if (!is_set_[block]) --missing_count_;
      is_set_[block] = true;
      blocks_[block] = from.digests[i];
    }
    return Status::Ok();
  }
  Result<Hash128> Root() const {
    if (missing_count_ > 0) return Status::Internal("not all of ", file_.path, " was read");
    return DigestRoot(blocks_);
  }

 private:
  const FileInfo& file_;
  std::vector<Hash128> blocks_;
  std::vector<bool> is_set_;
  std::size_t missing_count_;
};

Status AddBlocks(const ClusterPlan& plan, const RunOutputs& outputs, std::uint32_t input,
                 std::vector<ShardBlocks>& shards) {
  for (std::size_t p = 0; p < outputs.size(); ++p) {
    const bool reads = plan.phases[p].is_map() && plan.phases[p].input == input;
    for (const TaskOutput* output : outputs[p]) {
      for (const InputBlocks& blocks : output->input_blocks) {
        if (reads != (blocks.input == input) || (reads && blocks.shard >= shards.size()))
          return Status::Internal("a task of phase ", p, " has read what is not its input");
        if (reads) MR_RETURN_IF_ERROR(shards[blocks.shard].Add(blocks));
      }
    }
  }
  return Status::Ok();
}

Status CollectInputs(const ClusterPlan& plan, const RunOutputs& outputs, ExecutionResult* result) {
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    std::vector<ShardBlocks> shards;
    shards.reserve(plan.inputs[i].shards.size());
    for (const Shard& shard : plan.inputs[i].shards) {
      shards.emplace_back(shard.file);
      result->bytes_in += shard.file.bytes;
    }
    MR_RETURN_IF_ERROR(AddBlocks(plan, outputs, static_cast<std::uint32_t>(i), shards));
    std::vector<Hash128>& roots = result->input_digests.emplace_back();
    for (const ShardBlocks& shard : shards) {
      MR_ASSIGN_OR_RETURN(const Hash128 root, shard.Root());
      roots.push_back(root);
    }
  }
  return Status::Ok();
}

// ---- The rest -----------------------------------------------------------------------------------

void CollectSums(const RunOutputs& outputs, ExecutionResult* result) {
  for (const auto& of_phase : outputs) {
    result->tasks_run += of_phase.size();
    for (const TaskOutput* output : of_phase) {
      for (const auto& [name, count] : output->counters) result->counters[name] += count;
      result->records_in += output->records_in;
      result->spilled_bytes += output->spilled_bytes;
      const std::size_t phases = std::min(output->phase_times.size(), kPhaseCount);
      for (std::size_t i = 0; i < phases; ++i) {
        const PhaseTime& time = output->phase_times[i];
        result->phases.Add(static_cast<Phase>(i), time.nanoseconds, time.bytes);
      }
    }
  }
}

// By output, then by task: what each output's one writer has made.
Status CollectFiles(const ClusterPlan& plan, const RunOutputs& outputs, ExecutionResult* result) {
  for (std::uint32_t number = 0; number < plan.outputs.size(); ++number) {
    const std::string folder = plan.outputs.size() == 1 ? "" : plan.outputs[number] + "/";
    for (std::size_t p = 0; p < outputs.size(); ++p) {
      const std::vector<std::uint32_t>& writes = plan.phases[p].outputs;
      const auto write = std::find(writes.begin(), writes.end(), number);
      if (write == writes.end()) continue;
      for (const TaskOutput* output : outputs[p]) {
        const PartRecord& part = output->parts[static_cast<std::size_t>(write - writes.begin())];
        if (!part.path.starts_with(folder) ||
            part.path.find('/', folder.size()) != std::string::npos)
          return Status::Internal("a task has written ", part.path, " into the output ",
                                  plan.outputs[number]);
        result->files.push_back({part.path, part.bytes, part.records, part.xxh128});
        result->records_out += part.records;
      }
    }
  }
  return Status::Ok();
}

}  // namespace

Result<ClusterOutcome> AssembleOutcome(const ClusterPlan& plan, const RunOutputs& outputs,
                                       const OutcomePlaces& places) {
  MR_RETURN_IF_ERROR(CheckOutputs(plan, outputs, places));
  ClusterOutcome outcome;
  CollectSums(outputs, &outcome.execution);
  const ClusterRejects rejects(plan, outputs, places);
  MR_RETURN_IF_ERROR(rejects.Check(outcome.execution.records_in));
  outcome.execution.rejects = rejects.count();
  MR_RETURN_IF_ERROR(CollectInputs(plan, outputs, &outcome.execution));
  MR_RETURN_IF_ERROR(CollectFiles(plan, outputs, &outcome.execution));
  MR_ASSIGN_OR_RETURN(outcome.execution.rejects_file, rejects.Write());
  proto::Plan digested = plan.plan;
  MR_RETURN_IF_ERROR(SetInputDigests(outcome.execution.input_digests, digested));
  outcome.manifest = MakeManifest({digested, plan.stages, plan.outputs}, outcome.execution);
  MR_ASSIGN_OR_RETURN(outcome.manifest_text, EncodeManifest(outcome.manifest));
  return outcome;
}

}  // namespace millrace
