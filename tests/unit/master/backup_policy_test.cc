// SPDX-License-Identifier: Apache-2.0
#include "master/backup_policy.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr BackupLimits kLimits{.elapsed_ms_min = 10'000, .slowdown = 3, .committed_min = 3};

// So many attempts that read 100 MiB in 10 s.
PhasePace Usual(int attempts) {
  PhasePace pace;
  for (int i = 0; i < attempts; ++i) pace.Add(100 * kMiB, 10'000);
  return pace;
}

TEST(LogHistogramTest, HasTheMedianZeroWhileItIsEmpty) {
  EXPECT_EQ(LogHistogram().Median(), 0u);
  EXPECT_EQ(LogHistogram().count(), 0u);
}

// The scale has four steps an octave: a median is at most a fifth too small, and never too large.
TEST(LogHistogramTest, RoundsTheMedianDownByAFifthAtMost) {
  for (std::uint64_t number = 1; number < UINT64_MAX / 3; number = number * 3 / 2 + 1) {
    LogHistogram histogram;
    histogram.Add(number);
    EXPECT_LE(histogram.Median(), number);
    EXPECT_GE(histogram.Median(), number - number / 5) << number;
  }
}

TEST(LogHistogramTest, KnowsTheExtremes) {
  LogHistogram histogram;
  histogram.Add(UINT64_MAX);
  EXPECT_GE(histogram.Median(), UINT64_MAX / 8 * 7);
  histogram = {};
  histogram.Add(0);
  EXPECT_EQ(histogram.Median(), 0u);
}

TEST(LogHistogramTest, IsNotMovedByOutliers) {
  LogHistogram histogram;
  for (const std::uint64_t number : {1u, 1024u, 1024u, 1024u, 1u << 31}) histogram.Add(number);
  EXPECT_EQ(histogram.Median(), 1024u);
  EXPECT_EQ(histogram.count(), 5u);
}

TEST(BackupPolicyTest, BacksUpWhatIsFarSlowerThanMost) {
  EXPECT_TRUE(IsStraggler(Usual(3), 10 * kMiB, 60'000, kLimits));
}

TEST(BackupPolicyTest, NeedsEvidence) {
  EXPECT_FALSE(IsStraggler(Usual(0), 0, 3'600'000, kLimits));
  EXPECT_FALSE(IsStraggler(Usual(2), 0, 3'600'000, kLimits));
  EXPECT_TRUE(IsStraggler(Usual(3), 0, 3'600'000, kLimits));
}

TEST(BackupPolicyTest, IsNeverEarly) {
  PhasePace quick;
  for (int i = 0; i < 3; ++i) quick.Add(kMiB, 100);
  EXPECT_FALSE(IsStraggler(quick, 0, kLimits.elapsed_ms_min - 1, kLimits));
  EXPECT_TRUE(IsStraggler(quick, 0, kLimits.elapsed_ms_min, kLimits));
}

// Ten times as long, at the speed of the others: it has ten times as much to read.
TEST(BackupPolicyTest, LeavesALargeTaskAlone) {
  EXPECT_FALSE(IsStraggler(Usual(3), 1000 * kMiB, 100'000, kLimits));
}

// It reads little, but has not taken longer than others did, either.
TEST(BackupPolicyTest, LeavesASmallTaskAlone) {
  EXPECT_FALSE(IsStraggler(Usual(3), 0, 12'000, kLimits));
}

TEST(BackupPolicyTest, LeavesASlightlySlowAttemptAlone) {
  EXPECT_FALSE(IsStraggler(Usual(3), 200 * kMiB, 40'000, kLimits));  // Half the speed.
}

// Where nobody reads anything there is no speed to compare.
TEST(BackupPolicyTest, BacksUpNothingInAPhaseWithoutBytes) {
  PhasePace pace;
  for (int i = 0; i < 5; ++i) pace.Add(0, 1'000);
  EXPECT_FALSE(IsStraggler(pace, 0, 3'600'000, kLimits));
}

}  // namespace
}  // namespace millrace
