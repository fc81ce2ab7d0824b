// SPDX-License-Identifier: Apache-2.0
#include "master/worker_table.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace millrace {
namespace {

constexpr std::uint64_t kNowMs = 1'000;
const auto kAny = [](const WorkerEntry&) { return true; };

WorkerEntry& AddReady(WorkerTable& table, std::uint64_t id, std::uint32_t slots) {
  WorkerEntry& worker = table.Add(WorkerId{id});
  worker.slots = slots;
  worker.is_registered = true;
  worker.takes_tasks = true;
  table.UpdateFree(worker, kNowMs);
  return worker;
}

AttemptId Attempt(std::uint32_t task) { return {{{JobRunId{1}, 0}, task}, 1}; }

TEST(WorkerTableTest, FindsWhatWasAddedUntilItIsRemoved) {
  WorkerTable table;
  EXPECT_EQ(table.Find(WorkerId{1}), nullptr);
  WorkerEntry& worker = table.Add(WorkerId{1});
  EXPECT_EQ(table.Find(WorkerId{1}), &worker);
  EXPECT_EQ(worker.id, WorkerId{1});
  table.Remove(WorkerId{1});
  EXPECT_EQ(table.Find(WorkerId{1}), nullptr);
  EXPECT_EQ(table.size(), 0u);
}

TEST(WorkerTableTest, TellsTheFirstLeaseToEnd) {
  WorkerTable table;
  EXPECT_EQ(table.FirstLeaseEndMs(), 0u);
  table.SetLeaseEnd(table.Add(WorkerId{1}), 300);
  table.SetLeaseEnd(table.Add(WorkerId{2}), 200);
  EXPECT_EQ(table.FirstLeaseEndMs(), 200u);
  table.SetLeaseEnd(*table.Find(WorkerId{2}), 400);
  EXPECT_EQ(table.FirstLeaseEndMs(), 300u);
  table.Remove(WorkerId{1});
  EXPECT_EQ(table.FirstLeaseEndMs(), 400u);
}

TEST(WorkerTableTest, EndsALeaseAtItsMillisecond) {
  WorkerTable table;
  table.SetLeaseEnd(table.Add(WorkerId{1}), 300);
  EXPECT_EQ(table.FirstExpired(299), nullptr);
  EXPECT_EQ(table.FirstExpired(300), table.Find(WorkerId{1}));
}

TEST(WorkerTableTest, PicksTheWorkerWithTheMostFreeSlots) {
  WorkerTable table;
  AddReady(table, 1, 2);
  WorkerEntry& larger = AddReady(table, 2, 3);
  EXPECT_EQ(table.PickFree(kAny), &larger);
  larger.attempts = {Attempt(0), Attempt(1)};
  table.UpdateFree(larger, kNowMs);
  EXPECT_EQ(table.PickFree(kAny), table.Find(WorkerId{1}));
}

TEST(WorkerTableTest, PicksTheSmallerIdAmongEquals) {
  WorkerTable table;
  AddReady(table, 2, 1);
  AddReady(table, 1, 1);
  EXPECT_EQ(table.PickFree(kAny), table.Find(WorkerId{1}));
}

TEST(WorkerTableTest, PicksOnlyWhatSuits) {
  WorkerTable table;
  AddReady(table, 1, 5);
  WorkerEntry& second = AddReady(table, 2, 1);
  const auto is_second = [](const WorkerEntry& worker) { return worker.id == WorkerId{2}; };
  EXPECT_EQ(table.PickFree(is_second), &second);
  table.Remove(WorkerId{2});
  EXPECT_EQ(table.PickFree(is_second), nullptr);
}

TEST(WorkerTableTest, PicksNobodyWhoIsFullDrainsOrHasNotSaidHello) {
  WorkerTable table;
  WorkerEntry& worker = AddReady(table, 1, 1);
  EXPECT_TRUE(table.HasFree());
  const auto expect_none = [&] {
    table.UpdateFree(worker, kNowMs);
    EXPECT_FALSE(table.HasFree());
    EXPECT_EQ(table.PickFree(kAny), nullptr);
  };
  worker.attempts = {Attempt(0)};
  expect_none();
  worker.attempts = {Attempt(0), Attempt(1)};  // After a restart it may have too many.
  expect_none();
  worker.attempts.clear();
  worker.takes_tasks = false;
  expect_none();
  worker.takes_tasks = true;
  worker.is_registered = false;
  expect_none();
  worker.is_registered = true;
  worker.set_aside_until_ms = kNowMs + 1;
  expect_none();
  table.UpdateFree(worker, kNowMs + 1);
  EXPECT_TRUE(table.HasFree());
}

TEST(WorkerTableTest, HasAUsableWorkerThoughItIsBusy) {
  WorkerTable table;
  WorkerEntry& worker = AddReady(table, 1, 1);
  worker.attempts = {Attempt(0)};
  table.UpdateFree(worker, kNowMs);
  EXPECT_TRUE(table.HasUsable(kNowMs, kAny));
  EXPECT_FALSE(table.HasUsable(kNowMs, [](const WorkerEntry&) { return false; }));
  worker.set_aside_until_ms = kNowMs + 1;
  EXPECT_FALSE(table.HasUsable(kNowMs, kAny));
  EXPECT_TRUE(table.HasUsable(kNowMs + 1, kAny));
}

TEST(WorkerTableTest, SetsAsideAtTheLastFailureAllowed) {
  WorkerTable table;
  WorkerEntry& worker = AddReady(table, 1, 1);
  AddReady(table, 2, 1);
  EXPECT_FALSE(table.CountFailure(worker, 3, 100, kNowMs));
  EXPECT_FALSE(table.CountFailure(worker, 3, 100, kNowMs));
  EXPECT_TRUE(table.CountFailure(worker, 3, 100, kNowMs));
  EXPECT_EQ(worker.set_aside_until_ms, kNowMs + 100);
}

TEST(WorkerTableTest, SetsAsideTwiceAsLongEachTimeUpToALimit) {
  WorkerTable table;
  WorkerEntry& worker = AddReady(table, 1, 1);
  AddReady(table, 2, 1);
  std::uint64_t now_ms = kNowMs;
  std::uint64_t expected_ms = 100;
  for (int time = 0; time < 10; ++time) {
    ASSERT_TRUE(table.CountFailure(worker, 1, 100, now_ms));
    EXPECT_EQ(worker.set_aside_until_ms - now_ms, expected_ms);
    now_ms = worker.set_aside_until_ms;
    if (expected_ms < 6'400) expected_ms *= 2;
  }
}

TEST(WorkerTableTest, SetsAsideAtMostHalf) {
  WorkerTable table;
  for (std::uint64_t id = 1; id <= 5; ++id) AddReady(table, id, 1);
  int aside = 0;
  for (std::uint64_t id = 1; id <= 5; ++id)
    aside += table.CountFailure(*table.Find(WorkerId{id}), 1, 100, kNowMs) ? 1 : 0;
  EXPECT_EQ(aside, 2);
}

TEST(WorkerTableTest, NeverSetsTheOnlyWorkerAside) {
  WorkerTable table;
  WorkerEntry& worker = AddReady(table, 1, 1);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(table.CountFailure(worker, 1, 100, kNowMs));
}

}  // namespace
}  // namespace millrace
