// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/schedule.h"

#include <algorithm>
#include <sstream>

#include "mapreduce/base/random.h"
#include "tests/simulation/sim_job.h"

namespace millrace {
namespace {

constexpr FaultKind kAllKinds[] = {
    FaultKind::kKillWorker,  FaultKind::kPowerCutWorker, FaultKind::kCrashWorkerAtStep,
    FaultKind::kPauseWorker, FaultKind::kSlowWorker,     FaultKind::kDrainWorker,
    FaultKind::kKillMaster,  FaultKind::kPowerCutMaster, FaultKind::kCrashMasterAtStep,
    FaultKind::kPauseMaster, FaultKind::kSecondMaster,   FaultKind::kCutLink,
    FaultKind::kResetLinks,  FaultKind::kRotSpool,       FaultKind::kDiskErrors,
    FaultKind::kCrashTask,   FaultKind::kHangTask,       FaultKind::kCancelRun,
};

PlannedFault DrawFault(Random& random, const Schedule& schedule, FaultKind kind) {
  PlannedFault fault;
  fault.kind = kind;
  // Most runs take some seconds; where little fails, they are over before the late faults.
  fault.at_ms = random.Uniform(random.Uniform(3) > 0 ? 4'000 : 12'000);
  fault.node = static_cast<int>(random.Uniform(static_cast<std::uint64_t>(schedule.workers)));
  fault.duration_ms = 100 + random.Uniform(random.Uniform(3) == 0 ? 12'000 : 3'000);
  fault.step = 1 + random.Uniform(30);
  fault.is_one_way = random.Uniform(2) == 0;
  switch (kind) {
    case FaultKind::kSlowWorker:
      fault.step = 5 + random.Uniform(100);
      break;
    case FaultKind::kDiskErrors:
      if (random.Uniform(3) == 0) fault.node = -1;
      break;
    case FaultKind::kCutLink:
      // One in three is between two workers.
      fault.step = random.Uniform(3) == 0
                       ? random.Uniform(static_cast<std::uint64_t>(schedule.workers))
                       : 1'000;
      break;
    default:
      break;
  }
  return fault;
}

}  // namespace

const char* FaultName(FaultKind kind) {
  switch (kind) {
    case FaultKind::kKillWorker:
      return "kill worker";
    case FaultKind::kPowerCutWorker:
      return "power cut at worker";
    case FaultKind::kCrashWorkerAtStep:
      return "crash at step of worker";
    case FaultKind::kPauseWorker:
      return "pause worker";
    case FaultKind::kSlowWorker:
      return "slow worker";
    case FaultKind::kDrainWorker:
      return "drain worker";
    case FaultKind::kKillMaster:
      return "kill master";
    case FaultKind::kPowerCutMaster:
      return "power cut at master";
    case FaultKind::kCrashMasterAtStep:
      return "crash at step of master";
    case FaultKind::kPauseMaster:
      return "pause master";
    case FaultKind::kSecondMaster:
      return "second master";
    case FaultKind::kCutLink:
      return "cut link of worker";
    case FaultKind::kResetLinks:
      return "reset links";
    case FaultKind::kRotSpool:
      return "rot in spool of worker";
    case FaultKind::kDiskErrors:
      return "disk errors at node";
    case FaultKind::kCrashTask:
      return "crash a task on worker";
    case FaultKind::kHangTask:
      return "hang a task on worker";
    case FaultKind::kCancelRun:
      return "cancel a run";
  }
  return "?";
}

std::string Describe(const PlannedFault& fault) {
  std::ostringstream text;
  text << fault.at_ms << " ms: " << FaultName(fault.kind) << " " << fault.node << ", "
       << fault.duration_ms << " ms, step " << fault.step << (fault.is_one_way ? ", one way" : "");
  return std::move(text).str();
}

bool Schedule::Has(FaultKind kind) const {
  return std::any_of(faults.begin(), faults.end(),
                     [kind](const PlannedFault& fault) { return fault.kind == kind; });
}

Schedule DrawSchedule(std::uint64_t seed) {
  Random random(seed);
  const auto one_in = [&](std::uint64_t n) { return random.Uniform(n) == 0; };
  Schedule schedule;
  schedule.seed = seed;
  schedule.workers = 1 + static_cast<int>(random.Uniform(5));
  schedule.slots = 1 + static_cast<std::uint32_t>(random.Uniform(3));
  const std::uint64_t runs = one_in(4) ? 2 : 1;
  for (std::uint64_t i = 0; i < runs; ++i)
    schedule.jobs.push_back(static_cast<int>(random.Uniform(SimJobs().size())));
  schedule.delay_ms_max = schedule.delay_ms_min + random.Uniform(one_in(3) ? 400 : 20);
  schedule.keeps_order = !one_in(3);
  schedule.encodes_messages = one_in(4);
  schedule.sync_ms_max = 1 + random.Uniform(one_in(8) ? 4'000 : 40);
  if (one_in(5)) schedule.parallel_max = 1 + static_cast<std::uint32_t>(random.Uniform(3));
  if (one_in(4)) schedule.streams_max = 1 + static_cast<std::uint32_t>(random.Uniform(2));
  if (one_in(3)) schedule.fetch_failures_max = 1;
  if (one_in(4)) schedule.rotate_bytes = 200 + random.Uniform(4000);
  schedule.task_ms = 1 + random.Uniform(one_in(3) ? 3'000 : 600);
  schedule.spill_everything = one_in(4);
  if (one_in(2)) schedule.block_bytes = 64 + random.Uniform(300);
  if (one_in(20)) return schedule;  // Calm.

  schedule.buggifies = one_in(2);
  if (one_in(3)) schedule.loss = static_cast<int>(random.Uniform(2'500));
  if (one_in(3)) schedule.duplicates = static_cast<int>(random.Uniform(3'000));
  if (schedule.encodes_messages && one_in(2))
    schedule.bit_flips = static_cast<int>(random.Uniform(500));
  if (one_in(2)) {
    SimDiskFaults& faults = schedule.disk_faults;
    const int rate = one_in(3) ? 1'500 : 200;
    const auto chance = [&] {
      return one_in(2) ? static_cast<int>(random.Uniform(static_cast<std::uint64_t>(rate))) : 0;
    };
    faults.read_error = chance();
    faults.read_bit_flip = chance();
    faults.write_error = chance();
    faults.full = chance();
    faults.name_error = chance();
    faults.sync_error = one_in(4) ? 1'000 + static_cast<int>(random.Uniform(3'000)) : chance();
  }
  if (one_in(12)) schedule.probe = one_in(2) ? Probe::kPoison : Probe::kNondeterministic;
  std::vector<FaultKind> kinds;
  for (const FaultKind kind : kAllKinds) {
    if (kind == FaultKind::kCancelRun ? one_in(20) : one_in(4)) kinds.push_back(kind);
  }
  if (!kinds.empty()) {
    const std::uint64_t count = 1 + random.Uniform(one_in(4) ? 20 : 5);
    for (std::uint64_t i = 0; i < count; ++i) {
      schedule.faults.push_back(DrawFault(random, schedule, kinds[random.Uniform(kinds.size())]));
      const PlannedFault first = schedule.faults.back();
      if (first.kind != FaultKind::kDiskErrors || !one_in(2)) continue;
      // A disk that fails is often followed by a machine that does.
      PlannedFault second =
          DrawFault(random, schedule,
                    first.node < 0 ? FaultKind::kPowerCutMaster : FaultKind::kPowerCutWorker);
      second.node = std::max(0, first.node);
      second.at_ms = first.at_ms + random.Uniform(first.duration_ms);
      schedule.faults.push_back(second);
    }
  }
  return schedule;
}

}  // namespace millrace
