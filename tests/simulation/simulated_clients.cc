// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace millrace {

void Simulation::AskMaster(std::size_t number) {
  SimRun& run = runs_[number];
  if (run.end) return;
  MessageBody body = AskRunStatus{run.name};
  if (!run.was_accepted) {
    body = SubmitRun{run.spec};
  } else if (run.was_cancelled) {
    body = CancelRun{run.name};
  }
  const ClientId client{number + 1};
  Transmit(-2, -1, client, MasterAddress{}, {Epoch(), ++next_client_sequence_, std::move(body)});
  After(1'000, [this, number] { AskMaster(number); });
}

void Simulation::OnAnswer(std::size_t number, const RunStatus& status) {
  SimRun& run = runs_[number];
  if (run.end || status.name != run.name) return;
  switch (status.state) {
    case RunState::kUnknown:
      // Without order an answer to an earlier question may come late.
      if (run.was_accepted && schedule_.keeps_order && schedule_.duplicates == 0 &&
          !schedule_.Has(FaultKind::kSecondMaster)) {
        Violate("S1: ", run.name, " was accepted, and is unknown now");
      }
      break;
    case RunState::kRefused:
      Violate(run.name, " was refused: ", status.message);
      break;
    case RunState::kDone:
    case RunState::kFailed:
      Trace("client: ", run.name,
            status.state == RunState::kDone ? " done" : " failed: ", status.message);
      run.end = status;
      CheckEnd(run);
      break;
    default:
      run.was_accepted = true;
      break;
  }
}

bool Simulation::HasExhausted(const std::map<TaskId, std::uint32_t>& counts,
                              std::uint32_t limit) const {
  return std::any_of(counts.begin(), counts.end(),
                     [limit](const auto& entry) { return entry.second >= limit; });
}

// A failure must have been preceded by as many causes as the limit that it stands for.
bool Simulation::MayFail(const SimRun& run, StatusCode code) const {
  const SchedulerOptions& limits = scheduler_options_;
  const bool has_failed = HasExhausted(task_failures_, limits.attempts_max);
  const bool has_no_output =
      std::any_of(output_failures_.begin(), output_failures_.end(),
                  [&](const auto& entry) { return entry.second >= limits.output_attempts_max; });
  switch (code) {
    case StatusCode::kCancelled:
      return run.was_cancelled;
    case StatusCode::kDiverged:
      return schedule_.probe == Probe::kNondeterministic;
    case StatusCode::kUserCode:
      return has_failed &&
             (schedule_.probe == Probe::kPoison || schedule_.Has(FaultKind::kCrashTask));
    case StatusCode::kResourceLimit:
    case StatusCode::kCorrupt:
    case StatusCode::kUnavailable:
      return has_failed || has_no_output || HasExhausted(task_losses_, limits.losses_max) ||
             HasExhausted(source_failures_, limits.source_failures_max);
    case StatusCode::kBadData:  // Of the shared disk, when the output is put in place.
      return has_no_output;
    default:
      return false;
  }
}

void Simulation::CheckEnd(const SimRun& run) {
  const std::string output = OutputOf(run.name);
  std::map<std::string, std::string> files = out_disk_.DurableFiles(output);
  if (run.end->state == RunState::kFailed) {
    if (!MayFail(run, run.end->code))
      Violate("S5: ", run.name, " failed without a reason: ", run.end->message);
    if (!out_disk_.Files(output).empty()) Violate("S5: ", run.name, " failed, but has an output");
    if (schedule_.probe == Probe::kPoison && run.end->code == StatusCode::kUserCode &&
        !schedule_.Has(FaultKind::kCrashTask) &&
        run.end->message.find(PoisonOf(*run.job).shard) == std::string::npos) {
      Violate("S5: the record that crashes the task is not named: ", run.end->message);
    }
    return;
  }
  std::map<std::string, std::string> expected;
  for (const auto& [path, contents] : run.job->files) expected[output + "/" + path] = contents;
  std::ostringstream manifest;
  for (const auto& [name, count] : run.job->counters) manifest << name << "\t" << count << "\n";
  expected[output + "/_manifest"] = std::move(manifest).str();
  expected[output + "/_SUCCESS"] = "";
  if (schedule_.mutation == "canary") files.begin()->second += '!';
  for (const auto& [path, contents] : expected) {
    const auto found = files.find(path);
    if (found == files.end()) {
      Violate("S4: ", path, " is missing");
    } else if (found->second != contents) {
      Violate("S4: ", path, " is not what the local runner makes:\n", found->second, "---\n",
              contents);
    }
  }
  if (files.size() != expected.size()) Violate("S4: ", output, " has files too many");
  if (schedule_.IsCalm()) {
    for (const auto& [task, attempts] : attempts_of_) {
      if (attempts > 1) Violate("S3: ", task, " ran ", attempts, " times, and nothing had failed");
    }
  }
}

}  // namespace millrace
