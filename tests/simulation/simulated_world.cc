// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace millrace {
namespace {

constexpr std::uint64_t kBoundMs = 400'000;  // From healing to the end of the last run,
constexpr std::uint64_t kQuietMs = 120'000;  // and from there until nothing is left.

}  // namespace

bool Simulation::IsOver() const {
  return std::all_of(runs_.begin(), runs_.end(),
                     [](const SimRun& run) { return run.end.has_value(); });
}

std::string Simulation::WhatIsLeft() const {
  for (const auto& worker : workers_) {
    if (!worker->is_alive || worker->worker == nullptr) continue;
    const std::string who = "worker " + std::to_string(worker->index);
    if (!worker->children.empty()) return who + " still has a child";
    if (worker->worker->report_count() > 0) return who + " still reports";
    if (!worker->worker->Held().empty()) return who + " still holds outputs";
    const std::vector<std::string> spooled = worker->spool_disk->Paths("/spool");
    if (!spooled.empty()) return who + " still has " + spooled.front() + " in its spool";
  }
  for (const std::string& path : out_disk_.Paths("/out")) {
    if (path.starts_with("/out/.")) return path + " is left beside the outputs";
  }
  return {};
}

SimOutcome Simulation::Run() {
#ifdef MILLRACE_TEST_HOOKS
  test_hooks = this;
#endif
  SimFileSystem out_files(out_disk_, 0);
  static_cast<void>(out_files.MakeDirectories("/out"));
  static_cast<void>(out_files.SyncTree("/"));
  for (std::size_t i = 0; i < schedule_.jobs.size(); ++i) {
    const SimJob& job = *SimJobs()[static_cast<std::size_t>(schedule_.jobs[i])];
    SimRun& run = runs_.emplace_back();
    run.name = "run-" + std::to_string(i) + "-" + job.name;
    run.job = &job;
    run.spec = job.spec;
    run.spec.name = run.name;
    run.spec.output = OutputOf(run.name);
    run.spec.user = i == 0 ? "ann" : "bob";
    run.spec.parallel_max = schedule_.parallel_max;
    if (schedule_.probe == Probe::kPoison && schedule_.seed % 2 == 0)
      run.spec.crashed_records_max = 1;
  }
  for (int index = 0; index < schedule_.workers; ++index) {
    auto node = std::make_unique<WorkerNode>();
    node->index = index;
    node->spool_disk = std::make_unique<SimDisk>(random_, 10 + static_cast<std::uint64_t>(index));
    workers_.push_back(std::move(node));
  }
  At(0, [this] { StartMaster(0); });
  for (int index = 0; index < schedule_.workers; ++index)
    At(random_.Uniform(500), [this, index] { StartWorker(index); });
  for (std::size_t run = 0; run < runs_.size(); ++run)
    At(random_.Uniform(2'000), [this, run] { AskMaster(run); });
  for (const PlannedFault& fault : schedule_.faults)
    At(fault.at_ms, [this, &fault] { Inject(fault); });
  At(schedule_.heal_ms, [this] { Heal(); });

  std::uint64_t quiet_ms = 0;  // When all must be gone.
  std::uint64_t next_look_ms = 0;
  while (violation_.empty() && !queue_.empty()) {
    Planned planned = queue_.top();
    queue_.pop();
    now_ms_ = std::max(now_ms_, planned.at_ms);
    ++events_;
    planned.what();
    if (now_ms_ > schedule_.heal_ms + kBoundMs) {
      Violate("L1: a run has not ended");
      break;
    }
    if (now_ms_ < next_look_ms || !IsOver()) continue;
    if (quiet_ms == 0) {
      quiet_ms = now_ms_ + kQuietMs;
      Heal();
    }
    next_look_ms = now_ms_ + 500;
    const std::string left = WhatIsLeft();
    if (left.empty()) break;
    if (now_ms_ > quiet_ms) Violate("Q1: ", left);
  }
#ifdef MILLRACE_TEST_HOOKS
  test_hooks = nullptr;
#endif

  SimOutcome outcome;
  outcome.violation = violation_;
  outcome.event_hash = hash_;
  outcome.events = events_;
  outcome.end_ms = now_ms_;
  outcome.attempts = attempt_count_;
  outcome.backups = backups_.size();
  outcome.messages = message_count_;
  for (const SimRun& run : runs_)
    outcome.runs_failed += run.end && run.end->state == RunState::kFailed;
  for (int slot = 0; slot < 2; ++slot)
    outcome.master_steps.push_back(
        {state_disk_.MutatingOpCount(slot), out_disk_.MutatingOpCount(slot)});
  for (const auto& worker : workers_) {
    const int client = kWorkerClient + worker->index;
    outcome.worker_steps.push_back(
        {worker->spool_disk->MutatingOpCount(client), out_disk_.MutatingOpCount(client)});
  }
  outcome.trace.assign(trace_.begin(), trace_.end());
  return outcome;
}

}  // namespace millrace
