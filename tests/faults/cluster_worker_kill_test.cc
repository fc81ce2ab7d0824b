// SPDX-License-Identifier: Apache-2.0
// A worker dies by SIGKILL at each system call of io that it makes, and its tasks' processes at
// each of theirs. Another one is there; the run ends well, with the local runner's bytes.
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <string>

#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "tests/faults/cluster_site.h"

namespace millrace {
namespace {

constexpr int kSideBySide = 6;
constexpr int kShares = 2;
constexpr std::uint64_t kPlaces = 210;  // More than a worker that lives through the run makes.

class WorkerKillTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    RecordProperty("seed", std::to_string(TestSeed()));
    oracle_.Write("in/a.txt", "one two three two three three\n");
    oracle_.Write("in/b.txt", "three four\n");
    run_ = {"wordcount", "--input", oracle_.root() / "in", "--parts", "2", "--quiet"};
    local_ = oracle_.RunLocally(run_);
  }
  void Live(std::uint64_t n) {
    SCOPED_TRACE("io=kill@" + std::to_string(n));
    Site site;
    site.heartbeat_ms_ = "50";
    site.StartMaster();
    site.environment_ = {"MILLRACE_FAILPOINTS=io=kill@" + std::to_string(n)};
    const auto victim = site.Start(
        {"worker", "--master", site.endpoint(), "--spool", site.Place("spool"), "--slots", "1",
         "--memory", "128M", "--no-direct-reads", "--exit-on-stdin-eof", "--quiet"},
        "victim");
    site.environment_.clear();
    const auto client = site.StartAtMaster(Words{"run"} + run_ + Words{"--output", "out"});
    AwaitThat("that the first has had its chance", [&] {
      if (victim->HasEnded() || client->HasEnded()) return true;
      const nlohmann::json runs = site.Status()["runs"];
      return !runs.empty() && runs[0]["attempts"] > 0;
    });
    ClusterProcess& other = site.AddWorker({"--no-direct-reads"});
    const ProcessResult result = site.Follow(*client);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    ExpectSameTree(local_, site.root() / "out");
    site.AwaitTidy();
    EXPECT_FALSE(other.HasEnded()) << other.err();
    failures_ += site.Status()["runs"][0]["failures"].get<int>();
    if (victim->HasEnded()) {
      EXPECT_EQ(victim->Wait().exit_code, 137) << "only its failpoint may end it";
      ++kills_;
    }
    victim->Kill();
    site.KillWorker(0);  // So that the next one clears what both have left.
  }

  Site oracle_;
  Words run_;
  std::filesystem::path local_;
  std::atomic<int> kills_{0}, failures_{0};
};

TEST_P(WorkerKillTest, AnywhereGivesTheLocalRunnersBytes) {
  SideBySide(kSideBySide, [&](std::uint64_t i) {
    // One of two, drawn, in the default tier.
    const std::uint64_t step = IsLongTier() ? 1 : 2;
    Random random(TestSeed() + i);
    const std::uint64_t share = i * kShares + static_cast<std::uint64_t>(GetParam());
    Live(share * step + random.Uniform(step) + 1);
    return (share + kShares) * step < kPlaces;
  });
  std::cout << "[ kills    ] " << kills_ << " of workers, " << failures_ << " attempts failed\n";
  EXPECT_GT(kills_, 10);
  EXPECT_GT(failures_, 3);
}
INSTANTIATE_TEST_SUITE_P(Shares, WorkerKillTest, testing::Range(0, kShares));

}  // namespace
}  // namespace millrace
