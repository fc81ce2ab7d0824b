// SPDX-License-Identifier: Apache-2.0
// Plans for a cluster to bytes and back. Decoding copies first and then checks the whole, so that
// what is checked is what is used.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "mapreduce/base/size.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/cluster_plan_check.h"
#include "mapreduce/proto/cluster_plan.pb.h"
#include "mapreduce/proto/limits.h"

namespace millrace {
namespace {

constexpr std::uint32_t kVersion = 4;

// By their byte in InputFiles.compression.
constexpr Compression kCompressions[] = {Compression::kNone, Compression::kZstd,
                                         Compression::kGzip};

// ---- To bytes -----------------------------------------------------------------------------------

// Files of one dataset mostly have the same columns, next to each other.
void PutLayout(const ShardLayout* layout, proto::InputFiles& to) {
  if (layout == nullptr) return to.add_shard_layouts(0);
  const auto is_same = [&](const proto::Layout& known) {
    return known.dialect() == layout->dialect &&
           std::equal(known.columns().begin(), known.columns().end(), layout->columns.begin(),
                      layout->columns.end());
  };
  if (to.layouts_size() == 0 || !is_same(to.layouts(to.layouts_size() - 1))) {
    proto::Layout& added = *to.add_layouts();
    added.set_dialect(layout->dialect);
    for (const std::string& column : layout->columns) added.add_columns(column);
  }
  to.add_shard_layouts(static_cast<std::uint32_t>(to.layouts_size()));
  to.add_row_counts(static_cast<std::uint32_t>(layout->rows.size()));
  for (const RowRange& rows : layout->rows) {
    to.add_row_begins(rows.begin);
    to.add_row_ends(rows.end);
  }
}

void Put(const std::vector<Shard>& shards, proto::InputFiles& to) {
  for (std::size_t s = 0; s < shards.size(); ++s) {
    const Shard& shard = shards[s];
    to.add_mtime_ns(shard.file.mtime_ns);
    to.add_inode(shard.file.inode);
    const auto* const known =
        std::find(std::begin(kCompressions), std::end(kCompressions), shard.compression);
    to.mutable_compression()->push_back(static_cast<char>(known - std::begin(kCompressions)));
    PutLayout(shard.layout.get(), to);
    if (shard.frames.empty()) continue;
    to.add_framed_shards(static_cast<std::uint32_t>(s));
    to.add_frame_counts(static_cast<std::uint32_t>(shard.frames.size()));
    for (const ShardFrame& frame : shard.frames) {
      to.add_frame_stored_bytes(frame.stored_bytes);
      to.add_frame_bytes(frame.bytes);
    }
  }
}

void Put(const ClusterPhase& phase, proto::ClusterPhase& to) {
  to.set_kind(phase.is_map() ? proto::TASK_KIND_MAP : proto::TASK_KIND_REDUCE);
  to.set_stage(phase.stage);
  to.set_source(phase.source);
  to.set_input(phase.input);
  for (const PhaseSource& source : phase.sources) {
    proto::PhaseSource& each = *to.add_sources();
    each.set_phase(source.phase);
    each.set_channel(source.channel);
  }
  to.set_channels(phase.channels);
  for (const std::uint32_t output : phase.outputs) to.add_outputs(output);
  to.set_makes_table(phase.makes_table);
  for (const std::uint32_t maker : phase.tables) to.add_tables(maker);
}

void Put(const ClusterPlan& plan, proto::ClusterPlan& to) {
  to.set_version(kVersion);
  *to.mutable_plan() = plan.plan;
  to.mutable_plan()->DiscardUnknownFields();
  to.set_typed_output(plan.typed_output);
  to.set_force(plan.force);
  to.set_rejects_max(plan.max_rejects.count);
  if (plan.max_rejects.percent >= 0) to.set_rejects_percent(plan.max_rejects.percent);
  to.set_checks_determinism(plan.checks_determinism);
  for (const ModuleFile& module : plan.modules) {
    proto::ModuleFile& each = *to.add_modules();
    each.set_name(module.name);
    each.mutable_hash()->set_high(module.hash.high);
    each.mutable_hash()->set_low(module.hash.low);
    each.set_bytes(module.bytes);
    each.set_signer(module.signer);
    each.set_signature(module.signature);
  }
  for (const ExecutionInput& input : plan.inputs) Put(input.shards, *to.add_inputs());
  to.set_split_bytes(plan.split_bytes);
  for (const std::string& name : plan.stages) to.add_stages(name);
  for (const std::string& name : plan.outputs) to.add_outputs(name);
  for (const ClusterPhase& phase : plan.phases) Put(phase, *to.add_phases());
}

// ---- From bytes ---------------------------------------------------------------------------------

Status TakeFrames(const proto::InputFiles& from, std::vector<Shard>& shards) {
  const int framed = from.framed_shards_size();
  if (from.frame_counts_size() != framed ||
      from.frame_stored_bytes_size() != from.frame_bytes_size())
    return Status::Corrupt("columns of frames are not equally long");
  std::size_t next = 0;  // Of all frames.
  for (int i = 0; i < framed; ++i) {
    const std::uint32_t number = from.framed_shards(i);
    const std::size_t count = from.frame_counts(i);
    if (number >= shards.size() || (i > 0 && number <= from.framed_shards(i - 1)))
      return Status::Corrupt("frames of a shard that is not there");
    if (count == 0 || count > static_cast<std::size_t>(from.frame_bytes_size()) - next)
      return Status::Corrupt("shards have other frames than there are");
    ShardFrame frame;
    std::vector<ShardFrame>& frames = shards[number].frames;
    frames.reserve(count);
    for (const std::size_t end = next + count; next < end; ++next) {
      frame.stored_bytes = from.frame_stored_bytes(static_cast<int>(next));
      frame.bytes = from.frame_bytes(static_cast<int>(next));
      frames.push_back(frame);
      frame.stored_offset += frame.stored_bytes;
      frame.offset += frame.bytes;
    }
  }
  if (next != static_cast<std::size_t>(from.frame_bytes_size()))
    return Status::Corrupt("shards have other frames than there are");
  return {};
}

Status TakeLayouts(const proto::InputFiles& from, std::vector<Shard>& shards) {
  if (from.row_begins_size() != from.row_ends_size())
    return Status::Corrupt("columns of rows are not equally long");
  std::vector<std::shared_ptr<const ShardLayout>> without_rows(
      static_cast<std::size_t>(from.layouts_size()));  // They can be shared.
  int next_count = 0;
  int next = 0;  // Of all ranges of rows.
  for (std::size_t s = 0; s < shards.size(); ++s) {
    const std::uint32_t number = from.shard_layouts(static_cast<int>(s));
    if (number == 0) continue;
    if (number > static_cast<std::uint32_t>(from.layouts_size()) ||
        next_count == from.row_counts_size() ||
        from.row_counts(next_count) > static_cast<std::uint32_t>(from.row_begins_size() - next)) {
      return Status::Corrupt("a layout that is not there");
    }
    const proto::Layout& known = from.layouts(static_cast<int>(number) - 1);
    std::shared_ptr<const ShardLayout>& shared = without_rows[number - 1];
    if (from.row_counts(next_count) == 0 && shared != nullptr) {
      shards[s].layout = shared;
      ++next_count;
      continue;
    }
    auto layout = std::make_shared<ShardLayout>();
    layout->columns.assign(known.columns().begin(), known.columns().end());
    layout->dialect = known.dialect();
    const int end = next + static_cast<int>(from.row_counts(next_count++));
    for (std::uint64_t last = 0; next < end; ++next) {
      const RowRange rows{from.row_begins(next), from.row_ends(next)};
      if (rows.begin < last || rows.end < rows.begin)
        return Status::Corrupt("its rows are not in their order");
      layout->rows.push_back(rows);
      last = rows.end;
    }
    if (layout->rows.empty()) shared = layout;
    shards[s].layout = std::move(layout);
  }
  if (next != from.row_begins_size() || next_count != from.row_counts_size())
    return Status::Corrupt("shards have other rows than there are");
  return {};
}

Status TakeShards(const proto::PlanInput& planned, const proto::InputFiles& from,
                  std::vector<Shard>& shards) {
  const int count = planned.shards_size();
  if (from.mtime_ns_size() != count || from.inode_size() != count ||
      from.shard_layouts_size() != count ||
      from.compression().size() != static_cast<std::size_t>(count))
    return Status::Corrupt("columns of its files are not as long as its shards");
  shards.resize(static_cast<std::size_t>(count));
  for (int s = 0; s < count; ++s) {
    Shard& shard = shards[static_cast<std::size_t>(s)];
    shard.file.path = planned.shards(s).path();
    shard.file.bytes = planned.shards(s).stored_bytes();
    shard.file.mtime_ns = from.mtime_ns(s);
    shard.file.inode = from.inode(s);
    const auto code = static_cast<unsigned char>(from.compression()[static_cast<std::size_t>(s)]);
    if (code >= std::size(kCompressions)) return Status::Corrupt("compression ", +code, " is none");
    shard.compression = kCompressions[code];
  }
  MR_RETURN_IF_ERROR(TakeFrames(from, shards));
  return TakeLayouts(from, shards);
}

Status TakePhase(const proto::ClusterPhase& from, ClusterPhase& to) {
  if (from.kind() != proto::TASK_KIND_MAP && from.kind() != proto::TASK_KIND_REDUCE)
    return Status::Corrupt("a phase of kind ", from.kind());
  to.kind = from.kind() == proto::TASK_KIND_MAP ? TaskKind::kMap : TaskKind::kReduce;
  to.stage = from.stage();
  to.source = from.source();
  to.input = from.input();
  for (const proto::PhaseSource& source : from.sources())
    to.sources.push_back({source.phase(), source.channel()});
  to.channels = from.channels();
  to.outputs.assign(from.outputs().begin(), from.outputs().end());
  to.makes_table = from.makes_table();
  to.tables.assign(from.tables().begin(), from.tables().end());
  return {};
}

Status Take(proto::ClusterPlan& from, ClusterPlan& to) {
  if (from.inputs_size() != from.plan().inputs_size())
    return Status::Corrupt("files of ", from.inputs_size(), " inputs for ",
                           from.plan().inputs_size());
  from.mutable_plan()->DiscardUnknownFields();
  for (int i = 0; i < from.inputs_size(); ++i) {
    const proto::PlanInput& planned = from.plan().inputs(i);
    ExecutionInput& input = to.inputs.emplace_back();
    input.name = planned.name();
    if (!planned.format().empty()) {
      Result<FileFormat> format = ParseFileFormat(planned.format());
      if (!format.ok())
        return Status::Corrupt("the input ", input.name, ": ", format.error().message());
      input.format = *std::move(format);
    }
    MR_RETURN_IF_ERROR(
        TakeShards(planned, from.inputs(i), input.shards).Annotate("the input ", input.name));
  }
  to.plan.Swap(from.mutable_plan());
  to.typed_output = from.typed_output();
  to.force = from.force();
  to.max_rejects.count = from.rejects_max();
  if (from.has_rejects_percent()) {
    to.max_rejects.percent = from.rejects_percent();
    if (!(to.max_rejects.percent >= 0)) return Status::Corrupt("its share of rejects is none");
  }
  to.checks_determinism = from.checks_determinism();
  for (const proto::ModuleFile& module : from.modules())
    to.modules.push_back({module.name(),
                          {module.hash().high(), module.hash().low()},
                          module.bytes(),
                          module.signer(),
                          module.signature()});
  to.split_bytes = from.split_bytes();
  to.stages.assign(from.stages().begin(), from.stages().end());
  to.outputs.assign(from.outputs().begin(), from.outputs().end());
  for (const proto::ClusterPhase& phase : from.phases())
    MR_RETURN_IF_ERROR(TakePhase(phase, to.phases.emplace_back()));
  return CheckClusterPlan(to);
}

}  // namespace

Result<std::string> EncodeClusterPlan(const ClusterPlan& plan) {
  if (const Status status = CheckClusterPlan(plan); !status.ok())
    return Status::InvalidArgument("no cluster can run the plan: ", status.message());
  proto::ClusterPlan message;
  Put(plan, message);
  const std::size_t bytes = message.ByteSizeLong();
  if (bytes > kPlanBytesMax) {
    std::uint64_t shards = 0;
    for (const ExecutionInput& input : plan.inputs) shards += input.shards.size();
    return Status::ResourceLimit(
        "the plan of ", FormatCount(shards), " input files takes ", FormatBytes(bytes),
        ", more than the ", FormatBytes(kPlanBytesMax),
        " that a cluster takes; run it over fewer files at a time, or without --master");
  }
  return message.SerializeAsString();
}

Result<ClusterPlan> DecodeClusterPlan(std::string_view bytes) {
  const auto damaged = [](const auto&... what) {
    return Status::Corrupt("the run's plan can't be used: ", what...);
  };
  if (bytes.size() > kPlanBytesMax) return damaged("it is too large");
  proto::ClusterPlan message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return damaged("its bytes are no plan");
  if (message.version() > kVersion) {
    return Status::InvalidArgument(
        "the run's plan was made by a newer version of Millrace; use the same one everywhere");
  }
  if (message.version() == 0) return damaged("its bytes are no plan");
  ClusterPlan plan;
  if (const Status status = Take(message, plan); !status.ok()) return damaged(status.message());
  if (const Status status = FillSplits(plan); !status.ok()) return damaged(status.message());
  return plan;
}

}  // namespace millrace
