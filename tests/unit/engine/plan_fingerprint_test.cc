// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/plan_fingerprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/unit/engine/test_plan.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Stored in manifests: must not change with compilers, platforms or versions of protobuf.
TEST(PlanFingerprintTest, IsThatOfAllOtherBuilds) {
  EXPECT_EQ(PlanFingerprint(TestPlan()).Hex(), "4936f95351ca95d683db588638cb3121");
  EXPECT_EQ(StageFingerprint(TestPlan(), "stage-1").Hex(), "40016b388be6a5110a2f59f54339d054");
}

TEST(PlanFingerprintTest, ChangesWithEverythingThatDecidesTheOutput) {
  const std::function<void(proto::Plan&)> changes[] = {
      [](proto::Plan& plan) { plan.set_job("sort"); },
      [](proto::Plan& plan) { plan.set_code("0123abce"); },
      [](proto::Plan& plan) { plan.mutable_parameters(0)->set_value("10"); },
      [](proto::Plan& plan) { plan.mutable_parameters(0)->set_name("kk"); },
      [](proto::Plan& plan) { plan.clear_parameters(); },
      [](proto::Plan& plan) { plan.set_date(""); },
      [](proto::Plan& plan) { plan.set_parts(2); },
      [](proto::Plan& plan) { plan.set_compression("zstd"); },
      [](proto::Plan& plan) { plan.mutable_inputs(0)->set_name("play"); },
      [](proto::Plan& plan) { plan.mutable_inputs(0)->mutable_shards(0)->set_stored_bytes(4); },
      [](proto::Plan& plan) {
        plan.mutable_inputs(0)->mutable_shards(0)->set_xxh128(HashOf128("other").Hex());
      },
      [](proto::Plan& plan) {
        plan.mutable_inputs(0)->mutable_shards(0)->set_path("/data/plays/a2.tsv");
      },
      [](proto::Plan& plan) { plan.mutable_inputs(0)->mutable_shards()->RemoveLast(); },
      [](proto::Plan& plan) { plan.mutable_inputs(0)->mutable_shards()->SwapElements(0, 1); },
      [](proto::Plan& plan) { plan.mutable_inputs()->SwapElements(0, 1); },
      [](proto::Plan& plan) { *plan.mutable_inputs(1)->add_shards() = TestShard("/x", ""); },
      [](proto::Plan& plan) { plan.set_output_format("csv"); },
  };
  const Hash128 fingerprint = PlanFingerprint(TestPlan());
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    proto::Plan plan = TestPlan();
    changes[i](plan);
    EXPECT_FALSE(PlanFingerprint(plan) == fingerprint) << "change " << i;
    EXPECT_FALSE(PlanDifferences(TestPlan(), plan).empty() && i != 13 && i != 14) << "change " << i;
  }
}

TEST(PlanFingerprintTest, IsTheSameForTheSameFilesInAnotherFolder) {
  proto::Plan plan = TestPlan();
  plan.set_directory("/home/ann");
  plan.mutable_inputs(0)->mutable_shards(0)->set_path("copy/./a.tsv");
  plan.mutable_inputs(0)->mutable_shards(1)->set_path("/home/ann/copy/b.tsv");
  plan.mutable_inputs(1)->mutable_shards(0)->set_path("../bob/users.tsv");
  EXPECT_EQ(PlanFingerprint(plan), PlanFingerprint(TestPlan()));
  EXPECT_THAT(PlanDifferences(TestPlan(), plan), IsEmpty());
}

TEST(PlanFingerprintTest, SeesFoldersBelowTheCommonOne) {
  proto::Plan plan = TestPlan();
  plan.mutable_inputs(0)->mutable_shards(0)->set_path("/data/plays/x/a.tsv");
  EXPECT_FALSE(PlanFingerprint(plan) == PlanFingerprint(TestPlan()));
}

TEST(PlanDifferencesTest, SaysWhatDiffers) {
  proto::Plan now = TestPlan();
  now.set_code("other");
  now.mutable_parameters(0)->set_value("50");
  now.set_date("");
  proto::PlanInput& plays = *now.mutable_inputs(0);
  *plays.mutable_shards(0) = TestShard("/data/plays/a.tsv", "FIRST");
  *plays.mutable_shards(1) = TestShard("/data/plays/c.tsv", "third");
  EXPECT_THAT(PlanDifferences(TestPlan(), now),
              ElementsAre("the job's code changed", "parameter k was 100 and is 50",
                          "the date was 2026-11-21 and is empty", "input plays: a.tsv changed",
                          "input plays: c.tsv is new", "input plays: b.tsv is gone"));
}

TEST(PlanDifferencesTest, LooksAtSizesWhereNothingIsHashedYet) {
  proto::Plan now = TestPlan();
  now.mutable_inputs(0)->mutable_shards(0)->clear_xxh128();
  now.mutable_inputs(0)->mutable_shards(1)->clear_xxh128();
  now.mutable_inputs(0)->mutable_shards(1)->set_stored_bytes(7);
  EXPECT_THAT(PlanDifferences(TestPlan(), now), ElementsAre("input plays: b.tsv changed"));
}

TEST(PlanDifferencesTest, ShowsTheFirstFew) {
  EXPECT_EQ(FirstOf({"a"}), "a");
  EXPECT_EQ(FirstOf({"a", "b", "c"}), "a; b; c");
  EXPECT_EQ(FirstOf({"a", "b", "c", "d", "e"}), "a; b; c and 2 more");
}

}  // namespace
}  // namespace millrace
