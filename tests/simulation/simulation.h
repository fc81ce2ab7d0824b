// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIMULATION_H_
#define TESTS_SIMULATION_SIMULATION_H_

// One simulated history: masters, workers and clients in one thread, on a virtual clock, with the
// production state machines, journal, publishing and task code; only the network, the disks, the
// processes and time are simulated. The same schedule makes the same history, event for event.
//
// Checked on the way and at the end (the numbers are those of docs/simulation.md):
//
//   S1 nobody hears of a commit, and no client of a finished run, before it is durable
//   S2 no two attempts of a task hold leases at the same time, backup attempts apart
//   S6 only an attempt at work is committed; S7 no worker takes a task from an older epoch
//   S3 where nothing fails, each task runs once; a worker's loss is noticed within two heartbeats
//   S4 the output of a finished run is, byte for byte, the local runner's, and its counters, too
//   S5 a run fails only where the schedule gives it a reason, and then there is no output
//   L1 once all is healed, each run ends within a bound
//   Q1 then nothing is left: no children, spools, folders beside the outputs, held outputs

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/schedule.h"

namespace millrace {

/// Changes of disks that a node has made: of its own, and of the shared one.
struct DiskSteps {
  std::uint64_t own = 0, out = 0;
};

struct SimOutcome {
  std::string violation;  ///< Empty: all held.
  std::uint64_t event_hash = 0;
  std::uint64_t events = 0;
  std::uint64_t end_ms = 0;
  std::uint64_t messages = 0, attempts = 0, backups = 0, runs_failed = 0;
  std::vector<DiskSteps> master_steps;  ///< By the two masters there may be,
  std::vector<DiskSteps> worker_steps;  ///< and by each worker.
  std::vector<std::string> trace;       ///< The last events, where asked for.
};

/// Plays the schedule. `trace_lines`: how many of the last events are described.
SimOutcome Simulate(const Schedule& schedule, std::size_t trace_lines = 0);

/// Leaves out what the violation doesn't need: fault by fault, then whole families.
Schedule Shrink(Schedule schedule);

/// The schedule, its violation and its last events, for a person.
std::string Report(const Schedule& schedule, const SimOutcome& outcome);

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIMULATION_H_
