// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string Transaction(const std::string& txn, const std::string& cents,
                        const std::string& day = "2026-11-21") {
  return txn + "\tann\tbook\t" + cents + "\t" + day + "T10:00:00Z\n";
}

TestRun Import(const std::string& transactions) {
  return TestRun("accounting_import").Input("transactions", transactions);
}

struct Booking {
  std::string batch, date, account, currency;
  std::int64_t debit_cents = 0, credit_cents = 0, transactions = 0;
};

std::vector<Booking> BookingsOf(const TestResult& result) {
  EXPECT_TRUE(result.ok()) << result.status.message();
  std::vector<Booking> bookings;
  for (const std::string& row : result.Rows()) {
    std::vector<std::string> fields;
    for (std::size_t begin = 0; begin <= row.size();) {
      const std::size_t end = std::min(row.find('\t', begin), row.size());
      fields.push_back(row.substr(begin, end - begin));
      begin = end + 1;
    }
    EXPECT_THAT(fields, SizeIs(7));
    bookings.push_back({fields[0], fields[1], fields[2], fields[3], std::stoll(fields[4]),
                        std::stoll(fields[5]), std::stoll(fields[6])});
  }
  return bookings;
}

// The batches by their days.
std::map<std::string, std::string> BatchesOf(const TestResult& result) {
  std::map<std::string, std::string> batches;
  for (const Booking& booking : BookingsOf(result)) {
    EXPECT_EQ(batches.emplace(booking.date, booking.batch).first->second, booking.batch);
  }
  return batches;
}

std::string BatchOf(const std::string& transactions) {
  const std::map<std::string, std::string> batches = BatchesOf(Import(transactions).Run());
  EXPECT_THAT(batches, SizeIs(1));
  return batches.empty() ? "" : batches.begin()->second;
}

std::vector<std::string> RowsWithoutBatch(const TestResult& result) {
  std::vector<std::string> rows;
  for (const std::string& row : result.Rows()) rows.push_back(row.substr(row.find('\t') + 1));
  return rows;
}

TEST(AccountingImportTest, BooksSalesAndRefundsOfEachDay) {
  const std::string transactions =
      Transaction("t1", "1000") + Transaction("t2", "250") + Transaction("t3", "-400") +
      Transaction("t4", "-5", "2026-11-22") + Transaction("t5", "7", "2026-11-20");
  EXPECT_THAT(
      RowsWithoutBatch(Import(transactions).Run()),
      ElementsAre("2026-11-20\treceivables\tEUR\t7\t0\t1", "2026-11-20\trevenue\tEUR\t0\t7\t1",
                  "2026-11-21\treceivables\tEUR\t1250\t400\t3",
                  "2026-11-21\trefunds\tEUR\t400\t0\t1", "2026-11-21\trevenue\tEUR\t0\t1250\t2",
                  "2026-11-22\treceivables\tEUR\t0\t5\t1", "2026-11-22\trefunds\tEUR\t5\t0\t1"));
}

// Ledgers know batches by these names: another one for the same day would be booked again.
TEST(AccountingImportTest, ABatchIsCalledAsEver) {
  EXPECT_EQ(BatchOf(Transaction("t1", "1000") + Transaction("t3", "-400")),
            "2026-11-21-EUR-1771fbb496065cf2");
}

TEST(AccountingImportTest, TheCurrencyIsAParameter) {
  EXPECT_THAT(
      RowsWithoutBatch(Import(Transaction("t", "1")).Param("currency", "SEK").Run()),
      ElementsAre("2026-11-21\treceivables\tSEK\t1\t0\t1", "2026-11-21\trevenue\tSEK\t0\t1\t1"));
  EXPECT_THAT(Import(Transaction("t", "1")).Param("currency", "SEK").Run().Rows()[0],
              testing::StartsWith("2026-11-21-SEK-"));
}

TEST(AccountingImportTest, RefusesACurrencyOfNothing) {
  const TestResult result = Import(Transaction("t", "1")).Param("currency", "").Run();
  EXPECT_EQ(result.status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status.message(), HasSubstr("currency must not be empty"));
}

TEST(AccountingImportTest, TheBatchChangesWithTheDaysTransactions) {
  const std::string t1 = Transaction("t1", "1000"), t2 = Transaction("t2", "250");
  std::set<std::string> batches;
  const std::vector<std::string> days = {
      t1 + t2,
      t1,
      t2,
      t1 + Transaction("t2", "251"),
      t1 + Transaction("t2", "-250"),
      t1 + Transaction("t3", "250"),
      t1 + t2 + Transaction("t3", "0"),
      Transaction("t1", "250") + Transaction("t2", "1000"),  // The same sums.
      Transaction("t1", "600") + Transaction("t2", "650"),
      Transaction("t1=1000;t2", "250"),
      Transaction("t1=1000;2:t2", "250"),  // The borders between the parts are no text.
      Transaction("t", "11000") + t2,
      Transaction("", "1000") + t2,
      t1 + Transaction("t2", "250", "2026-11-22"),
  };
  for (const std::string& day : days) {
    batches.insert(BatchesOf(Import(day).Run()).at("2026-11-21"));
  }
  EXPECT_THAT(batches, SizeIs(days.size() - 1));  // The last day is {t1}, as the second.
}

TEST(AccountingImportTest, TheBatchChangesWithNothingElse) {
  const std::string t1 = Transaction("t1", "1000"), t2 = Transaction("t2", "-250");
  const std::string batch = BatchOf(t1 + t2);
  EXPECT_EQ(BatchOf(t2 + t1), batch);
  EXPECT_EQ(BatchOf("\\164\\x31\tbob\t\\N\t01000\t2026-11-21 23:59\tmore\n" + t2), batch);
  EXPECT_EQ(
      BatchesOf(TestRun("accounting_import")
                    .Shards("transactions", {t2, "", t1, Transaction("t3", "1", "2026-11-22")})
                    .Run())
          .at("2026-11-21"),
      batch);
  const TestResult twice = Import(t1 + t2 + t1).MaxRejects(1).Run();
  EXPECT_EQ(BatchesOf(twice).at("2026-11-21"), batch);
}

TEST(AccountingImportTest, BooksATransactionOnceAndRejectsItsSecondWithItsPlace) {
  const TestRun run =
      TestRun("accounting_import")
          .Shards("transactions", {Transaction("t2", "5") + Transaction("t1", "1000"),
                                   Transaction("t1", "999") + Transaction("t3", "7"),
                                   Transaction("t1", "1000", "2026-11-22")})
          .MaxRejects(2);
  const TestResult result = run.Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(RowsWithoutBatch(result), ElementsAre("2026-11-21\treceivables\tEUR\t1012\t0\t3",
                                                    "2026-11-21\trevenue\tEUR\t0\t1012\t3"));
  const std::string reason = "its key was there before";
  EXPECT_THAT(
      result.rejects,
      ElementsAre(
          TestReject{"transactions", 1, 0, reason, "t1\tann\tbook\t999\t2026-11-21T10:00:00Z"},
          TestReject{"transactions", 2, 0, reason, "t1\tann\tbook\t1000\t2026-11-22T10:00:00Z"}));
  EXPECT_EQ(TestRun(run).MaxRejects(1).Run().status.code(), StatusCode::kBadData);
  EXPECT_DETERMINISTIC(run);
}

TEST(AccountingImportTest, ZeroIsASale) {
  EXPECT_THAT(
      RowsWithoutBatch(Import(Transaction("t", "0") + Transaction("u", "-0")).Run()),
      ElementsAre("2026-11-21\treceivables\tEUR\t0\t0\t2", "2026-11-21\trevenue\tEUR\t0\t0\t2"));
}

TEST(AccountingImportTest, RejectsWhatCannotBe) {
  const TestResult result =
      Import(
          "t1\tu\tp\t1.5\t2026-11-21\nt2\tu\tp\t\\N\t2026-11-21\n\\N\tu\tp\t1\t2026-11-21\n"
          "t4\tu\tp\t1\t2026-11-31\nt5\tu\tp\t1\nt6\tu\tp\t9223372036854775808\t2026-11-21\n"
          "t1\tu\tp\t15\t2026-11-21\n")  // The first t1 that can be read.
          .MaxRejects(6)
          .Run();
  EXPECT_THAT(RowsWithoutBatch(result), ElementsAre("2026-11-21\treceivables\tEUR\t15\t0\t1",
                                                    "2026-11-21\trevenue\tEUR\t0\t15\t1"));
  std::vector<std::string> reasons;
  for (const TestReject& reject : result.rejects) reasons.push_back(reject.reason);
  EXPECT_THAT(reasons, ElementsAre("amount_cents is not an integer: '1.5'", "amount_cents is NULL",
                                   "txn is NULL", HasSubstr("timestamp does not start with a date"),
                                   "timestamp is missing: the line has 4 fields",
                                   HasSubstr("amount_cents is out of range")));
}

TEST(AccountingImportTest, FailsBeyondInt64) {
  const std::string most = "9223372036854775807";
  for (const std::string sign : {"", "-"}) {
    EXPECT_TRUE(Import(Transaction("a", sign + most) + Transaction("b", "0")).Run().ok());
    const TestResult result =
        Import(Transaction("a", sign + most) + Transaction("b", sign + "1")).MaxRejects(9).Run();
    EXPECT_EQ(result.status.code(), StatusCode::kBadData);
    EXPECT_THAT(result.status.message(), HasSubstr("2026-11-21"));
  }
  const TestResult least = Import(Transaction("a", "-9223372036854775808")).MaxRejects(9).Run();
  EXPECT_EQ(least.status.code(), StatusCode::kBadData);
  EXPECT_THAT(least.status.message(), HasSubstr("transaction a"));
  // Sales and refunds are sums of their own, and so are days.
  EXPECT_TRUE(Import(Transaction("a", most) + Transaction("b", "-" + most) +
                     Transaction("c", most, "2026-11-22"))
                  .Run()
                  .ok());
}

TEST(AccountingImportTest, MovesColumns) {
  EXPECT_THAT(
      RowsWithoutBatch(Import("2026-11-21\t5\tt1\n")
                           .Param("timestamp", "1")
                           .Param("amount_cents", "2")
                           .Param("txn", "3")
                           .Param("user", "8")
                           .Param("product", "9")
                           .Run()),
      ElementsAre("2026-11-21\treceivables\tEUR\t5\t0\t1", "2026-11-21\trevenue\tEUR\t0\t5\t1"));
}

TEST(AccountingImportTest, HasAnEmptyOutputForNoTransactionsAndForRejectsAlone) {
  EXPECT_EQ(Import("").Run().Text(), "");
  const TestResult result = Import("t1\n\n").MaxRejects(2).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), IsEmpty());
  EXPECT_THAT(result.rejects, SizeIs(2));
}

TEST(AccountingImportTest, TakesOneTransactionManyTimes) {
  std::string transactions;
  for (int i = 0; i < 500; ++i) transactions += Transaction("t", "5");
  const TestRun run = Import(transactions).MaxRejects(499);
  EXPECT_THAT(RowsWithoutBatch(run.Run()), ElementsAre("2026-11-21\treceivables\tEUR\t5\t0\t1",
                                                       "2026-11-21\trevenue\tEUR\t0\t5\t1"));
  EXPECT_THAT(run.Run().rejects, SizeIs(499));
  EXPECT_DETERMINISTIC(run, {.runs = 4});
}

TEST(AccountingImportTest, EachDaysDebitsEqualItsCredits) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 40; ++i) {
    std::vector<std::string> shards(1 + random.Uniform(3));
    struct Sums {
      std::int64_t sales = 0, refunds = 0, count = 0;
    };
    std::map<std::string, Sums> days;
    const std::uint64_t days_count = 1 + random.Uniform(9);  // With 1: one day has everything.
    const std::uint64_t transactions = random.Uniform(300);
    for (std::uint64_t n = 0; n < transactions; ++n) {
      const auto cents = static_cast<std::int64_t>(random.Uniform(2000)) - 700;
      const std::string day = "2026-11-0" + std::to_string(1 + random.Uniform(days_count));
      Sums& sums = days[day];
      (cents < 0 ? sums.refunds : sums.sales) += cents < 0 ? -cents : cents;
      ++sums.count;
      shards[random.Uniform(shards.size())] +=
          Transaction("t" + std::to_string(n), std::to_string(cents), day);
    }
    const TestRun run = TestRun("accounting_import").Shards("transactions", shards);
    const TestResult result = run.Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    std::map<std::string, Sums> booked;
    std::map<std::string, std::int64_t> balance;
    std::set<std::pair<std::string, std::string>> keys;
    for (const Booking& booking : BookingsOf(result)) {
      EXPECT_TRUE(keys.emplace(booking.batch, booking.account).second);  // A ledger's key.
      balance[booking.date] += booking.debit_cents - booking.credit_cents;
      Sums& sums = booked[booking.date];
      if (booking.account == "revenue") sums.sales += booking.credit_cents;
      if (booking.account == "refunds") sums.refunds += booking.debit_cents;
      if (booking.account == "receivables") sums.count += booking.transactions;
    }
    ASSERT_EQ(booked.size(), days.size());
    for (const auto& [day, sums] : days) {
      EXPECT_EQ(balance[day], 0) << day;
      EXPECT_EQ(booked[day].sales, sums.sales) << day;
      EXPECT_EQ(booked[day].refunds, sums.refunds) << day;
      EXPECT_EQ(booked[day].count, sums.count) << day;
    }
    if (i % 8 == 0) {
      EXPECT_DETERMINISTIC(run);
    }
  }
}

}  // namespace
}  // namespace millrace
