// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/tsv_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "mapreduce/formats/tsv.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

struct Nothing {};
struct TrackCount {
  std::string_view track;
  std::int64_t plays = 0;
  MR_FIELDS(TrackCount, track, plays)
};
struct Nested {
  std::string country;
  TrackCount best;
  Nothing nothing;
  std::optional<double> score;
  MR_FIELDS(Nested, country, best, nothing, score)
};

template <class T>
std::string Tsv(const T& value) {
  RowBuffer out;
  AppendTsv(out, value);
  return std::string(out.view());
}
template <class Key, class Value>
std::string TsvRow(const Key& key, const Value& value) {
  RowBuffer out;
  AppendTsvRow(out, key, value);
  return std::string(out.view());
}

TEST(AppendTsvTest, EscapesAsCopyWrites) {
  EXPECT_EQ(Tsv("\b\f\n\r\t\v\\"), "\\b\\f\\n\\r\\t\\v\\\\");
  const std::string raw("\0\x01\x07\x0E\x1F\x7F\xFF\x88 '\"N.", 13);
  EXPECT_EQ(Tsv(raw), raw);
  EXPECT_EQ(Tsv(""), "");
  EXPECT_EQ(Tsv(std::string(20, 'a') + "\t" + std::string(20, 'b')),
            std::string(20, 'a') + "\\t" + std::string(20, 'b'));
}

TEST(AppendTsvTest, WritesNumbers) {
  EXPECT_EQ(Tsv(0), "0");
  EXPECT_EQ(Tsv(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(Tsv(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(Tsv(std::int8_t{-7}), "-7");
  EXPECT_EQ(Tsv(0.1), "0.1");
  EXPECT_EQ(Tsv(1e300), "1e+300");
  EXPECT_EQ(Tsv(-std::numeric_limits<double>::denorm_min()), "-5e-324");
  EXPECT_EQ(Tsv(std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(Tsv(-std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(Tsv(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(AppendTsvTest, WritesNullAndDate) {
  EXPECT_EQ(Tsv(std::optional<std::string>()), "\\N");
  EXPECT_EQ(Tsv(std::optional<std::string>("\\N")), "\\\\N");
  EXPECT_EQ(Tsv(std::optional<int>(3)), "3");
  EXPECT_EQ(Tsv(*Date::AtStartOf("2026-11-21T")), "2026-11-21");
}

TEST(AppendTsvTest, WritesColumnsOneAfterTheOther) {
  EXPECT_EQ(Tsv(std::tuple<>()), "");
  EXPECT_EQ(Tsv(std::pair("a", 1)), "a\t1");
  EXPECT_EQ(Tsv(std::tuple("", Nothing(), std::pair(1, std::tuple<>()), "")), "\t1\t");
  EXPECT_EQ(Tsv(Nested{.country = "SE", .best = {"t\t1", 7}, .nothing = {}, .score = {}}),
            "SE\tt\\t1\t7\t\\N");
}

TEST(AppendTsvRowTest, WritesNoTabForEmptyKeysOrValues) {
  EXPECT_EQ(TsvRow(Nothing(), TrackCount{"t", 1}), "t\t1\n");
  EXPECT_EQ(TsvRow("key", Nothing()), "key\n");
  EXPECT_EQ(TsvRow(Nothing(), std::tuple<>()), "\n");
  EXPECT_EQ(TsvRow(std::tuple("SE", 1), TrackCount{"t", 7}), "SE\t1\tt\t7\n");
}

TEST(RowBufferTest, GrowsAndKeepsItsMemory) {
  RowBuffer out;
  EXPECT_EQ(out.view(), "");
  std::string expected;
  for (int i = 0; i < 10000; ++i) {
    out.Append("ab");
    out.Append('c');
    out.Append("");
    expected += "abc";
  }
  EXPECT_EQ(out.view(), expected);
  const std::size_t capacity = out.capacity();
  out.Clear();
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(out.capacity(), capacity);
}

struct Pair {
  std::string a;
  std::optional<std::string_view> b;
  MR_FIELDS(Pair, a, b)
};

TEST(AppendTsvTest, EveryStringReadsBackTheSame) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 3000; ++round) {
    const std::size_t bytes_max = round % 100 == 0 ? 20000 : 80;
    const std::string a = RandomText(random, bytes_max), b = RandomText(random, bytes_max);
    std::optional<std::string_view> written_b;
    if (random.Uniform(4) != 0) written_b = b;
    const std::string text = TsvRow(a, written_b);
    ASSERT_EQ(text.find('\n'), text.size() - 1);
    const TextBlock block(text);
    const Result<TsvColumns> columns = TsvColumns::For<Pair>(TsvLayout{"a", "b"});
    TsvParser<Pair> parser(*columns);
    int rows = 0;
    parser.Parse(
        block.block(),
        [&](const Pair& row, std::string_view) {
          ++rows;
          EXPECT_EQ(row.a, a);
          EXPECT_EQ(row.b, written_b);
        },
        [](std::string_view reason, std::string_view) { FAIL() << reason; });
    ASSERT_EQ(rows, 1);
  }
}

}  // namespace
}  // namespace millrace
