// SPDX-License-Identifier: Apache-2.0
// Promise 6: whoever dies or stands still in the middle of a run costs time, not data. (When a
// worker goes: jobs_test.cc. Each durable step, disks and links: tests/faults/.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "tests/cluster/test_cluster.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class FaultsTest : public ClusterTest {
 protected:
  static constexpr int kShards = 30;

  /// Each map task notes that it is executed; some time passes; the last one stands still until
  /// Go().
  void SetUp() override {
    ClusterTest::SetUp();
    for (int i = 0; i < kShards; ++i) {
      std::string lines = "note " + Path("notes-" + std::to_string(i)) + "\nsleep 5\n";
      for (int j = 0; j < 40; ++j) lines += "word " + std::to_string(i * j % 97) + "\n";
      if (i == kShards - 1) lines += "wait " + Path("go") + "\n";
      WriteShard("in/" + std::to_string(100 + i), lines);
    }
  }
  std::string Path(const std::string& name) const { return (root_ / name).string(); }
  void Go() { Write("go", ""); }
  Words TheRun() const {
    return {"obey", "--module", MILLRACE_CLUSTER_PROBES, "--input", "in", "--parts", "3"};
  }
  std::unique_ptr<ClusterProcess> StartRun() {
    return StartAtMaster(Words{"run"} + TheRun() + Words{"--output", "out", "--split-size", "1k"});
  }
  /// How often the map task of a shard was executed.
  int Executions(int shard) {
    const std::string notes = Read("notes-" + std::to_string(shard));
    return static_cast<int>(std::count(notes.begin(), notes.end(), '\n'));
  }
  void ExpectGoodEnd(ClusterProcess& client) {
    const ProcessResult result = client.Wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    ExpectSameTree(RunLocally(TheRun()), root_ / "out");
  }
};

TEST_F(FaultsTest, RestartedMasterGoesOnWhereTheLastOneStopped) {
  StartCluster(2);
  const auto client = StartRun();
  AwaitTasksDone(kShards - 1);
  KillMaster();
  StartMaster();
  AwaitThat("the run goes on", [&] { return OnlyRun()["tasks_done"] >= kShards - 1; });
  Go();
  ASSERT_EQ(client->Wait().exit_code, 0) << client->err();
  for (int i = 0; i < kShards; ++i) EXPECT_EQ(Executions(i), 1) << "shard " << i;
  ExpectGoodEnd(*client);
}

TEST_F(FaultsTest, MasterMayDieAgainAndAgain) {
  StartCluster(2);
  const auto client = StartRun();
  for (const int done : {1, 5, 10, 20}) {
    AwaitTasksDone(static_cast<std::uint64_t>(done));
    KillMaster();
    StartMaster();
  }
  Go();
  ExpectGoodEnd(*client);
}

// Between and within two stages, the second of which looks up in what the first has made.
TEST_F(FaultsTest, MasterMayDieWhileTablesAreMadeAndLookedUpIn) {
  StartCluster(2);
  Go();
  const Words run = {"obey_and_look_up", "--module", MILLRACE_CLUSTER_PROBES, "--input", "in",
                     "--parts",          "3"};
  const auto client =
      StartAtMaster(Words{"run"} + run + Words{"--output", "out", "--split-size", "1k"});
  for (const int done : {kShards - 1, kShards + 1, kShards + 3, kShards + 10, 2 * kShards}) {
    AwaitTasksDone(static_cast<std::uint64_t>(done));
    KillMaster();
    StartMaster();
    if (done == kShards + 3) {
      KillWorker(0);
      AddWorker();
    }
  }
  const ProcessResult result = client->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(RunLocally(run), root_ / "out");
}

TEST_F(FaultsTest, MasterThatStandsStillIsWaitedFor) {
  StartCluster(2);
  const auto client = StartRun();
  AwaitTasksDone(5);
  master().Signal(SIGSTOP);
  AwaitThat("the client says so",
            [&] { return client->err().find("does not answer") != std::string::npos; });
  master().Signal(SIGCONT);
  Go();
  ExpectGoodEnd(*client);
}

// What a zombie says once others have done its tasks is ignored.
TEST_F(FaultsTest, WorkerThatStandsStillIsReplaced) {
  StartCluster(3);
  const auto client = StartRun();
  AwaitTasksDone(5);
  worker(0).Signal(SIGSTOP);
  Go();
  const ProcessResult result = client->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  worker(0).Signal(SIGCONT);
  AwaitWorkers(3);
  ExpectGoodEnd(*client);
}

// Finished maps run again where only the dead worker had their output.
TEST_F(FaultsTest, AllWorkersMayDieOneAfterTheOther) {
  StartCluster(2);
  const auto client = StartRun();
  AwaitTasksDone(10);
  KillWorker(0);
  AddWorker();
  AwaitTasksDone(20);
  KillWorker(1);
  Go();
  ExpectGoodEnd(*client);
}

TEST_F(FaultsTest, AllDieAtOnce) {
  StartCluster(2);
  const auto client = StartRun();
  AwaitTasksDone(10);
  KillMaster();
  KillWorker(0);
  KillWorker(1);
  StartMaster();
  AddWorker();
  AddWorker();
  Go();
  ExpectGoodEnd(*client);
}

// In an order that nobody thought of.
TEST_F(FaultsTest, AnyOneMayDieAtAnyTime) {
  constexpr int kDeaths = 12;
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  StartCluster(3);
  std::vector<std::size_t> alive = {0, 1, 2};
  auto client = StartRun();
  for (int i = 0; i < kDeaths; ++i) {
    // The time between deaths: some looks at the master, who may answer late.
    for (std::uint64_t looks = random.Uniform(6); looks > 0; --looks) Status();
    const std::uint64_t who = random.Uniform(5);
    if (who < alive.size()) {
      KillWorker(alive[who]);
      AddWorker();
      alive[who] = worker_count() - 1;
    } else if (who == 3) {
      KillMaster();
      StartMaster();
    } else {
      client->Kill();
      client = StartRun();
    }
  }
  Go();
  ExpectGoodEnd(*client);
}

TEST_F(FaultsTest, ClientThatWasKilledFindsItsRunAgain) {
  StartCluster(2);
  const auto client = StartRun();
  AwaitTasksDone(kShards - 1);
  client->Kill();
  const auto again = StartRun();
  AwaitThat("it follows", [&] { return again->err().find("following") != std::string::npos; });
  Go();
  ASSERT_EQ(again->Wait().exit_code, 0) << again->err();
  EXPECT_EQ(OnlyRun()["failures"], 0);
  for (int i = 0; i < kShards; ++i) EXPECT_EQ(Executions(i), 1) << "shard " << i;
  ExpectGoodEnd(*again);
}

TEST_F(FaultsTest, RunEndsWithoutItsClient) {
  StartCluster(2);
  const auto client = StartRun();
  AwaitTasksDone(5);
  client->Kill();
  Go();
  AwaitFile("out/_SUCCESS");
  const ProcessResult again = StartRun()->Wait();
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("up to date"));
  ExpectSameTree(RunLocally(TheRun()), root_ / "out");
}

TEST_F(FaultsTest, SecondMasterWithTheSameStateIsRefused) {
  StartCluster(0);
  const ProcessResult second = Run({"master", "--listen", "tcp://127.0.0.1:*", "--state",
                                    Place("state"), "--exit-on-stdin-eof"});
  EXPECT_EQ(second.exit_code, 75) << second.err;
  EXPECT_TRUE(Status()["runs"].empty());
}

}  // namespace
}  // namespace millrace
