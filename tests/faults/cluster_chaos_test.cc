// SPDX-License-Identifier: Apache-2.0
// Workers and masters are killed, stopped past their leases and woken again, at random moments of a
// run: in its maps, its reduces, while they serve each other. The run ends well all the same, with
// the local runner's bytes, and nobody leaves who was not killed.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "tests/faults/cluster_site.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kChaos{5000};  // Then all may finish in peace.
constexpr std::size_t kWorkers = 3;

// Maps and reduces that take some milliseconds each, for several seconds together.
std::string SlowLines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "sleep 5 " + std::to_string(i) + "\nplain " + std::to_string(i % 50) + "\n";
    if (i % 4 == 0) text += "reduce sleep 5 " + std::to_string(i) + "\n";
  }
  return text;
}

/// Does harm to a site while a client waits for its run.
class Chaos {
 public:
  Chaos(Site& site, std::uint64_t seed) : site_(site), random_(seed) {}
  ~Chaos() { std::cout << "[ chaos    ] " << Text() << "\n"; }

  void AddWorker() {
    // Half of them over sockets, so that there is serving to be disturbed.
    alive_.push_back(worker_count_++);
    site_.AddWorker(alive_.back() % 2 == 0 ? Words{"--no-direct-reads"} : Words{});
  }
  void Until(ClusterProcess& client) {
    const Clock::time_point end = Clock::now() + kChaos;
    while (!client.HasEnded() && Clock::now() < end && !testing::Test::HasFailure()) {
      Harm();
      Wait(milliseconds(20 + random_.Uniform(130)));
    }
    WakeAll();
  }
  void ExpectNobodyHasLeft() {
    for (const std::size_t index : alive_) {
      EXPECT_FALSE(site_.worker(index).HasEnded()) << site_.worker(index).err();
    }
  }
  int Count(const std::string& what) const {
    const auto found = counts_.find(what);
    return found == counts_.end() ? 0 : found->second;
  }

 private:
  struct Stopped {
    Clock::time_point until;
    ClusterProcess* process;
  };

  void Harm() {
    const std::uint64_t what = random_.Uniform(10);
    const std::size_t index = alive_[random_.Uniform(alive_.size())];
    if (what < 3) {
      ++counts_["workers killed"];
      site_.KillWorker(index);
      std::erase(alive_, index);
      std::erase_if(stopped_, [&](const auto& s) { return s.process == &site_.worker(index); });
      AddWorker();
    } else if (what < 7) {
      Stop("workers stopped", site_.worker(index));
    } else if (what < 8) {
      Stop("masters stopped", site_.master());
    } else {
      ++counts_["masters killed"];
      std::erase_if(stopped_, [&](const auto& s) { return s.process == &site_.master(); });
      site_.master().Kill();
      site_.StartMaster();
    }
  }
  // From a blink to four leases.
  void Stop(const std::string& what, ClusterProcess& process) {
    ++counts_[what];
    process.Signal(SIGSTOP);
    stopped_.push_back({Clock::now() + milliseconds(20 + random_.Uniform(780)), &process});
  }
  void Wait(milliseconds time) {
    const Clock::time_point end = Clock::now() + time;
    do {
      std::erase_if(stopped_, [](const Stopped& stopped) {
        if (Clock::now() < stopped.until) return false;
        stopped.process->Signal(SIGCONT);
        return true;
      });
      std::this_thread::sleep_for(milliseconds(5));  // It is the time that is drawn.
    } while (Clock::now() < end);
  }
  void WakeAll() {
    for (const Stopped& stopped : stopped_) stopped.process->Signal(SIGCONT);
    stopped_.clear();
  }
  std::string Text() const {
    std::string text;
    for (const auto& [what, count] : counts_) text += what + " " + std::to_string(count) + "  ";
    return text;
  }

  Site& site_;
  Random random_;
  std::vector<std::size_t> alive_;
  std::size_t worker_count_ = 0;
  std::vector<Stopped> stopped_;
  std::map<std::string, int> counts_;
};

class ClusterChaosTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    RecordProperty("seed", std::to_string(TestSeed()));
    site_.heartbeat_ms_ = "100";
  }
  void Begin(const Words& run, const Words& flags = {}) {
    run_ = run;
    local_ = site_.RunLocally(run);
    client_ = site_.StartAtMaster(Words{"run"} + run + Words{"--output", "out"} + flags);
  }
  // The run that was begun ends well, with the oracle's bytes.
  void ExpectGoodEnd() {
    const ProcessResult result = site_.Follow(*client_);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    ExpectSameTree(local_, site_.root() / "out");
    site_.AwaitTidy();
  }

  Site site_;
  Words run_;
  std::filesystem::path local_;
  std::unique_ptr<ClusterProcess> client_;
};

const Words kObey = {
    "--module", MILLRACE_CLUSTER_PROBES, "obey", "--input", "lines.txt", "--parts", "3", "--quiet"};

TEST_P(ClusterChaosTest, AtRandomMomentsGivesTheLocalRunnersBytes) {
  const int rounds = IsLongTier() ? 20 : 1;
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    const std::uint64_t seed = TestSeed() + static_cast<std::uint64_t>(GetParam() + 100 * round);
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::cout << "[ seed     ] " << seed << "\n";
    std::filesystem::remove_all(site_.root() / "out");
    site_.Write("lines.txt", SlowLines(600));
    site_.StartMaster();
    Chaos chaos(site_, seed);
    for (std::size_t i = 0; i < kWorkers; ++i) chaos.AddWorker();
    Begin(kObey, {"--split-size", "512"});
    chaos.Until(*client_);
    ExpectGoodEnd();
    chaos.ExpectNobodyHasLeft();
    EXPECT_GT(chaos.Count("workers killed") + chaos.Count("masters killed"), 1);
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, ClusterChaosTest, testing::Range(0, 3));

class ClusterFaultTest : public ClusterChaosTest {
 protected:
  void StartWorkers(int count) {
    for (int i = 0; i < count; ++i) site_.AddWorker({"--no-direct-reads"});
  }
  std::uint64_t TasksDone() {
    const nlohmann::json runs = site_.Status()["runs"];
    return runs.empty() ? 0 : runs.back()["tasks_done"].get<std::uint64_t>();
  }
  void AwaitTasksDone(std::uint64_t count) {
    AwaitThat(std::to_string(count) + " tasks done", [&] { return TasksDone() >= count; });
  }
  void AwaitWorkers(std::size_t count) {
    AwaitThat(std::to_string(count) + " workers",
              [&] { return site_.Status()["workers"].size() == count; });
  }
};
INSTANTIATE_TEST_SUITE_P(One, ClusterFaultTest, testing::Values(0));

// Its attempts are others' by then, and committed: it brings what nobody wants any more.
TEST_P(ClusterFaultTest, ZombieThatComesBackLateChangesNothing) {
  site_.Write("lines.txt", SlowLines(200));
  site_.StartMaster();
  StartWorkers(2);
  Begin(kObey, {"--split-size", "512"});
  AwaitTasksDone(5);
  ClusterProcess& zombie = site_.worker(0);
  zombie.Signal(SIGSTOP);
  AwaitWorkers(1);
  const std::uint64_t done = TasksDone();
  AwaitTasksDone(done + 3);
  zombie.Signal(SIGCONT);
  AwaitWorkers(2);  // While the run goes on.
  ExpectGoodEnd();
  EXPECT_FALSE(zombie.HasEnded()) << zombie.err();
}

TEST_P(ClusterFaultTest, ZombieThatComesBackAfterTheRunChangesNothing) {
  site_.Write("lines.txt", SlowLines(100));
  site_.StartMaster();
  StartWorkers(2);
  Begin(kObey, {"--split-size", "512"});
  AwaitTasksDone(5);
  ClusterProcess& zombie = site_.worker(0);
  zombie.Signal(SIGSTOP);
  ExpectGoodEnd();
  zombie.Signal(SIGCONT);
  AwaitWorkers(2);
  site_.AwaitTidy();
  ExpectSameTree(local_, site_.root() / "out");
  EXPECT_FALSE(zombie.HasEnded()) << zombie.err();
}

TEST_P(ClusterFaultTest, MasterThatIsKilledAllTheTimeGetsTheRunDone) {
  site_.Write("lines.txt", SlowLines(300));
  site_.StartMaster();
  StartWorkers(2);
  Begin(kObey, {"--split-size", "512"});
  int kills = 0;
  while (!client_->HasEnded() && kills < 100 && !HasFailure()) {
    // It lives so long, whatever it is at then.
    std::this_thread::sleep_for(milliseconds(150 + 50 * (kills % 4)));  // Its life.
    site_.master().Kill();
    ++kills;
    site_.StartMaster();
  }
  ExpectGoodEnd();
  EXPECT_GT(kills, 3);
  std::cout << "[ kills    ] " << kills << "\n";
  for (const std::size_t i : {0, 1}) EXPECT_FALSE(site_.worker(i).HasEnded());
}

TEST_P(ClusterFaultTest, AllWorkersDieAndNewOnesFinish) {
  site_.Write("lines.txt", SlowLines(200));
  site_.StartMaster();
  StartWorkers(3);
  Begin(kObey, {"--split-size", "512"});
  AwaitTasksDone(12);
  for (const std::size_t i : {0, 1, 2}) site_.KillWorker(i);
  AwaitWorkers(0);
  StartWorkers(2);
  ExpectGoodEnd();
  for (const std::size_t i : {3, 4}) EXPECT_FALSE(site_.worker(i).HasEnded());
}

// All that descends from `pid`, and itself.
std::vector<pid_t> TreeOf(pid_t pid) {
  std::vector<pid_t> tree = {pid};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const std::string id = std::to_string(tree[i]);
    std::ifstream children("/proc/" + id + "/task/" + id + "/children");
    for (pid_t child = 0; children >> child;) tree.push_back(child);
  }
  return tree;
}

// One worker and its tasks run for a tenth of the time. What it is at becomes somebody else's.
TEST_P(ClusterFaultTest, WorkerThatIsTenTimesSlowerIsBackedUp) {
  std::string lines;
  for (int i = 0; i < 9'000; ++i) lines += "sleep 1 " + std::to_string(i % 100) + "\n";
  site_.Write("lines.txt", lines);
  site_.heartbeat_ms_ = "1000";
  site_.StartMaster();
  StartWorkers(2);
  Begin(kObey + Words{"--split-size", "20k"});
  const Clock::time_point end = Clock::now() + std::chrono::seconds(28);
  while (!client_->HasEnded() && Clock::now() < end) {
    for (const int signal : {SIGSTOP, SIGCONT}) {
      for (const pid_t pid : TreeOf(site_.worker(0).pid())) kill(pid, signal);
      std::this_thread::sleep_for(milliseconds(signal == SIGSTOP ? 90 : 10));  // The slowness.
    }
  }
  ExpectGoodEnd();
  const std::string log = site_.master().err();
  EXPECT_NE(log.find("a backup attempt starts"), std::string::npos) << log;
}

}  // namespace
}  // namespace millrace
