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

// What a terminal would obey, and what makes a line read otherwise than it is.
TEST(PrintableTest, EscapesWhatPlaysTricks) {
  EXPECT_EQ(Printable("\x1B]0;title\x07"), "\\x1B]0;title\\x07");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "2J\xC2\x85"),
            "\\xC2\\x9B2J\\xC2\\x85");  // C1: CSI and "next line".
  EXPECT_EQ(Printable("\u2028\u2029"), "\\xE2\\x80\\xA8\\xE2\\x80\\xA9");
  for (const char* const mark : {"\u061C", "\u200E", "\u200F", "\u202A", "\u202B", "\u202C",
                                 "\u202D", "\u202E", "\u2066", "\u2067", "\u2068", "\u2069"}) {
    EXPECT_EQ(Printable(mark).substr(0, 2), "\\x") << mark;
  }
}

// Their neighbours are what people write.
TEST(PrintableTest, KeepsLettersAndPunctuation) {
  for (const std::string text :
       {"\u00A0", "\u061B", "\u061D", "\u200D", "\u2010", "\u2026", "\u2027", "\u202F", "\u2065",
        "\u206A", "\u3028", "日本", "שלום"}) {
    EXPECT_EQ(Printable(text), text);
  }
}

TEST(ShortenedTest, CutsBetweenCharacters) {
  EXPECT_EQ(Shortened("abc", 3), "abc");
  EXPECT_EQ(Shortened("abcd", 3), "abc…");
  EXPECT_EQ(Shortened("ab\u20AC", 5), "ab\u20AC");
  EXPECT_EQ(Shortened("ab\u20ACd", 4), "ab…");
  EXPECT_EQ(Shortened("\xFF\xFF\xFF", 2), "\xFF\xFF…");
  EXPECT_EQ(Shortened("abc", 0), "…");
}

}  // namespace
}  // namespace millrace
