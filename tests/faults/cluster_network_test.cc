// SPDX-License-Identifier: Apache-2.0
// The kernel's own bad links, in a network namespace: partitions that heal, in both directions and
// in one, refused and reset connections, a twentieth of all packets lost. No rights are needed.
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <string>

#include "tests/faults/cluster_site.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

class ClusterNetworkTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (int i = 0; i < 400; ++i) lines += "sleep 5 " + std::to_string(i) + "\n";
    site_.Write("lines.txt", lines);
    local_ = site_.RunLocally(kRun);
    jail_ = Jail::Make(site_, Jail::Kind::kNetwork);
    if (jail_ == nullptr) MR_SKIP_WITHOUT("a network namespace (unshare -Urn), nsenter, ip, nft");
    site_.EnterJail(jail_.get());
    site_.StartMaster();
    data_ = QuietEndpoint();
    site_.AddWorker({"--no-direct-reads", "--listen", data_});
    site_.AddWorker({"--no-direct-reads"});
    AwaitWorkers(2);
    client_ =
        site_.StartAtMaster(Words{"run"} + kRun + Words{"--output", "out", "--split-size", "256"});
    AwaitThat("some tasks done", [&] { return TasksDone() >= 4; });
  }
  // Packets to the loopback are judged by `rule` until Heal.
  void Judge(const std::string& rule) {
    ASSERT_TRUE(
        jail_->Run("nft 'add table inet bad; add chain inet bad in { type filter hook "
                   "input priority 0; }; add rule inet bad in " +
                   rule + "'"));
  }
  void Heal() { ASSERT_TRUE(jail_->Run("nft delete table inet bad")); }
  std::uint64_t TasksDone() {
    const nlohmann::json runs = site_.Status()["runs"];
    return runs.empty() ? 0 : runs.back()["tasks_done"].get<std::uint64_t>();
  }
  void AwaitWorkers(std::size_t count) {
    AwaitThat(std::to_string(count) + " workers",
              [&] { return site_.Status()["workers"].size() == count; });
  }
  void AwaitLostWorkers(std::size_t count) {
    AwaitThat("lost workers in the master's log", [&] {
      const std::string log = site_.master().err();
      std::size_t lost = 0;
      for (std::size_t at = 0; (at = log.find(" is lost", at)) != std::string::npos; ++at) ++lost;
      return lost >= count;
    });
  }
  void ExpectGoodEnd() {
    const ProcessResult result = site_.Follow(*client_);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::cout << "[ run      ] " << result.elapsed.count() << " ms\n";
    ExpectSameTree(local_, site_.root() / "out");
    site_.AwaitTidy();
    AwaitWorkers(2);
    for (const std::size_t i : {0, 1}) EXPECT_FALSE(site_.worker(i).HasEnded());
  }
  static std::string PortOf(const std::string& endpoint) {
    return endpoint.substr(endpoint.rfind(':') + 1);
  }
  std::string MasterPort() const { return PortOf(site_.endpoint()); }

  const Words kRun = {
      "--module", MILLRACE_CLUSTER_PROBES, "obey", "--input", "lines.txt", "--parts", "3",
      "--quiet"};
  Site site_;
  fs::path local_;
  std::unique_ptr<Jail> jail_;
  std::string data_;
  std::unique_ptr<ClusterProcess> client_;
};

TEST_F(ClusterNetworkTest, PartitionOfTheMasterHeals) {
  Judge("tcp dport " + MasterPort() + " drop; add rule inet bad in tcp sport " + MasterPort() +
        " drop");
  AwaitLostWorkers(2);
  Heal();
  ExpectGoodEnd();
}

TEST_F(ClusterNetworkTest, PartitionOfRequestsToTheMasterHeals) {
  Judge("tcp dport " + MasterPort() + " drop");
  AwaitLostWorkers(2);
  Heal();
  ExpectGoodEnd();
}

// Heartbeats may come through, answers don't: workers end their leases themselves.
TEST_F(ClusterNetworkTest, PartitionOfAnswersOfTheMasterHeals) {
  Judge("tcp sport " + MasterPort() + " drop");
  AwaitLostWorkers(2);
  Heal();
  ExpectGoodEnd();
}

TEST_F(ClusterNetworkTest, WorkerThatNobodyReachesIsReplaced) {
  Judge("tcp dport " + PortOf(data_) + " drop");
  ExpectGoodEnd();
}

TEST_F(ClusterNetworkTest, WorkerThatResetsConnectionsIsReplaced) {
  Judge("tcp dport " + PortOf(data_) + " reject with tcp reset");
  ExpectGoodEnd();
}

TEST_F(ClusterNetworkTest, LossOfPacketsOnlySlowsDown) {
  Judge("meta l4proto tcp numgen random mod 100 < 5 drop");
  ExpectGoodEnd();
}

}  // namespace
}  // namespace millrace
