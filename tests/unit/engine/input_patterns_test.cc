// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/input_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(AssignPatternsTest, UnnamedIsTheFirstInput) {
  const auto inputs = AssignPatterns("revenue", {"transactions", "users"},
                                     {"a.tsv", "users=u.tsv", "transactions=b.tsv"});
  ASSERT_TRUE(inputs.ok()) << inputs.error().message();
  ASSERT_EQ(inputs->size(), 2u);
  EXPECT_EQ((*inputs)[0].name, "transactions");
  EXPECT_THAT((*inputs)[0].patterns, ElementsAre("a.tsv", "b.tsv"));
  EXPECT_THAT((*inputs)[1].patterns, ElementsAre("u.tsv"));
}

TEST(AssignPatternsTest, EqualsIsPartOfAPathUnlessItNamesAnInput) {
  const auto inputs =
      AssignPatterns("toplist", {"plays"}, {"dt=2026-11-21/", "plays=dt=2026-11-22/x=1"});
  ASSERT_TRUE(inputs.ok());
  EXPECT_THAT((*inputs)[0].patterns, ElementsAre("dt=2026-11-21/", "dt=2026-11-22/x=1"));
}

TEST(AssignPatternsTest, SaysWhichInputIsMissing) {
  const auto none = AssignPatterns("revenue", {"transactions", "users"}, {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(none.error().message(), HasSubstr("transactions"));
  const auto one = AssignPatterns("revenue", {"transactions", "users"}, {"a.tsv"});
  ASSERT_FALSE(one.ok());
  EXPECT_THAT(one.error().message(), HasSubstr("--input users=PATTERN"));
}

TEST(AssignPatternsTest, RefusesAnEmptyPattern) {
  EXPECT_FALSE(AssignPatterns("toplist", {"plays"}, {"plays="}).ok());
  EXPECT_FALSE(AssignPatterns("toplist", {"plays"}, {""}).ok());
}

TEST(UnknownInputHintTest, NamesTheInputsThereAre) {
  const std::vector<std::string> names = {"plays", "users"};
  EXPECT_EQ(UnknownInputHint({"plays", {"logs=x.tsv"}}, names),
            "; the job has no input logs, only plays and users");
  EXPECT_EQ(UnknownInputHint({"plays", {"a/b=c/x.tsv"}}, names), "");
  EXPECT_EQ(UnknownInputHint({"plays", {"x.tsv"}}, names), "");
}

TEST(IsCalendarDateTest, KnowsTheCalendar) {
  for (const char* const date : {"2026-11-21", "2024-02-29", "2000-02-29", "0001-01-01"}) {
    EXPECT_TRUE(IsCalendarDate(date)) << date;
  }
  for (const char* const date :
       {"", "2026-11-31", "2023-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-01-00",
        "2026-1-1", "2026-11-21T", "26-11-21", "2026/11/21", "abcd-ef-gh", "2026-11-2x"}) {
    EXPECT_FALSE(IsCalendarDate(date)) << date;
  }
}

}  // namespace
}  // namespace millrace
