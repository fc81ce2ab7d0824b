// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/test_run.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "mapreduce/api/registry.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Sale {
  std::string_view shop;
  std::int64_t cents = 0;
  MR_FIELDS(Sale, shop, cents)
};

struct CentsOfShop {
  std::int64_t least;
  void Map(const Sale& sale, Emitter<std::string_view, std::int64_t>& emit, Context& context) {
    if (sale.cents < 0) return context.Reject("negative");
    if (sale.cents < least) return context.Count("too_small");
    emit(sale.shop, sale.cents);
  }
};

void SalesOfShops(Job& job) {
  const auto least = job.Param<std::int64_t>("least", 0, "smaller sales don't count");
  job.Read<Sale>("sales").Map<CentsOfShop>(least).Reduce<Sum>().Write<Tsv>("shops");
}
MR_JOB(sales_of_shops, SalesOfShops, "a job of this test")

TEST(TestRunTest, GivesTheRowsOfTheOutputInOrder) {
  const TestResult result = TestRun(SalesOfShops).Input("sales", "b\t2\na\t1\nb\t3\n").Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("a\t1", "b\t5"));
  EXPECT_EQ(result.Text("shops"), "a\t1\nb\t5\n");
  EXPECT_EQ(result.records_in, 3u);
  EXPECT_EQ(result.records_out, 2u);
}

TEST(TestRunTest, FindsARegisteredJobByItsName) {
  const TestResult result = TestRun("sales_of_shops").Input("sales", "a\t1\n").Run();
  EXPECT_THAT(result.Rows(), ElementsAre("a\t1"));
}

TEST(TestRunTest, ReadsShardsOneAfterTheOther) {
  struct LineNumber {
    void Map(const Line& line, Emitter<std::string_view, Unit>& emit) { emit(line.text); }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<LineNumber>().Write<Text>("same");
  };
  const TestResult result = TestRun(define).Shards("lines", {"3\n1", "", "2\n"}).Run();
  EXPECT_THAT(result.Rows(), ElementsAre("3", "1", "2"));
}

TEST(TestRunTest, GivesParametersAndDateToTheJob) {
  struct Dated {
    void Map(const Line&, Emitter<std::string_view, Unit>& emit, Context& context) {
      emit(context.date());
    }
  };
  const auto define = [](Job& job) {
    EXPECT_EQ(job.date(), "2026-11-21");
    job.ReadLines("lines").Map<Dated>().Write<Text>("dates");
  };
  EXPECT_EQ(TestRun(define).Input("lines", "x\n").Date("2026-11-21").Run().Text(), "2026-11-21\n");
  const TestResult result =
      TestRun(SalesOfShops).Input("sales", "a\t1\na\t2\n").Param("least", "2").Run();
  EXPECT_THAT(result.Rows(), ElementsAre("a\t2"));
  EXPECT_EQ(result.Counter("too_small"), 1u);
  EXPECT_EQ(result.Counter("never counted"), 0u);
}

TEST(TestRunTest, GivesRejectsWithTheirPlace) {
  const TestResult result = TestRun(SalesOfShops)
                                .Shards("sales", {"a\t1\n", "b\t7\nb\t-1\nb\\t\tx\n"})
                                .MaxRejects(2)
                                .Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.rejects,
              ElementsAre(TestReject{"sales", 1, 4, "negative", "b\t-1"},
                          TestReject{"sales", 1, 9, "cents is not an integer: 'x'", "b\\t\tx"}));
}

TEST(TestRunTest, ToleratesNoRejectUnlessTold) {
  const TestResult result = TestRun(SalesOfShops).Input("sales", "a\t1\na\t-1\n").Run();
  EXPECT_EQ(result.status.code(), StatusCode::kBadData);
  EXPECT_THAT(result.status.message(), HasSubstr("input-0/shard-00000 at byte 4: negative"));
  EXPECT_THAT(result.parts, IsEmpty());
}

TEST(TestRunTest, KeepsTheOutputsApart) {
  struct Both {
    void Map(const Line& line, Emitter<std::string_view, Unit>& emit) { emit(line.text); }
  };
  const auto define = [](Job& job) {
    auto counts = job.ReadLines("lines").Map<Both>().Reduce<Count>();
    counts.Write<Tsv>("counts");
    counts.Write<Text>("keys");
  };
  const TestResult result = TestRun(define).Input("lines", "b\na\nb\n").Run();
  EXPECT_EQ(result.Text("counts"), "a\t1\nb\t2\n");
  EXPECT_EQ(result.Text("keys"), "a\nb\n");
  EXPECT_NONFATAL_FAILURE(result.Text(), "the job has no output ''");
}

TEST(TestRunTest, CutsTheOutputIntoParts) {
  TestExecution execution;
  execution.parts = 3;
  execution.compression = Compression::kZstd;
  const TestResult result =
      TestRun(SalesOfShops).Input("sales", "a\t1\nb\t1\nc\t1\n").Execution(execution).Run();
  EXPECT_THAT(result.parts.at("shops"), ElementsAre("a\t1\n", "b\t1\n", "c\t1\n"));
}

TEST(TestRunTest, ReportsWhatIsWrongWithTheTest) {
  EXPECT_THAT(TestRun("no_such_job").Run().status.message(), HasSubstr("no_such_job"));
  EXPECT_THAT(TestRun(SalesOfShops).Run().status.message(), HasSubstr("sets no input sales"));
  EXPECT_THAT(TestRun(SalesOfShops).Input("sales", "").Input("shops", "").Run().status.message(),
              HasSubstr("no input shops"));
  EXPECT_EQ(TestRun(SalesOfShops).Input("sales", "").Param("most", "1").Run().status.code(),
            StatusCode::kInvalidArgument);
  const auto throws = [](Job&) { throw std::runtime_error("not today"); };
  const TestResult result = TestRun(throws).Run();
  EXPECT_EQ(result.status.code(), StatusCode::kUserCode);
  EXPECT_THAT(result.status.message(), HasSubstr("not today"));
  EXPECT_NONFATAL_FAILURE(result.Rows(), "not today");
}

TEST(TestRunTest, ReadsTheSameFromEveryStorage) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "shop" + std::to_string(i % 7) + "\t1\n";
  for (const ShardStorage storage :
       {ShardStorage::kPlain, ShardStorage::kZstd, ShardStorage::kGzip, ShardStorage::kMixed}) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      TestExecution execution;
      execution.storage = storage;
      execution.storage_seed = seed;
      execution.split_bytes = 100;
      const TestResult result =
          TestRun(SalesOfShops).Shards("sales", {text, "", text}).Execution(execution).Run();
      EXPECT_EQ(result.Rows().front(), "shop0\t144");
      EXPECT_EQ(result.records_in, 1000u);
    }
  }
}

}  // namespace
}  // namespace millrace
