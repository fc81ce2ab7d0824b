// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/cluster_plan.h"

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "mapreduce/base/random.h"
#include "mapreduce/proto/cluster_plan.pb.h"
#include "mapreduce/proto/limits.h"
#include "tests/unit/engine/cluster_tools.h"
#include "tests/unit/engine/probe_jobs.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// An input read by two stages, one of maps alone; another that is joined.
void ManyPhasesJob(Job& job) {
  auto left = job.ReadLines("left");
  left.Map<probe::Same>().Write<Text>("copy");
  left.Map<probe::FromLeft>()
      .And(job.ReadLines("right").Map<probe::FromRight>())
      .Reduce<probe::Join>()
      .Write<Tsv>("joined");
}

Shard PlainShard(const std::string& path, std::uint64_t bytes) {
  return {.file = {.path = path, .bytes = bytes, .mtime_ns = -5, .inode = 7, .device = 9},
          .compression = Compression::kNone,
          .frames = {}};
}

// A seekable file of so many frames, and a table.
Shard FramedShard(const std::string& path, std::uint64_t frames) {
  Shard shard = PlainShard(path, frames * 100 + 40);
  shard.compression = Compression::kZstd;
  for (std::uint64_t i = 0; i < frames; ++i) shard.frames.push_back({i * 100, 100, i * 700, 700});
  shard.frames.push_back({frames * 100, 40, frames * 700, 0});
  return shard;
}

PlannedJob PlanMany() {
  Shard gzip = PlainShard("/in/c.gz", 5000);
  gzip.compression = Compression::kGzip;
  std::vector<ExecutionInput> inputs = {
      {"left", {PlainShard("/in/a", 1000), FramedShard("/in/b.zst", 50), gzip}},
      {"right", {PlainShard("/in/empty", 0), FramedShard("/in/d.zst", 2)}}};
  return PlanByHand(MakeJob(ManyPhasesJob), std::move(inputs), /*parts=*/3);
}

ClusterPlanOptions SomeOptions() {
  ClusterPlanOptions options;
  options.split_bytes = 400;
  options.typed_output = "../out";
  options.force = true;
  options.max_rejects = {.count = 3, .percent = 0};
  options.checks_determinism = true;
  options.modules = {{"jobs.so", {1, 2}, 12345, std::string(32, 'k'), std::string(64, '\0')},
                     {"more.so", {3, 4}, 1, "", ""}};
  return options;
}

std::string EncodeMany() { return *EncodeClusterPlan(*MakeClusterPlan(PlanMany(), SomeOptions())); }

std::string Describe(const std::vector<Split>& splits) {
  std::string text;
  for (const Split& split : splits) {
    for (const SplitPiece& piece : split.pieces) {
      text += std::to_string(piece.input) + "/" + std::to_string(piece.shard) + " [" +
              std::to_string(piece.range.stored_begin) + "," +
              std::to_string(piece.range.stored_end) + ") [" + std::to_string(piece.range.begin) +
              "," + std::to_string(piece.range.end) + ") ";
    }
    text += std::to_string(split.stored_bytes) + "\n";
  }
  return text;
}

TEST(ClusterPlanTest, IsTheSameBehindTheWire) {
  const PlannedJob planned = PlanMany();
  const Result<ClusterPlan> made = MakeClusterPlan(planned, SomeOptions());
  ASSERT_TRUE(made.ok()) << made.error().message();
  const Result<std::string> bytes = EncodeClusterPlan(*made);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message();
  const Result<ClusterPlan> plan = DecodeClusterPlan(*bytes);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(*EncodeClusterPlan(*plan), *bytes);
  EXPECT_EQ(plan->plan.SerializeAsString(), planned.plan.SerializeAsString());
  EXPECT_EQ(plan->typed_output, "../out");
  EXPECT_TRUE(plan->force);
  EXPECT_EQ(plan->max_rejects.count, 3u);
  EXPECT_EQ(plan->max_rejects.percent, 0);
  EXPECT_TRUE(plan->checks_determinism);
  EXPECT_EQ(plan->modules, SomeOptions().modules);
  EXPECT_EQ(plan->split_bytes, 400u);
  EXPECT_THAT(plan->stages, ElementsAre("stage-1", "stage-2"));
  EXPECT_THAT(plan->outputs, ElementsAre("copy", "joined"));
  ASSERT_EQ(plan->inputs.size(), 2u);
  const Shard& framed = plan->inputs[0].shards[1];
  EXPECT_EQ(framed.frames.size(), 51u);
  EXPECT_EQ(framed.frames[50].stored_offset, 5000u);
  EXPECT_EQ(framed.frames[50].offset, 35000u);
  EXPECT_EQ(framed.file.mtime_ns, -5);
  EXPECT_EQ(framed.file.inode, 7u);
  EXPECT_EQ(framed.file.device, 0u);  // Another one on each machine.
  EXPECT_EQ(plan->inputs[0].shards[2].compression, Compression::kGzip);
  EXPECT_TRUE(plan->inputs[1].shards[1].frames.empty());  // It is not cut.
  // Splits are those of the planned shards with all their frames.
  std::vector<Split> left, right;
  for (Split& split : PlanSplits(planned.inputs, 400))
    (split.pieces.front().input == 0 ? left : right).push_back(std::move(split));
  ASSERT_EQ(plan->phases.size(), 4u);
  EXPECT_EQ(Describe(plan->phases[0].splits), Describe(PlanParts(planned.inputs, 0, 3)));
  EXPECT_EQ(Describe(plan->phases[1].splits), Describe(left));
  EXPECT_EQ(Describe(plan->phases[2].splits), Describe(right));
  EXPECT_EQ(CheckFitsJob(*plan, planned.job->graph()).message(), "");
  EXPECT_EQ(CheckFitsJob(*plan, MakeJob(probe::CopyJob)->graph()).code(),
            StatusCode::kInvalidArgument);
}

TEST(ClusterPlanTest, TellsTheSchedulerItsPhases) {
  const ClusterPlan plan = *DecodeClusterPlan(EncodeMany());
  const std::vector<PhaseSpec> phases = PhasesOf(plan);
  ASSERT_EQ(phases.size(), 4u);
  EXPECT_EQ(phases[0].name, "stage-1 map");
  EXPECT_EQ(phases[0].kind, TaskKind::kMap);
  EXPECT_EQ(phases[0].task_count, 3u);
  EXPECT_EQ(phases[0].channels, 0u);
  EXPECT_TRUE(phases[0].writes_parts);
  EXPECT_EQ(phases[1].name, "stage-2 map");
  EXPECT_EQ(phases[1].task_count, phases[1].task_bytes.size());
  EXPECT_EQ(phases[1].channels, 1u);
  EXPECT_FALSE(phases[1].writes_parts);
  EXPECT_EQ(phases[3].name, "stage-2 reduce");
  EXPECT_EQ(phases[3].kind, TaskKind::kReduce);
  EXPECT_EQ(phases[3].task_count, 3u);
  EXPECT_EQ(phases[3].channels, 0u);
  EXPECT_TRUE(phases[3].writes_parts);
  EXPECT_THAT(phases[3].sources, ElementsAre(PhaseSource{1, 0}, PhaseSource{2, 0}));
  EXPECT_EQ(phases[3].sample_capacity, SampleCapacity(3));

  RunSpec spec;
  spec.phases = phases;
  EXPECT_EQ(CheckFits(plan, spec).message(), "");
  const auto code = [&](const std::function<void(std::vector<PhaseSpec>&)>& spoil) {
    spec.phases = phases;
    spoil(spec.phases);
    return CheckFits(plan, spec).code();
  };
  using Phases = std::vector<PhaseSpec>;
  const StatusCode kBad = StatusCode::kInvalidArgument;
  EXPECT_EQ(code([](Phases& p) { p.pop_back(); }), kBad);
  EXPECT_EQ(code([](Phases& p) { p[0].kind = TaskKind::kReduce; }), kBad);
  EXPECT_EQ(code([](Phases& p) { ++p[1].task_count; }), kBad);
  EXPECT_EQ(code([](Phases& p) { ++p[1].channels; }), kBad);
  EXPECT_EQ(code([](Phases& p) { p[3].writes_parts = false; }), kBad);
  EXPECT_EQ(code([](Phases& p) { p[3].sources[1].channel = 1; }), kBad);
  EXPECT_EQ(code([](Phases& p) { --p[3].sample_capacity; }), kBad);
  EXPECT_EQ(code([](Phases& p) { p[1].task_bytes.clear(); }), kBad);
}

TEST(ClusterPlanTest, FusedMapsHaveChannels) {
  const PlannedJob planned =
      PlanByHand(MakeJob(probe::PickyJob), {{"lines", {PlainShard("/in/a", 10)}}}, /*parts=*/2);
  const ClusterPlan plan =
      *DecodeClusterPlan(*EncodeClusterPlan(*MakeClusterPlan(planned, SomeOptions())));
  const std::vector<PhaseSpec> phases = PhasesOf(plan);
  ASSERT_EQ(phases.size(), 4u);
  EXPECT_EQ(phases[1].channels, 2u);
  EXPECT_THAT(phases[2].sources, ElementsAre(PhaseSource{1, 0}));
  EXPECT_THAT(phases[3].sources, ElementsAre(PhaseSource{1, 1}));
}

TEST(ClusterPlanTest, PhasesKnowTheTablesTheyLookUpIn) {
  const google::protobuf::LogSilencer silence;
  const PlannedJob planned =
      PlanByHand(MakeJob(probe::LookUpJob), {{"lines", {PlainShard("/in/a", 10)}}}, /*parts=*/2);
  const std::string bytes = *EncodeClusterPlan(*MakeClusterPlan(planned, SomeOptions()));
  const ClusterPlan plan = *DecodeClusterPlan(bytes);
  EXPECT_EQ(CheckFitsJob(plan, planned.job->graph()).message(), "");
  const std::vector<PhaseSpec> phases = PhasesOf(plan);
  std::vector<std::uint32_t> makers;
  std::vector<std::vector<std::uint32_t>> tables;
  for (std::uint32_t i = 0; i < phases.size(); ++i) {
    if (phases[i].makes_table) makers.push_back(i);
    tables.push_back(phases[i].tables);
  }
  // The first values; the sums, whose reduce looks up in them for the map behind it.
  ASSERT_EQ(makers.size(), 3u);
  EXPECT_THAT(makers, ElementsAre(1, 3, 8));
  EXPECT_THAT(tables, ElementsAre(ElementsAre(), ElementsAre(), ElementsAre(), ElementsAre(1),
                                  ElementsAre(), ElementsAre(1, 3), ElementsAre(3), ElementsAre(),
                                  ElementsAre()));
  RunSpec spec;
  spec.phases = phases;
  spec.phases[5].tables.pop_back();
  EXPECT_EQ(CheckFits(plan, spec).code(), StatusCode::kInvalidArgument);
  spec.phases = phases;
  spec.phases[1].makes_table = false;
  EXPECT_EQ(CheckFits(plan, spec).code(), StatusCode::kInvalidArgument);

  const auto code = [&](const std::function<void(proto::ClusterPlan&)>& spoil) {
    proto::ClusterPlan message;
    EXPECT_TRUE(message.ParseFromString(bytes));
    spoil(message);
    const Result<ClusterPlan> spoiled = DecodeClusterPlan(message.SerializeAsString());
    return spoiled.ok() ? CheckFitsJob(*spoiled, planned.job->graph()).code()
                        : spoiled.error().code();
  };
  using P = proto::ClusterPlan;
  EXPECT_EQ(code([](P&) {}), StatusCode::kOk);
  EXPECT_EQ(code([](P& p) { p.mutable_phases(5)->add_tables(3); }), StatusCode::kCorrupt);
  EXPECT_EQ(code([](P& p) { p.mutable_phases(5)->add_tables(8); }), StatusCode::kCorrupt);
  EXPECT_EQ(code([](P& p) { p.mutable_phases(5)->clear_tables(); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](P& p) { p.mutable_phases(8)->set_makes_table(false); }),
            StatusCode::kInvalidArgument);
}

TEST(ClusterPlanTest, TellsWhereColumnsAndRowsAre) {
  PlannedJob planned = PlanMany();
  const auto layout = [](std::vector<std::string> columns, std::vector<RowRange> rows) {
    return std::make_shared<const ShardLayout>(
        ShardLayout{std::move(columns), "x", std::move(rows)});
  };
  std::vector<Shard>& shards = planned.inputs[0].shards;
  ASSERT_EQ(shards.size(), 3u);
  planned.inputs[0].format = {"csv", {{"delimiter", ";"}}};
  planned.plan.mutable_inputs(0)->set_format("csv,delimiter=;");
  shards[0].layout = layout({"a", "b"}, {{4, 9}, {12, UINT64_MAX}});
  shards[2].layout = layout({"a", "b"}, {});
  const Result<ClusterPlan> made = MakeClusterPlan(planned, SomeOptions());
  ASSERT_TRUE(made.ok()) << made.error().message();
  const std::string bytes = *EncodeClusterPlan(*made);
  Result<ClusterPlan> plan = DecodeClusterPlan(bytes);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan->inputs[0].format, planned.inputs[0].format);
  EXPECT_TRUE(plan->inputs[1].format.is_lines());
  ASSERT_NE(plan->inputs[0].shards[0].layout, nullptr);
  EXPECT_EQ(*plan->inputs[0].shards[0].layout, *shards[0].layout);
  EXPECT_EQ(plan->inputs[0].shards[1].layout, nullptr);
  ASSERT_NE(plan->inputs[0].shards[2].layout, nullptr);
  EXPECT_EQ(*plan->inputs[0].shards[2].layout, *shards[2].layout);
  proto::ClusterPlan message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.inputs(0).layouts_size(), 1);   // Told once.
  message.mutable_inputs(0)->set_row_begins(1, 8);  // Within the first.
  EXPECT_FALSE(DecodeClusterPlan(message.SerializeAsString()).ok());
}

TEST(ClusterPlanTest, ForgetsDigestsThatAreKnownAlready) {
  PlannedJob planned = PlanMany();
  planned.plan.mutable_inputs(0)->mutable_shards(0)->set_xxh128(Hash128{1, 2}.Hex());
  EXPECT_EQ(*EncodeClusterPlan(*MakeClusterPlan(planned, SomeOptions())), EncodeMany());
}

TEST(ClusterPlanTest, RefusesWhatDoesNotFitTogether) {
  const google::protobuf::LogSilencer silence;
  const std::string bytes = EncodeMany();
  const auto error = [&](const std::function<void(proto::ClusterPlan&)>& spoil) {
    proto::ClusterPlan message;
    EXPECT_TRUE(message.ParseFromString(bytes));
    spoil(message);
    const Status status = DecodeClusterPlan(message.SerializeAsString()).error();
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kCorrupt ||
                status.code() == StatusCode::kInvalidArgument);
    return status.message();
  };
  using P = proto::ClusterPlan;
  EXPECT_EQ(error([](P&) {}), "");
  const std::function<void(P&)> spoils[] = {
      [](P& p) { p.set_version(0); },
      [](P& p) { p.set_version(5); },
      [](P& p) { p.clear_plan(); },
      [](P& p) { p.mutable_plan()->clear_job(); },
      [](P& p) { p.mutable_plan()->set_parts(0); },
      [](P& p) { p.mutable_plan()->set_parts(1'000'001); },
      [](P& p) { p.mutable_plan()->set_compression("lzma"); },
      [](P& p) { p.mutable_plan()->set_output_format("tsv"); },
      [](P& p) { p.mutable_plan()->set_output_format("xlsx"); },
      [](P& p) { p.mutable_plan()->set_date("2026-02-30"); },
      [](P& p) { p.mutable_plan()->set_directory("relative"); },
      [](P& p) { p.mutable_plan()->add_parameters(); },
      [](P& p) { p.mutable_plan()->mutable_inputs(1)->set_name("left"); },
      [](P& p) { p.mutable_plan()->mutable_inputs(0)->mutable_shards(0)->set_path(""); },
      [](P& p) { p.mutable_plan()->mutable_inputs(0)->mutable_shards(0)->set_path("in/a"); },
      [](P& p) { p.mutable_plan()->mutable_inputs(0)->mutable_shards(0)->set_path("/in/\xff"); },
      [](P& p) { p.mutable_plan()->mutable_inputs(0)->mutable_shards(0)->set_xxh128("00"); },
      [](P& p) { p.mutable_plan()->mutable_inputs(0)->mutable_shards(1)->set_stored_bytes(1); },
      [](P& p) {
        p.mutable_plan()->mutable_inputs(0)->mutable_shards(0)->set_stored_bytes(1u << 31);
      },
      [](P& p) {
        for (auto& shard : *p.mutable_plan()->mutable_inputs(0)->mutable_shards())
          shard.set_stored_bytes(UINT64_MAX);
      },
      [](P& p) { p.mutable_plan()->mutable_inputs(0)->mutable_shards()->RemoveLast(); },
      [](P& p) { p.mutable_plan()->mutable_inputs()->RemoveLast(); },
      [](P& p) { p.mutable_inputs()->RemoveLast(); },
      [](P& p) { p.mutable_inputs(0)->add_inode(1); },
      [](P& p) { p.mutable_inputs(0)->mutable_compression()->back() = 3; },
      [](P& p) { p.mutable_inputs(0)->mutable_compression()->at(1) = 0; },
      [](P& p) { p.mutable_inputs(0)->set_framed_shards(0, 3); },
      [](P& p) { p.mutable_plan()->mutable_inputs(0)->set_format("xml"); },
      [](P& p) { p.mutable_inputs(0)->add_shard_layouts(0); },
      [](P& p) { p.mutable_inputs(0)->set_shard_layouts(0, 1); },
      [](P& p) { p.mutable_inputs(0)->add_row_counts(0); },
      [](P& p) { p.mutable_inputs(0)->add_row_begins(0); },
      [](P& p) { p.mutable_inputs(0)->set_frame_counts(0, 50); },
      [](P& p) { p.mutable_inputs(0)->set_frame_counts(0, UINT32_MAX); },
      [](P& p) { p.mutable_inputs(0)->add_frame_bytes(5); },
      [](P& p) { p.mutable_inputs(0)->set_frame_stored_bytes(3, 101); },
      [](P& p) { p.mutable_inputs(0)->set_frame_stored_bytes(3, UINT64_MAX); },
      [](P& p) { p.mutable_inputs(0)->set_frame_bytes(3, UINT64_MAX); },
      [](P& p) { p.clear_typed_output(); },
      [](P& p) { p.set_rejects_percent(-1); },
      [](P& p) { p.set_rejects_percent(101); },
      [](P& p) { p.set_rejects_percent(std::numeric_limits<double>::quiet_NaN()); },
      [](P& p) { p.mutable_modules(1)->set_name("jobs.so"); },
      [](P& p) { p.mutable_modules(0)->mutable_signer()->pop_back(); },
      [](P& p) { p.mutable_modules(0)->mutable_signature()->push_back('x'); },
      [](P& p) { p.mutable_modules(0)->clear_signature(); },
      [](P& p) { p.mutable_modules(1)->set_signature(std::string(64, 'x')); },
      [](P& p) { p.set_split_bytes(0); },
      [](P& p) { p.set_stages(0, "stage-2"); },
      [](P& p) { p.add_stages("stage-3"); },
      [](P& p) { p.set_outputs(0, ".."); },
      [](P& p) { p.set_outputs(0, "a/b"); },
      [](P& p) { p.add_outputs("third"); },
      [](P& p) { p.clear_phases(); },
      [](P& p) { p.mutable_phases()->RemoveLast(); },
      [](P& p) { *p.add_phases() = p.phases(3); },
      [](P& p) { p.mutable_phases(0)->set_kind(proto::TASK_KIND_UNSPECIFIED); },
      [](P& p) { p.mutable_phases(0)->set_stage(1); },
      [](P& p) { p.mutable_phases(0)->set_channels(1); },
      [](P& p) { p.mutable_phases(0)->clear_outputs(); },
      [](P& p) { p.mutable_phases(0)->set_outputs(0, 1); },
      [](P& p) { p.mutable_phases(0)->set_outputs(0, 2); },
      [](P& p) { p.mutable_phases(1)->set_channels(2); },
      [](P& p) { p.mutable_phases(1)->set_input(2); },
      [](P& p) { p.mutable_phases(2)->set_input(0); },
      [](P& p) { p.mutable_phases(2)->set_source(0); },
      [](P& p) { p.mutable_phases(2)->set_stage(2); },
      [](P& p) { p.mutable_phases(3)->mutable_sources()->RemoveLast(); },
      [](P& p) { p.mutable_phases(3)->mutable_sources(1)->set_phase(3); },
      [](P& p) { p.mutable_phases(3)->mutable_sources(1)->set_phase(0); },
      [](P& p) { p.mutable_phases(3)->mutable_sources(1)->set_phase(1); },
      [](P& p) { p.mutable_phases(3)->mutable_sources(1)->set_channel(1); },
      [](P& p) { p.mutable_phases(3)->set_channels(1); },
      [](P& p) { p.mutable_phases(3)->set_input(1); },
      [](P& p) { p.mutable_phases(1)->set_makes_table(true); },
      [](P& p) { p.mutable_phases(3)->add_tables(1); },
      [](P& p) { p.mutable_phases(3)->add_tables(3); },
  };
  for (const auto& spoil : spoils) EXPECT_NE(error(spoil), "") << &spoil - spoils;
  EXPECT_THAT(error([](P& p) { p.set_version(5); }), HasSubstr("newer version"));
}

TEST(ClusterPlanTest, SurvivesDamage) {
  const google::protobuf::LogSilencer silence;
  const std::string bytes = EncodeMany();
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(DecodeClusterPlan(bytes.substr(0, n)).ok()) << n;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
    const Result<ClusterPlan> plan = DecodeClusterPlan(damaged);
    if (!plan.ok()) continue;
    EXPECT_TRUE(EncodeClusterPlan(*plan).ok()) << bit;
  }
}

TEST(ClusterPlanTest, HoldsAHundredThousandShards) {
  std::vector<ExecutionInput> inputs = {{"lines", {}}};
  Random random(1);
  for (int i = 0; i < 100'000; ++i) {
    Shard shard = PlainShard(
        "/data/warehouse/events/2026-11-25/hour=12/part-" + std::to_string(i) + ".tsv.gz",
        random.Uniform(20'000'000));
    shard.file.mtime_ns = 1'795'000'000'000'000'000 + i;
    shard.file.inode = random.Uniform(1 << 30);
    shard.file.device = 64'769;
    shard.compression = Compression::kGzip;
    inputs[0].shards.push_back(std::move(shard));
  }
  ClusterPlanOptions options = SomeOptions();
  options.split_bytes = std::uint64_t{64} << 20;
  PlannedJob planned = PlanByHand(MakeJob(probe::CopyJob), std::move(inputs), /*parts=*/100);
  const Result<std::string> bytes = EncodeClusterPlan(*MakeClusterPlan(planned, options));
  ASSERT_TRUE(bytes.ok()) << bytes.error().message();
  const auto start = std::chrono::steady_clock::now();
  const Result<ClusterPlan> plan = DecodeClusterPlan(*bytes);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  std::printf("%zu bytes, decoded in %.3f s\n", bytes->size(), seconds.count());
  EXPECT_LT(bytes->size(), std::size_t{14} << 20);
  EXPECT_EQ(plan->inputs[0].shards.size(), 100'000u);

  for (Shard& shard : planned.inputs[0].shards) shard.file.path += std::string(600, 'x');
  for (auto& shard : *planned.plan.mutable_inputs(0)->mutable_shards())
    shard.mutable_path()->append(600, 'x');
  const Status status = EncodeClusterPlan(*MakeClusterPlan(planned, options)).error();
  EXPECT_EQ(status.code(), StatusCode::kResourceLimit);
  EXPECT_THAT(status.message(), HasSubstr("the plan of 100,000 input files takes"));
}

}  // namespace
}  // namespace millrace
