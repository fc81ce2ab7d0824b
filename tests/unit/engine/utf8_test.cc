// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace {
namespace {

TEST(IsUtf8Test, KnowsTheWellFormedSequences) {
  for (const char* const good : {"", "abc", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8E\xB5",
                                 "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF", "\xC2\x80"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* const bad :
       {"\x80", "\xC3", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xC3z"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(PrintableTest, KeepsMessagesOnOneLine) {
  EXPECT_EQ(Printable("plain caf\xC3\xA9"), "plain caf\xC3\xA9");
  EXPECT_EQ(Printable("a\nb\x1B[31m\x7F"), "a\\x0Ab\\x1B[31m\\x7F");
  EXPECT_EQ(Printable("caf\xE9"), "caf\\xE9");
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
}

}  // namespace
}  // namespace millrace
