// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/date.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace millrace {
namespace {

TEST(DateTest, TakesEachDayOfTheCalendarAndNoOther) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  std::int64_t day_number = -719162;  // 0001-01-01.
  for (int year = 0; year <= 2400; ++year) {
    const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    for (int month = 0; month <= 13; ++month) {
      for (int day = 0; day <= 32; ++day) {
        char text[64];
        std::snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
        const bool is_real = year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
                             day <= kDays[month - 1] + (month == 2 && is_leap ? 1 : 0);
        const std::optional<Date> date = Date::AtStartOf(text);
        ASSERT_EQ(date.has_value(), is_real) << text;
        if (!is_real) continue;
        ASSERT_EQ(date->year(), year);
        ASSERT_EQ(date->month(), month);
        ASSERT_EQ(date->day(), day);
        ASSERT_EQ(date->day_number(), day_number++) << text;
      }
    }
  }
  EXPECT_EQ(Date::AtStartOf("1970-01-01")->day_number(), 0);
}

TEST(DateTest, LooksAtTenBytesOnly) {
  EXPECT_EQ(Date::AtStartOf("2026-11-21T05:06:07.123Z")->text, "2026-11-21");
  EXPECT_EQ(Date::AtStartOf("2026-11-211")->text, "2026-11-21");
  EXPECT_FALSE(Date::AtStartOf("2026-11-2").has_value());
  EXPECT_FALSE(Date::AtStartOf("").has_value());
}

TEST(DateTest, RefusesOneWrongByteAnywhere) {
  const std::string good = "2026-11-21";
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[i] = static_cast<char>(byte);
      const bool is_dash = i == 4 || i == 7;
      const bool may_be_good = is_dash ? byte == '-' : byte >= '0' && byte <= '9';
      if (may_be_good) continue;
      EXPECT_FALSE(Date::AtStartOf(text).has_value()) << i << " " << byte;
    }
  }
}

TEST(DateTest, ComparesLikeItsDay) {
  EXPECT_LT(*Date::AtStartOf("2026-11-21"), *Date::AtStartOf("2026-12-01"));
  EXPECT_EQ(*Date::AtStartOf("2026-11-21T00"), *Date::AtStartOf("2026-11-21 23"));
}

// After a date each text that differs from it in one byte, and after that the date once more.
TEST(LastDateTest, TellsWhatADateTells) {
  LastDate last;
  EXPECT_FALSE(last.StartsText(std::string(10, '\0')));
  const std::string good = "2026-11-21T05";
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      EXPECT_TRUE(last.StartsText(good));
      std::string text = good;
      text[i] = static_cast<char>(byte);
      for (int times = 0; times < 2; ++times)  // What is none does not become the last date.
        EXPECT_EQ(last.StartsText(text), Date::StartsText(text)) << i << " " << byte;
    }
  }
  EXPECT_TRUE(last.StartsText(good));
  EXPECT_FALSE(last.StartsText(good.substr(0, 9)));
}

}  // namespace
}  // namespace millrace
