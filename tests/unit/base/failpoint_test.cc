// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/failpoint.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

class FailpointTest : public testing::Test {
 protected:
  ~FailpointTest() override { failpoint::DisarmAll(); }
};

TEST_F(FailpointTest, FailsAtTheNthHitAlone) {
  failpoint::Arm("x", FailpointAction::kError, 3);
  EXPECT_TRUE(CheckFailpoint("x").ok());
  EXPECT_TRUE(CheckFailpoint("y").ok());
  EXPECT_TRUE(CheckFailpoint("x").ok());
  EXPECT_EQ(CheckFailpoint("x").code(), StatusCode::kResourceLimit);
  EXPECT_TRUE(CheckFailpoint("x").ok());
  EXPECT_EQ(failpoint::HitCount("x"), 4u);
}

TEST_F(FailpointTest, FailsFromTheNthHitOn) {
  ASSERT_TRUE(failpoint::ArmFromText("x=error@2+").ok());
  EXPECT_TRUE(CheckFailpoint("x").ok());
  EXPECT_FALSE(CheckFailpoint("x").ok());
  EXPECT_FALSE(CheckFailpoint("x").ok());
}

TEST_F(FailpointTest, CostsAFlagWhenDisarmed) {
  failpoint::Arm("x", FailpointAction::kError, 1);
  EXPECT_TRUE(failpoint::any_armed.load());
  failpoint::DisarmAll();
  EXPECT_FALSE(failpoint::any_armed.load());
  EXPECT_TRUE(CheckFailpoint("x").ok());
}

TEST_F(FailpointTest, TextArmsSeveralOrNothing) {
  ASSERT_TRUE(failpoint::ArmFromText("x=error@1;y=error@2;").ok());
  EXPECT_FALSE(CheckFailpoint("x").ok());
  EXPECT_TRUE(CheckFailpoint("y").ok());
  EXPECT_FALSE(CheckFailpoint("y").ok());
  failpoint::DisarmAll();
  for (const char* text : {"x", "x=error", "x=error@0", "x=error@", "=error@1", "x=stop@1",
                           "x=error@1x", "z=error@1;x"}) {
    EXPECT_EQ(failpoint::ArmFromText(text).code(), StatusCode::kInvalidArgument) << text;
    EXPECT_FALSE(failpoint::any_armed.load()) << text;
  }
}

TEST(FailpointDeathTest, KillEndsTheProcess) {
  EXPECT_EXIT(
      {
        failpoint::Arm("x", FailpointAction::kKill, 1);
        static_cast<void>(CheckFailpoint("x"));
      },
      testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace millrace
