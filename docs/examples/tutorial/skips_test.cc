// SPDX-License-Identifier: Apache-2.0
#include "skips.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace {

using millrace::TestResult;
using millrace::TestRun;

const char kPlays[] =
    "2026-11-21T08:00\tann\tsong a\tSE\t180000\n"
    "2026-11-21T08:04\tann\tsong b\tSE\t9000\n"
    "2026-11-21T09:30\tbob\tsong b\tDE\t99000\n";

TEST(SkipsTest, CountsPlaysAndSkipsOfEachTrack) {
  const TestResult result = TestRun(Skips).Input("plays", kPlays).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), testing::ElementsAre("song a\t1\t0", "song b\t2\t1"));
  EXPECT_EQ(result.Counter("skipped"), 1u);
}

TEST(SkipsTest, RejectsNegativeTimes) {
  const TestResult result =
      TestRun(Skips).Input("plays", "t\tann\tsong a\tSE\t-1\n").MaxRejects(1).Run();
  ASSERT_EQ(result.rejects.size(), 1u) << result.status.message();
  EXPECT_EQ(result.rejects[0].reason, "negative ms_played");
}

// Splits, threads, memory, spills, calls of the combiner: none of it may be seen in the output.
TEST(SkipsTest, DoesNotDependOnHowItIsRun) {
  EXPECT_DETERMINISTIC(TestRun(Skips).Input("plays", kPlays));
}

}  // namespace
