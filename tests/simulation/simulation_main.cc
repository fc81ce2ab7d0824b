// SPDX-License-Identifier: Apache-2.0
// Plays schedules by seed, for hours where it is asked to:
//
//   millrace-simulate [--first N] [--count N] [--threads N] [--mutation NAME] [--trace] [--shrink]
//
// Prints each failing seed with its history; ends with 1 if there was one.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/simulation/sim_job.h"
#include "tests/simulation/simulation.h"

int main(int argc, char** argv) {
  std::uint64_t first = 1, count = 1, threads = 1;
  std::string mutation;
  bool traces = false, shrinks = false, goes_on = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const auto number = [&] { return std::strtoull(++i < argc ? argv[i] : "0", nullptr, 10); };
    if (flag == "--first") {
      first = number();
    } else if (flag == "--count") {
      count = number();
    } else if (flag == "--threads") {
      threads = number();
    } else if (flag == "--mutation") {
      mutation = ++i < argc ? argv[i] : "";
    } else if (flag == "--trace") {
      traces = true;
    } else if (flag == "--shrink") {
      shrinks = true;
    } else if (flag == "--keep-going") {
      goes_on = true;
    } else {
      std::fprintf(stderr, "no such option: %s\n", argv[i]);
      return 64;
    }
  }
  millrace::SimJobs();
  std::atomic<std::uint64_t> next{first}, failures{0}, events{0}, attempts{0}, failed_runs{0},
      backups{0}, simulated_ms{0};
  std::mutex printing;
  const auto play = [&] {
    for (std::uint64_t seed = next++; seed < first + count; seed = next++) {
      millrace::Schedule schedule = millrace::DrawSchedule(seed);
      schedule.mutation = mutation;
      millrace::SimOutcome outcome = millrace::Simulate(schedule, traces ? 100'000 : 0);
      events += outcome.events;
      attempts += outcome.attempts;
      failed_runs += outcome.runs_failed;
      backups += outcome.backups;
      simulated_ms += outcome.end_ms;
      if (outcome.violation.empty() && !traces) continue;
      if (!outcome.violation.empty()) ++failures;
      const std::lock_guard<std::mutex> lock(printing);
      if (shrinks && !outcome.violation.empty()) schedule = millrace::Shrink(schedule);
      if (!traces) outcome = millrace::Simulate(schedule, shrinks ? 100'000 : goes_on ? 0 : 200);
      std::printf("%s\n", millrace::Report(schedule, outcome).c_str());
      if (!goes_on && failures >= 1) next = first + count;
    }
  };
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::jthread> pool;
  for (std::uint64_t i = 0; i < threads; ++i) pool.emplace_back(play);
  for (std::jthread& thread : pool) thread.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf(
      "%llu schedules, %llu failed; %llu events, %llu attempts, %llu backups, %llu runs"
      " failed with a reason; %.0f simulated hours in %.1f s\n",
      static_cast<unsigned long long>(count), static_cast<unsigned long long>(failures.load()),
      static_cast<unsigned long long>(events.load()),
      static_cast<unsigned long long>(attempts.load()),
      static_cast<unsigned long long>(backups.load()),
      static_cast<unsigned long long>(failed_runs.load()),
      static_cast<double>(simulated_ms.load()) / 3.6e6, seconds.count());
  return failures > 0 ? 1 : 0;
}
