// SPDX-License-Identifier: Apache-2.0
#include "longest_plays.h"

#include "gtest/gtest.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace {

using millrace::TestRun;

constexpr char kPlays[] = "u1\tsong a\t120\nu2\tsong b\t90\nu1\tsong b\t200\n";

TEST(LongestPlaysTest, KeepsTheLongestOfEachTrack) {
  EXPECT_EQ(TestRun(LongestPlays).Input("plays", kPlays).Run().Text(),
            "song a\t120\nsong b\t200\n");
  EXPECT_EQ(TestRun("longest_plays").Input("plays", kPlays).Run().Counter("plays"), 3u);
}

TEST(LongestPlaysTest, DependsOnNothingButThePlays) {
  EXPECT_DETERMINISTIC(LongestPlays, {{"plays", {kPlays, kPlays}}});
}

}  // namespace
