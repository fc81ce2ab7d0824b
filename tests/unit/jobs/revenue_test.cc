// SPDX-License-Identifier: Apache-2.0
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

constexpr const char* kTwice = "its key was there before";

// Of ann in SE, bob in DE; a pen is office, an apple food.
TestRun Revenue(const std::string& transactions) {
  return TestRun("revenue")
      .Input("transactions", transactions)
      .Input("users", "ann\tSE\tfree\nbob\tDE\tpaid\n")
      .Input("products", "pen\toffice\t150\napple\tfood\t30\n");
}

std::string SaleOf(const std::string& user, const std::string& product, const std::string& cents,
                   const std::string& timestamp = "2026-11-21T09:00:00Z") {
  return "t1\t" + user + "\t" + product + "\t" + cents + "\t" + timestamp + "\n";
}

TEST(RevenueTest, AddsUpByCountryCategoryAndDay) {
  const TestResult result = Revenue(SaleOf("bob", "pen", "150") + SaleOf("ann", "pen", "300") +
                                    SaleOf("ann", "apple", "30") + SaleOf("ann", "pen", "100") +
                                    SaleOf("ann", "pen", "7", "2026-11-20T23:59:59Z"))
                                .Run();
  EXPECT_THAT(result.Rows(),
              ElementsAre("DE\toffice\t2026-11-21\t150\t1", "SE\tfood\t2026-11-21\t30\t1",
                          "SE\toffice\t2026-11-20\t7\t1", "SE\toffice\t2026-11-21\t400\t2"));
  EXPECT_EQ(result.Counter("unknown"), 0u);
}

TEST(RevenueTest, TakesTheFirstTenBytesForTheDay) {
  EXPECT_THAT(Revenue(SaleOf("ann", "pen", "1", "2026-11-21") +
                      SaleOf("ann", "pen", "2", "2026-11-21 whatever") +
                      SaleOf("ann", "pen", "4", "2024-02-29T23:00:00-05:00"))
                  .Run()
                  .Rows(),
              ElementsAre("SE\toffice\t2024-02-29\t4\t1", "SE\toffice\t2026-11-21\t3\t2"));
}

TEST(RevenueTest, AddsRefundsAndKeepsGroupsOfNothing) {
  EXPECT_THAT(Revenue(SaleOf("ann", "pen", "150") + SaleOf("ann", "pen", "-150") +
                      SaleOf("bob", "pen", "-9") + SaleOf("bob", "apple", "0"))
                  .Run()
                  .Rows(),
              ElementsAre("DE\tfood\t2026-11-21\t0\t1", "DE\toffice\t2026-11-21\t-9\t1",
                          "SE\toffice\t2026-11-21\t0\t2"));
}

TEST(RevenueTest, KeepsWhatIsUnknownUnderAQuestionMarkAndCountsIt) {
  const TestResult result = Revenue(SaleOf("cat", "pen", "1") + SaleOf("ann", "cap", "2") +
                                    SaleOf("cat", "cap", "4") + SaleOf("ann", "pen", "8"))
                                .Run();
  EXPECT_THAT(result.Rows(),
              ElementsAre("?\t?\t2026-11-21\t4\t1", "?\toffice\t2026-11-21\t1\t1",
                          "SE\t?\t2026-11-21\t2\t1", "SE\toffice\t2026-11-21\t8\t1"));
  EXPECT_EQ(result.Counter("unknown"), 3u);  // Transactions: one with both unknown is one.
}

TEST(RevenueTest, LeavesOutWhatIsUnknownOnDemandAndCountsItAllTheSame) {
  const TestResult result = Revenue(SaleOf("cat", "pen", "1") + SaleOf("ann", "cap", "2") +
                                    SaleOf("cat", "cap", "4") + SaleOf("ann", "pen", "8"))
                                .Param("unknown", "drop")
                                .Run();
  EXPECT_THAT(result.Rows(), ElementsAre("SE\toffice\t2026-11-21\t8\t1"));
  EXPECT_EQ(result.Counter("unknown"), 3u);
}

TEST(RevenueTest, TakesNullForUnknownOnEitherSide) {
  const TestResult result = Revenue(SaleOf("\\N", "pen", "1") + SaleOf("ann", "\\N", "2") +
                                    SaleOf("nil", "pen", "4") + SaleOf("ann", "nil", "8"))
                                .Input("users", "ann\tSE\t\\N\nnil\t\\N\tfree\n")
                                .Input("products", "pen\toffice\t1\nnil\t\\N\t1\n")
                                .Run();
  EXPECT_THAT(result.Rows(),
              ElementsAre("?\toffice\t2026-11-21\t5\t2", "SE\t?\t2026-11-21\t10\t2"));
  EXPECT_EQ(result.Counter("unknown"), 4u);
  EXPECT_THAT(result.rejects, IsEmpty());
}

// A country that is really called so is not unknown, but in the same group.
TEST(RevenueTest, DoesNotTakeAQuestionMarkForUnknown) {
  const TestRun run = Revenue(SaleOf("eve", "pen", "1") + SaleOf("cat", "pen", "2"))
                          .Input("users", "eve\t?\tfree\n");
  EXPECT_THAT(run.Run().Rows(), ElementsAre("?\toffice\t2026-11-21\t3\t2"));
  EXPECT_EQ(run.Run().Counter("unknown"), 1u);
  EXPECT_THAT(TestRun(run).Param("unknown", "drop").Run().Rows(),
              ElementsAre("?\toffice\t2026-11-21\t1\t1"));
}

TEST(RevenueTest, TellsAnEmptyNameFromNull) {
  EXPECT_THAT(Revenue(SaleOf("", "", "5"))
                  .Input("users", "\t\tfree\n")
                  .Input("products", "\tx\n")
                  .Run()
                  .Rows(),
              ElementsAre("\tx\t2026-11-21\t5\t1"));
}

TEST(RevenueTest, OrdersByCountryCategoryDay) {
  EXPECT_THAT(Revenue(SaleOf("a", "p", "1") + SaleOf("b", "p", "2") + SaleOf("c", "p", "4") +
                      SaleOf("c", "q", "8"))
                  .Input("users", "a\tS\nb\tSE\nc\t\xc3\x85\n")
                  .Input("products", "p\tz\nq\t\\tz\n")
                  .Run()
                  .Rows(),
              ElementsAre("S\tz\t2026-11-21\t1\t1", "SE\tz\t2026-11-21\t2\t1",
                          "\xc3\x85\t\\tz\t2026-11-21\t8\t1", "\xc3\x85\tz\t2026-11-21\t4\t1"));
}

TEST(RevenueTest, ReadsAndWritesEscapes) {
  EXPECT_THAT(Revenue(SaleOf("\\x61nn", "\\160en", "\\061"))
                  .Input("users", "\\141nn\tS\\\\E\\n\n")
                  .Run()
                  .Rows(),
              ElementsAre("S\\\\E\\n\toffice\t2026-11-21\t1\t1"));
}

TEST(RevenueTest, RejectsTheSecondOfAKeyWithItsPlace) {
  const TestRun run = Revenue(SaleOf("ann", "pen", "1"))
                          .Shards("users", {"ann\tSE\tfree\nbob\tDE\n", "eve\tFR\tx\nann\tFR\ty\n"})
                          .Shards("products", {"pen\toffice\npen\tdesk\n", "pen\toffice\n"})
                          .MaxRejects(3);
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), ElementsAre("SE\toffice\t2026-11-21\t1\t1"));
  EXPECT_THAT(result.rejects, ElementsAre(TestReject{"users", 1, 9, kTwice, "ann\tFR\ty"},
                                          TestReject{"products", 0, 11, kTwice, "pen\tdesk"},
                                          TestReject{"products", 1, 0, kTwice, "pen\toffice"}));
  EXPECT_EQ(TestRun(run).MaxRejects(2).Run().status.code(), StatusCode::kBadData);
  EXPECT_DETERMINISTIC(run);
}

// A row that is rejected is no first one.
TEST(RevenueTest, CountsOnlyGoodRowsForTheFirstOfAKey) {
  const TestResult result = Revenue(SaleOf("ann", "pen", "1"))
                                .Input("users", "ann\nann\tSE\nann\tDE\n")
                                .MaxRejects(2)
                                .Run();
  EXPECT_THAT(result.Rows(), ElementsAre("SE\toffice\t2026-11-21\t1\t1"));
  EXPECT_THAT(
      result.rejects,
      ElementsAre(TestReject{"users", 0, 0, "country is missing: the line has 1 field", "ann"},
                  TestReject{"users", 0, 11, kTwice, "ann\tDE"}));
}

TEST(RevenueTest, RejectsWhatIsNoAmountOrNoDay) {
  std::string transactions;
  for (const char* const cents : {"\\N", "", "+1", "1.0", "1e2", " 1", "9223372036854775808"}) {
    transactions += SaleOf("ann", "pen", cents);
  }
  for (const char* const day : {"\\N", "", "2026-11-2", "2026-02-29", "2026-13-01", "21.11.2026",
                                "0000-01-01", " 2026-11-21", "2026/11/21"}) {
    transactions += SaleOf("ann", "pen", "1", day);
  }
  transactions += "t1\tann\tpen\t1\n\nt1\tann\tpen\t1\t2026-11-21\tmore\n";
  const TestResult result = Revenue(transactions).MaxRejects(18).Run();
  EXPECT_THAT(result.Rows(), ElementsAre("SE\toffice\t2026-11-21\t1\t1"));
  EXPECT_THAT(result.rejects, SizeIs(18));
  EXPECT_EQ(result.records_in, 19u + 4u);
}

// It counts for nothing, not even for what is unknown.
TEST(RevenueTest, DoesNotCountARejectAsUnknown) {
  const TestResult result = Revenue(SaleOf("cat", "cap", "x")).MaxRejects(1).Run();
  EXPECT_EQ(result.Counter("unknown"), 0u);
  EXPECT_THAT(result.Rows(), IsEmpty());
}

TEST(RevenueTest, RejectsNullKeysOfUsersAndProducts) {
  const TestResult result = Revenue(SaleOf("\\N", "\\N", "1"))
                                .Input("users", "\\N\tSE\n")
                                .Input("products", "\\N\toffice\n")
                                .MaxRejects(2)
                                .Run();
  EXPECT_THAT(result.Rows(), ElementsAre("?\t?\t2026-11-21\t1\t1"));
  EXPECT_THAT(ReasonsOf(result), ElementsAre("user is NULL", "product is NULL"));
}

TEST(RevenueTest, ReadsOnlyTheColumnsItUses) {
  EXPECT_THAT(Revenue("\\N\tann\tpen\t1\t2026-11-21\n")
                  .Input("users", "ann\tSE\n")
                  .Input("products", "pen\toffice\tcheap\n")
                  .Run()
                  .Rows(),
              ElementsAre("SE\toffice\t2026-11-21\t1\t1"));
}

TEST(RevenueTest, EndsWhereASumIsBeyondInt64ButNotOnTheWayThere) {
  const std::string most = "9223372036854775807", least = "-9223372036854775808";
  const std::string two_most = SaleOf("ann", "pen", most) + SaleOf("ann", "pen", most);
  const TestResult over = Revenue(two_most).Run();
  EXPECT_EQ(over.status.code(), StatusCode::kBadData);
  EXPECT_THAT(over.status.message(), HasSubstr("SE"));
  EXPECT_DETERMINISTIC(Revenue(two_most));
  EXPECT_EQ(Revenue(SaleOf("ann", "pen", least) + SaleOf("ann", "pen", "-1")).Run().status.code(),
            StatusCode::kBadData);
  EXPECT_THAT(
      Revenue(two_most + SaleOf("ann", "pen", least) + SaleOf("bob", "pen", most)).Run().Rows(),
      ElementsAre("DE\toffice\t2026-11-21\t" + most + "\t1",
                  "SE\toffice\t2026-11-21\t9223372036854775806\t3"));
}

TEST(RevenueTest, HasAnEmptyOutputForNoTransactions) {
  EXPECT_EQ(Revenue("").Run().Text(), "");
  EXPECT_EQ(TestRun("revenue")
                .Shards("transactions", {})
                .Shards("users", {})
                .Shards("products", {})
                .Run()
                .Text(),
            "");
}

TEST(RevenueTest, NeedsNoUsersAndNoProducts) {
  const TestRun run = Revenue(SaleOf("ann", "pen", "1")).Input("users", "").Shards("products", {});
  EXPECT_THAT(run.Run().Rows(), ElementsAre("?\t?\t2026-11-21\t1\t1"));
  EXPECT_THAT(TestRun(run).Param("unknown", "drop").Run().Rows(), IsEmpty());
}

TEST(RevenueTest, BearsThatAllRecordsAreRejected) {
  const TestRun run = Revenue("x\ny\n").Input("users", "x\n").Input("products", "x\n");
  EXPECT_EQ(run.Run().status.code(), StatusCode::kBadData);
  const TestResult result = TestRun(run).MaxRejects(4).Run();
  EXPECT_EQ(result.Text(), "");
  EXPECT_THAT(ReasonsOf(result), Each(HasSubstr("the line has 1 field")));
}

TEST(RevenueTest, MovesColumnsOfOneInput) {
  const TestRun moved = Revenue("2026-11-21\tann\tpen\t7\n")
                            .Input("users", "SE\tann\n")
                            .Param("timestamp", "1")
                            .Param("transactions.user", "2")
                            .Param("transactions.product", "3")
                            .Param("txn", "5")
                            .Param("country", "1")
                            .Param("users.user", "2");
  EXPECT_THAT(moved.Run().Rows(), ElementsAre("SE\toffice\t2026-11-21\t7\t1"));
  // Two inputs have the column.
  EXPECT_EQ(TestRun(moved).Param("user", "2").Run().status.code(), StatusCode::kInvalidArgument);
}

TEST(RevenueTest, RefusesAnotherUnknown) {
  EXPECT_EQ(Revenue("").Param("unknown", "count").Run().status.code(),
            StatusCode::kInvalidArgument);
}

using Text = std::optional<std::string>;
struct OracleSale {
  Text user, product, cents, timestamp;
};
// In the order of the input: shard by shard.
struct OracleData {
  std::vector<std::vector<std::pair<Text, Text>>> users, products;
  std::vector<OracleSale> sales;
};

std::map<std::string, Text> OracleTable(const std::vector<std::vector<std::pair<Text, Text>>>& rows,
                                        std::uint64_t* rejects) {
  std::map<std::string, Text> table;
  for (const auto& shard : rows) {
    for (const auto& [key, value] : shard) {
      if (!key || !table.try_emplace(*key, value).second) ++*rejects;
    }
  }
  return table;
}

std::string OracleRevenue(const OracleData& data, bool keeps_unknown, std::uint64_t* rejects,
                          std::uint64_t* unknown) {
  const std::map<std::string, Text> users = OracleTable(data.users, rejects);
  const std::map<std::string, Text> products = OracleTable(data.products, rejects);
  const auto find = [](const std::map<std::string, Text>& table, const Text& key) -> Text {
    const auto found = key ? table.find(*key) : table.end();
    return found == table.end() ? std::nullopt : found->second;
  };
  std::map<std::tuple<std::string, std::string, std::string>, std::pair<std::int64_t, std::int64_t>>
      groups;
  for (const OracleSale& sale : data.sales) {
    if (!sale.cents || *sale.cents == "x" || !sale.timestamp || sale.timestamp->size() < 10) {
      ++*rejects;
      continue;
    }
    const Text country = find(users, sale.user), category = find(products, sale.product);
    if (!country || !category) ++*unknown;
    if ((!country || !category) && !keeps_unknown) continue;
    auto& [cents, count] =
        groups[{country.value_or("?"), category.value_or("?"), sale.timestamp->substr(0, 10)}];
    cents += std::stoll(*sale.cents);
    ++count;
  }
  RowBuffer rows;
  for (const auto& [key, sums] : groups) AppendTsvRow(rows, key, sums);
  return std::string(rows.view());
}

Text AnyName(Random& random, const char* prefix, std::uint64_t count) {
  if (random.Uniform(25) == 0) return std::nullopt;
  if (random.Uniform(25) == 0) return "";
  const char* const suffixes[] = {"", "", "", "\t", "\\", "\n"};
  return prefix + std::to_string(random.Uniform(count)) + suffixes[random.Uniform(6)];
}

std::vector<std::vector<std::pair<Text, Text>>> AnyTable(Random& random, const char* key,
                                                         const char* value) {
  std::vector<std::vector<std::pair<Text, Text>>> shards(1 + random.Uniform(3));
  for (auto& shard : shards) {
    for (std::uint64_t n = random.Uniform(12); n > 0; --n) {
      shard.emplace_back(AnyName(random, key, 12), AnyName(random, value, 3));
    }
  }
  return shards;
}

std::vector<std::string> TextOf(const std::vector<std::vector<std::pair<Text, Text>>>& table) {
  std::vector<std::string> shards;
  for (const auto& rows : table) {
    RowBuffer lines;
    for (const auto& [key, value] : rows) AppendTsvRow(lines, key, value);
    shards.emplace_back(lines.view());
  }
  return shards;
}

TEST(RevenueTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 40; ++i) {
    OracleData data;
    data.users = AnyTable(random, "u", "c");
    data.products = AnyTable(random, "p", "g");
    std::vector<std::string> shards(1 + random.Uniform(3));
    for (std::uint64_t n = random.Uniform(300); n > 0; --n) {
      OracleSale sale{AnyName(random, "u", 14), AnyName(random, "p", 14),
                      std::to_string(static_cast<std::int64_t>(random.Uniform(2000)) - 500),
                      "2026-11-1" + std::to_string(random.Uniform(3)) + "T08:00:00Z"};
      if (random.Uniform(40) == 0) sale.cents = std::nullopt;
      if (random.Uniform(40) == 0) sale.cents = "x";
      if (random.Uniform(40) == 0) sale.timestamp = "2026-11";
      RowBuffer line;
      AppendTsvRow(line, std::tuple("t"s, sale.user, sale.product),
                   std::tuple(sale.cents, sale.timestamp));
      shards[random.Uniform(shards.size())] += line.view();
      data.sales.push_back(std::move(sale));
    }
    const bool keeps_unknown = random.Uniform(2) == 0;
    const TestRun run = TestRun("revenue")
                            .Shards("transactions", shards)
                            .Shards("users", TextOf(data.users))
                            .Shards("products", TextOf(data.products))
                            .Param("unknown", keeps_unknown ? "keep" : "drop")
                            .MaxRejects(1000);
    std::uint64_t rejects = 0, unknown = 0;
    const std::string wanted = OracleRevenue(data, keeps_unknown, &rejects, &unknown);
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), wanted);
    ASSERT_EQ(result.rejects.size(), rejects);
    ASSERT_EQ(result.Counter("unknown"), unknown);
    if (i % 13 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

}  // namespace
}  // namespace millrace
