// SPDX-License-Identifier: Apache-2.0
#include "master/note_limit.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

int CountAdmitted(NoteLimit& limit, const std::string& who, int tries, std::uint64_t now_ms) {
  int admitted = 0;
  for (int i = 0; i < tries; ++i) admitted += limit.Admits(who, now_ms) ? 1 : 0;
  return admitted;
}

TEST(NoteLimitTest, CountsWhatIsMoreThanSomeLinesAMinute) {
  NoteLimit limit;
  EXPECT_EQ(CountAdmitted(limit, "w7", 1'000, 100), 5);
  EXPECT_EQ(CountAdmitted(limit, "w8", 6, 200), 5) << "others are not to blame";
  EXPECT_THAT(limit.TakeLeftOut(60'099), IsEmpty());
  EXPECT_THAT(limit.TakeLeftOut(60'100),
              ElementsAre("995 more lines about w7 were left out within a minute",
                          "1 more line about w8 was left out within a minute"));
  EXPECT_THAT(limit.TakeLeftOut(60'101), IsEmpty());
  EXPECT_EQ(CountAdmitted(limit, "w7", 9, 60'200), 5) << "a new minute";
}

TEST(NoteLimitTest, ManyNamesGetNoMoreThanAFew) {
  NoteLimit limit;
  int admitted = 0;
  for (int i = 0; i < 10'000; ++i) admitted += limit.Admits("c" + std::to_string(i), 1) ? 1 : 0;
  EXPECT_EQ(admitted, 60);
  const std::vector<std::string> left_out = limit.TakeLeftOut(60'001);
  ASSERT_FALSE(left_out.empty());
  EXPECT_LE(left_out.size(), 101U);
  EXPECT_EQ(left_out.back(), "9900 more lines about others were left out within a minute");
}

TEST(NoteLimitTest, SaysNothingWhereNothingWasLeftOut) {
  NoteLimit limit;
  EXPECT_TRUE(limit.Admits("w7", 1));
  EXPECT_THAT(limit.TakeLeftOut(70'000), IsEmpty());
}

}  // namespace
}  // namespace millrace
