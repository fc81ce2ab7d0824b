// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/phase_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

namespace millrace {
namespace {

void Burn(std::chrono::microseconds duration) {
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
  }
}

TEST(PhaseTimerTest, TheSumIsTheTimeThatPassed) {
  PhaseTimes times;
  const auto begin = std::chrono::steady_clock::now();
  {
    PhaseTimer timer(times);
    Burn(std::chrono::microseconds(2000));
    EXPECT_EQ(timer.Switch(Phase::kSort), Phase::kMap);
    Burn(std::chrono::microseconds(6000));
    const PhaseScope scope(&timer, Phase::kWrite);
    EXPECT_EQ(timer.phase(), Phase::kWrite);
    timer.AddBytes(Phase::kWrite, 7);
  }
  const auto passed = std::chrono::steady_clock::now() - begin;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kPhaseCount; ++i) sum += times.nanoseconds(static_cast<Phase>(i));
  EXPECT_LE(sum, static_cast<std::uint64_t>(passed.count()));
  EXPECT_GE(sum, 7'900'000u);
  EXPECT_GE(times.nanoseconds(Phase::kMap), 1'900'000u);
  EXPECT_GE(times.nanoseconds(Phase::kSort), 5'700'000u);
  EXPECT_EQ(times.nanoseconds(Phase::kReduce), 0u);
  EXPECT_EQ(times.bytes(Phase::kWrite), 7u);
}

TEST(PhaseTimerTest, ScopeRestoresThePhaseAndToleratesNoTimer) {
  PhaseTimes times;
  PhaseTimer timer(times, Phase::kReduce);
  { const PhaseScope scope(&timer, Phase::kRead); }
  EXPECT_EQ(timer.phase(), Phase::kReduce);
  { const PhaseScope scope(nullptr, Phase::kRead); }
}

TEST(PhaseTimesTest, MergeAdds) {
  PhaseTimes a, b;
  a.Add(Phase::kRead, 5, 50);
  b.Add(Phase::kRead, 7, 70);
  b.Add(Phase::kMerge, 1, 2);
  a.Merge(b);
  EXPECT_EQ(a.nanoseconds(Phase::kRead), 12u);
  EXPECT_EQ(a.bytes(Phase::kRead), 120u);
  EXPECT_EQ(a.bytes(Phase::kMerge), 2u);
}

TEST(PhaseNameTest, NamesDiffer) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    names.emplace(PhaseName(static_cast<Phase>(i)));
  }
  EXPECT_EQ(names.size(), kPhaseCount);
  EXPECT_EQ(names.count("unknown"), 0u);
}

}  // namespace
}  // namespace millrace
