// SPDX-License-Identifier: Apache-2.0
// Records that are set aside late, by a Reduce that knows where a value came from; and a job that
// gives up.
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/testing/call_operators.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using Name = std::string_view;

struct Row {
  Name key;
  std::int64_t value = 0;
  MR_FIELDS(Row, key, value)
};
struct WithOrigin {
  void Map(const Row& row, Emitter<Name, Sourced<std::int64_t>>& emit, Context& context) {
    if (row.value == 99) return context.Reject("99 in Map");
    emit(row.key, {row.value, context.origin()});
  }
};
// Sums the values, without the negative ones; a group with 1000 is a reject as a whole.
struct SumOfPositive {
  void Reduce(const Name& key, Values<Sourced<std::int64_t>>& values,
              Emitter<Name, std::int64_t>& emit, Context& context) {
    std::int64_t sum = 0;
    for (const Sourced<std::int64_t>& each : values) {
      if (each.value < 0) {
        context.Reject(each.origin, "negative: " + std::to_string(each.value));
        continue;
      }
      if (each.value == 1000) context.Reject("a thousand");
      sum += each.value;
    }
    emit(key, sum);
    context.Count("groups");
  }
};
void SumPositive(Job& job) {
  auto rows = job.Read<Row>("rows").Map<WithOrigin>();
  job.Read<Row>("more").Map<WithOrigin>().And(rows).Reduce<SumOfPositive>().Write<Tsv>("sums");
}

TEST(OriginTest, SetsTheRecordOfAValueAsideAndLeavesTheGroup) {
  const TestRun run = TestRun(SumPositive)
                          .Shards("rows", {"z\t-1\nb\t2\na\t-3\textra\n", "b\t-4\n\\x62\t5\n"})
                          .Input("more", "b\t-6\nz\t7\n")
                          .MaxRejects(4);
  const TestResult result = run.Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("a\t0", "b\t7", "z\t7"));
  EXPECT_EQ(result.Counter("groups"), 3u);
  // By input, in the order of the job, then by place.
  EXPECT_THAT(result.rejects, ElementsAre(TestReject{"rows", 0, 0, "negative: -1", "z\t-1"},
                                          TestReject{"rows", 0, 9, "negative: -3", "a\t-3\textra"},
                                          TestReject{"rows", 1, 0, "negative: -4", "b\t-4"},
                                          TestReject{"more", 0, 0, "negative: -6", "b\t-6"}));
  EXPECT_DETERMINISTIC(run);
}

// Those of the reading, of Map, of a Reduce with and without origin: one order for all.
TEST(OriginTest, RejectsInTheOrderOfTheInputWhoeverRejects) {
  const TestRun run = TestRun(SumPositive)
                          .Input("rows", "z\t-1\nb\tx\na\t99\na\t-2\nm\t1000\nm\t-3\nshort\n")
                          .Input("more", "")
                          .MaxRejects(7);
  const TestResult result = run.Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("a\t0", "z\t0"));
  std::vector<std::uint64_t> offsets;
  for (const TestReject& reject : result.rejects)
    if (reject.shard >= 0) offsets.push_back(reject.offset);
  EXPECT_THAT(offsets, ElementsAre(0, 5, 9, 14, 26, 31));
  EXPECT_THAT(result.rejects, SizeIs(7));
  EXPECT_DETERMINISTIC(run);
}

TEST(OriginTest, CountsAgainstTheLimit) {
  const TestRun run =
      TestRun(SumPositive).Input("rows", "z\t-1\nb\t2\na\t-3\n").Input("more", "b\t-6\nz\t7\n");
  EXPECT_TRUE(TestRun(run).MaxRejects(3).Run().ok());
  const TestResult result = TestRun(run).MaxRejects(2).Run();
  EXPECT_EQ(result.status.code(), StatusCode::kBadData);
  EXPECT_THAT(result.status.message(), AllOf(HasSubstr("negative: -1"), HasSubstr("negative: -6")));
  EXPECT_DETERMINISTIC(TestRun(run).MaxRejects(2));
}

TEST(OriginTest, OfManyRejectsIsInOrder) {
  std::vector<std::string> shards;
  std::size_t negative = 0;
  for (int shard = 0; shard < 4; ++shard) {
    std::string& text = shards.emplace_back();
    for (int i = 0; i < 150; ++i) {
      const int value = (i * 37 + shard) % 11 - 3;
      negative += value < 0;
      text += "k" + std::to_string(i * 13 % 29) + "\t" + std::to_string(value) + "\n";
    }
  }
  const TestRun run =
      TestRun(SumPositive).Shards("rows", shards).Shards("more", shards).MaxRejects(10000);
  const TestResult result = run.Run();
  EXPECT_EQ(result.rejects.size(), 2 * negative);
  for (std::size_t i = 1; i < result.rejects.size(); ++i) {
    const TestReject &a = result.rejects[i - 1], &b = result.rejects[i];
    if (a.input != b.input) continue;
    EXPECT_LT(std::tuple(a.shard, a.offset), std::tuple(b.shard, b.offset));
  }
  EXPECT_DETERMINISTIC(run, {.runs = 20});
}

// What a stage made has no place in an input: its key stands for it.
TEST(OriginTest, IsTheStageWhereAStageMadeTheRecord) {
  struct AgainWithOrigin {
    void Map(const KeyValue<Name, std::int64_t>& sum, Emitter<Name, Sourced<std::int64_t>>& emit,
             Context& context) {
      emit("all", {sum.value - 3, context.origin()});
    }
  };
  struct Plain {
    void Map(const Row& row, Emitter<Name, std::int64_t>& emit) { emit(row.key, row.value); }
  };
  const auto define = [](Job& job) {
    job.Read<Row>("rows")
        .Map<Plain>()
        .Reduce<Sum>()
        .Map<AgainWithOrigin>()
        .Reduce<SumOfPositive>()
        .Write<Tsv>("sums");
  };
  const TestRun run = TestRun(define).Input("rows", "b\t1\na\t2\nc\t9\nb\t1\n").MaxRejects(2);
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), ElementsAre("all\t6"));
  EXPECT_THAT(result.rejects, ElementsAre(TestReject{"stage-1", -1, 0, "negative: -1", "a"},
                                          TestReject{"stage-1", -1, 0, "negative: -1", "b"}));
  EXPECT_DETERMINISTIC(run);
}

TEST(OriginTest, IsCountedInATestOfAReduceAlone) {
  const auto reduced = ReduceRecords(SumOfPositive(), {{"a", {-1, {"in", "shard", 3, "raw"}}},
                                                       {"a", {4, {"in", "shard", 9, "raw"}}}});
  EXPECT_THAT(reduced.records, ElementsAre(Pair("a", 4)));
  EXPECT_THAT(reduced.rejects, ElementsAre("negative: -1"));
}

// Fail.

struct FailIn {
  std::string where;
  void SetUp(Context& context) {
    if (where == "SetUp") context.Fail("no good in SetUp");
  }
  void Map(const Row& row, Emitter<Name, std::int64_t>& emit, Context& context) {
    emit(row.key, row.value);
    if (where == "Map" && row.key == "bad") context.Fail("no good in Map: correct the row bad");
  }
  void TearDown(Context& context) {
    if (where == "TearDown") context.Fail("no good in TearDown");
  }
};
struct FailInReduce {
  std::string where;
  void SetUp(Context& context) {
    if (where == "SetUp of Reduce") context.Fail("no good in SetUp of Reduce");
  }
  void Reduce(const Name& key, Values<std::int64_t>&, Emitter<Name, std::int64_t>& emit,
              Context& context) {
    emit(key, 1);
    if (where == "Reduce" && key == "bad") context.Fail("no good in Reduce");
  }
  void TearDown(Context& context) {
    if (where == "TearDown of Reduce") context.Fail("no good in TearDown of Reduce");
  }
};
struct FailInFusedMap {
  std::string where;
  void Map(const KeyValue<Name, std::int64_t>& row, Emitter<Name, std::int64_t>& emit,
           Context& context) {
    emit(row.key, row.value);
    if (where == "fused Map" && row.key == "bad") context.Fail("no good in fused Map");
  }
};
void FailWhere(Job& job) {
  const auto where = job.Param<std::string>("where", "", "what fails");
  job.Read<Row>("rows")
      .Map<FailIn>(where)
      .Reduce<FailInReduce>(where)
      .Map<FailInFusedMap>(where)
      .Reduce<Sum>()
      .Write<Tsv>("out");
}

TEST(FailTest, EndsTheRunWhereverItIsCalled) {
  const TestRun run =
      TestRun(FailWhere).Shards("rows", {"a\t1\nb\t2\nbad\t3\nc\t4\n", "d\t5\n"}).MaxRejects(1000);
  EXPECT_THAT(run.Run().Rows(), SizeIs(5));
  for (const std::string where : {"SetUp", "Map", "TearDown", "SetUp of Reduce", "Reduce",
                                  "TearDown of Reduce", "fused Map"}) {
    SCOPED_TRACE(where);
    const TestResult result = TestRun(run).Param("where", where).Run();
    EXPECT_EQ(result.status.code(), StatusCode::kBadData);
    EXPECT_THAT(result.status.message(), HasSubstr("no good in " + where));
    EXPECT_THAT(result.parts, IsEmpty());
  }
  EXPECT_DETERMINISTIC(TestRun(run).Param("where", "Map"));
}

TEST(FailTest, IsNoRejectAndComesBeforeThem) {
  struct RejectThenFail {
    void Map(const Row& row, Emitter<Name, std::int64_t>& emit, Context& context) {
      if (row.value == 1) context.Fail("the first that failed");
      if (row.value == 2) context.Fail("the second");
      if (row.value == 3) throw std::runtime_error("thrown");
      emit(row.key, row.value);
    }
  };
  const auto define = [](Job& job) {
    job.Read<Row>("rows").Map<RejectThenFail>().Write<Tsv>("out");
  };
  const TestResult result =
      TestRun(define).Input("rows", "a\t3\nb\t1\nc\t3\nd\t2\n").MaxRejects(100).Run();
  EXPECT_EQ(result.status.code(), StatusCode::kBadData);
  EXPECT_THAT(result.status.message(), HasSubstr("the first that failed"));

  const auto mapped = MapRecords(RejectThenFail(), {Row{"a", 5}, Row{"b", 1}, Row{"c", 7}});
  EXPECT_EQ(mapped.status.code(), StatusCode::kBadData);
  EXPECT_THAT(mapped.rejects, IsEmpty());
  const auto reduced = ReduceRecords(FailInReduce{"Reduce"}, {{"bad", 1}});
  EXPECT_EQ(reduced.status.code(), StatusCode::kBadData);
}

}  // namespace
}  // namespace millrace
