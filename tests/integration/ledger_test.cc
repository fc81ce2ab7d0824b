// SPDX-License-Identifier: Apache-2.0
// The SQL of docs/jobs/accounting_import.md, as it stands there, with a real PostgreSQL: what is
// booked once is not booked again, and a corrected day replaces its old self.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/millrace_process.h"
#include "tests/integration/postgres_server.h"
#include "tests/integration/shell.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

class LedgerTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const std::vector<std::string> blocks = SqlBlocks();
    ASSERT_EQ(blocks.size(), 3u) << "the page has other blocks of SQL";
    import_ = blocks[1];
    // The page says: in the same transaction, in front of that INSERT.
    correcting_import_ = import_;
    const std::size_t insert = import_.find("INSERT INTO ledger");
    ASSERT_NE(insert, std::string::npos);
    correcting_import_.insert(insert, blocks[2]);
    folder_ = server_->folder() / "ledger";
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    server_->Ask("postgres",
                 "SET client_min_messages = warning;\nDROP DATABASE IF EXISTS ledger;\n"
                 "CREATE DATABASE ledger;\n");
    server_->Ask("ledger", blocks[0]);
  }

  static std::vector<std::string> SqlBlocks() {
    const std::string page = ReadFile(MILLRACE_SOURCE "/docs/jobs/accounting_import.md");
    std::vector<std::string> blocks;
    for (std::size_t at = 0; (at = page.find("```sql\n", at)) != std::string::npos;) {
      at += 7;
      const std::size_t end = page.find("```", at);
      blocks.push_back(page.substr(at, end - at));
      at = end;
    }
    return blocks;
  }

  // `books` of these lines of "txn cents day".
  void Book(const std::vector<std::vector<std::string>>& transactions,
            const std::string& currency = "EUR") {
    std::string text;
    for (const auto& line : transactions)
      text += line[0] + "\tann\tbook\t" + line[1] + "\t" + line[2] + "T10:00:00Z\n";
    WriteFile(folder_ / "transactions.tsv", text);
    fs::remove_all(folder_ / "books");
    Process run(
        MillraceTest::Command({"run", "accounting_import", "--input", "transactions.tsv",
                               "--output", "books", "--param", "currency=" + currency, "--quiet"}),
        folder_);
    const ProcessResult result = run.Wait();
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }

  // Runs a script where `millrace` is found and `books` lies; returns psql's exit code.
  int Import(const std::string& script) {
    WriteFile(folder_ / "import.sql", script);
    const std::string programs = fs::path(MILLRACE_BINARY).parent_path().string();
    const std::string line = "cd " + folder_.string() + " && PATH='" + programs + "':\"$PATH\" " +
                             server_->Client("psql", "ledger") +
                             "-X -q -v ON_ERROR_STOP=1 -f import.sql > psql.out 2> psql.err";
    const int status = std::system(line.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string Ledger() {
    return server_->CopyOut("ledger", "(SELECT * FROM ledger ORDER BY 1, 3)");
  }
  std::string Balances() {
    return server_->CopyOut("ledger",
                            "(SELECT date, account, sum(debit_cents) - sum(credit_cents), "
                            "sum(transactions) FROM ledger GROUP BY 1, 2 ORDER BY 1, 2)");
  }
  std::string Error() { return ReadFile(folder_ / "psql.err"); }

  fs::path folder_;
  std::string import_, correcting_import_;
};

TEST_F(LedgerTest, ARerunBooksNothingNew) {
  Book({{"t1", "1500", "2026-11-20"}, {"t2", "-300", "2026-11-20"}, {"t3", "129", "2026-11-21"}});
  ASSERT_EQ(Import(import_), 0) << Error();
  const std::string once = Ledger();
  EXPECT_EQ(Balances(),
            "2026-11-20\treceivables\t1200\t2\n2026-11-20\trefunds\t300\t1\n"
            "2026-11-20\trevenue\t-1500\t1\n2026-11-21\treceivables\t129\t1\n"
            "2026-11-21\trevenue\t-129\t1\n");
  ASSERT_EQ(Import(import_), 0) << Error();
  EXPECT_EQ(Ledger(), once);
  // A longer week, its first days booked: those that are not are added.
  Book({{"t3", "129", "2026-11-21"},
        {"t4", "50", "2026-11-22"},
        {"t2", "-300", "2026-11-20"},
        {"t1", "1500", "2026-11-20"}});
  ASSERT_EQ(Import(import_), 0) << Error();
  EXPECT_EQ(Balances(),
            "2026-11-20\treceivables\t1200\t2\n2026-11-20\trefunds\t300\t1\n"
            "2026-11-20\trevenue\t-1500\t1\n2026-11-21\treceivables\t129\t1\n"
            "2026-11-21\trevenue\t-129\t1\n2026-11-22\treceivables\t50\t1\n"
            "2026-11-22\trevenue\t-50\t1\n");
}

TEST_F(LedgerTest, ACorrectedDayIsReversedAndBookedAnew) {
  Book({{"t1", "1500", "2026-11-20"}, {"t3", "129", "2026-11-21"}});
  ASSERT_EQ(Import(correcting_import_), 0) << Error();
  Book({{"t1", "1500", "2026-11-20"}, {"t2", "700", "2026-11-20"}, {"t3", "129", "2026-11-21"}});
  ASSERT_EQ(Import(correcting_import_), 0) << Error();
  const std::string corrected =
      "2026-11-20\treceivables\t2200\t2\n2026-11-20\trevenue\t-2200\t2\n"
      "2026-11-21\treceivables\t129\t1\n2026-11-21\trevenue\t-129\t1\n";
  EXPECT_EQ(Balances(), corrected);
  const std::string rows = Ledger();
  ASSERT_EQ(Import(correcting_import_), 0) << Error();
  EXPECT_EQ(Ledger(), rows);
  // Another currency of that day is no correction of it.
  Book({{"t9", "1", "2026-11-20"}}, "USD");
  ASSERT_EQ(Import(correcting_import_), 0) << Error();
  EXPECT_EQ(Balances(),
            "2026-11-20\treceivables\t2201\t3\n2026-11-20\trevenue\t-2201\t3\n"
            "2026-11-21\treceivables\t129\t1\n2026-11-21\trevenue\t-129\t1\n");
  const std::string both = Ledger();
  // Back to what it was: its id is known, and reversed. Nothing is booked, and somebody is told.
  Book({{"t1", "1500", "2026-11-20"}, {"t3", "129", "2026-11-21"}});
  EXPECT_EQ(Import(correcting_import_), 3);
  EXPECT_NE(Error().find("its batch is known, and reversed"), std::string::npos) << Error();
  EXPECT_EQ(Ledger(), both);
}

}  // namespace
}  // namespace millrace
