// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_FAULTS_CLUSTER_SITE_H_
#define TESTS_FAULTS_CLUSTER_SITE_H_

// What the fault tests of real processes share: a cluster that can live beside others in one test,
// the tier of a test, and skipping where the machine lacks what a test needs.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tests/cluster/test_cluster.h"

namespace millrace {

/// Whether MILLRACE_TEST_TIER asks for what takes an hour: thousands of kills instead of hundreds.
inline bool IsLongTier() {
  const char* const tier = std::getenv("MILLRACE_TEST_TIER");
  return tier != nullptr && std::string_view(tier) == "long";
}

/// A test that lacks a tool or a right is skipped, but fails where all of them should be.
#define MR_SKIP_WITHOUT(what)                                                      \
  do {                                                                             \
    if (std::getenv("MILLRACE_TEST_ALL") != nullptr) FAIL() << "needs " << (what); \
    GTEST_SKIP() << "needs " << (what) << "; with MILLRACE_TEST_ALL=1 a failure";  \
  } while (false)

/// A port of 127.0.0.1 that nobody uses, below those that the kernel gives to connections: a master
/// that is away gets it back.
std::string QuietEndpoint();

/// Does `work(i)` for i = 0, 1, 2, ... in `threads` threads until one call says false, or a check
/// has failed.
void SideBySide(int threads, const std::function<bool(std::uint64_t)>& work);

class Jail;

/// A cluster of its own folder, in memory if there is some: its disk's syncs cost nothing there.
/// The destructor checks that nothing is left.
class Site : public ClusterTest {
 public:
  Site();
  ~Site() override;
  void TestBody() override {}

  /// Until the client has ended: masters that have died by SIGKILL are started again. Nobody else
  /// may end meanwhile. Counts the kills.
  ProcessResult Follow(ClusterProcess& client);
  /// Starts a master until one lives. The failpoints of the first are `lives[0]`, and so on; those
  /// of all are `always`, too.
  void StartMasterOfLives(const Words& lives, const std::string& always = "");
  /// Nothing is beside the outputs; masters are started again meanwhile.
  void AwaitTidy();
  /// The master ends in good order, or its failpoint kills it, and the next one does.
  void EndMaster();
  int kills() const { return kills_; }
  /// What is started from now on is in the jail; null: outside.
  /// `more` is a command in the jail that executes the rest.
  void EnterJail(const Jail* jail, const Words& more = {});
  const std::filesystem::path& root() const { return root_; }

  using ClusterTest::AddWorker;
  using ClusterTest::endpoint;
  using ClusterTest::environment_;
  using ClusterTest::heartbeat_ms_;
  using ClusterTest::key_flags_;
  using ClusterTest::KillWorker;
  using ClusterTest::ListenAt;
  using ClusterTest::master;
  using ClusterTest::Place;
  using ClusterTest::RunAtMaster;
  using ClusterTest::RunLocally;
  using ClusterTest::Start;
  using ClusterTest::StartAtMaster;
  using ClusterTest::StartMaster;
  using ClusterTest::Status;
  using ClusterTest::TryStartMaster;
  using ClusterTest::worker;
  using ClusterTest::Write;

 protected:
  std::filesystem::path Base() override;

 private:
  bool IsTidy();
  void NextLife();

  Words lives_;
  std::string always_;
  std::size_t life_ = 0;
  int kills_ = 0;
};

/// Namespaces of their own, without root: small disks there, or rules for the network, harm nobody
/// else. They end with this.
class Jail {
 public:
  enum class Kind { kDisks, kNetwork };
  /// Null where the machine has no such namespaces.
  static std::unique_ptr<Jail> Make(const Site& site, Kind kind);

  /// Whether the shell script succeeds inside, started in the site's folder.
  bool Run(const std::string& script) const;
  /// How a file of the inside is seen from here.
  std::filesystem::path View(const std::filesystem::path& path) const;
  /// What a command inside begins with.
  Words Entry() const;

 private:
  Jail(const Site& site, Kind kind);
  const Kind kind_;
  const std::filesystem::path directory_;
  ClusterProcess holder_;
};

}  // namespace millrace

#endif  // TESTS_FAULTS_CLUSTER_SITE_H_
