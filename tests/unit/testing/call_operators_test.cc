// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/call_operators.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/formats/text.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

struct Words {
  void SetUp(Context& context) { context.Count("set_up"); }
  void Map(const Line& line, Emitter<std::string, std::string_view>& emit, Context& context) {
    context.Count("lines");
    emit(context.date(), line.text.substr(0, 2));
    if (line.text.empty()) context.Reject("empty");
    if (line.text == "bad") throw std::runtime_error("bad line");
    emit("whole", line.text);
  }
  void TearDown(Context& context) { context.Count("torn_down"); }
};

TEST(MapRecordsTest, GivesWhatMapEmits) {
  const auto mapped = MapRecords(Words(), {Line{"abc"}, Line{"x"}}, "2026-11-21");
  ASSERT_TRUE(mapped.status.ok());
  EXPECT_THAT(mapped.records, ElementsAre(Pair("2026-11-21", "ab"), Pair("whole", "abc"),
                                          Pair("2026-11-21", "x"), Pair("whole", "x")));
  EXPECT_THAT(mapped.counters,
              ElementsAre(Pair("lines", 2), Pair("set_up", 1), Pair("torn_down", 1)));
}

TEST(MapRecordsTest, TakesBackWhatARejectedRecordEmitted) {
  const auto mapped = MapRecords(Words(), {Line{""}, Line{"bad"}, Line{"x"}});
  EXPECT_THAT(mapped.records, ElementsAre(Pair("", "x"), Pair("whole", "x")));
  EXPECT_THAT(mapped.rejects, ElementsAre("empty", "the job's code threw: bad line"));
}

TEST(MapRecordsTest, HoldsMoreThanABatch) {
  const std::vector<Line> lines(1000, Line{"a line"});
  EXPECT_EQ(MapRecords(Words(), lines).records.size(), 2000u);
}

struct JoinNames {
  std::string separator;
  void Reduce(const std::string_view& key, Values<std::string_view>& names,
              Emitter<std::string_view, std::string>& emit, Context& context) {
    std::string joined;
    for (const std::string_view name : names) joined += separator + std::string(name);
    emit(key, joined);
    if (key == "bad") context.Reject("bad key");
  }
};

TEST(ReduceRecordsTest, GroupsByKeyAndKeepsTheOrderOfValues) {
  const auto reduced = ReduceRecords(JoinNames{"+"}, {{"b", "2"},
                                                      {"a", "x"},
                                                      {"b", "1"},
                                                      {"bad", "y"},
                                                      {"a\0"
                                                       "b",
                                                       "z"}});
  EXPECT_THAT(reduced.records, ElementsAre(Pair("a", "+x+z"), Pair("b", "+2+1")));
  EXPECT_THAT(reduced.rejects, ElementsAre("bad key"));
}

struct FirstOfEach {
  void Reduce(const std::string_view& key,
              Values<KeyValue<std::tuple<std::string_view, std::int64_t>, Unit>>& records,
              Emitter<std::string_view, std::int64_t>& emit) {
    for (const auto& record : records) {
      emit(key, std::get<1>(record.key));
      return;
    }
  }
};

TEST(ReduceRecordsTest, GroupsByPrefixWhereTheReducerDoes) {
  const auto reduced =
      ReduceRecords(FirstOfEach(), {{{"b", 7}, {}}, {{"a", 3}, {}}, {{"b", -7}, {}}});
  EXPECT_THAT(reduced.records, ElementsAre(Pair("a", 3), Pair("b", -7)));
}

TEST(ReduceRecordsTest, TakesNoRecords) {
  EXPECT_THAT(ReduceRecords(JoinNames{""}, {}).records, IsEmpty());
}

}  // namespace
}  // namespace millrace
