// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SCALE_WORLD_H_
#define TESTS_SIMULATION_SCALE_WORLD_H_

// A large cluster in one thread, on a virtual clock: the production state machines of one master
// and of up to thousands of workers, and around them as little as possible. Nothing is lost or
// reordered (simulation.h does that, for small clusters); there is no disk, and of a run file there
// are a few bytes.
//
//   a message   arrives some ms later, always the same for one pair of nodes: so in order
//   the journal keeps encoded records; one group is being synced at a time
//   a child     takes a time proportional to its task's size, and makes what its task says
//   a reduce    fetches from all holders; what it has when its child starts is checked to be the
//               output of each map task once, and of an attempt whose commit is durable
//
// Whoever dies loses what is under way to and from it, and a worker stays dead.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "master/scheduler.h"
#include "worker/worker.h"

namespace millrace {

struct ScaleOptions {
  std::uint32_t worker_count = 1'000;
  std::uint32_t slots = 4;
  std::uint32_t map_count = 0;
  std::uint32_t part_count = 0;
  SchedulerOptions scheduler;
};

/// What happened, in numbers.
struct ScaleFigures {
  std::uint64_t events = 0;         ///< Of master and workers.
  std::uint64_t master_events = 0;  ///< Calls of Scheduler::Step.
  std::uint64_t map_starts = 0;     ///< Attempts of map tasks,
  std::uint64_t part_starts = 0;    ///< and of reduce tasks: those that the journal has.
  std::uint64_t failures = 0;       ///< Of attempts, on workers that live.
  std::uint64_t fetch_requests = 0;
  std::uint64_t sources_without_endpoint = 0;  ///< In StartTasks.
  std::uint64_t master_ns = 0;                 ///< Processor time of Scheduler::Step.
  std::uint64_t slowest_step_ns = 0;           ///< The longest of them.
  std::vector<std::uint64_t> batch_ns;         ///< All of it, by kStepsOfBatch calls.
};

/// How long a master took from the first record that it decoded, in processor time.
struct RestartFigures {
  std::uint64_t recovered_ns = 0;         ///< Until Start() returned.
  std::uint64_t first_dispatch_ns = 0;    ///< Until its first StartTask was sent; 0: none yet.
  std::uint64_t master_dispatch_ns = 0;   ///< The same without the workers' part.
  std::uint64_t first_dispatch_v_ms = 0;  ///< The same in virtual time.
};

class ScaleWorld {
 public:
  static constexpr std::uint64_t kStepsOfBatch = 1'000;

  explicit ScaleWorld(const ScaleOptions& options);
  ScaleWorld(const ScaleWorld&) = delete;
  ScaleWorld& operator=(const ScaleWorld&) = delete;

  /// Goes on until `is_reached` (asked each virtual ms), the run ends, a check fails, or
  /// `now_ms_max`. Whether it was reached.
  bool RunUntil(const std::function<bool()>& is_reached, std::uint64_t now_ms_max);
  /// Until the run ends; whether it is done.
  bool RunToEnd(std::uint64_t now_ms_max);

  void KillWorkerAt(std::uint64_t at_ms, std::uint32_t worker);
  /// The master dies at once, and with it what its journal has not synced.
  void KillMaster();
  /// A new master reads the journal. With `takes_snapshot` it then writes a snapshot, so that the
  /// next one reads that.
  void StartMaster(bool takes_snapshot = false);

  std::uint64_t now_ms() const { return now_ms_; }
  std::uint64_t makespan_ms() const { return end_ms_; }
  const ScaleFigures& figures() const { return figures_; }
  const RestartFigures& restart() const { return restart_; }
  std::uint64_t journal_records() const { return records_.size(); }
  std::uint64_t committed_maps() const;
  std::uint64_t committed_parts() const { return committed_parts_.size(); }
  /// The first check that failed; empty: none.
  const std::string& violation() const { return violation_; }
  /// From a worker's death to the first and the last StartTask for a map task that was at work or
  /// held there; 0: there was none.
  std::uint64_t first_rerun_ms(std::uint32_t worker) const { return nodes_[worker].first_rerun_ms; }
  std::uint64_t last_rerun_ms(std::uint32_t worker) const { return nodes_[worker].last_rerun_ms; }

 private:
  struct WorkerNode {
    std::unique_ptr<Worker> worker;  // Null: dead.
    std::uint64_t wake_ms = UINT64_MAX;
    std::uint64_t killed_ms = 0;
    std::uint64_t first_rerun_ms = 0, last_rerun_ms = 0;
  };

  // Events.
  struct ToMaster {
    std::uint64_t life;
    MasterEvent event;
  };
  struct ToWorker {
    std::uint32_t index;
    WorkerEvent event;
  };
  struct WakeMaster {
    std::uint64_t life, at_ms;
  };
  struct WakeWorker {
    std::uint32_t index;
    std::uint64_t at_ms;
  };
  struct StartWorker {
    std::uint32_t index;
  };
  struct KillWorker {
    std::uint32_t index;
  };
  struct SyncEnds {
    std::uint64_t life, record_count;
  };
  using Event =
      std::variant<ToMaster, ToWorker, WakeMaster, WakeWorker, StartWorker, KillWorker, SyncEnds>;

  void After(std::uint64_t delay_ms, Event event);
  void On(ToMaster& arrived);
  void On(ToWorker& arrived);
  void On(const WakeMaster& wake);
  void On(const WakeWorker& wake);
  void On(const StartWorker& start);
  void On(const KillWorker& kill);
  void On(const SyncEnds& sync);

  void StepMaster(const MasterEvent& event);
  void Carry(MasterActions& actions);
  void Carry(std::uint32_t index, WorkerActions& actions);
  void PlanWake();
  void PlanWake(std::uint32_t index);
  void OnAppended(const JournalRecord& record);
  void OnDurable(const JournalRecord& record);
  void OnStartSent(WorkerId to, const StartTask& start);
  void Sync();
  void Recover(Scheduler& scheduler);
  void StartChildOf(std::uint32_t index, const StartChild& start);
  void CheckInputs(const StartChild& start);
  PieceRead Read(const ReadPiece& read) const;
  template <class... Parts>
  void Violate(const Parts&... parts);

  const ScaleOptions options_;
  std::map<std::uint64_t, std::vector<Event>> queue_;  // By time, then in the order of planning.
  std::uint64_t now_ms_ = 0;

  std::unique_ptr<Scheduler> scheduler_;  // Null: dead.
  std::uint64_t life_ = 0;
  std::uint64_t master_wake_ms_ = UINT64_MAX;

  std::string snapshot_;              // Stands for the records that were before records_.
  std::vector<std::string> records_;  // Encoded.
  std::uint64_t durable_count_ = 0;   // Of records_,
  std::uint64_t base_count_ = 0;      // of which so many are of older masters.
  std::vector<JournalRecord> undurable_;
  bool is_syncing_ = false;

  std::vector<WorkerNode> nodes_;

  std::vector<std::vector<std::uint32_t>> committed_maps_;  // By task: attempts, durably.
  std::set<std::uint32_t> committed_parts_;
  std::set<AttemptId> checked_;             // Reduces that began with what they need.
  std::vector<std::uint32_t> last_worker_;  // By map task: where it was started last, 1 + index.
  std::vector<std::uint32_t> seen_;         // By map task: the last check that met it.
  std::uint32_t check_count_ = 0;
  bool is_over_ = false, is_done_ = false;
  std::uint64_t end_ms_ = 0;
  std::string violation_;

  ScaleFigures figures_;
  RestartFigures restart_;
  std::uint64_t batch_ns_ = 0;
  std::uint64_t decode_begin_ns_ = 0, decode_begin_v_ms_ = 0, decode_master_ns_ = 0;
};

template <class... Parts>
void ScaleWorld::Violate(const Parts&... parts) {
  if (!violation_.empty()) return;
  std::ostringstream text;
  text << "at " << now_ms_ << " ms: ";
  (text << ... << parts);
  violation_ = std::move(text).str();
}

}  // namespace millrace

#endif  // TESTS_SIMULATION_SCALE_WORLD_H_
