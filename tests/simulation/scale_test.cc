// SPDX-License-Identifier: Apache-2.0
// How far one master goes: a thousand workers, a hundred thousand tasks, with a tenth of the
// workers killed on the way, and across its own death. What is asserted is on the virtual clock, or
// a bound that only a broken algorithm exceeds; the figures are printed.
#include "tests/simulation/scale_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <numeric>

#include "mapreduce/base/random.h"

namespace millrace {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint32_t kWorkers = 100, kMaps = 5'000, kParts = 20;
#else
constexpr std::uint32_t kWorkers = 1'000, kMaps = 100'000, kParts = 60;
#endif
constexpr std::uint64_t kTooLateMs = 3'600'000;  // Virtual.
constexpr double kTooSlowSeconds = 60;           // Of processor time, for one run.

// Processor time.
class Stopwatch {
 public:
  double Seconds() const { return static_cast<double>(std::clock() - begin_) / CLOCKS_PER_SEC; }

 private:
  const std::clock_t begin_ = std::clock();
};

ScaleOptions Options(std::uint32_t map_count, std::uint32_t part_count) {
  ScaleOptions options;
  options.worker_count = kWorkers;
  options.map_count = map_count;
  options.part_count = part_count;
  return options;
}

// Of a batch of the scheduler's steps, divided by their number: few batches have what happens once.
double MedianStepNs(const ScaleFigures& figures) {
  std::vector<std::uint64_t> batches = figures.batch_ns;
  if (batches.empty()) return 0;
  const auto middle = batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 2);
  std::nth_element(batches.begin(), middle, batches.end());
  return static_cast<double>(*middle) / ScaleWorld::kStepsOfBatch;
}

void Print(const char* what, const ScaleWorld& world, double seconds) {
  const ScaleFigures& figures = world.figures();
  std::printf(
      "%s: makespan %.1f s; %.2f s of processor time; %llu events, %.2f us each; the scheduler: "
      "%llu, "
      "%.2f us each, %.1f ms the longest; attempts: %llu of maps, %llu of reduces, %llu failed; "
      "%llu fetch requests\n",
      what, static_cast<double>(world.makespan_ms()) / 1e3, seconds,
      static_cast<unsigned long long>(figures.events),
      seconds * 1e6 / static_cast<double>(figures.events),
      static_cast<unsigned long long>(figures.master_events),
      static_cast<double>(figures.master_ns) / 1e3 / static_cast<double>(figures.master_events),
      static_cast<double>(figures.slowest_step_ns) / 1e6,
      static_cast<unsigned long long>(figures.map_starts),
      static_cast<unsigned long long>(figures.part_starts),
      static_cast<unsigned long long>(figures.failures),
      static_cast<unsigned long long>(figures.fetch_requests));
}

// Twelve percent of the workers die at random moments. The run ends, every reduce has read each map
// task's output once, and each part is committed once.
TEST(ScaleTest, ThousandWorkersHundredThousandMaps) {
  std::uint64_t makespan_ms = 0;
  {
    const Stopwatch watch;
    ScaleWorld calm(Options(kMaps, kParts));
    ASSERT_TRUE(calm.RunToEnd(kTooLateMs)) << calm.violation();
    Print("no kills", calm, watch.Seconds());
    makespan_ms = calm.makespan_ms();
    EXPECT_EQ(calm.figures().map_starts, kMaps);
    EXPECT_EQ(calm.figures().failures, 0u);
    EXPECT_EQ(calm.committed_parts(), kParts);
    EXPECT_LT(watch.Seconds(), kTooSlowSeconds);
  }

  const Stopwatch watch;
  ScaleWorld world(Options(kMaps, kParts));
  Random random(20'260'101);
  std::vector<std::uint32_t> workers(kWorkers);
  std::iota(workers.begin(), workers.end(), 0u);
  double lost_ms = 0;
  const std::uint32_t kill_count = kWorkers * 12 / 100;
  for (std::uint32_t i = 0; i < kill_count; ++i) {
    std::swap(workers[i], workers[i + random.Uniform(kWorkers - i)]);
    const std::uint64_t at_ms = 1'000 + random.Uniform(makespan_ms - 1'000);
    lost_ms += static_cast<double>(makespan_ms - at_ms);
    world.KillWorkerAt(at_ms, workers[i]);
  }
  const bool is_done = world.RunToEnd(kTooLateMs);
  Print("12 % killed", world, watch.Seconds());
  ASSERT_TRUE(is_done) << world.violation();
  EXPECT_EQ(world.committed_parts(), kParts);
  EXPECT_LT(watch.Seconds(), kTooSlowSeconds);

  std::uint64_t slowest_ms = 0;
  for (std::uint32_t i = 0; i < kill_count; ++i)
    slowest_ms = std::max(slowest_ms, world.first_rerun_ms(workers[i]));
  const double calm_ms = static_cast<double>(makespan_ms);
  std::printf(
      "makespan %+.1f %%; lost: %.1f %% of the capacity, %.1f %% of the maps' work; kill to first "
      "rerun: at most %llu ms\n",
      100 * (static_cast<double>(world.makespan_ms()) / calm_ms - 1),
      100 * lost_ms / (calm_ms * kWorkers),
      100 * (static_cast<double>(world.figures().map_starts) / kMaps - 1),
      static_cast<unsigned long long>(slowest_ms));
}

// All of them at one moment in the middle: their loss is noticed at once, too, with all that they
// hold, and still costs what it touches.
TEST(ScaleTest, ATenthKilledAtOnce) {
  const Stopwatch watch;
  ScaleWorld world(Options(kMaps, kParts / 10));
  constexpr std::uint64_t kKillMs = kMaps / kWorkers * 1'400;  // Most maps are committed.
  for (std::uint32_t worker = 0; worker < kWorkers; worker += 9)
    world.KillWorkerAt(kKillMs, worker);
  const bool is_done = world.RunToEnd(kTooLateMs);
  Print("a ninth killed at once", world, watch.Seconds());
  ASSERT_TRUE(is_done) << world.violation();
  EXPECT_GT(world.figures().map_starts, kMaps + kMaps / 20);
  EXPECT_LT(world.figures().slowest_step_ns, 1'000'000'000u);  // Meanwhile no lease is renewed.
}

TEST(ScaleTest, AnEventCostsTheSameAtAnyNumberOfTasks) {
  const auto cost = [](std::uint32_t map_count) {
    ScaleWorld world(Options(map_count, std::max(1u, map_count / 10'000)));
    EXPECT_TRUE(world.RunToEnd(kTooLateMs)) << world.violation();
    const double step_ns = MedianStepNs(world.figures());
    std::printf("%u maps: a step of the scheduler takes %.2f us (median of %zu batches)\n",
                map_count, step_ns / 1e3, world.figures().batch_ns.size());
    return step_ns;
  };
  const double few_ns = cost(kMaps / 10);
  const double many_ns = cost(kMaps);
  std::printf("ratio %.2f\n", many_ns / few_ns);
  EXPECT_LT(many_ns, 5 * few_ns);  // Ten times as many tasks.
}

// The maps are committed and no reduce has begun: the new master reads all records. It dies before
// its first word, and the next one reads the snapshot that it left. That one dies while reduces are
// at work.
TEST(ScaleTest, RestartWithHundredThousandCommittedTasks) {
  ScaleWorld world(Options(kMaps, kParts / 2));
  const auto seconds = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e9; };
  const auto has_dispatched = [&] { return world.restart().first_dispatch_ns != 0; };

  ASSERT_TRUE(world.RunUntil([&] { return world.committed_maps() == kMaps; }, kTooLateMs))
      << world.violation();
  EXPECT_EQ(world.figures().part_starts, 0u);
  world.KillMaster();
  const std::uint64_t record_count = world.journal_records();
  world.StartMaster(/*takes_snapshot=*/true);
  EXPECT_EQ(world.committed_maps(), kMaps);
  std::printf("%llu records: recovered in %.3f s\n", static_cast<unsigned long long>(record_count),
              seconds(world.restart().recovered_ns));
  EXPECT_LT(seconds(world.restart().recovered_ns), kTooSlowSeconds);

  world.KillMaster();
  world.StartMaster();
  EXPECT_EQ(world.committed_maps(), kMaps);
  ASSERT_TRUE(world.RunUntil(has_dispatched, kTooLateMs)) << world.violation();
  std::printf(
      "snapshot: recovered in %.3f s; first StartTask after %.3f s, of these the master %.3f s; "
      "%llu ms of virtual time\n",
      seconds(world.restart().recovered_ns), seconds(world.restart().first_dispatch_ns),
      seconds(world.restart().master_dispatch_ns),
      static_cast<unsigned long long>(world.restart().first_dispatch_v_ms));
  EXPECT_LT(seconds(world.restart().first_dispatch_ns), kTooSlowSeconds);

  ASSERT_TRUE(world.RunUntil([&] { return world.committed_parts() > 0; }, kTooLateMs))
      << world.violation();
  world.KillMaster();
  world.StartMaster();
  EXPECT_EQ(world.committed_maps(), kMaps);
  ASSERT_TRUE(world.RunToEnd(kTooLateMs)) << world.violation();
  EXPECT_EQ(world.figures().map_starts, kMaps) << "a committed task was started again";
  EXPECT_EQ(world.committed_parts(), kParts / 2);
  std::printf("%llu attempts of reduces, %llu failed; %llu sources without an endpoint\n",
              static_cast<unsigned long long>(world.figures().part_starts),
              static_cast<unsigned long long>(world.figures().failures),
              static_cast<unsigned long long>(world.figures().sources_without_endpoint));
}

// All that was at work on a dead worker is dispatched again within two heartbeats, and some ms for
// messages and the journal.
TEST(ScaleTest, LostWorkIsDispatchedWithinTwoHeartbeats) {
  ScaleOptions options = Options(kWorkers * 3, 2);  // One wave; there are slots left.
  ScaleWorld world(options);
  std::uint64_t slowest_ms = 0;
  std::size_t had_work = 0;
  std::vector<std::uint32_t> killed;
  for (std::uint32_t worker = 0; worker < kWorkers; worker += kWorkers / 20) {
    killed.push_back(worker);
    world.KillWorkerAt(2'000 + worker, worker);
  }
  ASSERT_TRUE(world.RunToEnd(kTooLateMs)) << world.violation();
  for (const std::uint32_t worker : killed) {
    had_work += world.first_rerun_ms(worker) > 0;
    slowest_ms = std::max(slowest_ms, world.last_rerun_ms(worker));
  }
  std::printf("%zu of %zu workers killed at work: it was dispatched again within %llu ms\n",
              had_work, killed.size(), static_cast<unsigned long long>(slowest_ms));
  EXPECT_GE(had_work, killed.size() / 2);
  EXPECT_LE(slowest_ms, 2 * options.scheduler.heartbeat_ms + 50);
}

}  // namespace
}  // namespace millrace
