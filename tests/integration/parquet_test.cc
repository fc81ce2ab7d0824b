// SPDX-License-Identifier: Apache-2.0
// Parquet to Parquet by the command, read by DuckDB itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdlib.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "mapreduce/formats/duckdb_session.h"
#include "tests/integration/millrace_process.h"
#include "tests/unit/formats/duckdb_for_tests.h"

namespace millrace {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Small row groups, so that splits of some KiB have rows.
constexpr char kPlays[] =
    "SELECT TIMESTAMP '2026-11-21 10:00:00' + INTERVAL (i) SECOND AS time, 'user' || (i % 300) AS "
    "user, 'song ' || (hash(i) % 500) AS track, ['SE', 'NO', 'DE'][1 + (hash(i + 7) % 3)::INTEGER] "
    "AS country, (30000 + i % 1000)::INTEGER AS ms_played FROM range(60000) t(i)";

class ParquetRunTest : public MillraceTest {
 protected:
  void SetUp() override {
    MILLRACE_NEEDS_DUCKDB();
    MillraceTest::SetUp();
    auto session = DuckDbSession::New(std::uint64_t{1} << 30);
    ASSERT_TRUE(session.ok()) << session.error().message();
    duckdb_ = *std::move(session);
    std::filesystem::create_directories(Path("in"));
    Sql("COPY (" + std::string(kPlays) + ") TO '" + Path("in/plays.parquet") +
        "' (FORMAT parquet, ROW_GROUP_SIZE 2048)");
  }
  std::string Path(const std::string& name) { return (root_ / name).string(); }
  void Sql(const std::string& sql) {
    const Status status = duckdb_->Run(sql);
    ASSERT_TRUE(status.ok()) << sql << ": " << status.message();
  }
  // As TSV, in DuckDB's words.
  std::string Query(const std::string& query) {
    Sql("COPY (" + query + ") TO '" + Path("query.tsv") +
        "' (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '')");
    return Read("query.tsv");
  }
  ProcessResult TopList(const std::vector<std::string>& more, const std::string& output = "out") {
    std::vector<std::string> words = {"run",      "toplist", "--input",         "in/plays.parquet",
                                      "--output", output,    "--output-format", "parquet",
                                      "--force"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  }
  json Manifest(const std::string& output) { return json::parse(Read(output + "/_manifest.json")); }

  std::unique_ptr<DuckDbSession> duckdb_;
};

// What DuckDB makes of the same plays by SQL.
TEST_F(ParquetRunTest, TheResultIsDuckDbs) {
  const ProcessResult run = TopList({"--param", "k=20", "--split-size", "20000"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string plays = "read_parquet('" + Path("in/plays.parquet") + "')";
  const std::string expected =
      Query("WITH n AS (SELECT country, track, count(*) AS n FROM " + plays +
            " GROUP BY ALL UNION ALL SELECT '*', track, count(*) FROM " + plays +
            " GROUP BY ALL), ranked AS (SELECT country, row_number() OVER (PARTITION BY country "
            "ORDER BY n "
            "DESC, track) AS rank, track, n FROM n) SELECT * FROM ranked WHERE rank <= 20 ORDER BY "
            "country, "
            "rank");
  EXPECT_EQ(Query("SELECT * FROM '" + Path("out/part-00000.parquet") + "'"), expected);
  EXPECT_EQ(Run({"cat", "out"}).out, expected);
  EXPECT_EQ(Run({"head", "out", "-n", "3"}).out,
            expected.substr(
                0, expected.find('\n', expected.find('\n', expected.find('\n') + 1) + 1) + 1));
  EXPECT_EQ(Run({"verify", "out"}).exit_code, 0);
  EXPECT_EQ(Run({"rerun", "out"}).out, "identical\n");
  EXPECT_EQ(Manifest("out")["plan"]["output_format"], "parquet");
  EXPECT_EQ(Manifest("out")["plan"]["inputs"][0]["format"], "parquet");
  // The same as from and to lines of text.
  Sql("COPY (SELECT strftime(time, '%Y-%m-%dT%H:%M:%SZ'), * EXCLUDE (time) FROM " + plays +
      ") TO '" + Path("plays.tsv") + "' (FORMAT csv, DELIMITER '\t', HEADER false)");
  ASSERT_EQ(Run({"run", "toplist", "--input", "plays.tsv", "--output", "text", "--param", "k=20"})
                .exit_code,
            0);
  EXPECT_EQ(Read("text/part-00000.tsv"), expected);
}

TEST_F(ParquetRunTest, BytesAreTheSameWhateverTheMachineDoes) {
  std::string first;
  for (const std::string parallel : {"1", "2", "5"}) {
    for (const std::string split : {"5000", "40000", "1g"}) {
      const ProcessResult run =
          TopList({"--parallel", parallel, "--split-size", split, "--parts", "2", "--quiet"});
      ASSERT_EQ(run.exit_code, 0) << run.err;
      const std::string bytes = Read("out/part-00000.parquet") + Read("out/part-00001.parquet");
      if (first.empty()) first = bytes;
      EXPECT_TRUE(bytes == first) << parallel << " " << split;
    }
  }
  const ProcessResult isolated = TopList({"--isolate", "--parts", "2", "--split-size", "100000"});
  ASSERT_EQ(isolated.exit_code, 0) << isolated.err;
  EXPECT_TRUE(Read("out/part-00000.parquet") + Read("out/part-00001.parquet") == first);
}

// A job without a reduce: many tasks write one file, whose rows are in the order of the input.
TEST_F(ParquetRunTest, RowsOfManyTasksKeepTheirOrder) {
  const std::string input = Path("in/plays.parquet");
  const auto run = [&](const std::string& format, const std::string& parallel) {
    const ProcessResult result =
        Run({"run", "rows", "--module", MILLRACE_PROBES, "--input", "in/plays.parquet", "--param",
             "first=user", "--param", "second=track", "--output", format + parallel,
             "--output-format", format, "--parallel", parallel, "--split-size", "10000"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  };
  run("tsv", "3");
  run("parquet", "1");
  run("parquet", "4");
  EXPECT_EQ(Run({"cat", "parquet4", "--name", "rows"}).out, Read("tsv3/rows/part-00000.tsv"));
  EXPECT_TRUE(Read("parquet1/rows/part-00000.parquet") == Read("parquet4/rows/part-00000.parquet"));
}

TEST_F(ParquetRunTest, WhatIsSetAsideIsToldByItsRow) {
  Sql("COPY (SELECT * REPLACE (CASE WHEN file_row_number = 41234 THEN NULL ELSE country END AS "
      "country) FROM '" +
      Path("in/plays.parquet") + "') TO '" + Path("in/odd.parquet") +
      "' (FORMAT parquet, ROW_GROUP_SIZE 2048)");
  for (const std::string split : {"10000", "1g"}) {
    const ProcessResult run = Run({"run", "toplist", "--input", "in/odd.parquet", "--output", "odd",
                                   "--force", "--max-rejects", "1", "--split-size", split});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(Read("odd/_rejects.tsv"),
                AllOf(HasSubstr("in/odd.parquet\t41234\tcountry is NULL"), HasSubstr("song ")));
  }
}

TEST_F(ParquetRunTest, SchemaAndHeadShowAFile) {
  const ProcessResult schema = Run({"schema", "in/plays.parquet"});
  EXPECT_EQ(schema.exit_code, 0) << schema.err;
  EXPECT_THAT(schema.out, AllOf(StartsWith("in/plays.parquet: parquet, "), HasSubstr("user"),
                                HasSubstr("ms_played  integer")));
  EXPECT_THAT(Run({"head", "in/plays.parquet", "-n", "1"}).out,
              HasSubstr("2026-11-21T10:00:00\tuser0\tsong "));
}

TEST_F(ParquetRunTest, DamageEndsTheRunAndNamesTheFile) {
  const std::string good = Read("in/plays.parquet");
  Write("in/plays.parquet", good.substr(0, good.size() / 2));
  ProcessResult run = TopList({});
  EXPECT_EQ(run.exit_code, 65);
  EXPECT_THAT(run.err, AllOf(HasSubstr("in/plays.parquet: is cut off"), Not(HasSubstr("/proc"))));
  // Pages of all columns, which the plan doesn't look at.
  std::string bad = good;
  for (std::size_t at = 2000; at < 25'000; ++at) bad[at] = '\xEE';
  Write("in/plays.parquet", bad);
  run = TopList({});
  EXPECT_EQ(run.exit_code, 65) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("in/plays.parquet: can't be read as Parquet"),
                             Not(HasSubstr("/proc"))));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(ParquetRunTest, WhatCantBeDoneIsRefusedBeforeAnythingRuns) {
  const ProcessResult compressed = TopList({"--compress", "zstd"});
  EXPECT_EQ(compressed.exit_code, 64);
  EXPECT_THAT(compressed.err, HasSubstr("leave out --compress"));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(ParquetRunTest, RerunNamesTheRecordThatDiffers) {
  ASSERT_EQ(TopList({"--param", "k=5"}).exit_code, 0);
  const std::string part = Path("out/part-00000.parquet");
  Sql("COPY (SELECT * REPLACE (CASE WHEN file_row_number = 2 THEN n + 1 ELSE n END AS n) FROM '" +
      part + "') TO '" + Path("other.parquet") + "' (FORMAT parquet)");
  Write("out/part-00000.parquet", Read("other.parquet"));
  const ProcessResult rerun = Run({"rerun", "out"});
  EXPECT_EQ(rerun.exit_code, 65);
  EXPECT_THAT(rerun.out + rerun.err, HasSubstr("part-00000.parquet differs in record 3"));
}

// Without the library: one sentence, for what is read as for what is written.
class ParquetWithoutLibraryTest : public MillraceTest {
 protected:
  void SetUp() override {
    MillraceTest::SetUp();
    if (const char* const path = ::getenv("MILLRACE_DUCKDB"); path != nullptr) before_ = path;
    ::setenv("MILLRACE_DUCKDB", "/nowhere/libduckdb.so", 1);
  }
  void TearDown() override {
    ::unsetenv("MILLRACE_DUCKDB");
    if (before_) ::setenv("MILLRACE_DUCKDB", before_->c_str(), 1);
    MillraceTest::TearDown();
  }

  std::optional<std::string> before_;
};

TEST_F(ParquetWithoutLibraryTest, SaysHowToGetIt) {
  Write("plays.tsv", "t\tann\tsong\tSE\t40000\n");
  // Begins and ends as it should: a footer of 8 bytes, and its length.
  Write("plays.parquet", "PAR1 footer.." + std::string("\x08\0\0\0", 4) + "PAR1");
  const std::vector<std::string> run = {"run", "toplist", "--output", "out"};
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--input", "plays.parquet"},
        std::vector<std::string>{"--input", "plays.tsv", "--output-format", "parquet"}}) {
    std::vector<std::string> words = run;
    words.insert(words.end(), more.begin(), more.end());
    const ProcessResult result = Run(words);
    EXPECT_EQ(result.exit_code, 64);
    EXPECT_THAT(result.err, AllOf(HasSubstr("Parquet needs DuckDB's library"),
                                  HasSubstr("npm install --prefix DIR")));
    EXPECT_FALSE(Exists("out"));
  }
}

}  // namespace
}  // namespace millrace
