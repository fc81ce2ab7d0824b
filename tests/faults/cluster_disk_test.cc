// SPDX-License-Identifier: Apache-2.0
// Full disks: of the master's state, of a spool, of the output. What can go on elsewhere does; what
// can't, ends with an error that says so, and leaves nothing.
#include <gtest/gtest.h>

#include <string>

#include "mapreduce/base/random.h"
#include "tests/faults/cluster_site.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
const Words kSort = {"sort", "--input", "lines.txt", "--parts", "4", "--quiet"};
const Words kSplits = {"--split-size", "200k"};
// By default a worker leaves the disk's other half alone: if it says so before its next task, it
// waits for others and never fills it.
const Words kFillsItsDisk = {"--spool-size", "1G"};

class ClusterDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    jail_ = Jail::Make(site_, Jail::Kind::kDisks);
    if (jail_ == nullptr) MR_SKIP_WITHOUT("user and mount namespaces (unshare -Urm), nsenter");
    Random random(7);
    std::string text;
    while (text.size() < (std::size_t{3} << 20)) text += std::to_string(random.Next()) + "\n";
    site_.Write("lines.txt", text);
    site_.heartbeat_ms_ = "100";
  }
  // From here on `path` is a disk of so many KiB, for those inside.
  void MountSmall(const fs::path& path, int kib) {
    fs::create_directories(path);
    ASSERT_TRUE(jail_->Run("mount -t tmpfs -o size=" + std::to_string(kib) + "k none '" +
                           path.string() + "'"));
  }
  std::unique_ptr<ClusterProcess> Start(const Words& run, const std::string& output = "out") {
    return site_.StartAtMaster(Words{"run"} + run + Words{"--output", output} + kSplits);
  }
  std::size_t EntriesInside(const fs::path& path) {
    const fs::directory_iterator all(jail_->View(path));
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  Site site_;
  std::unique_ptr<Jail> jail_;
};

TEST_F(ClusterDiskTest, MasterWithoutSpaceStopsAndGoesOnLater) {
  std::string lines;
  for (int i = 0; i < 300; ++i) lines += "sleep 5 " + std::to_string(i) + "\n";
  site_.Write("slow.txt", lines);
  const Words run = {"--module", MILLRACE_CLUSTER_PROBES, "obey", "--input", "slow.txt", "--quiet"};
  const fs::path local = site_.RunLocally(run);
  MountSmall(site_.Place("state"), 16 << 10);
  site_.EnterJail(jail_.get());
  site_.StartMaster();
  site_.AddWorker();
  const auto client =
      site_.StartAtMaster(Words{"run"} + run + Words{"--output", "out", "--split-size", "256"});
  AwaitThat("a task done", [&] {
    const nlohmann::json runs = site_.Status()["runs"];
    return !runs.empty() && runs.back()["tasks_done"] > 0;
  });
  ASSERT_TRUE(jail_->Run("cat /dev/zero > .cluster/state/filler; true"));
  const ProcessResult master = site_.master().Wait();
  EXPECT_EQ(master.exit_code, 1) << master.err;
  EXPECT_NE(master.err.find("No space left on device"), std::string::npos) << master.err;
  EXPECT_FALSE(client->HasEnded());
  EXPECT_FALSE(site_.TryStartMaster()) << "without space there can't be a new epoch";
  EXPECT_EQ(site_.master().Wait().exit_code, 1);
  ASSERT_TRUE(jail_->Run("rm .cluster/state/filler"));
  site_.StartMaster();
  const ProcessResult result = site_.Follow(*client);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(local, site_.root() / "out");
  site_.AwaitTidy();
}

TEST_F(ClusterDiskTest, OutputWithoutSpaceIsANamedErrorAndLeavesNothing) {
  const fs::path disk = site_.root() / "disk";
  MountSmall(disk, 1 << 10);
  site_.EnterJail(jail_.get());
  site_.StartMaster();
  for (const int i : {0, 1}) {
    SCOPED_TRACE(i);
    site_.AddWorker();
  }
  const ProcessResult result = Start(kSort, "disk/out")->Wait();
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_NE(result.err.find("No space left on device"), std::string::npos) << result.err;
  AwaitThat("nothing in the output's folder", [&] { return EntriesInside(disk) == 0; });
  for (const std::size_t i : {0, 1}) EXPECT_FALSE(site_.worker(i).HasEnded());
}

TEST_F(ClusterDiskTest, SpoolWithoutSpaceIsMadeGoodByAnotherWorker) {
  const fs::path local = site_.RunLocally(kSort);
  MountSmall(site_.Place("spool"), 200);
  site_.StartMaster();
  site_.EnterJail(jail_.get());
  site_.AddWorker(kFillsItsDisk);
  const auto client = Start(kSort);
  AwaitThat("the disk full", [&] {
    const nlohmann::json runs = site_.Status()["runs"];
    return !runs.empty() && runs.back()["failures"] > 0;
  });
  site_.EnterJail(nullptr);
  site_.AddWorker();
  const ProcessResult result = client->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(local, site_.root() / "out");
}

TEST_F(ClusterDiskTest, SpoolsWithoutSpaceAreANamedError) {
  MountSmall(site_.Place("spool"), 200);
  site_.EnterJail(jail_.get());
  site_.StartMaster();
  for (const std::size_t i : {0, 1}) {
    SCOPED_TRACE(i);
    site_.AddWorker(kFillsItsDisk);
  }
  const ProcessResult result = Start(kSort)->Wait();
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_NE(result.err.find("No space left on device"), std::string::npos) << result.err;
  site_.AwaitTidy();
  EXPECT_FALSE(fs::exists(site_.root() / "out"));
}

TEST_F(ClusterDiskTest, WorkerWithASmallSpoolLeavesTasksToOthers) {
  const fs::path local = site_.RunLocally(kSort);
  site_.StartMaster();
  site_.AddWorker({"--spool-size", "300k"});
  site_.AddWorker();
  const ProcessResult result = Start(kSort)->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(local, site_.root() / "out");
}

}  // namespace
}  // namespace millrace
