// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
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

std::string PlaysOf(const std::string& user, const std::string& track, int count = 1) {
  std::string plays;
  for (int i = 0; i < count; ++i) plays += "2026-11-21T09:00:00Z\t" + user + "\t" + track + "\n";
  return plays;
}

// `other` stands among the neighbours of `track`. Rank and count are not read.
std::string NeighbourOf(const std::string& track, const std::string& other,
                        const std::string& score) {
  return track + "\t?\t" + other + "\t\\N\t" + score + "\n";
}

TestRun Recommend(const std::string& plays, const std::string& neighbours) {
  return TestRun("recommend").Input("plays", plays).Input("neighbours", neighbours);
}

TEST(RecommendTest, AddsTheScoresOfTheBasketAmongACandidatesNeighbours) {
  const std::string neighbours = NeighbourOf("x", "a", "10") + NeighbourOf("x", "b", "5") +
                                 NeighbourOf("x", "c", "100") + NeighbourOf("y", "b", "12");
  EXPECT_THAT(Recommend(PlaysOf("ann", "a") + PlaysOf("ann", "b") + PlaysOf("bob", "b"), neighbours)
                  .Run()
                  .Rows(),
              ElementsAre("ann\t1\tx\t15", "ann\t2\ty\t12", "bob\t1\ty\t12", "bob\t2\tx\t5"));
}

// The candidate is the row's track: its neighbours are looked at, not those of what was played.
TEST(RecommendTest, GoesFromOtherToTrackAndNotBack) {
  EXPECT_THAT(Recommend(PlaysOf("ann", "x"), NeighbourOf("x", "a", "10")).Run().Rows(), IsEmpty());
  EXPECT_THAT(Recommend(PlaysOf("ann", "a"), NeighbourOf("x", "a", "10")).Run().Rows(),
              ElementsAre("ann\t1\tx\t10"));
}

TEST(RecommendTest, TakesAUsersMostPlayedTracksForTheBasket) {
  const std::string plays = PlaysOf("ann", "b", 2) + PlaysOf("ann", "a", 2) +
                            PlaysOf("ann", "d", 3) + PlaysOf("ann", "c", 1);
  const std::string neighbours = NeighbourOf("x", "a", "1") + NeighbourOf("x", "b", "2") +
                                 NeighbourOf("x", "c", "4") + NeighbourOf("x", "d", "8");
  const auto score = [&](const char* basket) {
    return Recommend(plays, neighbours).Param("basket", basket).Run().Rows();
  };
  EXPECT_THAT(score("1"), ElementsAre("ann\t1\tx\t8"));
  EXPECT_THAT(score("2"), ElementsAre("ann\t1\tx\t9"));  // Of a and b, a comes first.
  EXPECT_THAT(score("3"), ElementsAre("ann\t1\tx\t11"));
  EXPECT_THAT(score("4"), ElementsAre("ann\t1\tx\t15"));
  EXPECT_THAT(score("0"), ElementsAre("ann\t1\tx\t15"));
  std::string many;
  for (int track = 100; track < 160; ++track) {
    many += PlaysOf("bob", std::to_string(track));
  }
  std::string all;
  for (int track = 100; track < 160; ++track) all += NeighbourOf("x", std::to_string(track), "1");
  EXPECT_THAT(Recommend(many, all).Run().Rows(), ElementsAre("bob\t1\tx\t50"));
}

// Also what the cap keeps out of the basket.
TEST(RecommendTest, LeavesOutWhatTheUserHasEverPlayed) {
  const std::string neighbours = NeighbourOf("a", "b", "10") + NeighbourOf("b", "a", "10") +
                                 NeighbourOf("c", "a", "1") + NeighbourOf("a", "a", "3");
  EXPECT_THAT(
      Recommend(PlaysOf("ann", "a", 2) + PlaysOf("ann", "b") + PlaysOf("bob", "a"), neighbours)
          .Param("basket", "1")
          .Run()
          .Rows(),
      ElementsAre("ann\t1\tc\t1", "bob\t1\tb\t10", "bob\t2\tc\t1"));
}

TEST(RecommendTest, RanksByScoreThenByTrack) {
  std::string neighbours;
  for (const char* const track : {"b", "\\\\", "a\\001", "ab", "a", "B"}) {
    neighbours += NeighbourOf(track, "z", "7");
  }
  neighbours +=
      NeighbourOf("zz", "z", "8") + NeighbourOf("c", "z", "-1") + NeighbourOf("d", "z", "0");
  EXPECT_THAT(Recommend(PlaysOf("ann", "z"), neighbours).Run().Rows(),
              ElementsAre("ann\t1\tzz\t8", "ann\t2\tB\t7", "ann\t3\t\\\\\t7", "ann\t4\ta\t7",
                          "ann\t5\ta\x01\t7", "ann\t6\tab\t7", "ann\t7\tb\t7", "ann\t8\td\t0",
                          "ann\t9\tc\t-1"));
}

TEST(RecommendTest, GivesTheFirstKAndTenByDefault) {
  std::string neighbours;
  for (int track = 100; track < 130; ++track) {
    neighbours += NeighbourOf(std::to_string(track), "a", "1");
  }
  neighbours += NeighbourOf("105", "a", "1");
  const TestRun run = Recommend(PlaysOf("ann", "a"), neighbours);
  EXPECT_THAT(run.Run().Rows(), SizeIs(10));
  EXPECT_THAT(TestRun(run).Param("k", "2").Run().Rows(),
              ElementsAre("ann\t1\t105\t2", "ann\t2\t100\t1"));
  EXPECT_THAT(TestRun(run).Param("k", "0").Run().Rows(), SizeIs(30));
  EXPECT_THAT(TestRun(run).Param("k", "1000").Run().Rows(), SizeIs(30));
  EXPECT_EQ(TestRun(run).Param("k", "-1").Run().status.code(), StatusCode::kInvalidArgument);
}

TEST(RecommendTest, OrdersByUserThenRank) {
  std::string plays, neighbours;
  for (const char* const user : {"b", "", "\\t", "a", "ab"}) plays += PlaysOf(user, "z");
  for (int track = 100; track < 111; ++track) {
    neighbours += NeighbourOf(std::to_string(track), "z", "1");
  }
  const std::vector<std::string> rows = Recommend(plays, neighbours).Param("k", "11").Run().Rows();
  ASSERT_THAT(rows, SizeIs(55));
  EXPECT_EQ(rows[0], "\t1\t100\t1");
  EXPECT_EQ(rows[10], "\t11\t110\t1");  // By number, not by its digits.
  EXPECT_EQ(rows[11], "\\t\t1\t100\t1");
  EXPECT_EQ(rows[22], "a\t1\t100\t1");
  EXPECT_EQ(rows[33], "ab\t1\t100\t1");
  EXPECT_EQ(rows[44], "b\t1\t100\t1");
}

TEST(RecommendTest, HasNoRowForAUserWithoutCandidates) {
  EXPECT_THAT(
      Recommend(PlaysOf("ann", "q") + PlaysOf("bob", "a"), NeighbourOf("x", "a", "1")).Run().Rows(),
      ElementsAre("bob\t1\tx\t1"));
}

// Sums are of users alone: what one leaves must not be seen in the next one's.
TEST(RecommendTest, BeginsAnewForEachUser) {
  const std::string neighbours = NeighbourOf("x", "a", "1") + NeighbourOf("y", "b", "2");
  EXPECT_THAT(Recommend(PlaysOf("u1", "a") + PlaysOf("u1", "x") + PlaysOf("u2", "b") +
                            PlaysOf("u3", "a") + PlaysOf("u4", "y") + PlaysOf("u5", "b"),
                        neighbours)
                  .Run()
                  .Rows(),
              ElementsAre("u2\t1\ty\t2", "u3\t1\tx\t1", "u5\t1\ty\t2"));
}

TEST(RecommendTest, ReadsUserAndTrackOfPlaysAlone) {
  EXPECT_THAT(
      Recommend("never\tann\ta\t\\N\tx\n\\N\tbob\ta\n", NeighbourOf("x", "a", "1")).Run().Rows(),
      ElementsAre("ann\t1\tx\t1", "bob\t1\tx\t1"));
}

// `neighbours` is read for two stages; a row that can't be parsed is still one reject.
TEST(RecommendTest, RejectsABadRowOnce) {
  const std::string neighbours = NeighbourOf("x", "a", "1") + NeighbourOf("\\N", "a", "1") +
                                 NeighbourOf("y", "\\N", "1") + NeighbourOf("y", "a", "\\N") +
                                 NeighbourOf("y", "a", "0.5") + "y\t1\ta\n";
  const TestRun run =
      Recommend(PlaysOf("ann", "a") + PlaysOf("\\N", "a") + PlaysOf("ann", "\\N") + "x\tann\n",
                neighbours)
          .MaxRejects(8);
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), ElementsAre("ann\t1\tx\t1"));
  EXPECT_THAT(
      ReasonsOf(result),
      ElementsAre("user is NULL", "track is NULL", "track is missing: the line has 2 fields",
                  "track is NULL", "other is NULL", "score is NULL",
                  "score is not an integer: '0.5'", "score is missing: the line has 3 fields"));
  EXPECT_EQ(result.records_in, 4u + 6u);
  EXPECT_EQ(TestRun(run).MaxRejects(7).Run().status.code(), StatusCode::kBadData);
  EXPECT_DETERMINISTIC(run);
}

TEST(RecommendTest, EndsWhereAScoreIsBeyondInt64ButNotOnTheWayThere) {
  const std::string most = "9223372036854775807", least = "-9223372036854775808";
  const std::string plays = PlaysOf("ann", "a") + PlaysOf("ann", "b") + PlaysOf("ann", "c");
  const TestRun over = Recommend(plays, NeighbourOf("x", "a", most) + NeighbourOf("x", "b", "1"));
  EXPECT_EQ(over.Run().status.code(), StatusCode::kBadData);
  EXPECT_THAT(over.Run().status.message(), HasSubstr("of the track x for the user ann"));
  EXPECT_DETERMINISTIC(over);
  EXPECT_EQ(Recommend(plays, NeighbourOf("x", "a", least) + NeighbourOf("x", "b", "-1"))
                .Run()
                .status.code(),
            StatusCode::kBadData);
  EXPECT_EQ(Recommend(plays, NeighbourOf("x", "a", most) + NeighbourOf("x", "b", most) +
                                 NeighbourOf("x", "c", most))
                .Run()
                .status.code(),
            StatusCode::kBadData);
  EXPECT_THAT(Recommend(plays, NeighbourOf("x", "a", most) + NeighbourOf("x", "b", "1") +
                                   NeighbourOf("x", "c", least))
                  .Run()
                  .Rows(),
              ElementsAre("ann\t1\tx\t0"));
  // Nor for a track that is left out.
  EXPECT_THAT(Recommend(plays + PlaysOf("ann", "x"),
                        NeighbourOf("x", "a", most) + NeighbourOf("x", "b", "1"))
                  .Run()
                  .Rows(),
              IsEmpty());
}

TEST(RecommendTest, HasAnEmptyOutputForEmptyInputs) {
  EXPECT_EQ(Recommend("", "").Run().Text(), "");
  EXPECT_EQ(Recommend(PlaysOf("ann", "a"), "").Run().Text(), "");
  EXPECT_EQ(Recommend("", NeighbourOf("x", "a", "1")).Run().Text(), "");
  EXPECT_EQ(TestRun("recommend").Shards("plays", {}).Shards("neighbours", {}).Run().Text(), "");
}

TEST(RecommendTest, BearsThatAllRecordsAreRejected) {
  const TestRun run = Recommend("x\n", "x\n");
  EXPECT_EQ(run.Run().status.code(), StatusCode::kBadData);
  const TestResult result = TestRun(run).MaxRejects(2).Run();
  EXPECT_EQ(result.Text(), "");
  EXPECT_THAT(ReasonsOf(result), Each(HasSubstr("the line has 1 field")));
}

TEST(RecommendTest, BearsOneUserWithEverything) {
  std::string plays, neighbours;
  for (int track = 1000; track < 1400; ++track) {
    plays += PlaysOf("ann", std::to_string(track));
    neighbours += NeighbourOf(std::to_string(track), std::to_string(track - 1), "1");
  }
  const TestRun run = Recommend(plays, neighbours);
  EXPECT_EQ(run.Run().Text(), "");
  EXPECT_THAT(TestRun(run)
                  .Input("neighbours", neighbours + NeighbourOf("x", "1399", "2"))
                  .Param("basket", "0")
                  .Run()
                  .Rows(),
              ElementsAre("ann\t1\tx\t2"));
  EXPECT_DETERMINISTIC(run);
}

TEST(RecommendTest, MovesColumnsOfOneInput) {
  const TestRun moved = Recommend("a\tann\n", "7\tx\ta\n")
                            .Param("plays.track", "1")
                            .Param("score", "1")
                            .Param("neighbours.track", "2")
                            .Param("rank", "4");
  EXPECT_THAT(moved.Run().Rows(), ElementsAre("ann\t1\tx\t7"));
  EXPECT_EQ(TestRun(moved).Param("track", "1").Run().status.code(), StatusCode::kInvalidArgument);
}

TEST(RecommendTest, TakesWhatCooccurrenceWrites) {
  const std::string plays = PlaysOf("ann", "a") + PlaysOf("ann", "b") + PlaysOf("bob", "b") +
                            PlaysOf("bob", "c") + PlaysOf("cat", "c");
  const TestResult neighbours = TestRun("cooccurrence").Input("plays", plays).Run();
  // a and b: 10^6 / sqrt(1 * 2); b and c: 10^6 / sqrt(2 * 2).
  EXPECT_THAT(Recommend(plays, neighbours.Text()).Run().Rows(),
              ElementsAre("ann\t1\tc\t500000", "bob\t1\ta\t707106", "cat\t1\tb\t500000"));
}

struct OracleOptions {
  std::size_t k = 10, basket = 50;
};
struct OracleNeighbour {
  std::string track, other;
  std::int64_t score;
};

std::string OracleRecommend(const std::vector<std::pair<std::string, std::string>>& plays,
                            const std::vector<OracleNeighbour>& neighbours,
                            const OracleOptions& options) {
  std::map<std::string, std::map<std::string, std::int64_t>> users;
  for (const auto& [user, track] : plays) ++users[user][track];
  RowBuffer rows;
  for (const auto& [user, tracks] : users) {
    std::vector<std::pair<std::int64_t, std::string>> basket;
    for (const auto& [track, count] : tracks) basket.emplace_back(-count, track);
    std::sort(basket.begin(), basket.end());
    if (options.basket > 0 && basket.size() > options.basket) basket.resize(options.basket);
    std::map<std::string, std::int64_t> scores;
    for (const auto& [count, track] : basket) {
      for (const OracleNeighbour& row : neighbours) {
        if (row.other == track && !tracks.contains(row.track)) scores[row.track] += row.score;
      }
    }
    std::vector<std::pair<std::int64_t, std::string>> best;
    for (const auto& [track, score] : scores) best.emplace_back(-score, track);
    std::sort(best.begin(), best.end());
    if (options.k > 0 && best.size() > options.k) best.resize(options.k);
    for (std::size_t i = 0; i < best.size(); ++i) {
      AppendTsvRow(rows, std::tuple(user, i + 1), std::tuple(best[i].second, -best[i].first));
    }
  }
  return std::string(rows.view());
}

std::string AnyName(Random& random, const char* prefix, std::uint64_t count) {
  if (random.Uniform(30) == 0) return "";
  const std::string suffixes[] = {"", "", "", "", "\t", "\\", "\1", "\0"s};
  return prefix + std::to_string(random.Uniform(count)) + suffixes[random.Uniform(8)];
}

TEST(RecommendTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t users = 1 + random.Uniform(8), tracks = 1 + random.Uniform(10);
    std::vector<std::pair<std::string, std::string>> plays;
    std::vector<OracleNeighbour> neighbours;
    std::vector<std::string> play_shards(1 + random.Uniform(3)),
        neighbour_shards(1 + random.Uniform(3));
    for (std::uint64_t n = random.Uniform(200); n > 0; --n) {
      const auto& [user, track] =
          plays.emplace_back(AnyName(random, "u", users), AnyName(random, "t", tracks));
      RowBuffer line;
      AppendTsvRow(line, "2026-11-21"s, std::tuple(user, track));
      play_shards[random.Uniform(play_shards.size())] += line.view();
    }
    for (std::uint64_t n = random.Uniform(150); n > 0; --n) {
      neighbours.push_back({AnyName(random, "t", tracks), AnyName(random, "t", tracks),
                            static_cast<std::int64_t>(random.Uniform(20)) - 4});
      RowBuffer line;
      AppendTsvRow(line, std::tuple(neighbours.back().track, 1, neighbours.back().other),
                   std::tuple(1, neighbours.back().score));
      neighbour_shards[random.Uniform(neighbour_shards.size())] += line.view();
    }
    const OracleOptions options{.k = random.Uniform(5), .basket = random.Uniform(5)};
    const TestRun run = TestRun("recommend")
                            .Shards("plays", play_shards)
                            .Shards("neighbours", neighbour_shards)
                            .Param("k", std::to_string(options.k))
                            .Param("basket", std::to_string(options.basket));
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), OracleRecommend(plays, neighbours, options));
    if (i % 17 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

}  // namespace
}  // namespace millrace
