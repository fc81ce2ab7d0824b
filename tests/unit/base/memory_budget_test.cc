// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/memory_budget.h"

#include <gtest/gtest.h>

#include <iostream>
#include <optional>
#include <vector>

#include "mapreduce/base/random.h"

namespace millrace {
namespace {

TEST(MemoryBudgetTest, ALoneSlotTakesAllButTheOthersGuarantees) {
  MemoryBudget budget(1000, 2);
  EXPECT_EQ(budget.guarantee(), 125u);
  MemoryBudget::Lease lease = budget.Join();
  EXPECT_FALSE(lease.TryGrow(876));
  EXPECT_TRUE(lease.TryGrow(875));
  EXPECT_FALSE(lease.TryGrow(1));
  MemoryBudget::Lease late = budget.Join();
  EXPECT_TRUE(late.TryGrow(125));
  EXPECT_FALSE(late.TryGrow(1));
  lease.Shrink(100);
  EXPECT_TRUE(late.TryGrow(100));
  EXPECT_EQ(late.used(), 225u);
}

TEST(MemoryBudgetTest, LeavingGivesBack) {
  MemoryBudget budget(1000, 1);
  {
    MemoryBudget::Lease lease = budget.Join();
    EXPECT_TRUE(lease.TryGrow(1000));
    MemoryBudget::Lease moved = std::move(lease);
    EXPECT_EQ(moved.used(), 1000u);
  }
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_TRUE(budget.Join().TryGrow(1000));
}

TEST(MemoryBudgetTest, RetainedDataLeavesAllGuaranteesFree) {
  MemoryBudget budget(1000, 2);
  EXPECT_FALSE(budget.TryRetain(751));
  EXPECT_TRUE(budget.TryRetain(750));
  MemoryBudget::Lease a = budget.Join();
  MemoryBudget::Lease b = budget.Join();
  EXPECT_TRUE(a.TryGrow(125));
  EXPECT_TRUE(b.TryGrow(125));
  EXPECT_FALSE(b.TryGrow(1));
  budget.Unretain(10);
  EXPECT_TRUE(b.TryGrow(10));
}

TEST(MemoryBudgetTest, HugeRequestsDoNotWrapAround) {
  MemoryBudget budget(1000, 1);
  MemoryBudget::Lease lease = budget.Join();
  EXPECT_TRUE(lease.TryGrow(10));
  EXPECT_FALSE(lease.TryGrow(UINT64_MAX));
  EXPECT_FALSE(budget.TryRetain(UINT64_MAX));
}

TEST(MemoryBudgetTest, GuaranteeAlwaysHoldsAndTotalIsNeverExceeded) {
  constexpr std::uint64_t kSeed = 17;
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  MemoryBudget budget(10'000, 4);
  std::vector<std::optional<MemoryBudget::Lease>> leases(4);
  for (int round = 0; round < 20'000; ++round) {
    auto& lease = leases[random.Uniform(4)];
    if (!lease.has_value()) {
      lease.emplace(budget.Join());
    } else if (random.Uniform(20) == 0) {
      lease.reset();
    } else if (random.Uniform(3) == 0) {
      lease->Shrink(random.Uniform(lease->used() + 1));
    } else {
      const std::uint64_t bytes = random.Uniform(3000);
      const bool is_guaranteed = lease->used() + bytes <= budget.guarantee();
      const bool grew = lease->TryGrow(bytes);
      EXPECT_TRUE(grew || !is_guaranteed);
    }
    std::uint64_t sum = 0, kept_free = 0;
    for (const auto& each : leases) {
      const std::uint64_t used = each.has_value() ? each->used() : 0;
      sum += used;
      kept_free += used < budget.guarantee() ? budget.guarantee() - used : 0;
    }
    ASSERT_EQ(budget.used(), sum);
    ASSERT_LE(sum + kept_free, budget.total());
  }
}

}  // namespace
}  // namespace millrace
