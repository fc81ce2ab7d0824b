// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_CLUSTER_TEST_CLUSTER_H_
#define TESTS_CLUSTER_TEST_CLUSTER_H_

// A cluster of real processes on this host, of which nothing may be left at the end:
//
//   ROOT/            the test's folder; clients start here, so inputs and outputs are relative
//     .cluster/logs  what each process printed, shown when the test fails
//     .cluster/state, .cluster/spool, .cluster/tmp    the master's, the workers', everybody's
//     TMPDIR
//
// TMPDIR marks whatever descends from us: tasks, and what their code forks, inherit it.

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cluster/cluster_process.h"
#include "tests/integration/millrace_process.h"

namespace millrace {

using Words = std::vector<std::string>;

/// `a` and then `b`.
Words operator+(Words a, const Words& b);

/// Names, sizes and bytes of all files below both are equal, manifest and rejects included.
void ExpectSameTree(const std::filesystem::path& a, const std::filesystem::path& b);

/// A test with a folder, a master and workers.
class ClusterTest : public MillraceTest {
 protected:
  void SetUp() override;
  /// Ends all processes in good order and checks that nothing is left of them.
  void TearDown() override;

  // The cluster. A worker has one slot unless its flags say otherwise.
  void StartCluster(int workers, const Words& worker_flags = {});
  /// At the same port as the one before, if there was one. Workers that are silent are missed soon.
  void StartMaster();
  /// Likewise; false if it ends before it listens.
  bool TryStartMaster();
  ClusterProcess& AddWorker(const Words& flags = {});
  /// Whether the sandbox of tasks leaves them the test's folder, where probes meet and leave notes.
  bool tasks_write_here_ = true;
  ClusterProcess& master() { return *master_; }
  ClusterProcess& worker(std::size_t index) { return *workers_.at(index); }
  std::size_t worker_count() const { return workers_.size(); }  ///< Dead ones, too.
  void KillMaster() { master_->Kill(); }
  /// SIGKILL; what it leaves in the spool is cleared by another one.
  void KillWorker(std::size_t index);
  const std::string& endpoint() const { return endpoint_; }
  /// Where the first master listens; any free port if nobody says.
  void ListenAt(const std::string& endpoint) { endpoint_ = endpoint; }

  // Clients: commands, started in the test's folder.
  /// `millrace WORDS`, which goes on. `role` names its log.
  std::unique_ptr<ClusterProcess> Start(const Words& words, const std::string& role = "client");
  ProcessResult Run(const Words& words) { return Start(words)->Wait(); }
  /// `millrace WORDS --master …`.
  std::unique_ptr<ClusterProcess> StartAtMaster(const Words& words) {
    const bool has_keys = std::find(words.begin(), words.end(), "--keys") != words.end();
    return Start(words + Words{"--master", endpoint_} + (has_keys ? Words() : key_flags_),
                 words.at(0));
  }
  ProcessResult RunAtMaster(const Words& words) { return StartAtMaster(words)->Wait(); }

  /// The oracle: `millrace run RUN` in one process, made once for each RUN. Its output.
  std::filesystem::path RunLocally(const Words& run);
  /// `millrace run RUN FLAGS` at the master leaves the oracle's tree.
  void ExpectLocalBytes(const Words& run, const Words& flags = {});

  /// A file with a last line that makes it 1 KiB: with `--split-size 1k` one map task. (Smaller
  /// files are packed into one.) Requires: `lines` has less than 1000 bytes.
  void WriteShard(const std::string& path, const std::string& lines);

  // What the master says.
  nlohmann::json Status();
  /// The one run it knows.
  nlohmann::json OnlyRun();
  void AwaitTasksDone(std::uint64_t count);  ///< Of the last run in the list.
  void AwaitWorkers(std::size_t count);
  void AwaitFile(const std::string& path);

  /// What a cluster that has ended should not leave: processes, files; a line each.
  std::string Strays();

  std::filesystem::path Place(const std::string& name) const { return root_ / ".cluster" / name; }

  // Of what is started from now on.
  Words environment_;  ///< "NAME=value".
  Words wrapper_;      ///< Before each command: a program that executes it.
  std::string heartbeat_ms_ = "200";
  Words key_flags_;  ///< Of master, workers and clients: "--keys", DIR.

 private:
  void EndWell(ClusterProcess& process);
  void ShowLogs();

  std::string endpoint_;
  std::unique_ptr<ClusterProcess> master_;
  std::vector<std::unique_ptr<ClusterProcess>> workers_;
  bool has_killed_worker_ = false;
  int process_count_ = 0;
  int cluster_outputs_ = 0;
  std::map<Words, std::filesystem::path> local_;
};

}  // namespace millrace

#endif  // TESTS_CLUSTER_TEST_CLUSTER_H_
