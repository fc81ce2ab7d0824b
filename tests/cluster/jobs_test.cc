// SPDX-License-Identifier: Apache-2.0
// Promise 8: jobs give the local runner's bytes on a cluster, however many workers it has, however
// the inputs are stored and cut, and whoever comes and goes meanwhile.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/stored_input.h"
#include "tests/cluster/test_cluster.h"

namespace millrace {
namespace {

const Words kProbes = {"--module", MILLRACE_CLUSTER_PROBES};

class JobsTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    RecordProperty("seed", std::to_string(TestSeed()));
  }
  // A name that is likely to come again, like the most played tracks.
  std::string Name(const char* kind, std::uint64_t count) {
    const double skewed = random_.Real() * random_.Real() * random_.Real();
    return kind + std::to_string(static_cast<std::uint64_t>(skewed * static_cast<double>(count)));
  }
  // "key value more", where some are bad in the eyes of `picky`.
  std::string Lines(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += Name("key", 2000) + " " + Name("word", 50000);
      if (random_.Uniform(100) == 0) text += random_.Uniform(2) == 0 ? " bad" : " throw";
      text += "\n";
    }
    return text;
  }
  std::string Plays(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      if (random_.Uniform(500) == 0) text += "too\tfew\n";
      text += "2026-11-2" + std::to_string(random_.Uniform(10)) + "T10:00:00Z\t" +
              Name("user", 500) + "\t" + Name("track", 3000) + "\t" + Name("C", 20) + "\t" +
              std::to_string(random_.Uniform(90'000)) + "\n";
    }
    return text;
  }
  void Store(const std::string& directory, const std::vector<std::string>& shards,
             ShardStorage storage) {
    std::filesystem::create_directories(root_ / directory);
    ASSERT_TRUE(StoreShards((root_ / directory).string(), shards, storage, random_).ok());
  }

  Random random_{TestSeed()};
};

/// One kind of cluster and of input.
struct Setting {
  const char* name;
  int workers;
  ShardStorage storage;
  Words worker_flags;
};

void PrintTo(const Setting& setting, std::ostream* out) { *out << setting.name; }

class JobsOnClustersTest : public JobsTest, public testing::WithParamInterface<Setting> {
 protected:
  void SetUp() override {
    JobsTest::SetUp();
    Store("text", {Lines(6000), Lines(1), "", Lines(3000)}, GetParam().storage);
    Store("more", {Lines(2000)}, GetParam().storage);
    Store("plays", {Plays(5000), Plays(2000)}, GetParam().storage);
    StartCluster(GetParam().workers, GetParam().worker_flags);
  }
  void Expect(const Words& run) {
    SCOPED_TRACE(testing::PrintToString(run));
    ExpectLocalBytes(run + Words{"--quiet"}, {"--split-size", "40k"});
  }
};

TEST_P(JobsOnClustersTest, JobsThatShipGiveTheLocalRunnersBytes) {
  Expect({"wordcount", "--input", "text"});
  Expect({"wordcount", "--input", "text", "more", "--parts", "7", "--compress", "zstd"});
  Expect({"sort", "--input", "text", "--parts", "3", "--compress", "gzip"});
  const Words toplist = {"toplist", "--input", "plays", "--max-rejects", "1000"};
  Expect(toplist);
  Expect(toplist + Words{"--param", "k=3", "--param", "by=listeners", "--parts", "4"});
  Expect(toplist + Words{"--param", "min_ms=0", "--param", "k=0", "--compress", "zstd"});
}

TEST_P(JobsOnClustersTest, ProbesGiveTheLocalRunnersBytes) {
  Expect(kProbes + Words{"concatenate", "--input", "text", "--parts", "4"});
  Expect(kProbes + Words{"copy", "--input", "text", "--compress", "zstd"});
  Expect(kProbes + Words{"group_by", "--input", "text", "--parts", "2"});
  Expect(kProbes + Words{"join", "--input", "left=text", "--input", "right=more", "--parts", "3"});
  Expect(kProbes + Words{"picky", "--input", "text", "--max-rejects", "90%", "--parts", "2"});
}

const Setting kSettings[] = {
    {"OneWorker", 1, ShardStorage::kPlain, {}},
    {"TwoWorkers", 2, ShardStorage::kZstd, {"--no-direct-reads"}},
    {"FourWorkers", 4, ShardStorage::kGzip, {}},
    {"EightWorkers", 8, ShardStorage::kMixed, {"--no-direct-reads"}},
    {"SeveralSlots", 2, ShardStorage::kMixed, {"--slots", "3", "--memory", "200M"}}};
INSTANTIATE_TEST_SUITE_P(Clusters, JobsOnClustersTest, testing::ValuesIn(kSettings),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(JobsTest, ThousandsOfTasksGiveTheLocalRunnersBytes) {
  Write("lines.txt", Lines(150'000));
  StartCluster(2, {"--slots", "2"});
  ExpectLocalBytes({"sort", "--input", "lines.txt", "--parts", "5", "--quiet"},
                   {"--split-size", "1k"});
  EXPECT_GT(OnlyRun()["tasks_total"], 2000);
}

TEST_F(JobsTest, RunWaitsForItsFirstWorkers) {
  Write("lines.txt", Lines(5000));
  const Words run = {"wordcount", "--input", "lines.txt"};
  StartCluster(0);
  const auto client =
      StartAtMaster(Words{"run"} + run + Words{"--output", "out", "--split-size", "10k"});
  AwaitThat("the run is taken", [&] { return !Status()["runs"].empty(); });
  EXPECT_EQ(OnlyRun()["state"], "queued");
  AddWorker();
  AwaitTasksDone(1);
  AddWorker();
  const ProcessResult result = client->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(RunLocally(run), root_ / "out");
}

TEST_F(JobsTest, SeveralRunsAtATimeGiveTheLocalRunnersBytes) {
  Write("lines.txt", Lines(4000));
  Write("plays.tsv", Plays(4000));
  const std::vector<Words> runs = {
      {"wordcount", "--input", "lines.txt"},
      {"sort", "--input", "lines.txt", "--parts", "3"},
      {"toplist", "--input", "plays.tsv", "--max-rejects", "99"},
      kProbes + Words{"concatenate", "--input", "lines.txt", "--parts", "2"},
      kProbes + Words{"picky", "--input", "lines.txt", "--max-rejects", "90%"},
  };
  StartCluster(3);
  std::vector<std::unique_ptr<ClusterProcess>> clients;
  for (const Words& run : runs) {
    clients.push_back(StartAtMaster(
        Words{"run"} + run +
        Words{"--output", "out-" + std::to_string(clients.size()), "--split-size", "8k"}));
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    EXPECT_EQ(clients[i]->Wait().exit_code, 0) << clients[i]->err();
    ExpectSameTree(RunLocally(runs[i]), root_ / ("out-" + std::to_string(i)));
  }
}

/// How a worker goes away in the middle of a run.
struct Leaving {
  const char* name;
  int signal;
  int exit_code;
  Words worker_flags;
};

void PrintTo(const Leaving& leaving, std::ostream* out) { *out << leaving.name; }

class LeavingTest : public JobsTest, public testing::WithParamInterface<Leaving> {};

// Each task takes some milliseconds, so that there is a middle.
TEST_P(LeavingTest, GivesTheLocalRunnersBytes) {
  std::string lines;
  for (int i = 0; i < 120; ++i) lines += "sleep 10 " + std::to_string(i) + "\n" + Lines(20);
  Write("lines.txt", lines);
  const Words run = kProbes + Words{"obey", "--input", "lines.txt", "--parts", "3"};
  StartCluster(3, GetParam().worker_flags);
  const auto client =
      StartAtMaster(Words{"run"} + run + Words{"--output", "out", "--split-size", "1k"});
  AwaitTasksDone(20);
  worker(0).Signal(GetParam().signal);
  if (GetParam().signal == SIGKILL) KillWorker(0);
  const ProcessResult result = client->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(worker(0).Wait().exit_code, GetParam().exit_code);
  ExpectSameTree(RunLocally(run), root_ / "out");
}

INSTANTIATE_TEST_SUITE_P(
    Workers, LeavingTest,
    testing::Values(Leaving{"Drained", SIGTERM, 0, {}},
                    Leaving{"DrainedWithoutDirectReads", SIGTERM, 0, {"--no-direct-reads"}},
                    Leaving{"Interrupted", SIGINT, 130, {}}, Leaving{"Killed", SIGKILL, 137, {}},
                    Leaving{"KilledWithoutDirectReads", SIGKILL, 137, {"--no-direct-reads"}}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace millrace
