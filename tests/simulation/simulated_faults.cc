// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace millrace {
namespace {

constexpr std::uint64_t kRestartMs = 300;

}  // namespace

void Simulation::Kill(int node) {
  if (node >= 0) {
    StopWorker(node, false, kRestartMs);
  } else if (masters_[current_master_].is_alive) {
    StopMaster(current_master_);
  }
}

// The node begins its `life`-th life, from 1.
void Simulation::ArmChain(int node, std::uint64_t life, int client, SimDisk& own_disk) {
  const CrashChain& chain = schedule_.crash_chain;
  if (is_healed_ || chain.node != node || life > chain.steps.size()) return;
  (chain.is_on_out_disk ? out_disk_ : own_disk)
      .SetCrashAt(client, chain.steps[life - 1], CrashPoint::kEither);
}

void Simulation::Inject(const PlannedFault& fault) {
  if (is_healed_) return;
  Trace("FAULT ", Describe(fault));
  const auto worker_index = static_cast<std::size_t>(std::max(0, fault.node));
  WorkerNode& worker = *workers_[worker_index];
  const int client = kWorkerClient + worker.index;
  MasterNode& master = masters_[current_master_];
  switch (fault.kind) {
    case FaultKind::kKillWorker:
      StopWorker(worker.index, false, fault.duration_ms);
      break;
    case FaultKind::kPowerCutWorker:
      StopWorker(worker.index, true, fault.duration_ms);
      break;
    case FaultKind::kCrashWorkerAtStep:
      (fault.is_one_way ? out_disk_ : *worker.spool_disk)
          .SetCrashAt(client, fault.step, CrashPoint::kEither);
      break;
    case FaultKind::kPauseWorker:
      worker.paused_until_ms = std::max(worker.paused_until_ms, now_ms_ + fault.duration_ms);
      break;
    case FaultKind::kSlowWorker:
      worker.slow_until_ms = now_ms_ + fault.duration_ms;
      worker.slow_factor = fault.step;
      break;
    case FaultKind::kDrainWorker:
      OnNode(worker, worker.life, [this, &worker] { StepWorker(worker.index, DrainWanted{}); });
      break;
    case FaultKind::kKillMaster:
    case FaultKind::kPowerCutMaster:
      if (!master.is_alive) break;
      if (fault.kind == FaultKind::kPowerCutMaster) {
        state_disk_.CrashMachine({current_master_});
        out_disk_.CrashMachine({current_master_});
      }
      StopMaster(current_master_);
      break;
    case FaultKind::kCrashMasterAtStep:
      (fault.is_one_way ? out_disk_ : state_disk_)
          .SetCrashAt(current_master_, fault.step, CrashPoint::kEither);
      break;
    case FaultKind::kPauseMaster:
      master.paused_until_ms = std::max(master.paused_until_ms, now_ms_ + fault.duration_ms);
      break;
    case FaultKind::kSecondMaster: {
      const int second = 1 - current_master_;
      if (!master.is_alive || masters_[second].is_alive || masters_[second].is_restarting) break;
      master.paused_until_ms = now_ms_ + fault.duration_ms;
      StartMaster(second);
      break;
    }
    case FaultKind::kCutLink: {
      const int other = fault.step < workers_.size() ? static_cast<int>(fault.step) : -1;
      if (other == worker.index) break;
      const bool is_turned = fault.duration_ms % 2 == 0;
      cuts_.push_back({is_turned ? other : worker.index, is_turned ? worker.index : other,
                       fault.is_one_way, now_ms_ + fault.duration_ms});
      break;
    }
    case FaultKind::kResetLinks:
      ++reset_number_;
      break;
    case FaultKind::kRotSpool:
      worker.spool_disk->FlipStoredBit("run-");
      break;
    case FaultKind::kDiskErrors: {
      std::vector<SimDisk*> disks;
      if (fault.node < 0) {
        disks = {&state_disk_, &out_disk_};
      } else {
        disks = {worker.spool_disk.get()};
        if (fault.is_one_way) disks.push_back(&out_disk_);
      }
      for (SimDisk* disk : disks) {
        SimDiskFaults faults = schedule_.disk_faults;
        // At the very end of a journal damage can't be told from a torn write (docs/formats/
        // journal.md); its other places have tests of their own.
        if (disk == &state_disk_) faults.read_bit_flip = 0;
        disk->set_faults(faults);
        After(fault.duration_ms, [disk] { disk->set_faults({}); });
      }
      break;
    }
    case FaultKind::kCrashTask:
      worker.crashes_next = true;
      break;
    case FaultKind::kHangTask:
      worker.hangs_next = true;
      break;
    case FaultKind::kCancelRun:
      runs_.front().was_cancelled = true;
      break;
  }
}

void Simulation::Heal() {
  if (is_healed_) return;
  Trace("all is healed");
  is_healed_ = true;
  cuts_.clear();
  for (SimDisk* disk : {&out_disk_, &state_disk_}) {
    disk->set_faults({});
    for (int slot = 0; slot < 2; ++slot) disk->SetCrashAt(slot, 0, CrashPoint::kBefore);
  }
  for (const auto& worker : workers_) {
    worker->spool_disk->set_faults({});
    const int client = kWorkerClient + worker->index;
    worker->spool_disk->SetCrashAt(client, 0, CrashPoint::kBefore);
    out_disk_.SetCrashAt(client, 0, CrashPoint::kBefore);
    worker->crashes_next = worker->hangs_next = false;
    if (!worker->is_alive) StartWorker(worker->index);
  }
}

}  // namespace millrace
