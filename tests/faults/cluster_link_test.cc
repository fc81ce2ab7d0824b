// SPDX-License-Identifier: Apache-2.0
// Bad links, by a proxy in front of a worker's data port or of the master: connections that are
// reset in mid-block, stand still in one direction, are late, or flip bits. The output is the local
// runner's: what is damaged is fetched again, and never decoded.
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <string>

#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "tests/faults/cluster_site.h"
#include "tests/faults/tcp_proxy.h"

namespace millrace {
namespace {

std::uint16_t PortOf(const std::string& endpoint) {
  return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

struct BadLink {
  const char* name;
  LinkFaults faults;
};

class BadLinkTest : public testing::TestWithParam<BadLink> {
 protected:
  void SetUp() override {
    RecordProperty("seed", std::to_string(TestSeed()));
    Random random(TestSeed());
    std::string text;
    while (text.size() < (std::size_t{6} << 20)) text += std::to_string(random.Next()) + "\n";
    site_.Write("lines.txt", text);
    local_ = site_.RunLocally(kSort);
  }
  void ExpectGoodRun() {
    const auto client = site_.StartAtMaster(Words{"run"} + kSort +
                                            Words{"--output", "out", "--split-size", "200k"});
    const ProcessResult result = site_.Follow(*client);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    ExpectSameTree(local_, site_.root() / "out");
    site_.AwaitTidy();
    std::cout << "[ run      ] " << result.elapsed.count() << " ms\n";
  }
  static void Print(const TcpProxy& proxy) {
    std::cout << "[ link     ] connections " << proxy.connections() << ", bytes " << proxy.bytes()
              << ", cuts " << proxy.cuts() << ", stalls " << proxy.stalls() << ", flips "
              << proxy.flips() << "\n";
  }
  // Whatever this kind of link does, it was done.
  static void ExpectHarm(const TcpProxy& proxy) {
    const LinkFaults& faults = GetParam().faults;
    EXPECT_EQ(faults.cut_bytes > 0, proxy.cuts() > 0);
    EXPECT_EQ(faults.stall_bytes > 0, proxy.stalls() > 0);
    EXPECT_EQ(faults.flip_bytes > 0, proxy.flips() > 0);
    EXPECT_GT(proxy.connections(), 0u);
  }

  const Words kSort = {"sort", "--input", "lines.txt", "--parts", "4", "--quiet"};
  Site site_;
  std::filesystem::path local_;
};

TEST_P(BadLinkTest, BetweenWorkersGivesTheLocalRunnersBytes) {
  site_.StartMaster();
  std::unique_ptr<TcpProxy> proxies[2];
  for (const std::size_t i : {0, 1}) {
    const std::string data = QuietEndpoint();
    proxies[i] = std::make_unique<TcpProxy>(PortOf(data), GetParam().faults, TestSeed() + i);
    site_.AddWorker({"--no-direct-reads", "--listen", data, "--advertise", proxies[i]->endpoint()});
  }
  ExpectGoodRun();
  for (const auto& proxy : proxies) Print(*proxy);
  ExpectHarm(*proxies[0]);
  EXPECT_GT(proxies[0]->bytes() + proxies[1]->bytes(), std::uint64_t{1} << 20);
  for (const std::size_t i : {0, 1}) EXPECT_FALSE(site_.worker(i).HasEnded());
}

// Clients and one worker reach the master over the bad link.
TEST_P(BadLinkTest, ToTheMasterGivesTheLocalRunnersBytes) {
  site_.heartbeat_ms_ = "1000";
  site_.StartMaster();
  LinkFaults faults = GetParam().faults;
  for (std::uint64_t* bytes : {&faults.cut_bytes, &faults.stall_bytes, &faults.flip_bytes})
    *bytes /= 64;  // Little is said here.
  TcpProxy proxy(PortOf(site_.endpoint()), faults, TestSeed());
  site_.AddWorker({"--no-direct-reads"});
  site_.ListenAt(proxy.endpoint());  // There all others find the master.
  site_.AddWorker({"--no-direct-reads"});
  ExpectGoodRun();
  Print(proxy);
  ExpectHarm(proxy);
  for (const std::size_t i : {0, 1}) EXPECT_FALSE(site_.worker(i).HasEnded());
}

INSTANTIATE_TEST_SUITE_P(
    Links, BadLinkTest,
    // A piece of at most a MiB must come through now and then.
    testing::Values(BadLink{"Late", {.delay_ms = 100}}, BadLink{"Cut", {.cut_bytes = 2'000'000}},
                    BadLink{"Stalls", {.stall_bytes = 500'000, .faulty_max = 1}},
                    BadLink{"Flips", {.flip_bytes = 2'000'000}}),
    [](const auto& link) { return link.param.name; });

}  // namespace
}  // namespace millrace
