// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/json_lines_writer.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct Nothing {};

struct Track {
  std::string_view track;
  std::int64_t plays = 0;
  MR_FIELDS(Track, track, plays)
};
struct Mail {
  std::string template_;
  std::optional<std::string> address;
  std::vector<Track> tracks;
  Nothing nothing;
  bool is_last = false;
  double score = 0;
  Date date;
  std::tuple<std::string, int> place;
  MR_FIELDS(Mail, template_, address, tracks, nothing, is_last, score, date, place)
};
struct User {
  std::string user;
  MR_FIELDS(User, user)
};

// The text; nothing where it can't be written.
template <class T>
std::optional<std::string> Json(const T& value) {
  RowBuffer out;
  if (!AppendJson(out, value)) return std::nullopt;
  return std::string(out.view());
}
template <class Key, class Value>
std::optional<std::string> JsonRow(const Key& key, const Value& value) {
  RowBuffer out;
  if (!AppendJsonRow(out, key, value)) return std::nullopt;
  return std::string(out.view());
}

TEST(AppendJsonTest, EscapesNoMoreThanItMust) {
  EXPECT_EQ(Json("\b\t\n\f\r\"\\"), R"("\b\t\n\f\r\"\\")");
  EXPECT_EQ(Json(std::string_view("\0\x01\x0B\x1F", 4)), R"("\u0000\u0001\u000b\u001f")");
  EXPECT_EQ(Json("/'<>&\x7F"), "\"/'<>&\x7F\"");
  EXPECT_EQ(Json(""), "\"\"");
  EXPECT_EQ(Json(std::string_view()), "\"\"");
  EXPECT_EQ(Json("Bj\u00F6rk \u2028 \U0001F3B5"), "\"Bj\u00F6rk \u2028 \U0001F3B5\"");
}

// At every place of a word, among plain bytes and others.
TEST(AppendJsonTest, SeesEachByteWhereverItStands) {
  for (const std::string around : {"a", "\xC3\xB6", "\x7F"}) {
    for (int before = 0; before < 20; ++before) {
      std::string left, right;
      for (int i = 0; i < before; ++i) left += around;
      for (int i = 0; i < 12; ++i) right += around;
      for (int c = 0; c < 256; ++c) {
        const std::string text = left + static_cast<char>(c) + right;
        const std::optional<std::string> written = Json(text);
        ASSERT_EQ(written.has_value(), c < 0x80) << c;
        if (written) {
          ASSERT_EQ(json::parse(*written), json(text)) << *written;
        }
      }
    }
  }
}

TEST(AppendJsonTest, RefusesWhatIsNotUtf8) {
  for (const std::string bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3\x41", "\xE0\x9F\xBF", "\xE2\x82",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    for (const std::string before : {"", "abc", "abcdefghij", "\xC3\xB6"}) {
      EXPECT_EQ(Json(before + bad), std::nullopt);
      EXPECT_EQ(Json(before + bad + "abcdefghij"), std::nullopt);
      EXPECT_FALSE(IsWellFormedUtf8(before + bad + "abcdefghij"));
    }
  }
  EXPECT_EQ(Json(std::vector<std::string>{"a", "\xFF"}), std::nullopt);
  EXPECT_EQ(Json(std::pair(std::optional<std::string>("\xFF"), 1)), std::nullopt);
  EXPECT_EQ(JsonRow(User{"\xFF"}, Track{"t", 1}), std::nullopt);
  EXPECT_EQ(JsonRow(User{"u"}, Track{"\xFF", 1}), std::nullopt);
}

TEST(AppendJsonTest, WritesNumbers) {
  EXPECT_EQ(Json(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(Json(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(Json(std::int8_t{-7}), "-7");
  EXPECT_EQ(Json(std::uint8_t{65}), "65");
  EXPECT_EQ(Json(0.1), "0.1");
  EXPECT_EQ(Json(0.1f), "0.1");
  EXPECT_EQ(Json(3.0), "3");
  EXPECT_EQ(Json(-0.0), "-0");
  EXPECT_EQ(Json(1e300), "1e+300");
  EXPECT_EQ(Json(-std::numeric_limits<double>::denorm_min()), "-5e-324");
  EXPECT_EQ(Json(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(Json(-std::numeric_limits<double>::infinity()), "null");
}

TEST(AppendJsonTest, WritesTheOtherTypes) {
  EXPECT_EQ(Json(true), "true");
  EXPECT_EQ(Json(std::optional<bool>(false)), "false");
  EXPECT_EQ(Json(std::optional<int>()), "null");
  EXPECT_EQ(Json(*Date::AtStartOf("2026-11-21T")), "\"2026-11-21\"");
  EXPECT_EQ(Json(std::vector<int>{}), "[]");
  EXPECT_EQ(Json(std::vector<std::optional<int>>{{}, 2}), "[null,2]");
  EXPECT_EQ(Json(std::vector<bool>{true, false}), "[true,false]");
  EXPECT_EQ(Json(std::tuple<>()), "[]");
  EXPECT_EQ(Json(std::tuple(std::pair("a", 1), true)), "[[\"a\",1],true]");
}

TEST(AppendJsonTest, WritesAStructAsAnObject) {
  const Mail mail{.template_ = "weekly",
                  .address = {},
                  .tracks = {{"t\t1", 7}, {"t2", 1}},
                  .nothing = {},
                  .is_last = true,
                  .score = 0.5,
                  .date = {"2026-11-21"},
                  .place = {"SE", 3}};
  EXPECT_EQ(Json(mail), R"({"template":"weekly","address":null,)"
                        R"("tracks":[{"track":"t\t1","plays":7},{"track":"t2","plays":1}],)"
                        R"("is_last":true,"score":0.5,"date":"2026-11-21","place":["SE",3]})");
}

TEST(AppendJsonRowTest, WritesTheMembersOfKeyAndValue) {
  const Track track{"t", 1};
  EXPECT_EQ(JsonRow(std::string("u"), track), "{\"track\":\"t\",\"plays\":1}\n");
  EXPECT_EQ(JsonRow(std::tuple(User{"u"}, track), track), "{\"track\":\"t\",\"plays\":1}\n");
  EXPECT_EQ(JsonRow(Nothing(), track), "{\"track\":\"t\",\"plays\":1}\n");
  EXPECT_EQ(JsonRow(Date{"2026-11-21"}, track), "{\"track\":\"t\",\"plays\":1}\n");
  EXPECT_EQ(JsonRow(User{"u"}, track), "{\"user\":\"u\",\"track\":\"t\",\"plays\":1}\n");
  EXPECT_EQ(JsonRow(track, Nothing()), "{\"track\":\"t\",\"plays\":1}\n");
}

struct Underscored {
  int track_ = 0, _ = 0;
  MR_FIELDS(Underscored, track_, _)
};
static_assert(json_internal::AreNamesDifferent<User, Track>());
static_assert(json_internal::AreNamesDifferent<std::string, Track>());
static_assert(!json_internal::AreNamesDifferent<Track, Track>());
static_assert(!json_internal::AreNamesDifferent<Track, Underscored>());

TEST(AppendJsonRowTest, DropsOneTrailingUnderscore) {
  EXPECT_EQ(Json(Underscored{1, 2}), "{\"track\":1,\"_\":2}");
}

struct Everything {
  std::string text;
  std::int64_t number = 0;
  double real = 0;
  std::optional<std::vector<std::string>> texts;
  MR_FIELDS(Everything, text, number, real, texts)
};

// Of characters of every length, with many that need an escape.
std::string RandomUtf8(Random& random) {
  std::string text;
  for (std::uint64_t n = random.Uniform(random.Uniform(10) == 0 ? 300 : 20); n > 0; --n) {
    static constexpr const char* kCharacters[] = {"\"",     "\\",         "\n",        "\x01",
                                                  "\x7F",   "\u0080",     "\u00F6",    "\u0800",
                                                  "\uFFFF", "\U00010000", "\U0010FFFF"};
    if (random.Uniform(2) == 0) {
      text += static_cast<char>(random.Uniform(0x80));  // NUL, too.
    } else {
      text += kCharacters[random.Uniform(std::size(kCharacters))];
    }
  }
  return text;
}

TEST(AppendJsonRowTest, ReadsBackTheSame) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int round = 0; round < 5'000; ++round) {
    Everything record{.text = RandomUtf8(random),
                      .number = static_cast<std::int64_t>(random.Next() >> random.Uniform(64)),
                      .real = std::bit_cast<double>(random.Next()),
                      .texts = {}};
    if (random.Uniform(2) == 0) record.number = -record.number;
    if (random.Uniform(3) != 0) {
      record.texts.emplace();
      for (std::uint64_t n = random.Uniform(4); n > 0; --n)
        record.texts->push_back(RandomUtf8(random));
    }
    const std::optional<std::string> row = JsonRow(User{record.text}, record);
    ASSERT_TRUE(row.has_value());
    ASSERT_EQ(row->find('\n'), row->size() - 1);  // One line.
    const ordered_json read = ordered_json::parse(*row);
    ordered_json expected;
    expected["user"] = record.text;
    expected["text"] = record.text;
    expected["number"] = record.number;
    expected["real"] = std::isfinite(record.real) ? ordered_json(record.real) : ordered_json();
    expected["texts"] = record.texts ? ordered_json(*record.texts) : ordered_json();
    ASSERT_EQ(read, expected) << *row;
  }
}

}  // namespace
}  // namespace millrace
