// SPDX-License-Identifier: Apache-2.0
// A cluster over two hosts, as docs/how-to/keys.md makes it: two network namespaces with a cable
// between them. No rights are needed.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "tests/faults/cluster_site.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(ClusterHostsTest, TwoHostsWithKeysLeaveTheSameBytes) {
  Site site;
  std::string lines;
  for (int i = 0; i < 4000; ++i) lines += "word" + std::to_string(i % 97) + " and more\n";
  site.Write("lines.txt", lines);
  const Words run = {"wordcount", "--input", "lines.txt", "--parts", "3", "--quiet"};
  const fs::path local = site.RunLocally(run);
  ASSERT_EQ(site.Start({"keygen", "keys"})->Wait().exit_code, 0);

  const auto jail = Jail::Make(site, Jail::Kind::kNetwork);
  if (jail == nullptr) MR_SKIP_WITHOUT("a network namespace (unshare -Urn), nsenter, ip, nft");
  // The jail is one host. The other is a namespace of a process in it, which ends with its stdin.
  site.EnterJail(jail.get(), {"/usr/bin/unshare", "-n"});
  const auto other = site.Start({"worker", "--master", "tcp://10.9.0.1:5801", "--spool", "probe",
                                 "--exit-on-stdin-eof", "--quiet"});
  const std::string pid = std::to_string(other->pid());
  // On its way there the process is in the test's own namespace and then in the jail's.
  AwaitThat("the other host", [&] {
    std::error_code error;
    return fs::read_symlink("/proc/" + pid + "/ns/net", error) !=
               fs::read_symlink("/proc/self/ns/net", error) &&
           jail->Run("test $(readlink /proc/" + pid +
                     "/ns/net) != $(readlink /proc/self/ns/net) && "
                     "ip link add here type veth peer name there netns " +
                     pid);
  });
  ASSERT_TRUE(jail->Run("ip address add 10.9.0.1/24 dev here && ip link set here up"));
  const Words on_other = {"/usr/bin/nsenter", "-t", pid, "-n"};
  ASSERT_TRUE(jail->Run("nsenter -t " + pid +
                        " -n sh -c 'ip address add 10.9.0.2/24 dev there && ip link set there up "
                        "&& ip link set lo up'"));

  site.EnterJail(jail.get());
  site.ListenAt("tcp://10.9.0.1:5801");
  site.key_flags_ = {"--keys", (site.root() / "keys").string()};
  site.StartMaster();
  site.AddWorker({"--listen", "tcp://*:*", "--no-direct-reads"});
  site.EnterJail(jail.get(), on_other);
  site.AddWorker({"--listen", "tcp://*:*", "--no-direct-reads"});
  AwaitThat("two workers", [&] { return site.Status()["workers"].size() == 2; });
  // Each is known by the address that leads to the master.
  std::string endpoints;
  const nlohmann::json status = site.Status();
  for (const auto& worker : status["workers"]) {
    endpoints += worker["endpoint"].get<std::string>() + " ";
  }
  EXPECT_THAT(endpoints, HasSubstr("tcp://10.9.0.1:"));
  EXPECT_THAT(endpoints, HasSubstr("tcp://10.9.0.2:"));

  const ProcessResult result =
      site.RunAtMaster(Words{"run"} + run + Words{"--output", "out", "--split-size", "4k"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ExpectSameTree(local, site.root() / "out");

  // A stranger on the same cable.
  const auto stranger =
      site.Start(Words{"run"} + run + Words{"--output", "stolen", "--master", site.endpoint()});
  const ProcessResult refused = stranger->Wait();
  EXPECT_EQ(refused.exit_code, 69) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("insists on keys"));
  EXPECT_FALSE(fs::exists(site.root() / "stolen"));
  other->CloseStdin();
}

}  // namespace
}  // namespace millrace
