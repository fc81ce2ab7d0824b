// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/tsv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Play {
  std::string_view track, country;
  std::int64_t ms_played = 7;
  MR_FIELDS(Play, track, country, ms_played)
};
constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};

// One row of a single field of any type, in the first column.
template <class T>
struct One {
  T x{};
  MR_FIELDS(One, x)
};
constexpr TsvLayout kOne{"x"};

template <class Row>
TsvColumns Columns(const TsvLayout& layout, const std::map<std::string, int>& overrides = {},
                   const std::set<std::string>& unused = {}) {
  Result<TsvColumns> columns = TsvColumns::For<Row>(layout, overrides, unused);
  EXPECT_TRUE(columns.ok()) << columns.error().message();
  return *columns;
}

// What came of each line, in words: show(row), or "! " and the reason.
template <class Row, class Bytes = Bytes64, class Show>
std::vector<std::string> Parse(const TsvColumns& columns, std::string_view text, Show&& show) {
  const TextBlock block(text);
  std::vector<std::string> seen, raws;
  BasicTsvParser<Row, Bytes> parser(columns);
  parser.Parse(
      block.block(),
      [&](const Row& row, std::string_view raw) {
        seen.push_back(show(row));
        raws.emplace_back(raw);
      },
      [&](std::string_view reason, std::string_view raw) {
        seen.push_back("! " + std::string(reason));
        raws.emplace_back(raw);
      });
  EXPECT_EQ(raws, ReferenceLines(text));
  return seen;
}

std::string ShowPlay(const Play& play) {
  return std::string(play.track) + "|" + std::string(play.country) + "|" +
         std::to_string(play.ms_played);
}
std::vector<std::string> ParsePlays(std::string_view text) {
  return Parse<Play>(Columns<Play>(kPlays), text, ShowPlay);
}

// The value of the one field, or the reason.
template <class T>
std::string ReadOne(std::string_view text) {
  const auto seen =
      Parse<One<T>>(Columns<One<T>>(kOne), std::string(text) + "\n", [](const One<T>& row) {
        if constexpr (std::is_arithmetic_v<T>)
          return std::to_string(row.x);
        else
          return std::string(row.x);
      });
  EXPECT_EQ(seen.size(), 1u);
  return seen[0];
}

TEST(TsvColumnsTest, FindsFieldsByName) {
  const TsvColumns columns = Columns<Play>(kPlays);
  EXPECT_EQ(columns.column(0), 2);
  EXPECT_EQ(columns.column(1), 3);
  EXPECT_EQ(columns.column(2), 4);
  EXPECT_EQ(columns.wanted(), 5);
}

TEST(TsvColumnsTest, TakesOverridesAndUnusedFields) {
  const TsvColumns columns = Columns<Play>(kPlays, {{"track", 1}, {"user", 9}}, {"ms_played"});
  EXPECT_EQ(columns.column(0), 0);
  EXPECT_EQ(columns.column(1), 3);
  EXPECT_EQ(columns.column(2), TsvColumns::kUnused);
  EXPECT_EQ(columns.wanted(), 4);
}

TEST(TsvColumnsTest, RefusesWhatItCanNotPlace) {
  const TsvLayout short_layout{"track", "country"};
  const auto error = [](const Result<TsvColumns>& columns) {
    EXPECT_FALSE(columns.ok());
    EXPECT_EQ(columns.error().code(), StatusCode::kInvalidArgument);
    return columns.error().message();
  };
  EXPECT_THAT(error(TsvColumns::For<Play>(short_layout)), HasSubstr("ms_played"));
  EXPECT_THAT(error(TsvColumns::For<Play>(kPlays, {{"trak", 1}})), HasSubstr("trak"));
  EXPECT_THAT(error(TsvColumns::For<Play>(kPlays, {{"track", 0}})), HasSubstr("track is 0"));
  EXPECT_THAT(error(TsvColumns::For<Play>(kPlays, {{"track", 65537}})), HasSubstr("65537"));
  EXPECT_THAT(error(TsvColumns::For<Play>(kPlays, {}, {"user"})), HasSubstr("user"));
  EXPECT_TRUE(TsvColumns::For<Play>(short_layout, {{"ms_played", 3}}).ok());
}

TEST(TsvParserTest, ReadsTheColumnsItUses) {
  EXPECT_THAT(ParsePlays("2026-11-21T05:06:07.123Z\tu0001234\tt0123456\tSE\t187000\n"
                         "\t\tt\t\t-5\textra\t\\\n"
                         "\t\tt\rx\tDE\t0"),
              ElementsAre("t0123456|SE|187000", "t||-5", "t\rx|DE|0"));
  EXPECT_THAT(ParsePlays(""), IsEmpty());
}

TEST(TsvParserTest, ReadsLinesOfEveryLength) {
  for (std::size_t bytes = 0; bytes < 300; ++bytes) {
    const std::string track(bytes, 'x');
    const std::string line = "a\tb\t" + track + "\tSE\t12";
    const std::string seen = track + "|SE|12";
    EXPECT_THAT(ParsePlays(line + "\tmore\n" + line + "\n" + line), ElementsAre(seen, seen, seen));
  }
}

TEST(TsvParserTest, SaysWhichFieldIsMissing) {
  EXPECT_THAT(ParsePlays("\n"), ElementsAre("! track is missing: the line has 1 field"));
  EXPECT_THAT(ParsePlays("a\tb\tc\n"), ElementsAre("! country is missing: the line has 3 fields"));
  EXPECT_THAT(ParsePlays("a\tb\tc\td"),
              ElementsAre("! ms_played is missing: the line has 4 fields"));
  EXPECT_THAT(ParsePlays(std::string(100, 'a') + "\tb\tc\n1\t2\t3\t4\t5\n"),
              ElementsAre("! country is missing: the line has 3 fields", "3|4|5"));
  EXPECT_THAT(ParsePlays("a\tb\tc\\\td\te\n"),
              ElementsAre("! ms_played is missing: the line has 4 fields"));
}

TEST(TsvParserTest, AnEmptyLineIsOneEmptyField) {
  EXPECT_EQ(ReadOne<std::string_view>(""), "");
  EXPECT_EQ(ReadOne<int>(""), "! x is not an integer: ''");
}

TEST(TsvParserTest, ReadsIntegers) {
  for (const char* text : {"0", "7", "12345678", "123456789", "-1", "-9223372036854775808",
                           "9223372036854775807", "10000000", "99999999", "100000000"}) {
    EXPECT_EQ(ReadOne<std::int64_t>(text), text);
  }
  EXPECT_EQ(ReadOne<std::int64_t>("007"), "7");
  EXPECT_EQ(ReadOne<std::int64_t>("-0"), "0");
  EXPECT_EQ(ReadOne<std::int64_t>("000000000000000000000000012"), "12");
  EXPECT_EQ(ReadOne<std::uint64_t>("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(ReadOne<std::int32_t>("-2147483648"), "-2147483648");
  EXPECT_EQ(ReadOne<std::int8_t>("-128"), "-128");
}

TEST(TsvParserTest, RejectsWhatIsNoInteger) {
  for (const char* text : {"abc", "", "-", "+1", " 1", "1 ", "1.0", "1e3", "--1", "0x1",
                           "12345678a", "1234567a", "/", ":", "1:", "12345678901234567890123a"}) {
    EXPECT_EQ(ReadOne<std::int64_t>(text), "! x is not an integer: '" + std::string(text) + "'");
    EXPECT_EQ(ReadOne<std::uint64_t>(text), "! x is not an integer: '" + std::string(text) + "'");
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (c == '\n' || c == '\t' || c == '\\' || (c >= '0' && c <= '9')) continue;
    EXPECT_THAT(ReadOne<int>(std::string("12") + c + "4"), HasSubstr("not an integer")) << byte;
  }
}

TEST(TsvParserTest, RejectsIntegersOutOfRange) {
  EXPECT_EQ(ReadOne<std::int64_t>("9223372036854775808"),
            "! x is out of range: '9223372036854775808'");
  EXPECT_THAT(ReadOne<std::int64_t>("-9223372036854775809"), HasSubstr("out of range"));
  EXPECT_THAT(ReadOne<std::uint64_t>("18446744073709551616"), HasSubstr("out of range"));
  EXPECT_THAT(ReadOne<std::uint64_t>("-1"), HasSubstr("out of range"));
  EXPECT_THAT(ReadOne<std::int32_t>("2147483648"), HasSubstr("out of range"));
  EXPECT_THAT(ReadOne<std::uint32_t>("4294967296"), HasSubstr("out of range"));
  EXPECT_THAT(ReadOne<std::int8_t>("128"), HasSubstr("out of range"));
}

TEST(TsvParserTest, ReadsDoubles) {
  EXPECT_EQ(ReadOne<double>("-1.5"), "-1.500000");
  EXPECT_EQ(ReadOne<double>("1e3"), "1000.000000");
  EXPECT_EQ(ReadOne<double>("1x"), "! x is not a number: '1x'");
  EXPECT_EQ(ReadOne<double>(""), "! x is not a number: ''");
  EXPECT_EQ(ReadOne<double>("1e999"), "! x is out of range: '1e999'");
}

TEST(TsvParserTest, ReadsDates) {
  const auto read = [](std::string_view text) {
    return Parse<One<Date>>(Columns<One<Date>>(kOne), text,
                            [](const One<Date>& row) { return std::string(row.x.text); });
  };
  EXPECT_THAT(
      read("2026-11-21T05:06Z\n2024-02-29\n2023-02-29\n2023-02-29\n2024-02-29\n2026-1-01\n\n"),
      ElementsAre("2026-11-21", "2024-02-29", "! x does not start with a date: '2023-02-29'",
                  "! x does not start with a date: '2023-02-29'", "2024-02-29",
                  "! x does not start with a date: '2026-1-01'",
                  "! x does not start with a date: ''"));
  EXPECT_THAT(read("2026\\x2d11-21\n"), ElementsAre("2026-11-21"));
}

TEST(TsvParserTest, NullIsARejectUnlessOptional) {
  EXPECT_EQ(ReadOne<std::string_view>("\\N"), "! x is NULL");
  EXPECT_EQ(ReadOne<std::int64_t>("\\N"), "! x is NULL");
  EXPECT_EQ(ReadOne<std::string_view>("\\NN"), "NN");
  EXPECT_EQ(ReadOne<std::string_view>("a\\N"), "aN");
  EXPECT_EQ(ReadOne<std::string_view>("\\\\N"), "\\N");
  using Row = One<std::optional<std::int64_t>>;
  const auto show = [](const Row& row) { return row.x ? std::to_string(*row.x) : "none"; };
  EXPECT_THAT(Parse<Row>(Columns<Row>(kOne), "1\n\\N\n2\nx\n\\N", show),
              ElementsAre("1", "none", "2", "! x is not an integer: 'x'", "none"));
}

TEST(TsvParserTest, DecodesWhatCopyDecodes) {
  EXPECT_EQ(ReadOne<std::string>("\\b\\f\\n\\r\\t\\v\\\\"), "\b\f\n\r\t\v\\");
  EXPECT_EQ(ReadOne<std::string>("\\101\\60\\7\\1012\\377"), "A0\aA2\xFF");
  EXPECT_EQ(ReadOne<std::string>("\\8\\0"), std::string("8\0", 2));
  EXPECT_EQ(ReadOne<std::string>("\\777"), "\xFF");
  EXPECT_EQ(ReadOne<std::string>("\\x41\\x4\\x41\\xg\\xFFf"),
            "A\x04"
            "Axg\xFF"
            "f");
  EXPECT_EQ(ReadOne<std::string>("\\x"), "x");
  EXPECT_EQ(ReadOne<std::string>("\\q\\.\\\"\\\t|"), "q.\"\t|");
  EXPECT_EQ(ReadOne<std::int64_t>("\\x31\\62"), "12");
}

TEST(TsvParserTest, KeepsAllDecodedFieldsOfARow) {
  EXPECT_THAT(ParsePlays("\t\t\\tone\ttw\\x6f\t\\x35\n"), ElementsAre("\tone|two|5"));
  const std::string longer(5000, 'x');
  EXPECT_THAT(ParsePlays("\t\t\\ta\tb\\n\t1\n\t\t\\t" + longer + "\t" + longer + "\\n\t2\n"),
              ElementsAre("\ta|b\n|1", "\t" + longer + "|" + longer + "\n|2"));
}

TEST(TsvParserTest, TwoFieldsMayShareAColumn) {
  EXPECT_THAT(Parse<Play>(Columns<Play>(kPlays, {{"country", 3}}), "\t\ta\\tb\t\t1\n", ShowPlay),
              ElementsAre("a\tb|a\tb|1"));
}

TEST(TsvParserTest, RejectsALoneBackslashAtTheLinesEnd) {
  EXPECT_EQ(ReadOne<std::string_view>("ab\\"), "! x ends in a lone backslash: 'ab\\\\'");
  EXPECT_EQ(ReadOne<std::string_view>("ab\\\\"), "ab\\");
  EXPECT_THAT(Parse<One<std::string>>(Columns<One<std::string>>(kOne), "\\",
                                      [](const auto& row) { return row.x; }),
              ElementsAre("! x ends in a lone backslash: '\\\\'"));
}

TEST(TsvParserTest, DoesNotLookAtUnusedFields) {
  const TsvColumns columns = Columns<Play>(kPlays, {}, {"ms_played", "track"});
  EXPECT_THAT(
      Parse<Play>(columns, "\\N\t\\\\\t\\N\tSE\\t\nx\ty\tz\tDE\tnot a number\t\\", ShowPlay),
      ElementsAre("|SE\t|7", "|DE|7"));
  EXPECT_THAT(
      Parse<Play>(Columns<Play>(kPlays, {}, {"ms_played", "track", "country"}), "a\n\nb", ShowPlay),
      ElementsAre("||7", "||7", "||7"));
}

TEST(TsvParserTest, QuotesShortPrintableReasons) {
  EXPECT_EQ(ReadOne<int>("a\rb\\tc\\x01\\\\\xC3\xA5"),
            "! x is not an integer: 'a\\rb\\tc\\x01\\\\\xC3\xA5'");
  EXPECT_EQ(ReadOne<int>(std::string(40, 'a')),
            "! x is not an integer: '" + std::string(40, 'a') + "'");
  EXPECT_EQ(ReadOne<int>(std::string(41, 'a')),
            "! x is not an integer: '" + std::string(40, 'a') + "...'");
  EXPECT_EQ(ReadOne<int>(std::string(39, 'a') + "\xC3\xA5"
                                                "b"),  // Not half a character.
            "! x is not an integer: '" + std::string(39, 'a') + "...'");
}

TEST(TsvParserTest, ReadsColumnsFarToTheRight) {
  for (const int column : {60, 62, 63, 64, 65, 66, 200}) {
    const TsvColumns columns = Columns<One<int>>(kOne, {{"x", column}});
    const std::string tabs(static_cast<std::size_t>(column) - 1, '\t');
    const auto show = [](const One<int>& row) { return std::to_string(row.x); };
    EXPECT_THAT(
        Parse<One<int>>(columns, "\n" + tabs + "5\n" + tabs.substr(1) + "5\n" + tabs + "6", show),
        ElementsAre("! x is missing: the line has 1 field", "5",
                    "! x is missing: the line has " + std::to_string(column - 1) + " fields", "6"));
  }
}

// The slow reference: field `column` of a line, raw; nothing if there are too few.
std::optional<std::string> ReferenceField(std::string_view line, int column) {
  std::string field;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      if (column-- == 0) return field;
      field.clear();
      continue;
    }
    field += line[i];
    if (line[i] == '\\' && i + 1 < line.size()) field += line[++i];
  }
  if (column == 0) return field;
  return std::nullopt;
}

struct TwoFields {
  std::optional<std::string_view> a, b;
  MR_FIELDS(TwoFields, a, b)
};

std::string ShowTwo(const TwoFields& row) {
  return std::string(row.a.value_or("NULL")) + "|" + std::string(row.b.value_or("NULL"));
}

std::string ReferenceTwo(std::string_view line, int a, int b) {
  const std::pair<const char*, int> fields[] = {{"a", a}, {"b", b}};
  for (const auto& [name, column] : fields) {
    if (ReferenceField(line, column)) continue;
    int count = 0;
    while (ReferenceField(line, count)) ++count;
    return "! " + std::string(name) + " is missing: the line has " + std::to_string(count) +
           (count == 1 ? " field" : " fields");
  }
  std::string shown;
  for (const auto& [name, column] : fields) {
    const std::string field = *ReferenceField(line, column);
    std::string decoded(field.size(), '\0');
    const std::optional<std::size_t> bytes = DecodeTsvField(field, decoded.data());
    if (!bytes) return "! " + std::string(name) + " ends in a lone backslash: ";
    shown += (field == "\\N" ? "NULL" : decoded.substr(0, *bytes)) + (name[0] == 'a' ? "|" : "");
  }
  return shown;
}

TEST(TsvParserTest, AgreesWithTheReferenceOnRandomBytes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 5000; ++round) {
    const std::string text = RandomText(random, 400);
    const int a = static_cast<int>(random.Uniform(5)), b = static_cast<int>(random.Uniform(5));
    const TsvColumns columns = Columns<TwoFields>(TsvLayout{}, {{"a", a + 1}, {"b", b + 1}});
    const auto fast = Parse<TwoFields>(columns, text, ShowTwo);
    ASSERT_EQ(fast, (Parse<TwoFields, PortableBytes64>(columns, text, ShowTwo)));
    const std::vector<std::string> lines = ReferenceLines(text);
    ASSERT_EQ(fast.size(), lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string expected = ReferenceTwo(lines[i], a, b);
      if (expected.ends_with("backslash: ")) {
        ASSERT_THAT(fast[i], testing::StartsWith(expected));
      } else {
        ASSERT_EQ(fast[i], expected) << testing::PrintToString(lines[i]);
      }
    }
  }
}

}  // namespace
}  // namespace millrace
