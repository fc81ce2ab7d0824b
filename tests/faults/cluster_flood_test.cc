// SPDX-License-Identifier: Apache-2.0
// What strangers do to a real master and to real workers, and what thousands of tasks do: memory
// stays below a bound, and a run meanwhile gives the local runner's bytes.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/transport/peer.h"
#include "tests/faults/cluster_site.h"
#include "tests/integration/raw_peer.h"

namespace millrace {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr int kIdlers = 100;

// The most that a process has had in memory, in bytes.
std::size_t PeakBytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) << 10;
  }
  ADD_FAILURE() << "no VmHWM of " << pid;
  return 0;
}

class ClusterFloodTest : public testing::Test {
 protected:
  void StartCluster() {
    site_.StartMaster();
    for (int i = 0; i < 2; ++i) site_.AddWorker({"--no-direct-reads"});
    AwaitThat("two workers", [&] { return site_.Status()["workers"].size() == 2; });
  }
  void ExpectPeaksBelow(std::size_t master_bytes, std::size_t worker_bytes) {
    const std::size_t master = PeakBytes(site_.master().pid());
    std::cout << "[ memory   ] master " << master / kMiB << " MiB";
    EXPECT_LT(master, master_bytes);
    for (const std::size_t i : {0, 1}) {
      EXPECT_FALSE(site_.worker(i).HasEnded()) << site_.worker(i).err();
      const std::size_t worker = PeakBytes(site_.worker(i).pid());
      std::cout << ", worker " << worker / kMiB << " MiB";
      EXPECT_LT(worker, worker_bytes);
    }
    std::cout << "\n";
  }

  Site site_;
};

// Connections that say nothing, or hello and then nothing.
std::vector<std::unique_ptr<RawPeer>> Idlers(const std::string& endpoint) {
  std::vector<std::unique_ptr<RawPeer>> idlers;
  for (int i = 0; i < kIdlers; ++i) {
    idlers.push_back(std::make_unique<RawPeer>(endpoint));
    if (i % 2 == 0)
      idlers.back()->ShakeHands(RoutingIdOf(WorkerId{1000 + std::uint64_t(i)}, kAnyNonce));
  }
  return idlers;
}

void SendGarbage(const std::string& endpoint) {
  Random random(7);
  for (int i = 0; i < 20; ++i) {
    RawPeer peer(endpoint);
    std::string bytes(100'000, '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    peer.Write(bytes);
    RawPeer polite(endpoint);
    polite.ShakeHands(RoutingIdOf(WorkerId{2000 + std::uint64_t(i)}, kAnyNonce));
    polite.Write(ZmtpFrame("no message of ours", /*has_more=*/false));
  }
}

// A message without an end, until the other side has had enough. Whether it had.
bool SendNeverEnding(const std::string& endpoint, std::size_t bytes) {
  RawPeer peer(endpoint);
  peer.ShakeHands(RoutingIdOf(WorkerId{3000}, kAnyNonce));
  const std::string frame = ZmtpFrame(std::string(60'000, 'x'), /*has_more=*/true);
  for (std::size_t sent = 0; sent < bytes; sent += frame.size()) {
    if (!peer.Write(frame) || peer.IsCut()) return true;
  }
  return Eventually([&] { return peer.IsCut(); });
}

TEST_F(ClusterFloodTest, StrangersCostLittle) {
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "sleep 5 " + std::to_string(i) + "\n";
  site_.Write("lines.txt", lines + "wait go\n");
  const Words run = {"--module", MILLRACE_CLUSTER_PROBES, "obey", "--input", "lines.txt",
                     "--quiet"};
  StartCluster();
  const auto client =
      site_.StartAtMaster(Words{"run"} + run + Words{"--output", "out", "--split-size", "256"});
  std::vector<std::string> endpoints = {site_.endpoint()};
  const nlohmann::json status = site_.Status();
  for (const nlohmann::json& worker : status["workers"]) endpoints.push_back(worker["endpoint"]);
  std::vector<std::vector<std::unique_ptr<RawPeer>>> idlers;
  for (const std::string& endpoint : endpoints) {
    idlers.push_back(Idlers(endpoint));
    SendGarbage(endpoint);
    EXPECT_TRUE(SendNeverEnding(endpoint, 400 * kMiB)) << endpoint;
  }
  EXPECT_FALSE(client->HasEnded());
  site_.Write("go", "");  // Until here the run was open.
  const ProcessResult result = site_.Follow(*client);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(site_.RunLocally(run), site_.root() / "out");
  site_.AwaitTidy();
  ExpectPeaksBelow(/*master_bytes=*/150 * kMiB, /*worker_bytes=*/150 * kMiB);
}

TEST_F(ClusterFloodTest, ThousandsOfTasksCostLittle) {
  const std::size_t tasks = IsLongTier() ? 10'000 : 2'000;
  Random random(7);
  std::string text;
  while (text.size() < tasks << 10) text += "w" + std::to_string(random.Uniform(1000)) + " x\n";
  site_.Write("lines.txt", text);
  const Words run = {"wordcount", "--input", "lines.txt", "--parts", "4", "--quiet"};
  StartCluster();
  const auto client =
      site_.StartAtMaster(Words{"run"} + run + Words{"--output", "out", "--split-size", "1k"});
  const ProcessResult result = site_.Follow(*client);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(site_.RunLocally(run), site_.root() / "out");
  EXPECT_GE(site_.Status()["runs"][0]["tasks_done"], tasks);
  std::cout << "[ tasks    ] " << tasks << " in " << result.elapsed.count() << " ms\n";
  ExpectPeaksBelow(/*master_bytes=*/150 * kMiB, /*worker_bytes=*/150 * kMiB);
}

}  // namespace
}  // namespace millrace
