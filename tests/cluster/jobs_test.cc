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
    tasks_write_here_ = false;
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
  // Of `revenue`: users and products, some twice, some of no transaction, and the other way round.
  std::string Users() {
    std::string text;
    for (int i = 0; i < 400; ++i) {
      text += "user" + std::to_string(random_.Uniform(450)) + "\t" +
              (random_.Uniform(9) == 0 ? "NULL" : Name("C", 20)) + "\tfree\n";
    }
    return text;
  }
  std::string Products() {
    std::string text;
    for (int i = 0; i < 2500; ++i) {
      text += "track" + std::to_string(random_.Uniform(3000)) + "\t" + Name("cat", 9) + "\t" +
              std::to_string(random_.Uniform(1000)) + "\n";
    }
    return text;
  }
  std::string Transactions(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += "txn" + std::to_string(i) + "\t" + Name("user", 500) + "\t" + Name("track", 3000) +
              "\t" + std::to_string(random_.Uniform(9000)) + "\t2026-11-2" +
              std::to_string(random_.Uniform(10)) + "T10:00:00Z\n";
    }
    return text;
  }
  // Of `recommend`.
  std::string Neighbours(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += Name("track", 3000) + "\t" + std::to_string(1 + random_.Uniform(20)) + "\t" +
              Name("track", 3000) + "\t" + std::to_string(1 + random_.Uniform(50)) + "\t" +
              std::to_string(random_.Uniform(1'000'000)) + "\n";
    }
    return text;
  }
  // Of `royalties`: one holder or two of each track, and what a country pays.
  std::string Rights(int tracks) {
    std::string text;
    for (int i = 0; i < tracks; ++i) {
      const std::string track = "track" + std::to_string(i) + "\tholder";
      const std::uint64_t share = i % 3 == 0 ? random_.Uniform(10'001) : 10'000;
      text += track + std::to_string(i % 50) + "\t" + std::to_string(share) + "\n";
      if (i % 3 == 0)
        text += track + std::to_string(50 + i % 9) + "\t" + std::to_string(10'000 - share) + "\n";
    }
    return text;
  }
  std::string Pools() {
    std::string text;
    for (int i = 0; i < 18; ++i)
      text +=
          "C" + std::to_string(i) + "\t" + std::to_string(random_.Uniform(1'000'000'000)) + "\n";
    return text;
  }
  // Of `mail_digest`: what `recommend` makes, and two lists of users.
  std::string Recommendations(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += Name("user", 500) + "\t" + std::to_string(i) + "\t" + Name("track", 3000) + "\t" +
              std::to_string(random_.Uniform(1000)) + "\n";
    }
    return text;
  }
  std::string UserList(int count, bool has_addresses) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      const std::string user = "user" + std::to_string(random_.Uniform(600));
      text += user + (has_addresses ? "\t" + user + "@example.org" : "") + "\n";
    }
    return text;
  }
  // Of `dump_diff`.
  std::string Dump(int rows) {
    std::string text;
    for (int i = 0; i < rows; ++i) {
      if (random_.Uniform(20) == 0) continue;
      text += std::to_string(i) + "\t" + std::to_string(random_.Uniform(3)) + "\tsome text\n";
    }
    return text + "7\tagain\n";
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
    Store("users", {Users(), Users()}, GetParam().storage);
    Store("products", {Products()}, GetParam().storage);
    Store("transactions", {Transactions(4000), Transactions(1000)}, GetParam().storage);
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
  Expect(toplist + Words{"--output-format", "csv", "--parts", "3"});
}

TEST_P(JobsOnClustersTest, JobsWithTablesGiveTheLocalRunnersBytes) {
  const Words revenue = {"revenue",           "--input",       "transactions=transactions",
                         "--input",           "users=users",   "--input",
                         "products=products", "--max-rejects", "90%"};
  Expect(revenue);
  Expect(revenue + Words{"--parts", "5", "--compress", "zstd", "--param", "unknown=drop"});
  const Words cooccurrence = {"cooccurrence", "--input", "plays", "--max-rejects", "1000"};
  Expect(cooccurrence + Words{"--param", "basket=9"});
  Expect(cooccurrence + Words{"--param", "weight=tfidf", "--param", "by=score", "--parts", "4"});
  const Words look_up = kProbes + Words{"look_up", "--input", "text", "--max-rejects", "100%"};
  Expect(look_up);
  Expect(look_up + Words{"--parts", "4"});
}

TEST_P(JobsOnClustersTest, JobsOfSeveralStagesGiveTheLocalRunnersBytes) {
  const ShardStorage storage = GetParam().storage;
  Store("neighbours", {Neighbours(3000)}, storage);
  Store("rights", {Rights(3000)}, storage);
  Store("pools", {Pools()}, storage);
  Store("recommendations", {Recommendations(2000), Recommendations(500)}, storage);
  Store("addresses", {UserList(400, true)}, storage);
  Store("suppressed", {UserList(100, false)}, storage);
  Store("old", {Dump(2000)}, storage);
  Store("new", {Dump(2100)}, storage);
  const Words rest = {"--parts", "3", "--max-rejects", "90%", "--date", "2026-11-21"};
  Expect(Words{"retention", "--input", "plays"} + rest);
  Expect(Words{"inverted_index", "--input", "text"} + rest);
  Expect(Words{"accounting_import", "--input", "transactions"} + rest);
  Expect(Words{"dump_diff", "--input", "old=old", "--input", "new=new"} + rest);
  Expect(Words{"recommend", "--input", "plays=plays", "--input", "neighbours=neighbours"} + rest);
  Expect(Words{"royalties", "--input", "plays=plays", "--input", "rights=rights", "--input",
               "pools=pools"} +
         rest);
  Expect(Words{"mail_digest", "--input", "recommendations=recommendations", "--input",
               "addresses=addresses", "--input", "suppressed=suppressed"} +
         rest);
}

TEST_P(JobsOnClustersTest, ProbesGiveTheLocalRunnersBytes) {
  Expect(kProbes + Words{"concatenate", "--input", "text", "--parts", "4"});
  Expect(kProbes + Words{"copy", "--input", "text", "--compress", "zstd"});
  Expect({"rows", "--module", MILLRACE_PROBES, "--input", "users", "--output-format", "csv"});
  Expect(kProbes + Words{"group_by", "--input", "text", "--output-format", "jsonl"});
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
  Write("lines.txt", Lines(140'000));
  StartCluster(2, {"--slots", "2"});
  ExpectLocalBytes({"sort", "--input", "lines.txt", "--parts", "5", "--quiet"},
                   {"--split-size", "1k"});
  EXPECT_GT(OnlyRun()["tasks_total"], 2000);
}

// Workers are told where a file's columns and rows are; they never look for a header.
TEST_F(JobsTest, OtherFormatsGiveTheLocalRunnersBytes) {
  std::string csv = "Land;track;\"n\nn\";ms_played\r\n";
  std::string dump =
      "--\n-- PostgreSQL database dump\n--\n\nCOPY public.plays (ms_played, track, country) FROM "
      "stdin;\n";
  for (int i = 0; i < 4000; ++i) {
    const std::string track = Name("track", 300), country = Name("C", 20);
    const std::string ms_played =
        random_.Uniform(200) == 0 ? "none" : std::to_string(random_.Uniform(90'000));
    csv += "\"" + country + "\";\"" + track + "\nor \"\"so\"\"\";;" + ms_played + "\r\n";
    dump += ms_played + "\t" + track + "\t" + country + "\n";
  }
  Write("plays.csv", csv);
  Write("plays.sql", dump + "\\.\n\n--\n-- PostgreSQL database dump complete\n--\n");
  StartCluster(2, {"--slots", "2"});
  const Words toplist = {"toplist", "--max-rejects", "99%", "--parts", "2", "--quiet"};
  ExpectLocalBytes(toplist + Words{"--input", "plays.csv", "--format", "csv,delimiter=;", "--param",
                                   "country=Land"},
                   {"--split-size", "1k"});
  ExpectLocalBytes(toplist + Words{"--input", "plays.sql#public.plays"}, {"--split-size", "1k"});
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

// In the stage that looks up: what the worker made of the table stays.
TEST_P(LeavingTest, LeavesItsTables) {
  std::string lines;
  for (int i = 0; i < 60; ++i) lines += "sleep 10 " + std::to_string(i % 7) + "\n" + Lines(40);
  Write("lines.txt", lines);
  const Words run = kProbes + Words{"obey_and_look_up", "--input", "lines.txt", "--parts", "3"};
  StartCluster(3, GetParam().worker_flags);
  const auto client =
      StartAtMaster(Words{"run"} + run + Words{"--output", "out", "--split-size", "1k"});
  AwaitThat("the table is looked up in", [&] {  // Both stages have as many tasks.
    const nlohmann::json runs = Status()["runs"];
    return !runs.empty() &&
           runs[0]["tasks_done"].get<int>() > runs[0]["tasks_total"].get<int>() / 2 + 5;
  });
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
