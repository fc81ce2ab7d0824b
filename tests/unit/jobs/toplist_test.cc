// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
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

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using std::string_literals::operator""s;

// A play that is long enough.
std::string PlayOf(const std::string& user, const std::string& track, const std::string& country) {
  return "2026-11-21T09:00:00Z\t" + user + "\t" + track + "\t" + country + "\t30000\n";
}

TestRun TopList(const std::string& plays) { return TestRun("toplist").Input("plays", plays); }

TEST(TopListTest, RanksTheTracksOfEachCountryAndOfTheWorld) {
  const std::string plays = PlayOf("u1", "a", "SE") + PlayOf("u2", "b", "SE") +
                            PlayOf("u1", "b", "SE") + PlayOf("u3", "a", "DE") +
                            PlayOf("u3", "a", "DE");
  EXPECT_THAT(TopList(plays).Run().Rows(),
              ElementsAre("*\t1\ta\t3", "*\t2\tb\t2", "DE\t1\ta\t2", "SE\t1\tb\t2", "SE\t2\ta\t1"));
}

TEST(TopListTest, OrdersByCountryWithTheWorldAmongThem) {
  const std::string plays = PlayOf("u", "t", "SE") + PlayOf("u", "t", "!") + PlayOf("u", "t", "") +
                            PlayOf("u", "t", "**") + PlayOf("u", "t", "\xc3\x85") +
                            PlayOf("u", "t", "S");
  EXPECT_THAT(TopList(plays).Run().Rows(),
              ElementsAre("\t1\tt\t1", "!\t1\tt\t1", "*\t1\tt\t6", "**\t1\tt\t1", "S\t1\tt\t1",
                          "SE\t1\tt\t1", "\xc3\x85\t1\tt\t1"));
}

TEST(TopListTest, BreaksTiesByTrack) {
  std::string plays;
  for (const char* const track : {"b", "\\\\", "a\\001", "ab", "a", "B"}) {
    plays += PlayOf("u", track, "SE");
  }
  // Bytewise, unescaped: the backslash stands between B and a.
  EXPECT_THAT(TopList(plays).Param("k", "6").Run().Rows(),
              ElementsAre("*\t1\tB\t1", "*\t2\t\\\\\t1", "*\t3\ta\t1", "*\t4\ta\x01\t1",
                          "*\t5\tab\t1", "*\t6\tb\t1", "SE\t1\tB\t1", "SE\t2\t\\\\\t1",
                          "SE\t3\ta\t1", "SE\t4\ta\x01\t1", "SE\t5\tab\t1", "SE\t6\tb\t1"));
}

TEST(TopListTest, GivesTheFirstKAndAHundredByDefault) {
  std::string plays;
  for (int track = 0; track < 250; ++track) {
    plays += PlayOf("u", "t" + std::to_string(1000 + track), "SE");
  }
  plays += PlayOf("u", "t1003", "SE");
  EXPECT_THAT(
      TopList(plays).Param("k", "2").Run().Rows(),
      ElementsAre("*\t1\tt1003\t2", "*\t2\tt1000\t1", "SE\t1\tt1003\t2", "SE\t2\tt1000\t1"));
  EXPECT_THAT(TopList(plays).Run().Rows(), SizeIs(200));
  EXPECT_THAT(TopList(plays).Param("k", "1000").Run().Rows(), SizeIs(500));
  EXPECT_THAT(TopList(plays).Param("k", "0").Run().Rows(), SizeIs(500));
  EXPECT_EQ(TopList(plays).Param("k", "-1").Run().status.code(), StatusCode::kInvalidArgument);
}

TEST(TopListTest, CountsPlaysOfMinMsAndMore) {
  const std::string plays =
      "x\tu\ta\tSE\t30000\nx\tu\tb\tSE\t29999\nx\tu\tc\tSE\t-1\nx\tu\td\tSE\t9223372036854775807\n"
      "x\tu\te\tSE\t-9223372036854775808\nx\tu\tf\tSE\t0030001\n";
  EXPECT_THAT(TopList(plays).Run().Rows(),
              ElementsAre("*\t1\ta\t1", "*\t2\td\t1", "*\t3\tf\t1", "SE\t1\ta\t1", "SE\t2\td\t1",
                          "SE\t3\tf\t1"));
  EXPECT_THAT(TopList(plays).Param("min_ms", "9223372036854775807").Run().Rows(),
              ElementsAre("*\t1\td\t1", "SE\t1\td\t1"));
  EXPECT_THAT(TopList(plays).Param("min_ms", "-1").Run().Rows(), SizeIs(2 * 5));
}

TEST(TopListTest, DoesNotReadMsPlayedWithMinMs0) {
  const std::string plays = "x\tu\ta\tSE\nx\tu\ta\tSE\tnever\nx\tu\ta\tSE\t\\N\nx\tu\ta\tSE\t-5\n";
  EXPECT_THAT(TopList(plays).Param("min_ms", "0").Run().Rows(),
              ElementsAre("*\t1\ta\t4", "SE\t1\ta\t4"));
  EXPECT_THAT(ReasonsOf(TopList(plays).MaxRejects(3).Run()),
              ElementsAre("ms_played is missing: the line has 4 fields",
                          "ms_played is not an integer: 'never'", "ms_played is NULL"));
}

TEST(TopListTest, DoesNotReadTheUserWhereItCountsPlays) {
  const std::string plays = PlayOf("\\N", "a", "SE") + PlayOf("", "a", "SE");
  EXPECT_THAT(TopList(plays).Run().Rows(), ElementsAre("*\t1\ta\t2", "SE\t1\ta\t2"));
  EXPECT_THAT(ReasonsOf(TopList(plays).Param("by", "listeners").MaxRejects(1).Run()),
              ElementsAre("user is NULL"));
}

TEST(TopListTest, NeverReadsTheTimestamp) {
  EXPECT_THAT(TopList("no date\tu\ta\tSE\t30000\n\\N\tu\ta\tSE\t30000\n").Run().Rows(),
              ElementsAre("*\t1\ta\t2", "SE\t1\ta\t2"));
}

TEST(TopListTest, RejectsWhatIsNoInt64) {
  std::string plays;
  for (const char* const ms : {"9223372036854775808", "-9223372036854775809", "+30000", "30000.0",
                               " 30000", "30000 ", "", "-", "1e6", "\\0630000x", "0x10"}) {
    plays += "x\tu\ta\tSE\t" + std::string(ms) + "\n";
  }
  plays += "x\tu\ta\tSE\t\\063\\x30000\n";  // 30000, escaped.
  const TestResult result = TopList(plays).MaxRejects(11).Run();
  EXPECT_THAT(result.rejects, SizeIs(11));
  EXPECT_THAT(result.Rows(), ElementsAre("*\t1\ta\t1", "SE\t1\ta\t1"));
}

TEST(TopListTest, RejectsTooFewFieldsAndIgnoresFurtherOnes) {
  const TestResult result =
      TopList("x\tu\ta\n\nx\tu\ta\tSE\t30000\tmore\tand more\n").MaxRejects(2).Run();
  EXPECT_THAT(result.Rows(), ElementsAre("*\t1\ta\t1", "SE\t1\ta\t1"));
  EXPECT_THAT(ReasonsOf(result), ElementsAre("country is missing: the line has 3 fields",
                                             "track is missing: the line has 1 field"));
}

TEST(TopListTest, RejectsNulls) {
  const TestResult result =
      TopList(PlayOf("u", "\\N", "SE") + PlayOf("u", "a", "\\N")).MaxRejects(2).Run();
  EXPECT_THAT(result.Rows(), IsEmpty());
  EXPECT_THAT(ReasonsOf(result), ElementsAre("track is NULL", "country is NULL"));
}

TEST(TopListTest, RejectsACountryThatIsTheWorlds) {
  const std::string plays = PlayOf("u", "a", "*") + PlayOf("u", "a", "\\x2a") + "x\tu\ta\t*\t1\n" +
                            PlayOf("u", "a", "\\*");  // Too short is no excuse.
  for (const char* const by : {"plays", "listeners"}) {
    const TestResult result = TopList(plays).Param("by", by).MaxRejects(4).Run();
    EXPECT_THAT(result.Rows(), IsEmpty());
    EXPECT_THAT(ReasonsOf(result), testing::Each(HasSubstr("country is '*'")));
    EXPECT_THAT(result.rejects, SizeIs(4));
  }
}

TEST(TopListTest, ReadsAndWritesEscapes) {
  const std::string plays = PlayOf("u", "a\\tb\\\\c\\nd", "\\123E") +
                            PlayOf("u", "a\\011b\\x5cc\\x0Ad", "SE") + PlayOf("u", "\\q\\v", "SE");
  EXPECT_THAT(TopList(plays).Run().Rows(),
              ElementsAre("*\t1\ta\\tb\\\\c\\nd\t2", "*\t2\tq\\v\t1", "SE\t1\ta\\tb\\\\c\\nd\t2",
                          "SE\t2\tq\\v\t1"));
}

TEST(TopListTest, TakesCrAsData) {
  const TestResult result =
      TopList("x\tu\ta\r\tSE\r\t30000\nx\tu\ta\tSE\t30000\r\n").MaxRejects(1).Run();
  EXPECT_THAT(result.Rows(), ElementsAre("*\t1\ta\\r\t1", "SE\\r\t1\ta\\r\t1"));
  EXPECT_THAT(ReasonsOf(result), ElementsAre(HasSubstr("ms_played is not an integer")));
}

TEST(TopListTest, ReadsALastLineWithoutLf) {
  EXPECT_THAT(TopList("x\tu\ta\tSE\t30000").Run().Rows(), ElementsAre("*\t1\ta\t1", "SE\t1\ta\t1"));
  EXPECT_EQ(TopList("x\tu\ta\tSE\t30000").Run().Text().back(), '\n');
}

TEST(TopListTest, DoesNotDeduplicate) {
  const std::string play = PlayOf("u", "a", "SE");
  EXPECT_THAT(TopList(play + play + play).Run().Rows(), ElementsAre("*\t1\ta\t3", "SE\t1\ta\t3"));
}

TEST(TopListTest, CountsListenersOncePerCountryAndOnceInTheWorld) {
  const std::string plays = PlayOf("u1", "a", "SE") + PlayOf("u1", "a", "SE") +
                            PlayOf("u1", "a", "DE") + PlayOf("u2", "a", "SE") +
                            PlayOf("u2", "b", "DE") + PlayOf("u2", "b", "FR") +
                            "x\tu3\tb\tDE\t29999\n";
  EXPECT_THAT(TopList(plays).Param("by", "listeners").Run().Rows(),
              ElementsAre("*\t1\ta\t2", "*\t2\tb\t1", "DE\t1\ta\t1", "DE\t2\tb\t1", "FR\t1\tb\t1",
                          "SE\t1\ta\t2"));
}

// The boundaries between the parts of a key must not be mistaken for its text.
TEST(TopListTest, TellsListenersAndTracksApart) {
  const std::string plays = PlayOf("a\\000b", "t", "SE") + PlayOf("a", "t", "SE") +
                            PlayOf("", "t", "SE") + PlayOf("", "t\\000", "SE") +
                            PlayOf("\\001", "t", "SE");
  EXPECT_THAT(TopList(plays).Param("by", "listeners").Run().Rows(),
              ElementsAre("*\t1\tt\t4", "*\t2\tt\0\t1"s, "SE\t1\tt\t4", "SE\t2\tt\0\t1"s));
}

TEST(TopListTest, MovesColumns) {
  const TestRun moved = TopList("SE\ta\t30000\tu1\nSE\ta\t30000\tu2\n")
                            .Param("country", "1")
                            .Param("track", "2")
                            .Param("plays.ms_played", "3")
                            .Param("user", "4");
  EXPECT_THAT(moved.Run().Rows(), ElementsAre("*\t1\ta\t2", "SE\t1\ta\t2"));
  EXPECT_THAT(TestRun(moved).Param("by", "listeners").Run().Rows(),
              ElementsAre("*\t1\ta\t2", "SE\t1\ta\t2"));
  EXPECT_EQ(TestRun(moved).Param("track", "0").Run().status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(TestRun(moved).Param("tracks", "1").Run().status.code(), StatusCode::kInvalidArgument);
}

// Who moves all columns may do so, also of those that are not read.
TEST(TopListTest, TakesThePlaceOfAColumnThatIsNotRead) {
  EXPECT_THAT(TopList("SE\ta\n")
                  .Param("country", "1")
                  .Param("track", "2")
                  .Param("ms_played", "9")
                  .Param("user", "8")
                  .Param("timestamp", "7")
                  .Param("min_ms", "0")
                  .Run()
                  .Rows(),
              ElementsAre("*\t1\ta\t1", "SE\t1\ta\t1"));
}

TEST(TopListTest, RefusesWhatByIsNot) {
  EXPECT_EQ(TopList("").Param("by", "users").Run().status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(TopList("").Param("min_ms", "1.5").Run().status.code(), StatusCode::kInvalidArgument);
}

TEST(TopListTest, HasAnEmptyOutputForNoPlays) {
  for (const char* const by : {"plays", "listeners"}) {
    EXPECT_EQ(TopList("").Param("by", by).Run().Text(), "");
  }
}

// A play as the oracle knows it; nullopt is NULL.
struct OraclePlay {
  std::optional<std::string> user, track, country, ms;
};

struct OracleSettings {
  std::size_t k = 100;
  std::int64_t min_ms = 30'000;
  bool by_listeners = false;
};

// Maps and sets of strings, one play after the other.
std::string OracleTopList(const std::vector<OraclePlay>& plays, const OracleSettings& settings,
                          std::uint64_t* rejects) {
  std::map<std::pair<std::string, std::string>, std::int64_t> counts;
  std::map<std::pair<std::string, std::string>, std::set<std::string>> listeners;
  for (const OraclePlay& play : plays) {
    std::int64_t ms = 0;
    bool is_bad = !play.track || !play.country || *play.country == "*" ||
                  (settings.by_listeners && !play.user);
    if (settings.min_ms != 0) {
      is_bad = is_bad || !play.ms || play.ms->empty() ||
               play.ms->find_first_not_of("0123456789") != std::string::npos;
      if (!is_bad) ms = std::stoll(*play.ms);
    }
    if (is_bad) ++*rejects;
    if (is_bad || (settings.min_ms != 0 && ms < settings.min_ms)) continue;
    for (const std::string& country : {*play.country, "*"s}) {
      ++counts[{country, *play.track}];
      if (settings.by_listeners) listeners[{country, *play.track}].insert(*play.user);
    }
  }
  std::map<std::string, std::vector<std::pair<std::int64_t, std::string>>> countries;
  for (const auto& [key, count] : counts) {
    const std::int64_t n =
        settings.by_listeners ? static_cast<std::int64_t>(listeners[key].size()) : count;
    countries[key.first].emplace_back(-n, key.second);
  }
  RowBuffer rows;
  for (auto& [country, tracks] : countries) {
    std::sort(tracks.begin(), tracks.end());
    if (settings.k > 0 && tracks.size() > settings.k) tracks.resize(settings.k);
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      AppendTsvRow(rows, std::tuple(country, i + 1),
                   std::tuple(tracks[i].second, -tracks[i].first));
    }
  }
  return std::string(rows.view());
}

std::optional<std::string> AnyText(Random& random, std::uint64_t count) {
  static constexpr std::string_view kSuffixes[] = {"",     "",
                                                   "",     "\t",
                                                   "\\",   std::string_view("\0", 1),
                                                   "\1",   "\n",
                                                   "\xff", " long enough for a large cell"};
  if (random.Uniform(60) == 0) return std::nullopt;
  if (random.Uniform(40) == 0) return "";
  return "x" + std::to_string(random.Uniform(count)) + std::string(kSuffixes[random.Uniform(10)]);
}

OraclePlay AnyPlay(Random& random) {
  OraclePlay play{AnyText(random, 6), AnyText(random, 12), AnyText(random, 3),
                  std::to_string(random.Uniform(60'000))};
  if (random.Uniform(50) == 0) play.country = "*";
  if (random.Uniform(50) == 0) play.ms = std::nullopt;
  if (random.Uniform(50) == 0) play.ms = "12x";
  return play;
}

std::string AsLine(const OraclePlay& play) {
  RowBuffer line;
  AppendTsvRow(line, std::tuple("2026-11-21"s, play.user, play.track),
               std::tuple(play.country, play.ms));
  return std::string(line.view());
}

TEST(TopListTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 60; ++i) {
    std::vector<OraclePlay> plays;
    std::vector<std::string> shards(1 + random.Uniform(3));
    for (std::uint64_t n = random.Uniform(400); n > 0; --n) {
      plays.push_back(AnyPlay(random));
      shards[random.Uniform(shards.size())] += AsLine(plays.back());
    }
    OracleSettings settings;
    settings.k = random.Uniform(6);
    settings.min_ms = random.Uniform(3) == 0 ? 0 : 20'000;
    settings.by_listeners = random.Uniform(2) == 0;
    const TestRun run = TestRun("toplist")
                            .Shards("plays", shards)
                            .Param("k", std::to_string(settings.k))
                            .Param("min_ms", std::to_string(settings.min_ms))
                            .Param("by", settings.by_listeners ? "listeners" : "plays")
                            .MaxRejects(1000);
    std::uint64_t rejects = 0;
    const std::string wanted = OracleTopList(plays, settings, &rejects);
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), wanted);
    ASSERT_EQ(result.rejects.size(), rejects);
    ASSERT_EQ(result.records_in, plays.size());
    if (i % 6 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

}  // namespace
}  // namespace millrace
