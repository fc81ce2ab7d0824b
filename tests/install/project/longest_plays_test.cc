// SPDX-License-Identifier: Apache-2.0
#include "longest_plays.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/test_run.h"

namespace {

TEST(LongestPlaysTest, KeepsTheLongestOfEachTrack) {
  const millrace::TestResult result =
      millrace::TestRun(LongestPlays)
          .Input("plays", "u1\tsong a\t120\nu2\tsong b\t90\nu1\tsong b\t200\n")
          .Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), testing::ElementsAre("song a\t120", "song b\t200"));
}

}  // namespace
