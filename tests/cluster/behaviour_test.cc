// SPDX-License-Identifier: Apache-2.0
// What a user sees of a cluster: work is done at once and only once, commands can be repeated,
// followed and cancelled, and say what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cluster/test_cluster.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const Words kObey = {"run", "obey", "--module", MILLRACE_CLUSTER_PROBES};

class BehaviourTest : public ClusterTest {
 protected:
  std::string Path(const std::string& name) const { return (root_ / name).string(); }
  /// Two shards, so two map tasks.
  void WriteTwo(const std::string& first, const std::string& second) {
    WriteShard("in/a.txt", first + "\n");
    WriteShard("in/b.txt", second + "\n");
  }
  /// A run that stands still, once it is at work, until Go().
  std::unique_ptr<ClusterProcess> StartWaiting(const Words& more = {}) {
    WriteTwo("wait " + Path("go"), "word");
    auto client = StartAtMaster(Obey("out") + more);
    AwaitFile("go.begun");
    return client;
  }
  void Go() { Write("go", ""); }
  static Words Obey(const std::string& output) {
    return kObey + Words{"--input", "in", "--output", output, "--split-size", "1k"};
  }
  int Count(const std::string& path) {
    const std::string text = Read(path);
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  static nlohmann::json LastLine(const std::string& out) {
    const std::size_t end = out.find_last_not_of('\n');
    const std::size_t start = out.rfind('\n', end) + 1;
    return nlohmann::json::parse(out.substr(start), nullptr, /*allow_exceptions=*/false);
  }
};

TEST_F(BehaviourTest, TwoWorkersMapAtTheSameTime) {
  std::filesystem::create_directory(root_ / "met");
  WriteTwo("meet " + Path("met") + " 2 a", "meet " + Path("met") + " 2 b");
  StartCluster(2);
  const ProcessResult result = RunAtMaster(Obey("out"));
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(BehaviourTest, TwoWorkersReduceAtTheSameTime) {
  std::filesystem::create_directory(root_ / "met");
  const std::string meet = "reduce meet " + Path("met") + " 2 ";
  Write("in/lines.txt", meet + "a\n" + meet + "b\n");  // No other key: each has a part.
  StartCluster(2);
  const ProcessResult result = RunAtMaster(Obey("out") + Words{"--parts", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

// Also a task that takes long: a backup attempt needs evidence that the first one is slow.
TEST_F(BehaviourTest, EachTaskIsExecutedOnceWithoutFailures) {
  const std::string both = "note " + Path("notes") + "\nreduce note " + Path("reduced") + "\n";
  for (int i = 0; i < 40; ++i)
    WriteShard("in/" + std::to_string(100 + i), both + (i == 7 ? "sleep 1500\n" : "sleep 5\n"));
  StartCluster(2);
  const ProcessResult result = RunAtMaster(Obey("out") + Words{"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Count("notes"), 40);
  EXPECT_EQ(Count("reduced"), 1);
  EXPECT_EQ(LastLine(result.out)["tasks_run"], 41);
  const nlohmann::json run = OnlyRun();
  EXPECT_EQ(run["attempts"], 41);
  EXPECT_EQ(run["failures"], 0);
}

TEST_F(BehaviourTest, TinyJobEndsAtOnce) {
  WriteTwo("a", "b");
  StartCluster(2);
  AwaitWorkers(2);
  const ProcessResult result = RunAtMaster(Obey("out"));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  RecordProperty("milliseconds", static_cast<int>(result.elapsed.count()));
  std::printf("a tiny job took %d ms\n", static_cast<int>(result.elapsed.count()));
  EXPECT_LT(result.elapsed, std::chrono::seconds(5));
}

TEST_F(BehaviourTest, SameCommandAgainIsUpToDate) {
  WriteTwo("note " + Path("notes"), "b");
  StartCluster(1);
  ASSERT_EQ(RunAtMaster(Obey("out")).exit_code, 0);
  const ProcessResult again = RunAtMaster(Obey("out") + Words{"--json"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("out is up to date"));
  EXPECT_EQ(LastLine(again.out)["status"], "up_to_date");
  EXPECT_EQ(Count("notes"), 1);
  EXPECT_EQ(OnlyRun()["state"], "done");
}

TEST_F(BehaviourTest, SameCommandMeanwhileFollowsTheRun) {
  StartCluster(1);
  const auto first = StartWaiting();
  const auto second = StartAtMaster(Obey("out"));
  AwaitThat("the second follows",
            [&] { return second->err().find("following") != std::string::npos; });
  EXPECT_EQ(OnlyRun()["state"], "running");
  Go();
  EXPECT_EQ(first->Wait().exit_code, 0);
  EXPECT_EQ(second->Wait().exit_code, 0);
  EXPECT_TRUE(Exists("out/_SUCCESS"));
}

TEST_F(BehaviourTest, AnotherJobAtTheSameOutputIsToldToTryLater) {
  StartCluster(1);
  const auto first = StartWaiting();
  const ProcessResult other = RunAtMaster({"run", "sort", "--input", "in", "--output", "out"});
  EXPECT_EQ(other.exit_code, 75);
  EXPECT_THAT(other.err, HasSubstr("out"));
  Go();
  EXPECT_EQ(first->Wait().exit_code, 0);
}

TEST_F(BehaviourTest, DetachedRunIsWatchedToItsEnd) {
  StartCluster(1);
  const auto client = StartWaiting({"--detach"});
  const ProcessResult detached = client->Wait();
  EXPECT_EQ(detached.exit_code, 0) << detached.err;
  const std::string name = detached.out.substr(0, detached.out.find('\n'));
  EXPECT_THAT(name, StartsWith("obey-"));
  EXPECT_EQ(OnlyRun()["run"], name);
  const auto watcher = StartAtMaster({"watch", name});
  Go();
  EXPECT_EQ(watcher->Wait().exit_code, 0);
  EXPECT_TRUE(Exists("out/_SUCCESS"));
}

TEST_F(BehaviourTest, WatcherExitsAsTheRunDoes) {
  StartCluster(1);
  WriteTwo("throw", "b");
  const ProcessResult detached = RunAtMaster(Obey("out") + Words{"--detach"});
  const std::string name = detached.out.substr(0, detached.out.find('\n'));
  const ProcessResult watched = RunAtMaster({"watch", name});
  EXPECT_EQ(watched.exit_code, 65);
  EXPECT_THAT(watched.err, HasSubstr("a bad day"));
}

TEST_F(BehaviourTest, CancelledRunPublishesNothing) {
  StartCluster(1);
  const std::string name = StartWaiting({"--detach"})->Wait().out;
  const std::string run = name.substr(0, name.find('\n'));
  const auto watcher = StartAtMaster({"watch", run});
  const ProcessResult cancelled = RunAtMaster({"cancel", run});
  EXPECT_EQ(cancelled.exit_code, 0) << cancelled.err;
  EXPECT_EQ(watcher->Wait().exit_code, 1);
  AwaitThat("no .out.run", [&] { return !Exists(".out.run"); });
  EXPECT_FALSE(Exists("out"));
  EXPECT_EQ(RunAtMaster({"cancel", run}).exit_code, 0);
  EXPECT_NE(RunAtMaster({"cancel", "obey-0"}).exit_code, 0);
  // Nothing is in the way of a new one.
  Go();
  EXPECT_EQ(RunAtMaster(Obey("out")).exit_code, 0);
}

TEST_F(BehaviourTest, InterruptedClientCancelsItsRun) {
  StartCluster(1);
  const auto client = StartWaiting();
  client->Signal(SIGINT);
  EXPECT_EQ(client->Wait().exit_code, 130);
  EXPECT_EQ(OnlyRun()["state"], "failed");
  AwaitThat("no .out.run", [&] { return !Exists(".out.run"); });
  EXPECT_FALSE(Exists("out"));
}

TEST_F(BehaviourTest, InterruptedWatcherLeavesTheRunAlone) {
  StartCluster(0);
  WriteTwo("a", "b");
  const auto client = StartAtMaster(Obey("out"));
  AwaitThat("the run is taken", [&] { return !Status()["runs"].empty(); });
  const auto watcher = StartAtMaster({"watch"});
  AwaitThat("the watcher's word", [&] { return watcher->err().ends_with("\n"); });
  EXPECT_THAT(watcher->err(), StartsWith("millrace: waiting for a worker: 0 %"));
  watcher->Signal(SIGINT);
  EXPECT_EQ(watcher->Wait().exit_code, 130);
  EXPECT_EQ(OnlyRun()["state"], "queued");
  AddWorker();
  EXPECT_EQ(client->Wait().exit_code, 0);
}

TEST_F(BehaviourTest, MasterThatIsNotThereIsNamed) {
  WriteTwo("a", "b");
  std::vector<std::unique_ptr<ClusterProcess>> clients;
  for (const Words& command : {Obey("out"), Words{"status"}, Words{"watch"}})
    clients.push_back(Start(command + Words{"--master", "tcp://127.0.0.1:9"}));
  for (const auto& client : clients) {
    const ProcessResult result = client->Wait();
    EXPECT_EQ(result.exit_code, 69) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("tcp://127.0.0.1:9"), HasSubstr("millrace master")));
  }
  EXPECT_EQ(Run(Obey("out") + Words{"--master", "nonsense"}).exit_code, 64);
  EXPECT_FALSE(Exists("out"));
}

/// Runs that fail exit as they do locally, and name the task.
TEST_F(BehaviourTest, FailuresExitAsTheyDoLocally) {
  StartCluster(2);
  Write("damaged/a.zst", std::string("\x28\xB5\x2F\xFD", 4) + std::string(100, '\xFF'));
  WriteTwo("throw", "b");
  const Words module = {"--module", MILLRACE_CLUSTER_PROBES};
  const std::vector<Words> runs = {
      {"run", "obey", "--input", "in", "--output", "out"},       // Over the reject limit.
      {"run", "sort", "--input", "damaged", "--output", "out"},  // Bad data.
      {"run", "sort", "--input", "nothing", "--output", "out"},  // Missing.
      {"run", "sort", "--input", "in", "--output", "out", "--param", "x=1"},
      {"run", "nojob", "--input", "in", "--output", "out"},
      {"run", "sort", "--input", "in", "--output", "in/a.txt/out"},
  };
  for (const Words& run : runs) {
    SCOPED_TRACE(testing::PrintToString(run));
    const ProcessResult local = Run(run + module);
    const ProcessResult cluster = RunAtMaster(run + module);
    EXPECT_NE(local.exit_code, 0);
    EXPECT_EQ(cluster.exit_code, local.exit_code) << local.err << cluster.err;
    EXPECT_FALSE(Exists("out"));
  }
  const ProcessResult named = RunAtMaster(runs[0] + module);
  EXPECT_THAT(named.err,
              AllOf(HasSubstr("map task 0"), HasSubstr("a.txt"), HasSubstr("a bad day")));
  // What ended the run is told once: as its end.
  EXPECT_EQ(named.err.find("a bad day"), named.err.rfind("a bad day")) << named.err;
}

TEST_F(BehaviourTest, InputThatIsGoneAtTheWorkersIsNamed) {
  StartCluster(0);
  WriteTwo("a", "b");
  const auto client = StartAtMaster(Obey("out"));
  AwaitThat("the run is taken", [&] { return !Status()["runs"].empty(); });
  std::filesystem::remove(root_ / "in/b.txt");
  AddWorker();
  const ProcessResult result = client->Wait();
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("b.txt"));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(BehaviourTest, InputThatChangedMeanwhileFailsTheRun) {
  StartCluster(0);
  WriteTwo("a", "b");
  const auto client = StartAtMaster(Obey("out"));
  AwaitThat("the run is taken", [&] { return !Status()["runs"].empty(); });
  Write("in/b.txt", "c\n");
  AddWorker();
  const ProcessResult result = client->Wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("b.txt"), HasSubstr("change")));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(BehaviourTest, JsonIsTheLocalOneButForTheTasks) {
  WriteTwo("a", "b\nc");
  StartCluster(2);
  const Words run = kObey + Words{"--input", "in", "--quiet", "--json", "--output"};
  const ProcessResult local_result = Run(run + Words{"local"});
  const ProcessResult cluster_result = RunAtMaster(run + Words{"out"});
  EXPECT_EQ(cluster_result.err, "");
  nlohmann::json local = LastLine(local_result.out), cluster = LastLine(cluster_result.out);
  ASSERT_TRUE(cluster.is_object()) << cluster_result.out;
  EXPECT_GE(cluster["tasks_run"], 2);
  EXPECT_GT(cluster["seconds"], 0);
  for (const char* member : {"tasks_run", "seconds", "output"}) {
    local.erase(member);
    cluster.erase(member);
  }
  EXPECT_EQ(cluster, local);

  WriteTwo("throw", "b");
  const ProcessResult failed = RunAtMaster(run + Words{"out2"});
  const nlohmann::json failure = LastLine(failed.out);
  EXPECT_EQ(failure["status"], "failed");
  EXPECT_EQ(failure["exit"], failed.exit_code);
  EXPECT_EQ("millrace: " + failure["error"].get<std::string>() + "\n", failed.err);
}

TEST_F(BehaviourTest, ForceReplacesTheOutput) {
  WriteTwo("a", "b");
  StartCluster(1);
  ASSERT_EQ(RunAtMaster(Obey("out")).exit_code, 0);
  WriteTwo("c", "d");
  const ProcessResult in_the_way = RunAtMaster(Obey("out"));
  EXPECT_EQ(in_the_way.exit_code, 73);
  EXPECT_THAT(in_the_way.err, HasSubstr("--force"));
  EXPECT_THAT(Read("out/part-00000.tsv"), EndsWith("a\t1\nb\t1\n"));
  EXPECT_EQ(RunAtMaster(Obey("out") + Words{"--force"}).exit_code, 0);
  EXPECT_THAT(Read("out/part-00000.tsv"), EndsWith("c\t1\nd\t1\n"));
  EXPECT_EQ(RunAtMaster(Obey("out") + Words{"--force"}).exit_code, 0);
  EXPECT_EQ(Run({"verify", "out"}).exit_code, 0);
}

}  // namespace
}  // namespace millrace
