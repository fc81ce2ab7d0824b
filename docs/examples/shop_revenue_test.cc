// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

TEST(ShopRevenueTest, AddsUpExactly) {
  const TestResult result = TestRun("shop_revenue")
                                .Input("invoices",
                                       "1\t6\t2010-12-01 08:26:00\t2.55\tUK\n"
                                       "C2\t-1\t2010-12-01 09:00:00\t0.001\tUK\n"
                                       "3\t3\t2010-12-01\t-1.1\tUK\n"
                                       "4\t1\t2010-12-02\t7\tUK\n"
                                       "5\t-1\t2010-12-02\t0.05\tFrance\n")
                                .Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_EQ(result.Text(),
            "France\t2010-12-02\t-0.050\t1\t0\n"
            "UK\t2010-12-01\t11.999\t3\t1\n"
            "UK\t2010-12-02\t7.000\t1\t0\n");
}

TEST(ShopRevenueTest, PricesThatAreNotExactAreRejects) {
  for (const char* const price : {"1.2345", "", ".5", "1.", "-", "1e3", "1.-2", "1,5",
                                  "1234567890123", "9000000000.000\t\t"}) {
    const TestResult result =
        TestRun("shop_revenue")
            .Input("invoices", std::string("1\t9000000000\t2010-12-01\t") + price + "\tUK\n")
            .MaxRejects(1)
            .Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    EXPECT_EQ(result.Text(), "") << price;
  }
}

TEST(ShopRevenueTest, IsDeterministic) {
  Random random(TestSeed());
  std::string lines;
  for (int i = 0; i < 300; ++i) {
    lines += std::to_string(i) + "\t" + std::to_string(random.Uniform(9)) + "\t2010-12-0" +
             std::to_string(1 + random.Uniform(5)) + "\t" + std::to_string(random.Uniform(100)) +
             "." + std::to_string(random.Uniform(100)) + "\tC" + std::to_string(random.Uniform(4)) +
             "\n";
  }
  EXPECT_DETERMINISTIC(TestRun("shop_revenue").Input("invoices", lines));
}

}  // namespace
}  // namespace millrace
