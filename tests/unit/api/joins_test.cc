// SPDX-License-Identifier: Apache-2.0
// Joins of two inputs in the shuffle, by And: inner, left, semi and anti. The rows of the one side
// come first, and both sides keep their order.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using Name = std::string_view;

struct Row {
  Name key, text;
  MR_FIELDS(Row, key, text)
};
using Side = std::tuple<bool, Name>;  // Whether it is of the left input; its text.

struct Left {
  void Map(const Row& row, Emitter<Name, Side>& emit) { emit(row.key, {true, row.text}); }
};
struct Right {
  void Map(const Row& row, Emitter<Name, Side>& emit) { emit(row.key, {false, row.text}); }
};

// The right rows come first and are kept; then each left row is paired with them.
struct Join {
  std::string kind;
  void Reduce(const Name& key, Values<Side>& rows, Emitter<Name, std::string>& emit) {
    std::vector<std::string> rights;
    for (const auto& [is_left, text] : rows) {
      if (!is_left) {
        rights.emplace_back(text);
        continue;
      }
      const std::string left(text);
      if (kind == "semi" && !rights.empty()) emit(key, left);
      if (kind == "anti" && rights.empty()) emit(key, left);
      if (kind == "left" && rights.empty()) emit(key, left + "-");
      if (kind != "inner" && kind != "left") continue;
      for (const std::string& right : rights) emit(key, left + right);
    }
  }
};

void JoinInputs(Job& job) {
  const std::string kind =
      job.Choice("kind", "inner", {"inner", "left", "semi", "anti"}, "which join");
  auto left = job.Read<Row>("left").Map<Left>();
  job.Read<Row>("right").Map<Right>().And(left).Reduce<Join>(kind).Write<Tsv>("joined");
}

TestRun SmallJoin(const std::string& kind) {
  return TestRun(JoinInputs)
      .Shards("left", {"b\t2\na\t1\nc\t4\n", "b\t3\n"})
      .Shards("right", {"d\tw\nb\ty\n", "b\tx\na\tz\n"})
      .Param("kind", kind);
}

TEST(JoinsTest, PairAllRowsOfAKeyInTheOrderOfTheInputs) {
  EXPECT_THAT(SmallJoin("inner").Run().Rows(),
              ElementsAre("a\t1z", "b\t2y", "b\t2x", "b\t3y", "b\t3x"));
}

TEST(JoinsTest, KeepALeftRowThatHasNoRightOne) {
  EXPECT_THAT(SmallJoin("left").Run().Rows(),
              ElementsAre("a\t1z", "b\t2y", "b\t2x", "b\t3y", "b\t3x", "c\t4-"));
}

TEST(JoinsTest, KeepALeftRowOnceThatHasSomeRightOrNone) {
  EXPECT_THAT(SmallJoin("semi").Run().Rows(), ElementsAre("a\t1", "b\t2", "b\t3"));
  EXPECT_THAT(SmallJoin("anti").Run().Rows(), ElementsAre("c\t4"));
}

TEST(JoinsTest, AreWhatLoopsOverBothSidesGive) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  // Each side's shards, and its rows in order.
  using Rows = std::vector<std::pair<std::string, std::string>>;
  const auto any_side = [&random](std::uint64_t keys, std::vector<std::string>* shards) {
    Rows rows;
    shards->resize(1 + random.Uniform(4));
    for (std::string& shard : *shards) {
      for (std::uint64_t i = random.Uniform(200); i > 0; --i) {
        rows.emplace_back("k" + std::to_string(random.Uniform(keys)), std::to_string(rows.size()));
        shard += rows.back().first + "\t" + rows.back().second + "\n";
      }
    }
    return rows;
  };
  for (const std::string kind : {"inner", "left", "semi", "anti"}) {
    SCOPED_TRACE(kind);
    std::vector<std::string> left_shards, right_shards;
    const Rows left = any_side(60, &left_shards), right = any_side(80, &right_shards);
    std::map<std::string, std::vector<std::string>> rights, wanted;
    for (const auto& [key, text] : right) rights[key].push_back(text);
    for (const auto& [key, text] : left) {
      std::vector<std::string>& rows = wanted[key];
      const auto match = rights.find(key);
      const bool has_match = match != rights.end();
      if (kind == (has_match ? "semi" : "anti")) rows.push_back(key + "\t" + text);
      if (kind == "left" && !has_match) rows.push_back(key + "\t" + text + "-");
      if (!has_match || (kind != "inner" && kind != "left")) continue;
      for (const std::string& other : match->second) {
        rows.push_back(key + "\t");
        rows.back() += text + other;
      }
    }
    std::vector<std::string> all;
    for (const auto& [key, rows] : wanted) all.insert(all.end(), rows.begin(), rows.end());
    const TestRun run = TestRun(JoinInputs)
                            .Shards("left", left_shards)
                            .Shards("right", right_shards)
                            .Param("kind", kind);
    EXPECT_THAT(run.Run().Rows(), ElementsAreArray(all));
    EXPECT_DETERMINISTIC(run);
  }
}

TEST(JoinsTest, OfAnInputWithItselfSeeItsRowsTwice) {
  const auto define = [](Job& job) {
    auto rows = job.Read<Row>("rows");
    rows.Map<Right>().And(rows.Map<Left>()).Reduce<Join>("inner").Write<Tsv>("joined");
  };
  const TestRun run = TestRun(define).Input("rows", "a\t1\nb\t3\na\t2\n");
  EXPECT_THAT(run.Run().Rows(), ElementsAre("a\t11", "a\t12", "a\t21", "a\t22", "b\t33"));
  EXPECT_EQ(run.Run().records_in, 3u);
  EXPECT_DETERMINISTIC(run);
}

}  // namespace
}  // namespace millrace
