// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/size.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(ParseSizeTest, ReadsBinaryUnits) {
  EXPECT_EQ(*ParseSize("100"), 100u);
  EXPECT_EQ(*ParseSize("0"), 0u);
  EXPECT_EQ(*ParseSize("7B"), 7u);
  EXPECT_EQ(*ParseSize("512k"), 512u << 10);
  EXPECT_EQ(*ParseSize("64M"), 64u << 20);
  EXPECT_EQ(*ParseSize("64MB"), 64u << 20);
  EXPECT_EQ(*ParseSize("2GiB"), std::uint64_t{2} << 30);
  EXPECT_EQ(*ParseSize("1g"), std::uint64_t{1} << 30);
  EXPECT_EQ(*ParseSize("3tib"), std::uint64_t{3} << 40);
  EXPECT_EQ(*ParseSize("18446744073709551615"), UINT64_MAX);
}

TEST(ParseSizeTest, RefusesAllElse) {
  for (const char* text : {"", "M", "1.5G", "-1", "+1", "1 G", "1X", "1Mi", "1iB", "1MBB", "1MM",
                           "18446744073709551616", "18446744073709551615K", "16777216T", " 1"}) {
    const Result<std::uint64_t> size = ParseSize(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_EQ(size.error().code(), StatusCode::kInvalidArgument);
  }
}

TEST(FormatBytesTest, RoundsToTenths) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(1536 << 20), "1.5 GiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.0 MiB");  // Not "1024.0 KiB".
  EXPECT_EQ(FormatBytes(UINT64_MAX), "16.0 EiB");
}

TEST(FormatCountTest, GroupsDigits) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(12345678), "12,345,678");
}

}  // namespace
}  // namespace millrace
