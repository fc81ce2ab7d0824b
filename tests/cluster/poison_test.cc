// SPDX-License-Identifier: Apache-2.0
// Promise 5: a record at which the job's code dies, in whatever way, is found and named, or set
// aside where the job allows for it. Promise 2: code that gives another result each time is found
// and named. On a cluster, and the same on this machine alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cluster/test_cluster.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kExitUserCode = 70;

class PoisonTest : public ClusterTest {
 protected:
  static constexpr char kPlace[] = "byte 27 of in/b.txt";

  /// Two shards; what is bad is in the second, at byte 27.
  void WritePoison(const std::string& line) {
    for (const char* directory : {"in/", "clean/"}) {
      Write(std::string(directory) + "a.txt", "good\nbetter\n");
      Write(std::string(directory) + "b.txt", "count\n" + std::string(20, 'x') + "\n" +
                                                  (directory[0] == 'i' ? line + "\n" : "") +
                                                  "last\n");
    }
  }
  static Words Mistreat(const std::string& output, const Words& more = {}) {
    return Words{"run",     "mistreat", "--module", MILLRACE_CHILD_PROBES,
                 "--input", "in",       "--output", output} +
           more;
  }
  /// What comes out is what would come without the record.
  void ExpectSetAside(const std::string& output, const std::string& line) {
    EXPECT_THAT(Read(output + "/_rejects.tsv"),
                AllOf(StartsWith("lines\tin/b.txt\t27\t"), EndsWith("\t" + line + "\n")));
    const std::filesystem::path clean =
        RunLocally({"mistreat", "--module", MILLRACE_CHILD_PROBES, "--input", "clean"});
    EXPECT_EQ(Read(output + "/part-00000.tsv"), Read((clean / "part-00000.tsv").string()));
  }
};

/// A way to die.
struct Poison {
  const char* name;
  const char* line;
};
void PrintTo(const Poison& poison, std::ostream* out) { *out << poison.name; }

class PoisonRecordTest : public PoisonTest, public testing::WithParamInterface<Poison> {};

// All three at once, so that attempts move between the workers.
TEST_P(PoisonRecordTest, IsNamedOrSetAside) {
  WritePoison(GetParam().line);
  // Where nobody loops it must not come first, on a busy machine either.
  const bool loops = std::string_view(GetParam().line).ends_with("loop");
  StartCluster(2, {"--no-progress-timeout", loops ? "1" : "60"});
  AwaitWorkers(2);
  const auto strict = StartAtMaster(Mistreat("strict"));
  const auto lenient = StartAtMaster(Mistreat("lenient", {"--max-rejects", "1"}));
  const auto again = StartAtMaster(Mistreat("again", {"--max-rejects", "1"}));
  const ProcessResult failed = strict->Wait();
  EXPECT_EQ(failed.exit_code, kExitUserCode);
  EXPECT_THAT(failed.err, AllOf(HasSubstr(kPlace), HasSubstr("map task 0")));
  EXPECT_FALSE(Exists("strict"));
  for (const auto& client : {lenient.get(), again.get()})
    ASSERT_EQ(client->Wait().exit_code, 0) << client->err();
  ExpectSetAside("lenient", GetParam().line);
  ExpectSameTree(root_ / "lenient", root_ / "again");
}

INSTANTIATE_TEST_SUITE_P(Lines, PoisonRecordTest,
                         testing::Values(Poison{"SegmentationFault", "segv"},
                                         Poison{"Abort", "abort"}, Poison{"Exit0", "exit 0"},
                                         Poison{"Exit1", "exit 1"}, Poison{"ExitNow", "_exit 0"},
                                         Poison{"StackOverflow", "stack"}, Poison{"Kill", "kill"},
                                         Poison{"Loop", "loop"},
                                         Poison{"LoopDeafToSignals", "deaf loop"},
                                         Poison{"ForkAndCrash", "fork, segv"},
                                         Poison{"ForkAndLoop", "fork, loop"}),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(PoisonTest, SleepBeyondTheLimitIsNamed) {
  Write("in/lines.txt", "good\nsleep 600000\n");
  StartCluster(2, {"--no-progress-timeout", "1"});
  const ProcessResult result =
      RunAtMaster({"run", "obey", "--module", MILLRACE_CLUSTER_PROBES, "--input", "in", "--output",
                   "out", "--max-rejects", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(Read("out/_rejects.tsv"),
              AllOf(StartsWith("lines\tin/lines.txt\t5\t"), EndsWith("\tsleep 600000\n")));
}

// It takes its time, but does not stand still.
TEST_F(PoisonTest, SlowTaskThatMovesOnIsLetAlone) {
  std::string lines;
  for (int i = 0; i < 30; ++i) lines += "sleep 100\n";
  Write("in/lines.txt", lines);
  StartCluster(1, {"--no-progress-timeout", "1"});
  const ProcessResult result = RunAtMaster(
      {"run", "obey", "--module", MILLRACE_CLUSTER_PROBES, "--input", "in", "--output", "out"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(OnlyRun()["failures"], 0);
}

TEST_F(PoisonTest, ThrowingRecordIsARejectAsLocally) {
  WritePoison("throw");
  StartCluster(1);
  const ProcessResult strict = RunAtMaster(Mistreat("strict"));
  EXPECT_EQ(strict.exit_code, 65);
  EXPECT_THAT(strict.err, AllOf(HasSubstr("b.txt"), HasSubstr("27"), HasSubstr("a bad day")));
  ExpectLocalBytes(
      {"mistreat", "--module", MILLRACE_CHILD_PROBES, "--input", "in", "--max-rejects", "1"});
}

TEST_F(PoisonTest, FloodOfOutputHarmsNobody) {
  WritePoison("flood");
  StartCluster(1);
  const ProcessResult result = RunAtMaster(Mistreat("out"));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Place("logs")))
    bytes += entry.file_size();
  EXPECT_LT(bytes, 10U << 20);
}

class PoisonGroupTest : public PoisonTest, public testing::WithParamInterface<Poison> {
 protected:
  static constexpr char kReject[] = "stage-1\t\t0\tcrashed the job's code\t";
};

// As a record: the same one, wherever its attempts were. All at once, so that they move.
TEST_P(PoisonGroupTest, IsNamedOrSetAside) {
  const std::string line = GetParam().line;
  WritePoison(line);
  StartCluster(2, {"--no-progress-timeout", "1"});
  AwaitWorkers(2);
  const auto strict = StartAtMaster(Mistreat("strict"));
  const auto lenient = StartAtMaster(Mistreat("lenient", {"--max-rejects", "1"}));
  const auto again = StartAtMaster(Mistreat("again", {"--max-rejects", "1", "--split-size", "9"}));
  const ProcessResult failed = strict->Wait();
  EXPECT_EQ(failed.exit_code, kExitUserCode);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("reduce task 0"), HasSubstr(line)));
  EXPECT_FALSE(Exists("strict"));
  for (const auto& client : {lenient.get(), again.get()})
    ASSERT_EQ(client->Wait().exit_code, 0) << client->err();
  EXPECT_EQ(Read("lenient/_rejects.tsv"), kReject + line + "\n");
  const std::filesystem::path clean =
      RunLocally({"mistreat", "--module", MILLRACE_CHILD_PROBES, "--input", "clean"});
  EXPECT_EQ(Read("lenient/part-00000.tsv"), Read((clean / "part-00000.tsv").string()));
  ExpectSameTree(root_ / "lenient", root_ / "again");
  if (line.ends_with("loop")) return;  // Alone it may go on for ten minutes.
  ASSERT_EQ(Run(Mistreat("isolated", {"--isolate", "--max-rejects", "1"})).exit_code, 0);
  ExpectSameTree(root_ / "lenient", root_ / "isolated");
}

INSTANTIATE_TEST_SUITE_P(
    Lines, PoisonGroupTest,
    testing::Values(Poison{"SegmentationFault", "reduce segv"}, Poison{"Abort", "reduce abort"},
                    Poison{"Exit0", "reduce exit 0"}, Poison{"StackOverflow", "reduce stack"},
                    Poison{"Kill", "reduce kill"}, Poison{"Loop", "reduce loop"}),
    [](const auto& tested) { return tested.param.name; });

// In a map behind the reduce: the group goes whose record it was, and no other.
TEST_F(PoisonTest, GroupIsSetAsideThatCrashesAMapBehind) {
  std::string lines, clean;
  for (int i = 0; i < 200; ++i) clean += "line " + std::to_string(i) + "\n";
  lines = clean + "behind segv\nbehind abort\n";
  Write("in/lines.txt", lines);
  Write("clean/lines.txt", clean);
  const auto run = [](const std::string& input, const std::string& output, const Words& more) {
    return Words{"run", "mistreat_behind", "--module", MILLRACE_CHILD_PROBES, "--input",
                 input, "--output",        output} +
           more;
  };
  StartCluster(2);
  const auto cluster = StartAtMaster(run("in", "cluster", {"--max-rejects", "2", "--parts", "2"}));
  const auto isolated =
      Start(run("in", "isolated", {"--isolate", "--max-rejects", "2", "--parts", "2"}));
  const auto implied = Start(run("in", "implied", {"--max-rejects", "2", "--parts", "2"}));
  for (const auto& client : {cluster.get(), isolated.get(), implied.get()})
    ASSERT_EQ(client->Wait().exit_code, 0) << client->err();
  EXPECT_EQ(Read("cluster/_rejects.tsv"),
            "stage-1\t\t0\tcrashed the job's code\tbehind abort\n"
            "stage-1\t\t0\tcrashed the job's code\tbehind segv\n");
  ExpectSameTree(root_ / "cluster", root_ / "isolated");
  ExpectSameTree(root_ / "cluster", root_ / "implied");
  ASSERT_EQ(Run(run("clean", "unspoiled", {})).exit_code, 0);
  EXPECT_EQ(Read("cluster/sums/part-00000.tsv") + Read("cluster/sums/part-00001.tsv"),
            Read("unspoiled/sums/part-00000.tsv"));
}

TEST_F(PoisonTest, LocalRunThatCrashesInAReduceBeginsAgainInIsolation) {
  WritePoison("reduce segv");
  const ProcessResult lenient = Run(Mistreat("lenient", {"--max-rejects", "1"}));
  ASSERT_EQ(lenient.exit_code, 0) << lenient.err;
  EXPECT_THAT(lenient.err, HasSubstr("beginning again with --isolate"));
  EXPECT_THAT(Read("lenient/_rejects.tsv"), EndsWith("\treduce segv\n"));
  const ProcessResult strict = Run(Mistreat("strict"));
  EXPECT_EQ(strict.exit_code, kExitUserCode);
  EXPECT_FALSE(Exists("strict"));
}

TEST_F(PoisonTest, GroupIsNamedByItsKey) {
  WritePoison("reduce segv");
  StartCluster(2);
  const ProcessResult failed = RunAtMaster(Mistreat("out"));
  EXPECT_EQ(failed.exit_code, kExitUserCode);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("reduce task 0"), HasSubstr("key 'reduce segv'")));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(PoisonTest, TwoAreMoreThanOneAllows) {
  WritePoison("segv\nabort");
  StartCluster(2);
  const ProcessResult failed = RunAtMaster(Mistreat("out", {"--max-rejects", "1"}));
  EXPECT_THAT(failed.exit_code, AnyOf(65, kExitUserCode)) << failed.err;
  EXPECT_FALSE(Exists("out"));
  const ProcessResult done = RunAtMaster(Mistreat("out", {"--max-rejects", "2"}));
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(Read("out/_rejects.tsv"), AllOf(HasSubstr("\t27\t"), HasSubstr("\t32\t")));
}

TEST_F(PoisonTest, IsolatedRunDoesTheSameWithoutACluster) {
  WritePoison("segv");
  const auto strict = Start(Mistreat("strict", {"--isolate"}));
  const auto lenient = Start(Mistreat("lenient", {"--isolate", "--max-rejects", "1"}));
  const auto implied = Start(Mistreat("implied", {"--max-rejects", "1"}));
  const ProcessResult failed = strict->Wait();
  EXPECT_EQ(failed.exit_code, kExitUserCode);
  EXPECT_THAT(failed.err, HasSubstr(kPlace));
  EXPECT_FALSE(Exists("strict"));
  for (const auto& client : {lenient.get(), implied.get()})
    ASSERT_EQ(client->Wait().exit_code, 0) << client->err();
  ExpectSetAside("lenient", "segv");
  ExpectSameTree(root_ / "lenient", root_ / "implied");
  StartCluster(1);
  ASSERT_EQ(RunAtMaster(Mistreat("cluster", {"--max-rejects", "1"})).exit_code, 0);
  ExpectSameTree(root_ / "lenient", root_ / "cluster");
}

TEST_F(PoisonTest, InterruptedIsolatedRunLeavesNothing) {
  Write("in/lines.txt", "wait " + (root_ / "go").string() + "\n");
  const auto client = Start({"run", "obey", "--module", MILLRACE_CLUSTER_PROBES, "--input", "in",
                             "--output", "out", "--isolate"});
  AwaitFile("go.begun");
  client->Signal(SIGINT);
  EXPECT_EQ(client->Wait().exit_code, 130);
  EXPECT_FALSE(Exists("out"));
}

// Not even what a killed one started lives on. What lies on disk, the next run clears.
TEST_F(PoisonTest, KilledIsolatedRunLeavesNoProcess) {
  Write("in/lines.txt", "wait " + (root_ / "go").string() + "\n");
  const Words run = {"run",      "obey", "--module", MILLRACE_CLUSTER_PROBES, "--input", "in",
                     "--output", "out",  "--isolate"};
  const auto client = Start(run);
  AwaitFile("go.begun");
  client->Kill();
  AwaitThat("the end of all",
            [&] { return Strays().find("millrace worker") == std::string::npos; });
  Write("go", "");
  const ProcessResult again = Run(run);
  EXPECT_EQ(again.exit_code, 0) << again.err;
  std::filesystem::remove_all(Place("tmp"));  // Sockets of the dead.
}

/// A way to give another result each time.
class UnstableTest : public ClusterTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    Write("in/a.txt", "a\nb\n");
    Write("in/b.txt", "c\nunstable key\nd\n");
  }
  static Words TheRun(const std::string& output, const Words& more = {}) {
    return Words{"run",
                 "unstable",
                 "--module",
                 MILLRACE_CLUSTER_PROBES,
                 "--param",
                 std::string("by=") + GetParam(),
                 "--input",
                 "in",
                 "--output",
                 output,
                 "--check-determinism"} +
           more;
  }
};

TEST_P(UnstableTest, IsFoundOnAClusterAndAlone) {
  StartCluster(2);
  const auto cluster = StartAtMaster(TheRun("out"));
  const auto isolated = Start(TheRun("out2", {"--isolate"}));
  for (const auto& client : {cluster.get(), isolated.get()}) {
    const ProcessResult result = client->Wait();
    EXPECT_EQ(result.exit_code, kExitUserCode) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("map task 0"), HasSubstr("unstable key")));
  }
  EXPECT_FALSE(Exists("out"));
}

INSTANTIATE_TEST_SUITE_P(By, UnstableTest, testing::Values("clock", "pid", "address", "order"),
                         [](const auto& tested) { return tested.param; });

TEST_F(PoisonTest, DeterministicCodePassesTheCheck) {
  WritePoison("fine");
  const Words run = {"mistreat", "--module", MILLRACE_CHILD_PROBES, "--input", "in"};
  const std::filesystem::path local = RunLocally(run);
  for (const Words& how : {Words{"--isolate"}, Words{"--isolate", "--check-determinism"},
                           Words{"--check-determinism"}}) {
    const ProcessResult result =
        Run(Words{"run"} + run + Words{"--output", "out", "--force"} + how);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    ExpectSameTree(local, root_ / "out");
  }
  StartCluster(2);
  ExpectLocalBytes(run, {"--check-determinism"});
}

}  // namespace
}  // namespace millrace
