// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/cluster_plan_check.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "mapreduce/base/size.h"
#include "mapreduce/engine/input_patterns.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/proto/limits.h"

namespace millrace {
namespace {

// Sums of some of these stay below 2^64.
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 56;
// Of Ed25519.
constexpr std::size_t kSignerBytes = 32, kSignatureBytes = 64;

Status CheckName(std::string_view what, const std::string& name) {
  if (name.empty()) return Status::Corrupt(what, " has no name");
  if (name.size() > kNameBytesMax) return Status::Corrupt(what, " has a name that is too long");
  if (!IsUtf8(name))
    return Status::Corrupt(what, " '", Printable(name), "' has a name that is not UTF-8");
  return {};
}

// Names of one kind, none twice.
template <class Names>
Status CheckNames(std::string_view what, const Names& names) {
  std::set<std::string_view> known;
  for (const std::string& name : names) {
    MR_RETURN_IF_ERROR(CheckName(what, name));
    if (!known.insert(name).second)
      return Status::Corrupt(what, " ", Printable(name), " is there twice");
  }
  return {};
}

// Folders of the output.
Status CheckOutputNames(const std::vector<std::string>& names) {
  MR_RETURN_IF_ERROR(CheckNames("an output", names));
  for (const std::string& name : names) {
    if (name.front() == '.' || name.find_first_of(std::string_view("/\0", 2)) != std::string::npos)
      return Status::Corrupt("the output ", Printable(name), " is no name of a folder");
  }
  return {};
}

Status CheckPlan(const proto::Plan& plan) {
  MR_RETURN_IF_ERROR(CheckName("the job", plan.job()));
  if (!IsUtf8(plan.code())) return Status::Corrupt("the job's code has no identity");
  const std::string* last = nullptr;
  for (const proto::Parameter& parameter : plan.parameters()) {
    MR_RETURN_IF_ERROR(CheckName("a parameter", parameter.name()));
    if (!IsUtf8(parameter.value())) return Status::Corrupt("a parameter is not UTF-8");
    if (last != nullptr && *last >= parameter.name())
      return Status::Corrupt("parameters are not sorted by name");
    last = &parameter.name();
  }
  if (!plan.date().empty() && !IsCalendarDate(plan.date()))
    return Status::Corrupt("the date '", Printable(plan.date()), "' is none");
  if (plan.parts() == 0 || plan.parts() > kTasksMax)
    return Status::Corrupt(plan.parts(), " parts are not from 1 to ", kTasksMax);
  if (const auto known = ParseCompression(plan.compression()); !known.ok())
    return Status::Corrupt("its output has an ", known.error().message());
  if (const std::string& format = plan.output_format();
      !format.empty() && (format == "tsv" || !ParseOutputFormat(format).ok()))
    return Status::Corrupt("its output is written as '", Printable(format), "'");
  const std::string& directory = plan.directory();
  if (!IsUtf8(directory) || (!directory.empty() && directory.front() != '/'))
    return Status::Corrupt("the working directory is no absolute path");
  return {};
}

Status CheckFrames(const Shard& shard) {
  if (shard.frames.empty()) return {};
  if (shard.compression != Compression::kZstd)
    return Status::Corrupt("it has frames, and is no zstd file");
  ShardFrame next;
  for (const ShardFrame& frame : shard.frames) {
    if (frame.stored_offset != next.stored_offset || frame.offset != next.offset ||
        frame.stored_bytes > kBytesMax || frame.bytes > kBytesMax)
      return Status::Corrupt("its frames don't follow each other");
    next.stored_offset += frame.stored_bytes;
    next.offset += frame.bytes;
    if (next.stored_offset > shard.file.bytes || next.offset > kBytesMax)
      return Status::Corrupt("its frames are larger than the file");
  }
  if (next.stored_offset != shard.file.bytes)
    return Status::Corrupt("its frames are smaller than the file");
  return {};
}

Status CheckShard(const ClusterPlan& plan, const proto::InputShard& planned, const Shard& shard) {
  const std::string& path = planned.path();
  if (path.empty() || path.size() > kPathBytesMax || path.find('\0') != std::string::npos ||
      !IsUtf8(path))
    return Status::Corrupt("a shard has no path that can be");
  if (path.front() != '/' && plan.plan.directory().empty())
    return Status::Corrupt("it is relative to a directory that is not told");
  if (!planned.xxh128().empty()) return Status::Corrupt("it has a digest before it was read");
  if (shard.file.path != path || shard.file.bytes != planned.stored_bytes() ||
      shard.file.is_directory)
    return Status::Corrupt("it is another file than the plan's");
  return CheckFrames(shard);
}

Status CheckInputs(const ClusterPlan& plan) {
  const auto& planned = plan.plan.inputs();
  if (plan.inputs.size() != static_cast<std::size_t>(planned.size()))
    return Status::Corrupt("files of ", plan.inputs.size(), " inputs for ", planned.size());
  std::uint64_t stored_bytes = 0;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const ExecutionInput& input = plan.inputs[i];
    const proto::PlanInput& of_plan = planned[static_cast<int>(i)];
    MR_RETURN_IF_ERROR(CheckName("an input", of_plan.name()));
    if (input.name != of_plan.name() || !names.insert(input.name).second)
      return Status::Corrupt("the input ", Printable(input.name), " is there twice");
    if (input.shards.size() != static_cast<std::size_t>(of_plan.shards_size()))
      return Status::Corrupt("the input ", input.name, " has ", input.shards.size(), " files for ",
                             of_plan.shards_size(), " shards");
    for (std::size_t s = 0; s < input.shards.size(); ++s) {
      const proto::InputShard& shard = of_plan.shards(static_cast<int>(s));
      MR_RETURN_IF_ERROR(CheckShard(plan, shard, input.shards[s])
                             .Annotate("the input ", input.name, ", ", Printable(shard.path())));
      if (shard.stored_bytes() > kBytesMax - stored_bytes)
        return Status::Corrupt("the inputs are larger than any disk");
      stored_bytes += shard.stored_bytes();
    }
  }
  const Status split = CheckSplitBytes(stored_bytes, plan.split_bytes);
  return split.ok() ? split : Status::Corrupt(split.message());
}

// Goes through the phases in their order.
class PhaseCheck {
 public:
  explicit PhaseCheck(const ClusterPlan& plan)
      : plan_(plan),
        is_input_read_(plan.inputs.size()),
        is_written_(plan.outputs.size()),
        is_channel_read_(plan.phases.size()) {}

  Status Check() {
    if (plan_.phases.empty()) return Status::Corrupt("it has no phases");
    if (plan_.phases.size() > kPhasesMax) return Status::Corrupt("more phases than a run may have");
    for (std::size_t index = 0; index < plan_.phases.size(); ++index)
      MR_RETURN_IF_ERROR(CheckPhase(index).Annotate("phase ", index));
    if (!is_stage_done_ || next_stage_ != plan_.stages.size())
      return Status::Corrupt("a stage has no phase that ends it");
    const auto all = [](const std::vector<bool>& is) {
      return std::find(is.begin(), is.end(), false) == is.end();
    };
    if (!all(is_input_read_)) return Status::Corrupt("an input is not read");
    if (!all(is_written_)) return Status::Corrupt("an output is not written");
    for (const std::vector<bool>& channels : is_channel_read_) {
      if (!all(channels)) return Status::Corrupt("a phase leaves runs that are not read");
    }
    return {};
  }

 private:
  Status CheckPhase(std::size_t index) {
    const ClusterPhase& phase = plan_.phases[index];
    MR_RETURN_IF_ERROR(EnterStage(phase));
    if (phase.channels > kChannelsMax) return Status::Corrupt("more channels than there may be");
    if (phase.outputs.size() > kPartFilesMax)
      return Status::Corrupt("more outputs than there may be");
    for (const std::uint32_t output : phase.outputs) {
      if (output >= is_written_.size() || is_written_[output])
        return Status::Corrupt("writes output ", output, ", which is not there or another's");
      is_written_[output] = true;
    }
    MR_RETURN_IF_ERROR(CheckTables(index));
    is_channel_read_[index].resize(phase.channels);
    return phase.is_map() ? CheckMap(index) : CheckReduce(index);
  }

  // They are made before they are looked up in.
  Status CheckTables(std::size_t index) {
    const ClusterPhase& phase = plan_.phases[index];
    if (phase.makes_table && phase.is_map()) return Status::Corrupt("maps into a table");
    if (phase.tables.size() > kTablesMax) return Status::Corrupt("more tables than there may be");
    for (std::size_t i = 0; i < phase.tables.size(); ++i) {
      const std::uint32_t maker = phase.tables[i];
      if (maker >= index || !plan_.phases[maker].makes_table ||
          (i > 0 && maker <= phase.tables[i - 1]))
        return Status::Corrupt("looks up in tables that are not there, or twice");
    }
    return {};
  }

  // Stages come one after the other.
  Status EnterStage(const ClusterPhase& phase) {
    const std::size_t expected = is_stage_done_ ? next_stage_ : stage_;
    if (phase.stage != expected || phase.stage >= plan_.stages.size())
      return Status::Corrupt("belongs to stage ", phase.stage, ", not ", expected);
    if (is_stage_done_) {
      stage_ = next_stage_++;
      maps_.clear();
    }
    is_stage_done_ = false;
    return {};
  }

  Status CheckMap(std::size_t index) {
    const ClusterPhase& phase = plan_.phases[index];
    if (phase.input >= is_input_read_.size())
      return Status::Corrupt("reads input ", phase.input, ", which is not there");
    is_input_read_[phase.input] = true;
    if (!phase.sources.empty()) return Status::Corrupt("maps, and merges runs");
    if (phase.channels > 1) return Status::Corrupt("maps into more than one run");
    if ((phase.channels == 0) == phase.outputs.empty())
      return Status::Corrupt("maps into runs and parts, or neither");
    if (!maps_.empty() &&
        (phase.channels == 0 || plan_.phases[maps_.back()].source >= phase.source))
      return Status::Corrupt("maps a source out of order");
    maps_.push_back(index);
    is_stage_done_ = phase.channels == 0;
    return {};
  }

  Status CheckReduce(std::size_t index) {
    const ClusterPhase& phase = plan_.phases[index];
    if (phase.source != 0 || phase.input != 0)
      return Status::Corrupt("reduces, and reads an input");
    if (phase.sources.empty()) return Status::Corrupt("reduces nothing");
    for (const PhaseSource& source : phase.sources) {
      if (source.phase >= index || source.channel >= plan_.phases[source.phase].channels ||
          is_channel_read_[source.phase][source.channel])
        return Status::Corrupt("reads runs that are not there or another's");
      const ClusterPhase& from = plan_.phases[source.phase];
      if (from.is_map() != (from.stage == phase.stage))
        return Status::Corrupt("reads runs of another stage's maps");
      is_channel_read_[source.phase][source.channel] = true;
    }
    is_stage_done_ = true;
    return {};
  }

  const ClusterPlan& plan_;
  std::vector<bool> is_input_read_, is_written_;
  std::vector<std::vector<bool>> is_channel_read_;  // [phase][channel]
  std::size_t stage_ = 0, next_stage_ = 0;
  bool is_stage_done_ = true;
  std::vector<std::size_t> maps_;  // Of the stage.
};

}  // namespace

Status CheckClusterPlan(const ClusterPlan& plan) {
  MR_RETURN_IF_ERROR(CheckPlan(plan.plan));
  if (plan.typed_output.empty() || plan.typed_output.size() > kPathBytesMax)
    return Status::Corrupt("there is no output that can be");
  const double percent = plan.max_rejects.percent;
  if (!(percent == -1 || (percent >= 0 && percent <= 100)))
    return Status::Corrupt("the limit of rejects is no share of the records");
  std::vector<std::string> modules;
  for (const ModuleFile& module : plan.modules) {
    modules.push_back(module.name);
    if (module.signer.empty() && module.signature.empty()) continue;
    if (module.signer.size() != kSignerBytes || module.signature.size() != kSignatureBytes)
      return Status::Corrupt("the module ", Printable(module.name), " has a signature of odd size");
  }
  MR_RETURN_IF_ERROR(CheckNames("a module", modules));
  MR_RETURN_IF_ERROR(CheckInputs(plan));
  MR_RETURN_IF_ERROR(CheckNames("a stage", plan.stages));
  MR_RETURN_IF_ERROR(CheckOutputNames(plan.outputs));
  return PhaseCheck(plan).Check();
}

Status FillSplits(ClusterPlan& plan) {
  std::vector<std::vector<Split>> of_input(plan.inputs.size());
  for (Split& split : PlanSplits(plan.inputs, plan.split_bytes)) {
    auto& splits = of_input[static_cast<std::size_t>(split.pieces.front().input)];
    splits.push_back(std::move(split));
  }
  const std::uint64_t parts = plan.plan.parts();
  std::uint64_t tasks = 0;  // Before a list is copied for each of many phases.
  for (const ClusterPhase& phase : plan.phases) {
    tasks += phase.is_map() && !phase.is_map_alone() ? of_input[phase.input].size() : parts;
    if (tasks > kTasksMax) {
      return Status::InvalidArgument("the run has more than ", FormatCount(kTasksMax),
                                     " tasks; use a larger --split-size or fewer --parts");
    }
  }
  for (ClusterPhase& phase : plan.phases) {
    if (!phase.is_map()) continue;
    phase.splits = phase.is_map_alone() ? PlanParts(plan.inputs, static_cast<int>(phase.input),
                                                    static_cast<int>(parts))
                                        : of_input[phase.input];
  }
  return {};
}

}  // namespace millrace
