// SPDX-License-Identifier: Apache-2.0
// Promise 1 for what a run sets aside: however much it is, _rejects.tsv and the manifest are those
// of the local runner. What a report can't hold lies in files until the run is published.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/cluster/test_cluster.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Gt;
using testing::SizeIs;

constexpr std::uintmax_t kMebibyte = 1 << 20;

class RejectsTest : public ClusterTest {
 protected:
  static constexpr int kShards = 3;

  // Each shard is a map task that sets more than 2 MiB aside, and so does each of two reduces.
  void SetUp() override {
    tasks_write_here_ = false;
    ClusterTest::SetUp();
    const std::string pad(80, 'x');
    for (int shard = 0; shard < kShards; ++shard) {
      std::string lines;
      for (int i = 0; i < 20'000; ++i) {
        const std::string number = std::to_string((i * 7919 + shard) % 100'000);
        lines += "throw " + number + " " + pad + "\n";
        lines += "reduce throw " + number + " " + std::to_string(shard) + pad + "\n";
      }
      WriteSplit(shard, lines + "throw");
    }
  }
  // So large that it is a map task of its own; the last line has what is missing, in blanks.
  void WriteSplit(int shard, const std::string& lines) {
    Write("in/" + std::to_string(shard),
          lines + std::string(4 * kMebibyte - lines.size() - 1, ' ') + "\n");
  }
  Words TheRun(const std::string& limit = "100%") const {
    return {"obey",    "--module", MILLRACE_CLUSTER_PROBES, "--input", "in",
            "--parts", "2",        "--max-rejects",         limit};
  }
  static Words Split() { return {"--split-size", "4m"}; }

  /// Sizes of the files of rejects that attempts have left beside the output.
  std::vector<std::uintmax_t> RejectFiles() {
    std::vector<std::uintmax_t> sizes;
    std::error_code error;
    for (const auto& folder :
         std::filesystem::directory_iterator(root_ / ".out.run" / "attempts", error)) {
      const auto size = std::filesystem::file_size(folder.path() / ".rejects", error);
      if (!error) sizes.push_back(size);
    }
    return sizes;
  }
};

TEST_F(RejectsTest, AreTheLocalRunnersFromSandboxedWorkers) {
  StartCluster(2);
  ExpectLocalBytes(TheRun(), Split());
  ExpectLocalBytes(TheRun(), Split() + Words{"--check-determinism"});
  EXPECT_GT(std::filesystem::file_size(RunLocally(TheRun()) / "_rejects.tsv"), 10 * kMebibyte);
}

TEST_F(RejectsTest, AreTheLocalRunnersOfARunThatIsIsolated) {
  const ProcessResult result =
      Run(Words{"run", "--isolate", "--output", "out"} + TheRun() + Split());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(RunLocally(TheRun()), root_ / "out");
  EXPECT_FALSE(std::filesystem::exists(root_ / ".out.run"));
}

TEST_F(RejectsTest, SurviveTheirMasterAndTheirWorkers) {
  tasks_write_here_ = true;
  WriteSplit(kShards, "wait " + (root_ / "go").string() + "\nthrow");
  StartCluster(2);
  const auto client = StartAtMaster(Words{"run"} + TheRun() + Split() + Words{"--output", "out"});
  AwaitTasksDone(kShards);
  EXPECT_THAT(RejectFiles(), AllOf(SizeIs(kShards), Each(Gt(2 * kMebibyte))));
  KillMaster();
  StartMaster();
  AwaitTasksDone(kShards);
  KillWorker(0);  // One of the two has run files that the reduces need.
  KillMaster();
  StartMaster();
  AddWorker();
  Write("go", "");
  const ProcessResult result = client->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(RunLocally(TheRun()), root_ / "out");
  AwaitThat("nothing is left beside the output",
            [&] { return !std::filesystem::exists(root_ / ".out.run"); });
}

TEST_F(RejectsTest, BeyondTheLimitAreNamedAsTheLocalRunnerDoes) {
  StartCluster(2);
  const Words run = Words{"run"} + TheRun("20%") + Words{"--output", "out"};
  const ProcessResult local = Run(run), there = RunAtMaster(run + Split());
  EXPECT_EQ(local.exit_code, 65) << local.err;
  EXPECT_EQ(there.exit_code, 65) << there.err;
  const auto complaint = [](const std::string& err) { return err.substr(err.find("millrace: ")); };
  EXPECT_EQ(complaint(there.err).substr(complaint(there.err).find("--max-rejects")),
            complaint(local.err).substr(complaint(local.err).find("--max-rejects")));
  EXPECT_FALSE(std::filesystem::exists(root_ / "out"));
}

}  // namespace
}  // namespace millrace
