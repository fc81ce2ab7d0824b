// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulation.h"

#include <sstream>
#include <utility>

#include "tests/simulation/sim_job.h"
#include "tests/simulation/simulated_world.h"

namespace millrace {

SimOutcome Simulate(const Schedule& schedule, std::size_t trace_lines) {
  return Simulation(schedule, trace_lines).Run();
}

Schedule Shrink(Schedule schedule) {
  const auto still_fails = [](const Schedule& candidate) {
    return !Simulate(candidate).violation.empty();
  };
  bool is_smaller = true;
  while (is_smaller) {
    is_smaller = false;
    for (std::size_t i = schedule.faults.size(); i-- > 0;) {
      Schedule candidate = schedule;
      candidate.faults.erase(candidate.faults.begin() + static_cast<std::ptrdiff_t>(i));
      if (!still_fails(candidate)) continue;
      schedule = std::move(candidate);
      is_smaller = true;
    }
    const auto without = [&](auto change) {
      Schedule candidate = schedule;
      change(candidate);
      if (!still_fails(candidate)) return;
      schedule = std::move(candidate);
    };
    if (schedule.loss > 0) without([](Schedule& s) { s.loss = 0; });
    if (schedule.duplicates > 0) without([](Schedule& s) { s.duplicates = 0; });
    if (schedule.bit_flips > 0) without([](Schedule& s) { s.bit_flips = 0; });
    if (!schedule.keeps_order) without([](Schedule& s) { s.keeps_order = true; });
    if (schedule.buggifies) without([](Schedule& s) { s.buggifies = false; });
    if (schedule.jobs.size() > 1) without([](Schedule& s) { s.jobs.pop_back(); });
    if (schedule.block_bytes > 0) without([](Schedule& s) { s.block_bytes = 0; });
    if (schedule.spill_everything) without([](Schedule& s) { s.spill_everything = false; });
  }
  return schedule;
}

std::string Report(const Schedule& schedule, const SimOutcome& outcome) {
  std::ostringstream text;
  text << "seed " << schedule.seed << ": " << outcome.violation << "\n"
       << schedule.workers << " workers of " << schedule.slots << " slots, loss " << schedule.loss
       << ", duplicates " << schedule.duplicates << ", bit flips " << schedule.bit_flips
       << (schedule.keeps_order ? "" : ", reordering") << (schedule.buggifies ? ", buggify" : "")
       << ", tasks of " << schedule.task_ms << " ms, delays to " << schedule.delay_ms_max
       << " ms\n";
  for (const int job : schedule.jobs)
    text << "job " << SimJobs()[static_cast<std::size_t>(job)]->name << "\n";
  for (const PlannedFault& fault : schedule.faults) text << "fault at " << Describe(fault) << "\n";
  for (const std::string& line : outcome.trace) text << "  " << line << "\n";
  return std::move(text).str();
}

}  // namespace millrace
