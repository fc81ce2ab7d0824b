// SPDX-License-Identifier: Apache-2.0
// Thousands of simulated histories; docs/simulation.md says what is simulated and what is checked.
//
// A failure prints its seed: `millrace-simulate --first SEED --shrink` shows the shortest history.
// MILLRACE_SIM_SCHEDULES=1000000 plays so many schedules in place of 10,000, MILLRACE_TEST_SEED=N
// others than the first ones.
#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/simulation/sim_job.h"

namespace millrace {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSlowdown = 20;  // Of the sanitizers: so many times fewer schedules.
#else
constexpr std::uint64_t kSlowdown = 1;
#endif
constexpr std::uint64_t kBatches = 10;  // Each a test, so that they run side by side.
constexpr std::uint64_t kReplayEvery = 10;

std::uint64_t NumberFrom(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string Explain(const Schedule& schedule) {
  const Schedule shrunk = Shrink(schedule);
  return Report(shrunk, Simulate(shrunk, /*trace_lines=*/200));
}

class SchedulesTest : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(SchedulesTest, GiveTheLocalRunnersBytesOrANamedFailure) {
  const std::uint64_t schedules =
      NumberFrom("MILLRACE_SIM_SCHEDULES", 10'000) / kBatches / kSlowdown;
  const std::uint64_t first = NumberFrom("MILLRACE_TEST_SEED", 1) + GetParam() * schedules;
  std::printf("seeds %llu to %llu (MILLRACE_TEST_SEED)\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + schedules - 1));
  std::uint64_t attempts = 0, backups = 0, failed = 0;
  for (std::uint64_t seed = first; seed < first + schedules; ++seed) {
    const Schedule schedule = DrawSchedule(seed);
    const SimOutcome outcome = Simulate(schedule);
    ASSERT_EQ(outcome.violation, "") << Explain(schedule);
    if (seed % kReplayEvery == 0) {
      ASSERT_EQ(Simulate(schedule).event_hash, outcome.event_hash)
          << "seed " << seed << " is not the same when it is played again";
    }
    attempts += outcome.attempts;
    backups += outcome.backups;
    failed += outcome.runs_failed;
  }
  std::printf("%llu attempts, %llu of them backups; %llu runs failed, each with a reason\n",
              static_cast<unsigned long long>(attempts), static_cast<unsigned long long>(backups),
              static_cast<unsigned long long>(failed));
}

INSTANTIATE_TEST_SUITE_P(All, SchedulesTest, ::testing::Range<std::uint64_t>(0, kBatches));

// ---- Planted bugs -------------------------------------------------------------------------------

#ifdef MILLRACE_TEST_HOOKS

class PlantedBugTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PlantedBugTest, IsFound) {
  constexpr std::uint64_t kSeedsMax = 10'000;
  for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    Schedule schedule = DrawSchedule(seed);
    schedule.mutation = GetParam();
    const SimOutcome outcome = Simulate(schedule);
    if (outcome.violation.empty()) continue;
    std::printf("%s: found by seed %llu: %s\n", GetParam(), static_cast<unsigned long long>(seed),
                outcome.violation.substr(0, 120).c_str());
    return;
  }
  FAIL() << GetParam() << " is not found by " << kSeedsMax << " schedules";
}

// The canary is no bug in Millrace: the harness itself changes an output before it compares it.
INSTANTIATE_TEST_SUITE_P(All, PlantedBugTest,
                         ::testing::Values("canary", "no_directory_fsync", "epoch_ignored",
                                           "lease_off_by_one", "unstable_merge",
                                           "stale_attempt_accepted", "last_block_unchecked",
                                           "fsync_retried", "commit_before_durable", "lost_wakeup",
                                           "double_reduce"),
                         [](const auto& test) { return std::string(test.param); });

#endif

// ---- All places ---------------------------------------------------------------------------------

// Two workers, two maps, one reduce, and nothing that fails.
Schedule SmallSchedule() {
  Schedule schedule;
  schedule.seed = 42;
  schedule.workers = 2;
  schedule.jobs = {static_cast<int>(SimJobs().size()) - 1};
  schedule.encodes_messages = false;
  schedule.task_ms = 200;
  schedule.rotate_bytes = 600;
  return schedule;
}

TEST(SmallRunTest, NeedsTwoMapsAndOneReduce) {
  const SimOutcome outcome = Simulate(SmallSchedule());
  EXPECT_EQ(outcome.violation, "");
  EXPECT_EQ(outcome.attempts, 3u);
}

class DurableStepTest : public ::testing::TestWithParam<int> {};

// The node dies at its n-th change of a disk, by a kill or a power cut, for each n; and then again
// at each step of the recovery.
TEST_P(DurableStepTest, MayBeTheLastAndTheNextOneToo) {
  const int node = GetParam();
  const Schedule calm = SmallSchedule();
  const SimOutcome base = Simulate(calm);
  const DiskSteps steps =
      node < 0 ? base.master_steps[0] : base.worker_steps[static_cast<std::size_t>(node)];
  const std::uint64_t again_max = kSlowdown > 1 ? 3 : 40;
  ASSERT_GT(steps.own, 0u);
  std::uint64_t played = 0;
  for (const bool is_power_cut : {false, true}) {
    for (const bool is_on_out_disk : {false, true}) {
      const std::uint64_t count = is_on_out_disk ? steps.out : steps.own;
      for (std::uint64_t step = 1; step <= count; ++step) {
        for (std::uint64_t again = 0; again <= again_max; ++again) {
          Schedule schedule = calm;
          schedule.seed += again + 100 * step;
          schedule.crash_chain = {node, is_on_out_disk, is_power_cut, {step}};
          if (again > 0) schedule.crash_chain.steps.push_back(again);
          const SimOutcome outcome = Simulate(schedule);
          ++played;
          ASSERT_EQ(outcome.violation, "")
              << "step " << step << (is_on_out_disk ? " of the shared disk" : " of its own disk")
              << (is_power_cut ? ", power cut" : ", kill") << ", again at step " << again << "\n"
              << Report(schedule, Simulate(schedule, 200));
        }
      }
    }
  }
  std::printf("%llu steps on its own disk, %llu on the shared one; %llu histories\n",
              static_cast<unsigned long long>(steps.own),
              static_cast<unsigned long long>(steps.out), static_cast<unsigned long long>(played));
}

INSTANTIATE_TEST_SUITE_P(All, DurableStepTest, ::testing::Values(-1, 0, 1), [](const auto& test) {
  return test.param < 0 ? std::string("Master") : "Worker" + std::to_string(test.param);
});

// Each message lost, repeated late, or followed by the death of a node; alone and in pairs.
constexpr int kEveryPlaceBatches = 4;

class EveryPlaceTest : public ::testing::TestWithParam<int> {};

TEST_P(EveryPlaceTest, OfUpToTwoFaultsIsHarmless) {
  const Schedule calm = SmallSchedule();
  std::uint64_t played = 0;
  // The messages of the history with these faults; none where something was violated.
  const auto play = [&](std::vector<MessageFault> faults) -> std::uint64_t {
    Schedule schedule = calm;
    schedule.message_faults = std::move(faults);
    ++played;
    const SimOutcome outcome = Simulate(schedule);
    if (outcome.violation.empty()) return outcome.messages;
    ADD_FAILURE() << Report(schedule, Simulate(schedule, 200));
    return 0;
  };
  const auto faults_at = [&](std::uint64_t message) {
    std::vector<MessageFault> faults = {{message, MessageFault::Kind::kDrop, 0},
                                        {message, MessageFault::Kind::kRepeatLate, 0}};
    for (int node = -1; node < calm.workers; ++node)
      faults.push_back({message, MessageFault::Kind::kKill, node});
    return faults;
  };
  const std::uint64_t messages = play({});
  for (std::uint64_t i = static_cast<std::uint64_t>(GetParam()); i < messages;
       i += kEveryPlaceBatches * kSlowdown) {
    for (const MessageFault& first : faults_at(i)) {
      const std::uint64_t messages_then = play({first});
      if (messages_then == 0) return;
      for (std::uint64_t j = i; j < messages_then; ++j) {
        for (const MessageFault& second : faults_at(j)) {
          if (play({first, second}) == 0) return;
        }
      }
    }
  }
  std::printf("%llu messages without a fault, %llu histories\n",
              static_cast<unsigned long long>(messages), static_cast<unsigned long long>(played));
}

INSTANTIATE_TEST_SUITE_P(All, EveryPlaceTest, ::testing::Range(0, kEveryPlaceBatches));

}  // namespace
}  // namespace millrace
