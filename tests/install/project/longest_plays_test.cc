// SPDX-License-Identifier: Apache-2.0
#include "longest_plays.h"

#include "gtest/gtest.h"
#include "mapreduce/testing/harness.h"

namespace {

TEST(LongestPlaysTest, KeepsTheLongestOfEachTrack) {
  millrace::testing::JobRun run(LongestPlays);
  run.Input("plays", "u1\tsong a\t120\nu2\tsong b\t90\nu1\tsong b\t200\n");
  EXPECT_EQ(run.Output(), "song a\t120\nsong b\t200\n");
}

}  // namespace
