// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SCHEDULE_H_
#define TESTS_SIMULATION_SCHEDULE_H_

// A schedule: everything about one simulated history that is decided before it begins, drawn from a
// seed. Swarm testing (Groce et al. 2012): each seed also draws which families of faults exist at
// all and how common they are, so that rare combinations meet calm surroundings. Faults with a time
// are a list, so that a failing schedule can be shrunk by leaving some out.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/sim_disk.h"

namespace millrace {

enum class FaultKind {
  kKillWorker,         ///< The process dies; a new one starts after `duration_ms`.
  kPowerCutWorker,     ///< Its machine does.
  kCrashWorkerAtStep,  ///< It dies at its `step`-th change of a disk from now on.
  kPauseWorker,        ///< It stands still for `duration_ms`, then goes on (SIGSTOP, SIGCONT).
  kSlowWorker,         ///< Its tasks take `step` times as long for `duration_ms`.
  kDrainWorker,        ///< It is asked to leave; a new one starts after `duration_ms`.
  kKillMaster,
  kPowerCutMaster,
  kCrashMasterAtStep,
  kPauseMaster,   ///< The only one stands still.
  kSecondMaster,  ///< The master stands still, a second one starts, then the first goes on.
  kCutLink,       ///< Between master and worker `node` (or worker and worker `step`), one way if
                  ///< `is_one_way`.
  kResetLinks,    ///< What is under way is lost.
  kRotSpool,      ///< A bit of what worker `node` keeps flips.
  kDiskErrors,    ///< The disks of worker `node` (or the master, -1) fail at random meanwhile.
  kCrashTask,     ///< The next attempt on worker `node` crashes on a record.
  kHangTask,      ///< The next attempt on worker `node` hangs.
  kCancelRun,
};
const char* FaultName(FaultKind kind);

struct PlannedFault {
  std::uint64_t at_ms = 0;
  FaultKind kind = FaultKind::kKillWorker;
  int node = 0;  ///< A worker's number, -1: the master.
  std::uint64_t duration_ms = 0;
  std::uint64_t step = 0;
  bool is_one_way = false;
};
std::string Describe(const PlannedFault& fault);

/// A fault that is placed by counting messages, for schedules that try all places.
struct MessageFault {
  enum class Kind { kDrop, kRepeatLate, kKill };
  std::uint64_t message = 0;  ///< The number of the message, from 0.
  Kind kind = Kind::kDrop;
  int node = 0;  ///< Of kKill, once the message is sent: a worker's number, -1: the master.
};

/// Deaths of one node, placed by counting its changes of a disk: in its first life at steps[0], in
/// the second, which is a recovery, at steps[1] …
struct CrashChain {
  int node = -1;
  bool is_on_out_disk = false;  ///< Else the state disk, or the worker's spool.
  bool is_power_cut = false;    ///< Else the process alone dies.
  std::vector<std::uint64_t> steps;
};

/// A job whose code is wrong on purpose.
enum class Probe { kNone, kPoison, kNondeterministic };

struct Schedule {
  std::uint64_t seed = 0;
  int workers = 3;
  std::uint32_t slots = 1;
  std::vector<int> jobs;  ///< Indexes into SimJobs(), one a run.
  Probe probe = Probe::kNone;

  // The network, until it heals. In parts per 10,000 messages.
  std::uint64_t delay_ms_min = 1, delay_ms_max = 20;
  int loss = 0, duplicates = 0, bit_flips = 0;
  bool keeps_order = true;       ///< Of the messages of one link.
  bool encodes_messages = true;  ///< As they are on the wire.

  SimDiskFaults disk_faults;  ///< During kDiskErrors.
  std::uint64_t sync_ms_max = 10;
  std::uint64_t rotate_bytes = 1 << 20;  ///< Of the journal.
  std::uint32_t parallel_max = 0;        ///< Of each run.
  std::uint32_t streams_max = 32;        ///< That a worker fetches, and serves, at once.
  std::uint32_t fetch_failures_max = 3;  ///< Of the scheduler.
  std::uint64_t task_ms = 300;           ///< What a task takes, about.

  bool spill_everything = false;
  std::size_t block_bytes = 0;
  bool buggifies = false;

  std::vector<PlannedFault> faults;
  std::vector<MessageFault> message_faults;
  CrashChain crash_chain;
  std::uint64_t heal_ms = 30'000;  ///< From then on nothing fails any more.
  std::string mutation;            ///< A planted bug that is switched on.

  /// Nothing can fail: then each task must run exactly once.
  bool IsCalm() const {
    return faults.empty() && message_faults.empty() && crash_chain.steps.empty() && loss == 0 &&
           bit_flips == 0 && probe == Probe::kNone && !buggifies;
  }
  bool Has(FaultKind kind) const;
};

Schedule DrawSchedule(std::uint64_t seed);

}  // namespace millrace

#endif  // TESTS_SIMULATION_SCHEDULE_H_
