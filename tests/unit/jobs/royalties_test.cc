// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"
#include "tests/unit/jobs/reject_reasons.h"

namespace millrace {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using std::string_literals::operator""s;

constexpr const char* kTwice = "its key was there before";

// `count` plays that are long enough.
std::string PlaysOf(const std::string& track, const std::string& country, int count = 1) {
  std::string plays;
  for (int i = 0; i < count; ++i) {
    plays +=
        "2026-11-21T09:00:00Z\tu" + std::to_string(i) + "\t" + track + "\t" + country + "\t30000\n";
  }
  return plays;
}

TestRun Royalties(const std::string& plays, const std::string& rights, const std::string& pools) {
  return TestRun("royalties").Input("plays", plays).Input("rights", rights).Input("pools", pools);
}

// The columns of a row, of which none is escaped.
std::vector<std::string> ColumnsOf(const std::string& row) {
  std::vector<std::string> columns(1);
  for (const char c : row) {
    if (c == '\t') {
      columns.emplace_back();
    } else {
      columns.back() += c;
    }
  }
  return columns;
}

std::map<std::string, std::int64_t> PaidByCountry(const TestResult& result) {
  std::map<std::string, std::int64_t> paid;
  for (const std::string& row : result.Rows()) {
    const std::vector<std::string> columns = ColumnsOf(row);
    paid[columns[2]] += std::stoll(columns[4]);
  }
  return paid;
}

TEST(RoyaltiesTest, SharesAPoolByStreamsTimesBasisPoints) {
  const TestResult result = Royalties(PlaysOf("a", "SE", 3) + PlaysOf("b", "SE", 1),
                                      "a\tann\t7500\na\tbob\t2500\nb\tbob\t10000\n", "SE\t1000\n")
                                .Run();
  // Of 40000: ann 22500, bob 7500 and 10000: 562.5, 187.5 and 250, and one micro is left for ann.
  // Streams are repeated per holder.
  EXPECT_THAT(result.Rows(),
              ElementsAre("ann\ta\tSE\t3\t563", "bob\ta\tSE\t3\t187", "bob\tb\tSE\t1\t250"));
}

TEST(RoyaltiesTest, SharesEachCountrysPoolOverItsOwnPlays) {
  EXPECT_THAT(Royalties(PlaysOf("a", "SE", 1) + PlaysOf("b", "SE", 1) + PlaysOf("a", "DE", 3) +
                            PlaysOf("b", "DE", 1),
                        "a\tann\t10000\nb\tbob\t10000\n", "DE\t400\nSE\t100\n")
                  .Run()
                  .Rows(),
              ElementsAre("ann\ta\tDE\t3\t300", "ann\ta\tSE\t1\t50", "bob\tb\tDE\t1\t100",
                          "bob\tb\tSE\t1\t50"));
}

TEST(RoyaltiesTest, PaysWhatIsLeftByLargestRemainder) {
  // Of 100: 3 streams of 7 are 42 and 6/7, 2 are 28 and 4/7, twice: two micros are left.
  EXPECT_THAT(Royalties(PlaysOf("a", "SE", 2) + PlaysOf("b", "SE", 2) + PlaysOf("c", "SE", 3),
                        "a\tx\t10000\nb\tx\t10000\nc\tx\t10000\n", "SE\t100\n")
                  .Run()
                  .Rows(),
              ElementsAre("x\ta\tSE\t2\t29", "x\tb\tSE\t2\t28", "x\tc\tSE\t3\t43"));
}

TEST(RoyaltiesTest, BreaksTiesOfRemaindersByHolderThenTrack) {
  // Four equal rows, of 2 micros: (ann, z) comes before (bob, b), and that before (bob, c).
  EXPECT_THAT(
      Royalties(PlaysOf("z", "SE") + PlaysOf("b", "SE") + PlaysOf("c", "SE") + PlaysOf("a", "SE"),
                "z\tann\t10000\nb\tbob\t10000\nc\tbob\t10000\na\tcat\t10000\n", "SE\t2\n")
          .Run()
          .Rows(),
      ElementsAre("ann\tz\tSE\t1\t1", "bob\tb\tSE\t1\t1", "bob\tc\tSE\t1\t0", "cat\ta\tSE\t1\t0"));
}

TEST(RoyaltiesTest, CountsPlaysOfMinMsAndMore) {
  const TestRun run = Royalties(
      "x\tu\ta\tSE\t30000\nx\tu\ta\tSE\t29999\nx\tu\ta\tSE\t-1\nx\tu\tb\tSE\t9223372036854775807\n",
      "", "SE\t10\n");
  EXPECT_THAT(run.Run().Rows(), ElementsAre("?\ta\tSE\t1\t5", "?\tb\tSE\t1\t5"));
  EXPECT_THAT(TestRun(run).Param("min_ms", "29999").Run().Rows(),
              ElementsAre("?\ta\tSE\t2\t7", "?\tb\tSE\t1\t3"));
  EXPECT_THAT(TestRun(run).Param("min_ms", "0").Run().Rows(),
              ElementsAre("?\ta\tSE\t2\t7", "?\tb\tSE\t1\t3"));
  EXPECT_THAT(TestRun(run).Param("min_ms", "-1").Run().Rows(),
              ElementsAre("?\ta\tSE\t3\t8", "?\tb\tSE\t1\t2"));
}

TEST(RoyaltiesTest, PaysATrackWithoutRightsToAQuestionMark) {
  EXPECT_THAT(Royalties(PlaysOf("a", "SE", 2) + PlaysOf("b", "SE", 2), "a\tann\t10000\n", "SE\t9\n")
                  .Run()
                  .Rows(),
              ElementsAre("?\tb\tSE\t2\t5", "ann\ta\tSE\t2\t4"));
}

TEST(RoyaltiesTest, HasARowForARightToNothingAndForAnEmptyPool) {
  EXPECT_THAT(
      Royalties(PlaysOf("a", "SE", 2) + PlaysOf("a", "DE"), "a\tann\t0\na\tbob\t10000\n",
                "SE\t3\nDE\t0\n")
          .Run()
          .Rows(),
      ElementsAre("ann\ta\tDE\t1\t0", "ann\ta\tSE\t2\t0", "bob\ta\tDE\t1\t0", "bob\ta\tSE\t2\t3"));
}

TEST(RoyaltiesTest, CountsPlaysWithoutPoolAndPoolsWithoutPlays) {
  const TestRun run =
      Royalties(PlaysOf("a", "SE", 2) + PlaysOf("a", "FR", 3) + PlaysOf("b", "FR", 4) +
                    PlaysOf("a", "IT") + "x\tu\ta\tNO\t29999\nx\tu\ta\tES\t29999\n",
                "a\tann\t5000\na\tbob\t5000\n", "DE\t7\nNO\t8\nSE\t10\n");
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), ElementsAre("ann\ta\tSE\t2\t5", "bob\ta\tSE\t2\t5"));
  // Of NO there are only plays that are too short, as of ES, which has no pool either.
  EXPECT_EQ(result.Counter("plays_without_pool"), 8u);
  EXPECT_EQ(result.Counter("pools_without_plays"), 2u);
  EXPECT_DETERMINISTIC(run);
}

TEST(RoyaltiesTest, OrdersByHolderTrackCountry) {
  std::vector<std::string> rows =
      Royalties(PlaysOf("b", "SE") + PlaysOf("a", "SE") + PlaysOf("a", "S") + PlaysOf("\\t", "SE"),
                "a\tx\t10000\nb\tX\t5000\nb\tx\t5000\n", "S\t0\nSE\t0\n")
          .Run()
          .Rows();
  EXPECT_THAT(rows, ElementsAre("?\t\\t\tSE\t1\t0", "X\tb\tSE\t1\t0", "x\ta\tS\t1\t0",
                                "x\ta\tSE\t1\t0", "x\tb\tSE\t1\t0"));
}

TEST(RoyaltiesTest, EndsWhereRightsDoNotSumToTheWhole) {
  for (const char* const rights :
       {"a\tann\t9999\n", "a\tann\t10001\n", "a\tann\t0\n", "a\tann\t5000\na\tbob\t4999\n",
        "a\tann\t5000\na\tbob\t5001\n",
        "a\tann\t9223372036854775807\na\tbob\t9223372036854775807\na\tcat\t10002\n"}) {
    // Also of a track that nobody plays.
    for (const char* const track : {"a", "b"}) {
      const TestRun run = Royalties(PlaysOf(track, "SE"), rights, "SE\t10\n");
      const TestResult result = run.Run();
      EXPECT_EQ(result.status.code(), StatusCode::kBadData) << rights;
      EXPECT_THAT(result.status.message(), HasSubstr("the rights of track a sum to"));
      EXPECT_EQ(TestRun(run).MaxRejects(100).Run().status.code(), StatusCode::kBadData);
    }
  }
}

TEST(RoyaltiesTest, EndsWhereAHolderHasATrackTwice) {
  for (const char* const rights : {"a\tann\t5000\na\tann\t5000\n", "a\tann\t10000\na\tann\t0\n",
                                   "a\tann\t5000\na\tbob\t5000\na\tann\t5000\n"}) {
    const TestRun run = Royalties(PlaysOf("a", "SE"), rights, "SE\t10\n").MaxRejects(100);
    EXPECT_EQ(run.Run().status.code(), StatusCode::kBadData) << rights;
    EXPECT_THAT(run.Run().status.message(), HasSubstr("two rights of the holder ann"));
    EXPECT_DETERMINISTIC(run);
  }
}

// Whatever the tasks do at once, the error is that of the first track.
TEST(RoyaltiesTest, NamesTheFirstTrackThatIsWrong) {
  std::string rights;
  for (int i = 999; i >= 100; --i) {
    rights += "t" + std::to_string(i) + "\tann\t" + (i >= 300 && i % 7 == 0 ? "1" : "10000") + "\n";
  }
  const TestRun run = Royalties("", rights, "");
  EXPECT_THAT(run.Run().status.message(), HasSubstr("the rights of track t301 sum to 1 "));
  EXPECT_DETERMINISTIC(run);
}

TEST(RoyaltiesTest, RejectsTheSecondOfAPoolWithItsPlace) {
  const TestRun run = Royalties(PlaysOf("a", "SE"), "", "")
                          .Shards("pools", {"DE\t1\nSE\t10\n", "SE\t20\nSE\t10\n"})
                          .MaxRejects(2);
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), ElementsAre("?\ta\tSE\t1\t10"));
  EXPECT_THAT(result.rejects, ElementsAre(TestReject{"pools", 1, 0, kTwice, "SE\t20"},
                                          TestReject{"pools", 1, 6, kTwice, "SE\t10"}));
  EXPECT_EQ(TestRun(run).MaxRejects(1).Run().status.code(), StatusCode::kBadData);
  EXPECT_DETERMINISTIC(run);
}

TEST(RoyaltiesTest, RejectsNegativeAmounts) {
  const TestResult result = Royalties(PlaysOf("a", "SE") + PlaysOf("a", "DE"),
                                      "a\tann\t-1\na\tbob\t10000\n", "SE\t-5\nDE\t7\nSE\t6\n")
                                .MaxRejects(2)
                                .Run();
  EXPECT_THAT(result.Rows(), ElementsAre("bob\ta\tDE\t1\t7", "bob\ta\tSE\t1\t6"));
  EXPECT_THAT(result.rejects,
              ElementsAre(TestReject{"rights", 0, 0, "basis_points is negative", "a\tann\t-1"},
                          TestReject{"pools", 0, 0, "amount_micros is negative", "SE\t-5"}));
}

// `plays` is read for two stages; a line that can't be parsed is still one reject.
TEST(RoyaltiesTest, RejectsABadPlayOnce) {
  const TestResult result =
      Royalties(PlaysOf("a", "SE") +
                    "x\tu\t\\N\tSE\t30000\nx\tu\ta\t\\N\t30000\nx\tu\ta\tSE\t\\N\n" +
                    "x\tu\ta\tSE\n\n" + "x\tu\ta\tSE\t1e5\n",
                "", "SE\t10\n")
          .MaxRejects(6)
          .Run();
  EXPECT_THAT(result.Rows(), ElementsAre("?\ta\tSE\t1\t10"));
  EXPECT_THAT(
      ReasonsOf(result),
      ElementsAre("track is NULL", "country is NULL", "ms_played is NULL",
                  "ms_played is missing: the line has 4 fields",
                  "track is missing: the line has 1 field", "ms_played is not an integer: '1e5'"));
  EXPECT_EQ(result.records_in, 7u + 1u);
}

TEST(RoyaltiesTest, RejectsRightsAndPoolsThatAreNone) {
  const TestResult result =
      Royalties(PlaysOf("a", "SE"), "\\N\tann\t10000\nb\t\\N\t10000\nb\tann\t\\N\nb\tann\n",
                "\\N\t1\nSE\t1.5\nSE\n")
          .MaxRejects(7)
          .Run();
  EXPECT_EQ(result.Text(), "");
  EXPECT_THAT(result.rejects, SizeIs(7));
  EXPECT_EQ(result.Counter("plays_without_pool"), 1u);
}

TEST(RoyaltiesTest, ReadsAndWritesEscapes) {
  EXPECT_THAT(Royalties(PlaysOf("a\\011\\\\", "S\\x45"), "a\\t\\x5c\tA\\nn\t10000\n", "SE\t\\067\n")
                  .Run()
                  .Rows(),
              ElementsAre("A\\nn\ta\\t\\\\\tSE\t1\t7"));
}

TEST(RoyaltiesTest, HasAnEmptyOutputForEmptyInputs) {
  EXPECT_EQ(Royalties("", "", "").Run().Text(), "");
  EXPECT_EQ(TestRun("royalties")
                .Shards("plays", {})
                .Shards("rights", {})
                .Shards("pools", {})
                .Run()
                .Text(),
            "");
  EXPECT_EQ(Royalties("", "a\tann\t10000\n", "SE\t1\nDE\t1\n").Run().Counter("pools_without_plays"),
            2u);
  EXPECT_EQ(Royalties(PlaysOf("a", "SE"), "", "").Run().Text(), "");
}

TEST(RoyaltiesTest, BearsThatAllRecordsAreRejected) {
  const TestRun run = Royalties("x\n", "x\n", "x\n");
  EXPECT_EQ(run.Run().status.code(), StatusCode::kBadData);
  const TestResult result = TestRun(run).MaxRejects(3).Run();
  EXPECT_EQ(result.Text(), "");
  EXPECT_THAT(ReasonsOf(result), Each(HasSubstr("the line has 1 field")));
}

TEST(RoyaltiesTest, PaysAllToOneHolderOfEverything) {
  std::string plays, rights;
  for (int track = 0; track < 300; ++track) {
    plays += PlaysOf("t" + std::to_string(track), "SE", 1 + track % 3);
    rights += "t" + std::to_string(track) + "\tann\t10000\n";
  }
  const TestRun run = Royalties(plays, rights, "SE\t9223372036854775807\n");
  EXPECT_THAT(run.Run().Rows(), SizeIs(300));
  EXPECT_THAT(PaidByCountry(run.Run()),
              ElementsAre(std::pair("SE", std::int64_t{9223372036854775807})));
  EXPECT_DETERMINISTIC(run);
}

TEST(RoyaltiesTest, MovesColumnsOfOneInput) {
  const TestRun moved = Royalties("SE\ta\t30000\n", "10000\ta\tann\n", "7\tSE\n")
                            .Param("plays.country", "1")
                            .Param("plays.track", "2")
                            .Param("ms_played", "3")
                            .Param("basis_points", "1")
                            .Param("rights.track", "2")
                            .Param("holder", "3")
                            .Param("amount_micros", "1")
                            .Param("pools.country", "2");
  EXPECT_THAT(moved.Run().Rows(), ElementsAre("ann\ta\tSE\t1\t7"));
  EXPECT_EQ(TestRun(moved).Param("track", "2").Run().status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(TestRun(moved).Param("min_ms", "x").Run().status.code(), StatusCode::kInvalidArgument);
}

// What a test pays out: plays by day, all tracks' rights, some countries' pools.
struct Books {
  std::vector<std::vector<std::pair<std::string, std::string>>> days;  // (track, country) of plays.
  std::map<std::string, std::map<std::string, std::int64_t>> rights;   // By track and holder.
  std::map<std::string, std::int64_t> pools;
};

std::string CountryOf(std::uint64_t number) { return "c" + std::to_string(number); }

Books AnyBooks(Random& random) {
  Books books;
  const std::uint64_t tracks = 1 + random.Uniform(12), countries = 1 + random.Uniform(5);
  books.days.resize(1 + random.Uniform(4));
  for (auto& day : books.days) {
    for (std::uint64_t n = random.Uniform(120); n > 0; --n) {
      day.emplace_back("t" + std::to_string(random.Uniform(tracks)),
                       CountryOf(random.Uniform(countries)));
    }
  }
  for (std::uint64_t track = 0; track < tracks; ++track) {
    if (random.Uniform(5) == 0) continue;
    std::int64_t left = 10'000;
    std::map<std::string, std::int64_t>& holders = books.rights["t" + std::to_string(track)];
    for (std::uint64_t n = random.Uniform(4); n > 0; --n) {
      const auto points =
          static_cast<std::int64_t>(random.Uniform(static_cast<std::uint64_t>(left) + 1));
      if (holders.try_emplace("h" + std::to_string(random.Uniform(6)), points).second)
        left -= points;
    }
    holders["h" + std::to_string(6 + random.Uniform(2))] = left;
  }
  for (std::uint64_t country = 0; country < 6; ++country) {
    if (random.Uniform(5) == 0) continue;
    // Of all sizes.
    books.pools[CountryOf(country)] =
        static_cast<std::int64_t>(random.Next() >> (1 + random.Uniform(63)));
  }
  return books;
}

TestRun RunOf(const Books& books) {
  std::vector<std::string> days;
  for (const auto& day : books.days) {
    std::string& lines = days.emplace_back();
    for (const auto& [track, country] : day) lines += PlaysOf(track, country);
  }
  std::string rights, pools;
  for (const auto& [track, holders] : books.rights) {
    for (const auto& [holder, points] : holders)
      rights += track + "\t" + holder + "\t" + std::to_string(points) + "\n";
  }
  for (const auto& [country, amount] : books.pools)
    pools += country + "\t" + std::to_string(amount) + "\n";
  return TestRun("royalties").Shards("plays", days).Input("rights", rights).Input("pools", pools);
}

// Country by country, over sorted rows.
std::string OracleRoyalties(const Books& books) {
  using Wide = unsigned __int128;
  std::map<std::string, std::map<std::string, std::int64_t>> streams;  // By country and track.
  for (const auto& day : books.days) {
    for (const auto& [track, country] : day) ++streams[country][track];
  }
  std::map<std::tuple<std::string, std::string, std::string>, std::pair<std::int64_t, std::int64_t>>
      rows;
  for (const auto& [country, tracks] : streams) {
    const auto pool = books.pools.find(country);
    if (pool == books.pools.end()) continue;
    std::map<std::pair<std::string, std::string>, Wide> weights;  // By holder and track.
    Wide all = 0;
    for (const auto& [track, count] : tracks) {
      const auto found = books.rights.find(track);
      const std::map<std::string, std::int64_t> holders =
          found == books.rights.end() ? std::map<std::string, std::int64_t>{{"?", 10'000}}
                                      : found->second;
      for (const auto& [holder, points] : holders) {
        weights[{holder, track}] = Wide(count) * Wide(points);
        all += Wide(count) * Wide(points);
      }
    }
    std::vector<std::tuple<Wide, std::string, std::string>> by_remainder;
    std::int64_t left = pool->second;
    for (const auto& [key, weight] : weights) {
      const auto amount = static_cast<std::int64_t>(Wide(pool->second) * weight / all);
      rows[{key.first, key.second, country}] = {tracks.at(key.second), amount};
      by_remainder.emplace_back(all - Wide(pool->second) * weight % all, key.first, key.second);
      left -= amount;
    }
    std::sort(by_remainder.begin(), by_remainder.end());
    for (std::size_t i = 0; i < static_cast<std::size_t>(left); ++i) {
      const auto& [remainder, holder, track] = by_remainder[i];
      ++rows[{holder, track, country}].second;
    }
  }
  RowBuffer text;
  for (const auto& [key, value] : rows) AppendTsvRow(text, key, value);
  return std::string(text.view());
}

TEST(RoyaltiesTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 60; ++i) {
    const Books books = AnyBooks(random);
    const TestRun run = RunOf(books);
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), OracleRoyalties(books));
    if (i % 20 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

TEST(RoyaltiesTest, PaysEachPoolWithPlaysToTheLastMicro) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed() + 1);
  for (int i = 0; i < 60; ++i) {
    const Books books = AnyBooks(random);
    std::map<std::string, std::int64_t> wanted;
    for (const auto& day : books.days) {
      for (const auto& [track, country] : day) {
        if (books.pools.contains(country)) wanted[country] = books.pools.at(country);
      }
    }
    const TestResult result = RunOf(books).Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(PaidByCountry(result), wanted);
    ASSERT_EQ(result.Counter("pools_without_plays"), books.pools.size() - wanted.size());
  }
}

TEST(RoyaltiesTest, ChangesOnlyTheRowsOfTheCountriesOfACorrectedDay) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed() + 2);
  int rows_kept = 0, rows_changed = 0;
  for (int i = 0; i < 40; ++i) {
    const Books books = AnyBooks(random);
    Books corrected = books;
    const std::set<std::string> concerned = {CountryOf(random.Uniform(3)),
                                             CountryOf(random.Uniform(3))};
    // That day, each of their plays is away, double, or one of another track.
    auto& day = corrected.days[random.Uniform(corrected.days.size())];
    std::vector<std::pair<std::string, std::string>> plays;
    for (const auto& play : day) {
      const std::uint64_t what = concerned.contains(play.second) ? random.Uniform(4) : 3;
      if (what == 1) plays.insert(plays.end(), 2, play);
      if (what == 2) plays.emplace_back("t0", play.second);
      if (what == 3) plays.push_back(play);
    }
    day = plays;
    const auto rows_of_others = [&](const TestResult& result) {
      std::vector<std::string> rows;
      for (const std::string& row : result.Rows()) {
        if (!concerned.contains(ColumnsOf(row)[2])) rows.push_back(row);
      }
      return rows;
    };
    const TestResult before = RunOf(books).Run(), after = RunOf(corrected).Run();
    ASSERT_TRUE(before.ok() && after.ok());
    ASSERT_EQ(rows_of_others(after), rows_of_others(before));
    rows_kept += static_cast<int>(rows_of_others(before).size());
    rows_changed += before.Text() != after.Text() ? 1 : 0;
  }
  EXPECT_GT(rows_kept, 100);  // The test has seen both.
  EXPECT_GT(rows_changed, 10);
}

TEST(RoyaltiesTest, DoesNotDependOnTheOrderOfShardsOrLines) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed() + 3);
  const auto shuffle = [&random](auto& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[random.Uniform(i)]);
  };
  for (int i = 0; i < 40; ++i) {
    Books books = AnyBooks(random);
    const TestResult wanted = RunOf(books).Run();
    ASSERT_TRUE(wanted.ok());
    shuffle(books.days);
    for (auto& day : books.days) shuffle(day);
    const TestResult got = RunOf(books).Run();
    ASSERT_EQ(got.Text(), wanted.Text());
    ASSERT_EQ(got.counters, wanted.counters);
  }
}

}  // namespace
}  // namespace millrace
