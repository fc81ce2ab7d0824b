// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/reducers.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/testing/call_operators.h"
#include "mapreduce/testing/determinism.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Key = std::string_view;

const std::vector<std::pair<Key, std::string_view>> kNames = {
    {"b", "only"}, {"a", "the first"}, {"c", ""}, {"a", ""}, {"a", "the last, and a long one"}};

TEST(FirstTest, GivesTheFirstValueOfEachKey) {
  EXPECT_THAT(ReduceRecords(First<Key, std::string_view>(), kNames).records,
              ElementsAre(Pair("a", "the first"), Pair("b", "only"), Pair("c", "")));
}

TEST(LastTest, GivesTheLastValueOfEachKey) {
  EXPECT_THAT(ReduceRecords(Last<Key, std::string_view>(), kNames).records,
              ElementsAre(Pair("a", "the last, and a long one"), Pair("b", "only"), Pair("c", "")));
}

TEST(CollectTest, GivesAllValuesOfEachKeyInTheirOrder) {
  const auto collected = ReduceRecords(Collect<Key, std::string_view>(), kNames);
  EXPECT_THAT(collected.records,
              ElementsAre(Pair("a", ElementsAre("the first", "", "the last, and a long one")),
                          Pair("b", ElementsAre("only")), Pair("c", ElementsAre(""))));
}

TEST(CollectTest, TakesAnyTypeOfValue) {
  using Value = std::tuple<std::string_view, std::int64_t>;
  const auto collected =
      ReduceRecords(Collect<Key, Value>(), {{"a", {"x", 1}}, {"a", {"", -1}}, {"b", {"y", 2}}});
  EXPECT_THAT(collected.records, ElementsAre(Pair("a", ElementsAre(Value("x", 1), Value("", -1))),
                                             Pair("b", ElementsAre(Value("y", 2)))));
}

TEST(CollectTest, RejectsAKeyWithMoreThanTheLimit) {
  const auto collected =
      ReduceRecords(Collect<Key, std::string_view>(10),
                    {{"a", "12345"}, {"a", "12345"}, {"b", "12345"}, {"b", "123456"}, {"c", "x"}});
  EXPECT_THAT(collected.records,
              ElementsAre(Pair("a", ElementsAre("12345", "12345")), Pair("c", ElementsAre("x"))));
  EXPECT_THAT(collected.rejects,
              ElementsAre("the key's values have more than 10 B, the limit given to Collect"));
}

struct Visit {
  std::string_view user, page;
  MR_FIELDS(Visit, user, page)
};
struct PageOfUser {
  void Map(const Visit& visit, Emitter<Key, std::string_view>& emit) {
    emit(visit.user, visit.page);
  }
};
struct JoinPages {
  void Map(const KeyValue<Key, std::vector<std::string_view>>& visits,
           Emitter<Key, std::string>& emit) {
    std::string joined;
    for (const std::string_view page : visits.value) joined += " " + std::string(page);
    emit(visits.key, joined);
  }
};

// The visits of a few users, so that each has many in each split.
std::string Visits(int count, int first) {
  std::string text;
  for (int i = first; i < first + count; ++i) {
    text += "u" + std::to_string(i * i % 7) + "\tp" + std::to_string(i) + "\n";
  }
  return text;
}

TEST(ReducersTest, SeeTheOrderOfTheInputAlsoAsCombiners) {
  const auto first_pages = [](Job& job) {
    job.Read<Visit>("visits")
        .Map<PageOfUser>()
        .Combine<First<Key, std::string_view>>()
        .Reduce<First<Key, std::string_view>>()
        .Write<Tsv>("pages");
  };
  const auto last_pages = [](Job& job) {
    job.Read<Visit>("visits")
        .Map<PageOfUser>()
        .Combine<Last<Key, std::string_view>>()
        .Reduce<Last<Key, std::string_view>>()
        .Write<Tsv>("pages");
  };
  const auto all_pages = [](Job& job) {
    job.Read<Visit>("visits")
        .Map<PageOfUser>()
        .Reduce<Collect<Key, std::string_view>>()
        .Map<JoinPages>()
        .Reduce<First<Key, std::string>>()
        .Write<Tsv>("pages");
  };
  const std::vector<std::string> shards = {Visits(200, 0), Visits(200, 200)};
  EXPECT_THAT(TestRun(first_pages).Shards("visits", shards).Run().Rows(),
              ElementsAre("u0\tp0", "u1\tp1", "u2\tp3", "u4\tp2"));
  EXPECT_THAT(TestRun(last_pages).Shards("visits", shards).Run().Rows(),
              ElementsAre("u0\tp399", "u1\tp398", "u2\tp396", "u4\tp397"));
  EXPECT_THAT(TestRun(all_pages).Input("visits", Visits(8, 0)).Run().Rows(),
              ElementsAre("u0\t p0 p7", "u1\t p1 p6", "u2\t p3 p4", "u4\t p2 p5"));
  for (const TestRun::Define& define :
       {TestRun::Define(first_pages), TestRun::Define(last_pages), TestRun::Define(all_pages)}) {
    EXPECT_DETERMINISTIC(TestRun(define).Shards("visits", shards));
  }
}

TEST(ReducersTest, TakeNoRecords) {
  EXPECT_THAT(ReduceRecords(Last<Key, std::string_view>(), {}).records, IsEmpty());
}

}  // namespace
}  // namespace millrace
