// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/parallel_for.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <vector>

namespace millrace {
namespace {

TEST(ParallelForTest, CallsEachIndexOnce) {
  for (const int threads : {0, 1, 3, 64}) {
    std::vector<std::atomic<int>> calls(1000);
    const Status status = ParallelFor(calls.size(), threads, [&](std::size_t i) {
      ++calls[i];
      return Status::Ok();
    });
    ASSERT_TRUE(status.ok());
    for (const auto& count : calls) ASSERT_EQ(count.load(), 1);
  }
}

TEST(ParallelForTest, ReturnsTheErrorOfTheSmallestIndex) {
  for (int round = 0; round < 50; ++round) {
    const Status status = ParallelFor(100, 8, [](std::size_t i) {
      return i >= 10 ? Status::BadData("index ", i) : Status::Ok();
    });
    ASSERT_EQ(status.message(), "index 10");
  }
}

TEST(ParallelForTest, StopsBeginningAfterAnError) {
  std::atomic<int> calls{0};
  const Status status = ParallelFor(1'000'000, 1, [&calls](std::size_t) {
    ++calls;
    return Status::BadData("no");
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(calls.load(), 1);
}

TEST(ParallelForTest, FailedAllocationIsAnError) {
  const Status status = ParallelFor(10, 2, [](std::size_t) -> Status { throw std::bad_alloc(); });
  EXPECT_EQ(status.code(), StatusCode::kResourceLimit);
}

}  // namespace
}  // namespace millrace
