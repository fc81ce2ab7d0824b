// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIMULATED_WORLD_H_
#define TESTS_SIMULATION_SIMULATED_WORLD_H_

// The insides of simulation.h: what there is in one history, and where to find what it does.
//
//   simulated_world.cc    time, and the whole from beginning to end
//   simulated_network.cc  messages on their way
//   simulated_masters.cc  the masters' shells: journal, publishing, and what is checked there
//   simulated_workers.cc  the workers' shells: children, disks, and what is checked there
//   simulated_clients.cc  who asks for runs, and checks what comes out
//   simulated_faults.cc   what goes wrong

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <sstream>
#include <utility>

#include "mapreduce/base/test_hooks.h"
#include "mapreduce/proto/wire_codec.h"
#include "master/journal.h"
#include "master/journal_codec.h"
#include "master/run_output.h"
#include "master/scheduler.h"
#include "tests/simulation/sim_executor.h"
#include "tests/simulation/sim_job.h"
#include "tests/simulation/sim_mounts.h"
#include "tests/simulation/simulation.h"
#include "worker/worker.h"

namespace millrace {

inline constexpr int kWorkerClient = 10;  ///< Of worker 0, on the shared disk and on its own.

/// The record that crashes the first map task of a history with Probe::kPoison.
inline RecordPosition PoisonOf(const SimJob& job) {
  return {job.inputs.front().shards.front().file.path, 7};
}

/// One history. One thread.
class Simulation final : public TestHooks {
 public:
  Simulation(const Schedule& schedule, std::size_t trace_lines)
      : schedule_(schedule),
        trace_lines_(trace_lines),
        random_(schedule.seed * 2 + 1),
        hook_random_(schedule.seed * 2 + 7),
        out_disk_(random_, 2),
        state_disk_(random_, 3) {
    scheduler_options_.rejoin_ms = 10'000;
    scheduler_options_.no_worker_ms = 300'000;
    scheduler_options_.backoff_ms = 200;
    scheduler_options_.backoff_ms_max = 5'000;
    scheduler_options_.set_aside_ms = 3'000;
    scheduler_options_.backup.elapsed_ms_min = 3'000;
    scheduler_options_.fetch_failures_max = schedule.fetch_failures_max;
  }

  SimOutcome Run();

  bool Buggify(std::string_view site) override {
    if (!schedule_.buggifies || is_healed_) return false;
    if (Hash64(site, schedule_.seed) % 4 != 0) return false;  // Not in this schedule.
    return hook_random_.Uniform(4) == 0;
  }
  bool Mutation(std::string_view name) override { return schedule_.mutation == name; }

 private:
  struct SimRun {
    std::string name;
    const SimJob* job = nullptr;
    RunSpec spec;
    bool was_accepted = false;
    bool was_cancelled = false;
    std::optional<RunStatus> end;
  };

  struct MasterNode {
    bool is_alive = false;
    bool is_restarting = false;
    std::uint64_t starts = 0;
    std::uint64_t life = 0;
    std::uint64_t paused_until_ms = 0;
    std::unique_ptr<SimFileSystem> state_files, out_files;
    std::unique_ptr<Journal> journal;
    std::unique_ptr<Scheduler> scheduler;
    std::uint64_t appended = 0;
    bool is_sync_planned = false;
    std::uint64_t wake_ms = UINT64_MAX;
    std::deque<JournalRecord> pending;
    std::set<AttemptId> durable_commits;
    std::set<AttemptId> at_work;  // As the records say, durable or not.
  };

  struct Child {
    StartChild start;
    std::uint64_t number = 0;  // Of all children: tells a killed one from its successor.
    bool is_killed = false;
  };

  struct WorkerNode {
    int index = 0;
    bool is_alive = false;
    std::uint64_t starts = 0;
    std::uint64_t life = 0;
    std::uint64_t paused_until_ms = 0;
    std::uint64_t slow_until_ms = 0, slow_factor = 1;
    bool crashes_next = false, hangs_next = false;
    bool power_cut_at_crash = false;
    std::unique_ptr<SimDisk> spool_disk;
    std::unique_ptr<SimFileSystem> out_files, spool_files;
    std::unique_ptr<SimMounts> mounts;
    std::unique_ptr<SimExecutor> executor;
    WorkerId id;
    std::unique_ptr<Worker> worker;
    std::map<AttemptId, Child> children;
    Epoch heard;
    std::uint64_t wake_ms = UINT64_MAX;
  };

  struct CutLink {
    int a, b;  // Nodes; -1: the master.
    bool is_one_way;
    std::uint64_t until_ms;
  };

  // Time.
  struct Planned {
    std::uint64_t at_ms;
    std::uint64_t number;
    std::function<void()> what;
    friend bool operator<(const Planned& a, const Planned& b) {
      return a.at_ms != b.at_ms ? a.at_ms > b.at_ms : a.number > b.number;
    }
  };
  void At(std::uint64_t at_ms, std::function<void()> what) {
    queue_.push({at_ms, next_number_++, std::move(what)});
  }
  void After(std::uint64_t delay_ms, std::function<void()> what) {
    At(now_ms_ + delay_ms, std::move(what));
  }
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + random_.Uniform(high - low + 1);
  }
  bool Happens(int per_10000) {
    return per_10000 > 0 && random_.Uniform(10'000) < static_cast<std::uint64_t>(per_10000);
  }
  template <class... Parts>
  void Trace(const Parts&... parts) {
    if (trace_lines_ == 0) return;
    std::ostringstream line;
    line << now_ms_ << " ";
    (line << ... << parts);
    trace_.push_back(std::move(line).str());
    if (trace_.size() > trace_lines_) trace_.pop_front();
  }
  void Note(std::uint64_t kind, std::uint64_t a, std::uint64_t b) {
    const std::uint64_t words[] = {now_ms_, kind, a, b};
    hash_ = Hash64({reinterpret_cast<const char*>(words), sizeof words}, hash_);
  }
  template <class... Parts>
  void Violate(const Parts&... parts) {
    if (!violation_.empty()) return;
    std::ostringstream text;
    text << "at " << now_ms_ << " ms: ";
    (text << ... << parts);
    violation_ = std::move(text).str();
  }

  // The network.
  void Transmit(int from_node, int to_node, const Address& from, const Address& to,
                const Message& message);
  void Deliver(const Address& from, const Address& to, int master_slot, std::uint64_t master_life,
               const Message& message);
  bool IsCut(int from, int to) const;
  int NodeOf(const Address& address) const;

  // Masters.
  void StartMaster(int slot);
  void StopMaster(int slot);
  bool MasterDied(int slot);
  void StepMaster(int slot, const MasterEvent& event);
  void Carry(int slot, MasterActions& actions);
  void Follow(MasterNode& master, const JournalRecord& record);
  void CheckSend(MasterNode& master, const Send& send);
  void PlanSync(int slot);
  void SyncJournal(int slot);
  void WakeMaster(int slot);
  bool IsNewest(int slot);
  void DoOutputStep(int slot, JobRunId run, bool publishes);
  void Clean(int slot, const std::string& output);
  Result<std::vector<PublishedFile>> LastFiles(FileSystem& files, const JobRun& run,
                                               std::vector<PublishedPart>* parts) const;

  // Workers.
  void StartWorker(int index);
  void StopWorker(int index, bool is_power_cut, std::uint64_t restart_ms);
  bool WorkerDied(int index);
  void StepWorker(int index, const WorkerEvent& event);
  void Carry(int index, WorkerActions& actions);
  void StartSimChild(int index, const StartChild& start);
  const SimRun& RunOf(const std::string& run) const;
  void EndSimChild(int index, const AttemptId& attempt, std::uint64_t number);
  void Drop(int index, const DropAttempt& drop);
  void WakeWorker(int index);

  // Clients, faults, checks.
  void AskMaster(std::size_t run);
  void OnAnswer(std::size_t run, const RunStatus& status);
  void Inject(const PlannedFault& fault);
  void Kill(int node);
  void ArmChain(int node, std::uint64_t life, int client, SimDisk& own_disk);
  void Heal();
  bool CrashIsPowerCut(int node) {
    const CrashChain& chain = schedule_.crash_chain;
    if (!chain.steps.empty() && chain.node == node) return chain.is_power_cut;
    return random_.Uniform(2) == 0;
  }
  bool IsOver() const;
  std::string WhatIsLeft() const;
  void CheckLeases(int index, const AttemptId& attempt);
  void CheckEnd(const SimRun& run);
  bool MayFail(const SimRun& run, StatusCode code) const;
  bool HasExhausted(const std::map<TaskId, std::uint32_t>& counts, std::uint32_t limit) const;

  // Events of a node that stands still happen when it goes on.
  template <class Node>
  void OnNode(Node& node, std::uint64_t life, std::function<void()> what) {
    if (node.life != life || !node.is_alive) return;
    if (node.paused_until_ms > now_ms_) {
      At(node.paused_until_ms, [this, &node, life, what] { OnNode(node, life, what); });
      return;
    }
    what();
  }

  const Schedule& schedule_;
  const std::size_t trace_lines_;
  Random random_;
  Random hook_random_;
  SimDisk out_disk_, state_disk_;
  SchedulerOptions scheduler_options_;

  std::priority_queue<Planned> queue_;
  std::uint64_t next_number_ = 0;
  std::uint64_t now_ms_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t hash_ = 0;
  bool is_healed_ = false;
  std::string violation_;
  std::deque<std::string> trace_;

  MasterNode masters_[2];
  int current_master_ = 0;  // Whom the others talk to,
  int newest_master_ = 0;   // and who was started last.
  std::vector<std::unique_ptr<WorkerNode>> workers_;
  std::map<WorkerId, int> worker_of_;
  std::vector<SimRun> runs_;
  std::vector<CutLink> cuts_;
  std::map<std::pair<int, int>, std::uint64_t> link_time_ms_;  // Of the last delivery.
  std::uint64_t reset_number_ = 0;  // What was sent before a reset of all links is lost.
  std::uint64_t message_count_ = 0;
  std::uint64_t next_child_ = 0;
  std::uint64_t next_worker_id_ = 0;
  std::uint64_t next_client_sequence_ = 0;
  std::map<TaskId, std::uint32_t> attempts_of_;
  std::set<AttemptId> backups_;
  std::set<AttemptId> called_off_;
  // Why a run may fail: what its tasks and its output have been through.
  std::map<TaskId, std::uint32_t> task_failures_, task_losses_, source_failures_;
  std::map<JobRunId, std::uint32_t> output_failures_;
  std::uint64_t attempt_count_ = 0;
};

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIMULATED_WORLD_H_
