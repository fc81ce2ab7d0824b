// SPDX-License-Identifier: Apache-2.0
// The master dies by SIGKILL at each system call of its journal, its outputs and its start, one
// after the other, and in its next lives again; each time the client, which never hears of it, ends
// well, with the local runner's bytes.
//
// MILLRACE_TEST_TIER=long: when all places have had their turn, thousands of runs whose masters
// die at random places follow.
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <string>

#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "tests/faults/cluster_site.h"

namespace millrace {
namespace {

constexpr int kSideBySide = 6;  // Most of a history is waiting.
constexpr int kShares = 4;      // Of all places to die: so that a test is short.
constexpr std::uint64_t kLongHistories = 1500;
constexpr std::uint64_t kPlaces = 300;  // About so many system calls are in a life.

// The n-th system call of io in a life is its last.
std::string KilledAt(std::uint64_t n) { return "io=kill@" + std::to_string(n); }

class MasterKillTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    RecordProperty("seed", std::to_string(TestSeed()));
    oracle_.Write("in/a.txt", "one two three two three three\n");
    oracle_.Write("in/b.txt", "three four\n");
    Choose({"wordcount"});
  }
  void Choose(const Words& job) {
    run_ = job + Words{"--input", oracle_.root() / "in", "--parts", "2", "--quiet"};
    local_ = oracle_.RunLocally(run_);
  }
  void TearDown() override {
    std::cout << "[ kills    ] " << kills_ << " of masters, in " << histories_ << " runs\n";
  }

  // One run whose masters die as `lives` say: how many of them did.
  int Live(const Words& lives, const std::string& always = "") {
    SCOPED_TRACE(testing::PrintToString(lives));
    Site site;
    site.heartbeat_ms_ = "50";
    site.StartMasterOfLives(lives, always);
    ClusterProcess& worker = site.AddWorker({"--slots", "2"});
    const auto client = site.StartAtMaster(Words{"run"} + run_ + Words{"--output", "out"});
    const ProcessResult result = site.Follow(*client);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    ExpectSameTree(local_, site.root() / "out");
    site.AwaitTidy();
    EXPECT_FALSE(worker.HasEnded()) << "a worker has left: " << worker.err();
    site.EndMaster();
    ++histories_;
    kills_ += site.kills();
    return site.kills();
  }
  // This share's i-th place.
  std::uint64_t Place(std::uint64_t i) const {
    return i * kShares + static_cast<std::uint64_t>(GetParam()) + 1;
  }
  // Of this share's i-th history.
  Random RandomOf(std::uint64_t i) const { return Random(TestSeed() * 1'000'003 + Place(i)); }

  Site oracle_;
  Words run_;
  std::filesystem::path local_;
  std::atomic<int> histories_{0}, kills_{0};
};
INSTANTIATE_TEST_SUITE_P(Shares, MasterKillTest, testing::Range(0, kShares));

TEST_P(MasterKillTest, AnywhereGivesTheLocalRunnersBytes) {
  SideBySide(kSideBySide, [&](std::uint64_t i) { return Live({KilledAt(Place(i))}) == 1; });
  EXPECT_GT(kills_, 50);
}

// All places of the second life, after a first that ended anywhere; a third ends early.
TEST_P(MasterKillTest, AgainInTheNextLivesGivesTheLocalRunnersBytes) {
  SideBySide(kSideBySide, [&](std::uint64_t i) {
    Random random = RandomOf(i);
    const std::uint64_t first = random.Uniform(kPlaces) + 1, third = random.Uniform(80) + 1;
    const std::uint64_t second = i * kShares > kPlaces ? random.Uniform(kPlaces) + 1 : Place(i);
    Live({KilledAt(first), KilledAt(second), KilledAt(third)});
    return i < (IsLongTier() ? kLongHistories : kPlaces / kShares);
  });
  EXPECT_GT(kills_, 50);
}

// Each sync is followed by a snapshot and a new segment.
TEST_P(MasterKillTest, WithARotationAfterEachSyncGivesTheLocalRunnersBytes) {
  SideBySide(kSideBySide, [&](std::uint64_t i) {
    // Every third in the default tier: the places of a rotation are alike.
    const std::uint64_t place = IsLongTier() ? Place(i) : 3 * Place(i) - RandomOf(i).Uniform(3);
    return Live({KilledAt(place), KilledAt(place)}, "master.rotate=error@1+") > 0;
  });
  EXPECT_GT(kills_, 50);
}

class MasterKillWithModuleTest : public MasterKillTest {};
INSTANTIATE_TEST_SUITE_P(Shares, MasterKillWithModuleTest, testing::Range(0, 1));

// The module goes from the client to the master, and from there to the worker.
TEST_P(MasterKillWithModuleTest, AnywhereGivesTheLocalRunnersBytes) {
  Choose({"--module", MILLRACE_CLUSTER_PROBES, "obey"});
  SideBySide(kSideBySide, [&](std::uint64_t i) {
    return Live({KilledAt(IsLongTier() ? i + 1 : 5 * i + RandomOf(i).Uniform(5) + 1)}) == 1;
  });
  EXPECT_GT(kills_, 50);
}

}  // namespace
}  // namespace millrace
