// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
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

// Each word of `tracks` as a play.
std::string PlaysOf(const std::string& user, const std::string& tracks) {
  std::string plays, track;
  for (const char c : tracks + " ") {
    if (c != ' ') {
      track += c;
      continue;
    }
    plays += "2026-11-21T09:00:00Z\t" + user + "\t" + track + "\tSE\t30000\n";
    track.clear();
  }
  return plays;
}

TestRun Cooccurrence(const std::string& plays) {
  return TestRun("cooccurrence").Input("plays", plays);
}

TEST(CooccurrenceTest, CountsTheBasketsWithBoth) {
  EXPECT_THAT(
      Cooccurrence(PlaysOf("ann", "a b c") + PlaysOf("bob", "b a") + PlaysOf("cat", "c d c"))
          .Run()
          .Rows(),
      // Baskets: a 2, b 2, c 2, d 1.
      ElementsAre("a\t1\tb\t2\t1000000", "a\t2\tc\t1\t500000", "b\t1\ta\t2\t1000000",
                  "b\t2\tc\t1\t500000", "c\t1\ta\t1\t500000", "c\t2\tb\t1\t500000",
                  "c\t3\td\t1\t707106", "d\t1\tc\t1\t707106"));
}

TEST(CooccurrenceTest, ReadsUserAndTrackAlone) {
  EXPECT_THAT(Cooccurrence("\\N\tann\ta\nnever\tann\tb\t\\N\tx\n").Run().Rows(),
              ElementsAre("a\t1\tb\t1\t1000000", "b\t1\ta\t1\t1000000"));
}

TEST(CooccurrenceTest, RanksByCountThenByTrack) {
  const std::string plays = PlaysOf("u1", "z b") + PlaysOf("u2", "z \\\\ a B") +
                            PlaysOf("u3", "z q") + PlaysOf("u4", "q z") + PlaysOf("u5", "q");
  EXPECT_THAT(Cooccurrence(plays + PlaysOf("u6", "a\\001 z")).Run().Rows(),
              testing::IsSupersetOf({"z\t1\tq\t2\t516397", "z\t2\tB\t1\t447213",
                                     "z\t3\t\\\\\t1\t447213", "z\t4\ta\t1\t447213",
                                     "z\t5\ta\x01\t1\t447213", "z\t6\tb\t1\t447213"}));
}

// With the score that is written: what rounding down makes equal is ranked by track.
TEST(CooccurrenceTest, RanksByTheWrittenScoreOnDemand) {
  const std::string plays = PlaysOf("u1", "z a") + PlaysOf("u2", "z a") + PlaysOf("u3", "a") +
                            PlaysOf("u4", "a") + PlaysOf("u5", "z b");
  // z 3, a 4, b 1: by count a, by score b, 10^6 / sqrt(3), against 2 * 10^6 / sqrt(12), the same.
  EXPECT_THAT(Cooccurrence(plays).Param("by", "score").Run().Rows(),
              testing::IsSupersetOf({"z\t1\ta\t2\t577350", "z\t2\tb\t1\t577350"}));
  EXPECT_THAT(Cooccurrence(plays + PlaysOf("u6", "a")).Run().Rows(),
              testing::IsSupersetOf({"z\t1\ta\t2\t516397", "z\t2\tb\t1\t577350"}));
  EXPECT_THAT(Cooccurrence(plays + PlaysOf("u6", "a")).Param("by", "score").Run().Rows(),
              testing::IsSupersetOf({"z\t1\tb\t1\t577350", "z\t2\ta\t2\t516397"}));
  // A shrink that makes all scores 0 leaves the order of tracks.
  EXPECT_THAT(Cooccurrence(plays).Param("by", "score").Param("shrink", "1e9").Run().Rows(),
              testing::IsSupersetOf({"z\t1\ta\t2\t0", "z\t2\tb\t1\t0"}));
}

TEST(CooccurrenceTest, GivesTheFirstKAndTwentyByDefault) {
  std::string tracks = "t100";
  for (int track = 101; track < 130; ++track) tracks += " t" + std::to_string(track);
  const TestRun run = Cooccurrence(PlaysOf("ann", tracks));
  EXPECT_THAT(run.Run().Rows(), SizeIs(30 * 20));
  EXPECT_THAT(TestRun(run).Param("k", "3").Run().Rows(), SizeIs(30 * 3));
  EXPECT_THAT(TestRun(run).Param("k", "0").Run().Rows(), SizeIs(30 * 29));
  EXPECT_THAT(TestRun(run).Param("k", "1000").Run().Rows(), SizeIs(30 * 29));
  EXPECT_EQ(TestRun(run).Param("k", "-1").Run().status.code(), StatusCode::kInvalidArgument);
  const std::vector<std::string> rows = TestRun(run).Param("k", "0").Run().Rows();
  ASSERT_THAT(rows, SizeIs(30 * 29));
  EXPECT_EQ(rows[9], "t100\t10\tt110\t1\t1000000");  // Ranks in order of numbers, not of digits.
}

TEST(CooccurrenceTest, TakesAUsersMostPlayedTracksForTheBasket) {
  const TestRun run = Cooccurrence(PlaysOf("ann", "b b a a d d d c"));
  EXPECT_THAT(TestRun(run).Param("basket", "1").Run().Rows(), IsEmpty());
  EXPECT_THAT(TestRun(run).Param("basket", "2").Run().Rows(),  // Of a and b, a comes first.
              ElementsAre("a\t1\td\t1\t1000000", "d\t1\ta\t1\t1000000"));
  EXPECT_THAT(TestRun(run).Param("basket", "3").Run().Rows(), SizeIs(3 * 2));
  EXPECT_THAT(TestRun(run).Param("basket", "4").Run().Rows(), SizeIs(4 * 3));
  EXPECT_THAT(TestRun(run).Param("basket", "0").Run().Rows(), SizeIs(4 * 3));
}

TEST(CooccurrenceTest, CapsBasketsAtFiftyByDefault) {
  std::string tracks = "t100";
  for (int track = 101; track < 160; ++track) tracks += " t" + std::to_string(track);
  const TestRun run = Cooccurrence(PlaysOf("ann", tracks)).Param("k", "0");
  EXPECT_THAT(run.Run().Rows(), SizeIs(50 * 49));
  EXPECT_THAT(run.Run().Text(), testing::EndsWith("\nt149\t49\tt148\t1\t1000000\n"));
  EXPECT_THAT(TestRun(run).Param("basket", "0").Run().Rows(), SizeIs(60 * 59));
}

TEST(CooccurrenceTest, MeasuresSimilarity) {
  // a 3, b 2, both 1.
  const TestRun run = Cooccurrence(PlaysOf("u1", "a b") + PlaysOf("u2", "a") + PlaysOf("u3", "a") +
                                   PlaysOf("u4", "b"));
  const auto score = [&](const char* similarity, const char* shrink) {
    const TestResult result =
        TestRun(run).Param("similarity", similarity).Param("shrink", shrink).Run();
    EXPECT_THAT(result.Rows(), SizeIs(2));
    const std::string text = result.Text();
    const std::size_t tab = text.rfind('\t');
    return text.substr(tab + 1, text.find('\n', tab) - tab - 1);
  };
  EXPECT_EQ(score("cosine", "0"), "408248");     // 10^6 / sqrt(6)
  EXPECT_EQ(score("cosine", "1"), "289897");     // 10^6 / (sqrt(6) + 1)
  EXPECT_EQ(score("dice", "0"), "400000");       // 2 * 10^6 / 5
  EXPECT_EQ(score("dice", "1"), "333333");       // 2 * 10^6 / 6
  EXPECT_EQ(score("jaccard", "0"), "250000");    // 10^6 / 4
  EXPECT_EQ(score("jaccard", "2.5"), "153846");  // 10^6 / 6.5
  EXPECT_EQ(score("jaccard", "-4"), "0");        // Nothing is divided by nothing.
  EXPECT_EQ(score("dice", "-5"), "0");
  EXPECT_EQ(score("jaccard", "-7"), "-333334");  // Down, not to 0.
}

TEST(CooccurrenceTest, WeighsBasketsByTheirSize) {
  // 6 tracks; baskets of 2, 3 and 1: ln(6 / 3)^2 = 0.480453, ln(6 / 4)^2 = 0.164402, ln(6 / 2)^2 =
  // 1.206949. a: 0.480453 + 0.164402; b: the same + 1.206949; c: 0.164402.
  const std::string plays =
      PlaysOf("u1", "a b") + PlaysOf("u2", "a b c") + PlaysOf("u3", "b") + PlaysOf("u4", "d e f");
  const TestRun run = Cooccurrence(plays).Param("weight", "tfidf").Param("similarity", "dice");
  // 10^6 * 2 * 0.644855 / (0.644855 + 1.851804); 10^6 * 2 * 0.164402 / (0.164402 + 1.851804).
  EXPECT_THAT(run.Run().Rows(), testing::IsSupersetOf({"b\t1\ta\t2\t516574", "b\t2\tc\t1\t163080",
                                                       "d\t1\te\t1\t1000000"}));
}

// The pair stands there, with the score of nothing.
TEST(CooccurrenceTest, HasRowsForBasketsWithoutWeight) {
  // 3 tracks and a basket of 2: ln(1) is 0.
  EXPECT_THAT(
      Cooccurrence(PlaysOf("u1", "a b") + PlaysOf("u2", "c")).Param("weight", "tfidf").Run().Rows(),
      ElementsAre("a\t1\tb\t1\t0", "b\t1\ta\t1\t0"));
}

// All that is weighed and counted is so after the cap: as if the rest had not been played.
TEST(CooccurrenceTest, ForgetsWhatTheCapCuts) {
  const std::string kept = PlaysOf("u1", "a a b b") + PlaysOf("u2", "b b d d") +
                           PlaysOf("u3", "a a a d d") + PlaysOf("u4", "d");
  const std::string cut = PlaysOf("u1", "x") + PlaysOf("u2", "y") + PlaysOf("u3", "b");
  for (const char* const weight : {"1", "tfidf"}) {
    const std::string wanted =
        Cooccurrence(kept).Param("basket", "0").Param("weight", weight).Run().Text();
    EXPECT_NE(wanted, "");
    EXPECT_EQ(Cooccurrence(cut + kept).Param("basket", "2").Param("weight", weight).Run().Text(),
              wanted);
  }
}

TEST(CooccurrenceTest, RejectsNullsAndTooFewFields) {
  const TestRun run =
      Cooccurrence(PlaysOf("ann", "a b") + PlaysOf("\\N", "a") + PlaysOf("bob", "\\N") + "x\tbob\n")
          .MaxRejects(3);
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), SizeIs(2));
  // `plays` is read for two stages; each line is one reject all the same.
  EXPECT_THAT(ReasonsOf(result), ElementsAre("user is NULL", "track is NULL",
                                             "track is missing: the line has 2 fields"));
  EXPECT_EQ(result.records_in, 5u);
  EXPECT_EQ(TestRun(run).MaxRejects(2).Run().status.code(), StatusCode::kBadData);
  EXPECT_DETERMINISTIC(run);
}

TEST(CooccurrenceTest, ReadsAndWritesEscapes) {
  EXPECT_THAT(Cooccurrence(PlaysOf("ann", "a\\tb") + PlaysOf("\\141nn", "\\x5c")).Run().Rows(),
              ElementsAre("\\\\\t1\ta\\tb\t1\t1000000", "a\\tb\t1\t\\\\\t1\t1000000"));
}

// The boundary between the parts of a key must not be mistaken for its text.
TEST(CooccurrenceTest, TellsUsersAndTracksApart) {
  EXPECT_THAT(Cooccurrence(PlaysOf("a", "\\000b c") + PlaysOf("a\\000", "b c")).Run().Rows(),
              ElementsAre("\0b\t1\tc\t1\t707106"s, "b\t1\tc\t1\t707106", "c\t1\t\0b\t1\t707106"s,
                          "c\t2\tb\t1\t707106"));
}

TEST(CooccurrenceTest, HasAnEmptyOutputWhereNothingIsPlayedTogether) {
  EXPECT_EQ(Cooccurrence("").Run().Text(), "");
  EXPECT_EQ(TestRun("cooccurrence").Shards("plays", {}).Run().Text(), "");
  EXPECT_EQ(Cooccurrence(PlaysOf("ann", "a")).Run().Text(), "");
  EXPECT_EQ(
      Cooccurrence(PlaysOf("ann", "a") + PlaysOf("bob", "b a b")).Param("basket", "1").Run().Text(),
      "");
}

TEST(CooccurrenceTest, BearsThatAllRecordsAreRejected) {
  EXPECT_EQ(Cooccurrence("x\ny\n").Run().status.code(), StatusCode::kBadData);
  const TestResult result = Cooccurrence("x\ny\n").MaxRejects(2).Run();
  EXPECT_EQ(result.Text(), "");
  EXPECT_THAT(ReasonsOf(result), Each(HasSubstr("the line has 1 field")));
}

TEST(CooccurrenceTest, BearsOneUserWithEverything) {
  std::string tracks = "t1000";
  for (int track = 1001; track < 1300; ++track) tracks += " t" + std::to_string(track);
  const TestRun run = Cooccurrence(PlaysOf("ann", tracks)).Param("basket", "0").Param("k", "2");
  EXPECT_THAT(run.Run().Rows(), SizeIs(300 * 2));
  EXPECT_DETERMINISTIC(run);
}

TEST(CooccurrenceTest, MovesColumns) {
  EXPECT_THAT(Cooccurrence("a\tann\nb\tann\n").Param("track", "1").Run().Rows(), SizeIs(2));
  EXPECT_THAT(
      Cooccurrence("a\tann\nb\tann\n").Param("plays.track", "1").Param("user", "2").Run().Rows(),
      SizeIs(2));
  EXPECT_EQ(Cooccurrence("").Param("track", "0").Run().status.code(), StatusCode::kInvalidArgument);
}

TEST(CooccurrenceTest, RefusesWhatIsNoChoice) {
  for (const auto& [name, value] : {std::pair("by", "rank"),
                                    {"similarity", "cos"},
                                    {"weight", "idf"},
                                    {"shrink", "nan"},
                                    {"shrink", "1,5"},
                                    {"basket", "-1"},
                                    {"k", "x"}}) {
    EXPECT_EQ(Cooccurrence("").Param(name, value).Run().status.code(), StatusCode::kInvalidArgument)
        << name;
  }
}

struct OracleOptions {
  std::size_t k = 20, basket = 50;
  bool by_score = false, is_tfidf = false;
  std::string similarity = "cosine";
  double shrink = 0;
};

// Pair by pair, over sets.
class Oracle {
 public:
  Oracle(const std::vector<std::pair<std::string, std::string>>& plays, OracleOptions options)
      : options_(std::move(options)) {
    std::map<std::string, std::map<std::string, std::int64_t>> users;
    for (const auto& [user, track] : plays) ++users[user][track];
    for (const auto& [user, tracks] : users) {
      std::vector<std::pair<std::int64_t, std::string>> most;
      for (const auto& [track, count] : tracks) most.emplace_back(-count, track);
      std::sort(most.begin(), most.end());
      if (options_.basket > 0 && most.size() > options_.basket) most.resize(options_.basket);
      std::set<std::string>& basket = baskets_.emplace_back();
      for (const auto& [count, track] : most) basket.insert(track), tracks_.insert(track);
    }
  }

  std::string Text() const {
    RowBuffer rows;
    for (const std::string& track : tracks_) {
      std::vector<std::tuple<std::int64_t, std::string, std::int64_t, std::int64_t>> others;
      for (const std::string& other : tracks_) {
        const std::int64_t count = CountOf(track, other);
        if (track == other || count == 0) continue;
        const std::int64_t score = ScoreOf(track, other);
        others.emplace_back(options_.by_score ? -score : -count, other, count, score);
      }
      std::sort(others.begin(), others.end());
      if (options_.k > 0 && others.size() > options_.k) others.resize(options_.k);
      std::int64_t rank = 0;
      for (const auto& [order, other, count, score] : others)
        AppendTsvRow(rows, std::tuple(track, ++rank), std::tuple(other, count, score));
    }
    return std::string(rows.view());
  }

 private:
  std::int64_t CountOf(const std::string& a, const std::string& b) const {
    return std::count_if(baskets_.begin(), baskets_.end(), [&](const std::set<std::string>& each) {
      return each.contains(a) && each.contains(b);
    });
  }
  double WeightOf(const std::string& a, const std::string& b) const {
    std::int64_t sum = 0;
    for (const std::set<std::string>& basket : baskets_) {
      if (!basket.contains(a) || !basket.contains(b)) continue;
      const long double log = std::log(static_cast<long double>(tracks_.size()) /
                                       static_cast<long double>(1 + basket.size()));
      sum += options_.is_tfidf ? std::llrint(log * log * 0x1p32L) : 1;
    }
    return static_cast<double>(sum) * (options_.is_tfidf ? 0x1p-32 : 1);
  }
  std::int64_t ScoreOf(const std::string& a, const std::string& b) const {
    const double c = WeightOf(a, b), n_a = WeightOf(a, a), n_b = WeightOf(b, b);
    double product = 1e6 * c, divisor = n_a + n_b - c;
    if (options_.similarity == "cosine") divisor = std::sqrt(n_a * n_b);
    if (options_.similarity == "dice") product = 1e6 * (2 * c), divisor = n_a + n_b;
    divisor += options_.shrink;
    return divisor == 0 ? 0 : static_cast<std::int64_t>(std::floor(product / divisor));
  }

  const OracleOptions options_;
  std::vector<std::set<std::string>> baskets_;
  std::set<std::string> tracks_;
};

std::string AnyName(Random& random, const char* prefix, std::uint64_t count) {
  if (random.Uniform(30) == 0) return "";
  const std::string suffixes[] = {"", "", "", "", "\t", "\\", "\1", "\0"s};
  return prefix + std::to_string(random.Uniform(count)) + suffixes[random.Uniform(8)];
}

TEST(CooccurrenceTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 80; ++i) {
    const std::uint64_t users = 1 + random.Uniform(10), tracks = 1 + random.Uniform(8);
    std::vector<std::pair<std::string, std::string>> plays;
    std::vector<std::string> shards(1 + random.Uniform(3));
    for (std::uint64_t n = random.Uniform(200); n > 0; --n) {
      const auto& [user, track] =
          plays.emplace_back(AnyName(random, "u", users), AnyName(random, "t", tracks));
      RowBuffer line;
      AppendTsvRow(line, "2026-11-21"s, std::tuple(user, track));
      shards[random.Uniform(shards.size())] += line.view();
    }
    OracleOptions options;
    options.k = random.Uniform(5);
    options.basket = random.Uniform(8);
    options.by_score = random.Uniform(2) == 0;
    options.is_tfidf = random.Uniform(2) == 0;
    const char* const similarities[] = {"cosine", "dice", "jaccard"};
    options.similarity = similarities[random.Uniform(3)];
    const char* const shrinks[] = {"0", "0", "1", "0.1", "10", "-2"};
    const char* const shrink = shrinks[random.Uniform(6)];
    options.shrink = std::stod(shrink);
    const TestRun run = TestRun("cooccurrence")
                            .Shards("plays", shards)
                            .Param("k", std::to_string(options.k))
                            .Param("basket", std::to_string(options.basket))
                            .Param("by", options.by_score ? "score" : "count")
                            .Param("weight", options.is_tfidf ? "tfidf" : "1")
                            .Param("similarity", options.similarity)
                            .Param("shrink", shrink);
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), Oracle(plays, options).Text());
    if (i % 20 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

// Its neighbours can't be left out like a reject: the rows of the others would look complete.
TEST(CooccurrenceTest, EndsAtAScoreBeyondInt64) {
  const TestResult result = Cooccurrence("t\tu1\ta\nt\tu1\tb\nt\tu2\tb\n")
                                .Param("shrink", "-1.41421356237309492")
                                .MaxRejects(100)
                                .Run();
  EXPECT_EQ(result.status.code(), StatusCode::kBadData);
  EXPECT_THAT(result.status.message(),
              HasSubstr("the score of the tracks a and b is beyond int64; choose another shrink"));
}

}  // namespace
}  // namespace millrace
