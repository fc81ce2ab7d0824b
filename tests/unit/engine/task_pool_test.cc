// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/task_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <vector>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FunctionSlot final : public Slot {
 public:
  FunctionSlot(std::function<Status(std::size_t)> run, std::function<Status()> close)
      : run_(std::move(run)), close_(std::move(close)) {}
  Status Run(std::size_t task) override { return run_(task); }
  Status Close() override { return close_ ? close_() : Status::Ok(); }

 private:
  const std::function<Status(std::size_t)> run_;
  const std::function<Status()> close_;
};

std::function<Result<std::unique_ptr<Slot>>()> Slots(std::function<Status(std::size_t)> run,
                                                     std::function<Status()> close = nullptr) {
  return [run, close]() -> Result<std::unique_ptr<Slot>> {
    return std::unique_ptr<Slot>(std::make_unique<FunctionSlot>(run, close));
  };
}

TEST(TaskPoolTest, RunsEachTaskOnceAndClosesEachSlot) {
  for (const int slots : {1, 2, 7}) {
    std::vector<std::atomic<int>> runs(20);
    std::atomic<int> closed{0};
    std::atomic<int> made{0};
    const auto make = [&]() -> Result<std::unique_ptr<Slot>> {
      ++made;
      return std::unique_ptr<Slot>(std::make_unique<FunctionSlot>(
          [&](std::size_t task) {
            ++runs[task];
            return Status::Ok();
          },
          [&] {
            ++closed;
            return Status::Ok();
          }));
    };
    EXPECT_TRUE(RunTasks(20, slots, nullptr, make).ok());
    for (const auto& count : runs) EXPECT_EQ(count, 1);
    EXPECT_EQ(closed, made);
    EXPECT_LE(made, slots);
  }
}

TEST(TaskPoolTest, NothingToDoIsDone) {
  EXPECT_TRUE(RunTasks(0, 3, nullptr,
                       Slots([](std::size_t) { return Status::Internal("a task that is none"); }))
                  .ok());
}

TEST(TaskPoolTest, TheErrorOfTheSmallestTaskCounts) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    const Status status =
        RunTasks(30, 4, nullptr, Slots([](std::size_t task) {
                   return task >= 11 ? Status::BadData("task ", task) : Status::Ok();
                 }));
    EXPECT_EQ(status.message(), "task 11");
  }
}

TEST(TaskPoolTest, TheErrorOfTheSmallestTaskCountsWhateverStartsFirst) {
  std::vector<std::size_t> starts;
  for (std::size_t task = 30; task-- > 0;) starts.push_back(task);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::atomic<int> runs{0};
    const Status status =
        RunTasks(30, 4, nullptr, Slots([&](std::size_t task) {
                   ++runs;
                   return task % 10 == 7 ? Status::BadData("task ", task) : Status::Ok();
                 }),
                 nullptr, starts);
    EXPECT_EQ(status.message(), "task 7");
    EXPECT_EQ(runs, 30);  // All others are smaller than 27, or were started before it.
  }
}

TEST(TaskPoolTest, TasksStartInTheOrderGiven) {
  const std::vector<std::size_t> starts = {2, 0, 3, 1};
  std::vector<std::size_t> ran;
  EXPECT_TRUE(RunTasks(4, 1, nullptr, Slots([&](std::size_t task) {
                         ran.push_back(task);
                         return Status::Ok();
                       }),
                       nullptr, starts)
                  .ok());
  EXPECT_EQ(ran, starts);
}

TEST(TaskPoolTest, EveryTaskThatWillNotFinishIsToldOf) {
  const auto failures = [](int slots, const CancelToken* cancel,
                           const std::function<Result<std::unique_ptr<Slot>>()>& make) {
    std::mutex mutex;
    std::set<std::size_t> failed;
    const Status status = RunTasks(3, slots, cancel, make, [&](std::size_t task) {
      const std::lock_guard lock(mutex);
      failed.insert(task);
    });
    EXPECT_FALSE(status.ok());
    return failed;
  };
  const auto second = [](auto&& fail) {
    return Slots([fail](std::size_t task) { return task == 1 ? fail() : Status::Ok(); });
  };
  EXPECT_THAT(failures(1, nullptr, second([] { return Status::BadData("no"); })), ElementsAre(1));
  EXPECT_THAT(failures(1, nullptr, second([]() -> Status { throw std::bad_alloc(); })),
              ElementsAre(1));
  EXPECT_THAT(failures(1, nullptr, second([]() -> Status { throw std::runtime_error("no"); })),
              ElementsAre(1));
  EXPECT_THAT(
      failures(1, nullptr,
               []() -> Result<std::unique_ptr<Slot>> { return Status::ResourceLimit("no slot"); }),
      ElementsAre(0));
  CancelToken cancelled;
  cancelled.Cancel();
  EXPECT_THAT(failures(1, &cancelled, Slots([](std::size_t) { return Status::Ok(); })),
              ElementsAre(0));
}

TEST(TaskPoolTest, ExceptionsBecomeErrors) {
  const Status no_memory =
      RunTasks(1, 1, nullptr, Slots([](std::size_t) -> Status { throw std::bad_alloc(); }));
  EXPECT_EQ(no_memory.code(), StatusCode::kResourceLimit);
  EXPECT_THAT(no_memory.message(), HasSubstr("--memory"));
  const Status thrown = RunTasks(
      1, 1, nullptr, Slots([](std::size_t) -> Status { throw std::runtime_error("what"); }));
  EXPECT_EQ(thrown.code(), StatusCode::kUserCode);
  EXPECT_THAT(thrown.message(), HasSubstr("what"));
  EXPECT_EQ(RunTasks(1, 1, nullptr, Slots([](std::size_t) -> Status { throw 7; })).code(),
            StatusCode::kUserCode);
  EXPECT_EQ(RunTasks(1, 1, nullptr,
                     Slots([](std::size_t) { return Status::Ok(); },
                           []() -> Status { throw std::bad_alloc(); }))
                .code(),
            StatusCode::kResourceLimit);
}

TEST(TaskPoolTest, AfterAnErrorNoSlotCloses) {
  bool is_closed = false;
  const Status status = RunTasks(2, 1, nullptr,
                                 Slots([](std::size_t) { return Status::BadData("no"); },
                                       [&] {
                                         is_closed = true;
                                         return Status::Ok();
                                       }));
  EXPECT_EQ(status.code(), StatusCode::kBadData);
  EXPECT_FALSE(is_closed);
}

}  // namespace
}  // namespace millrace
