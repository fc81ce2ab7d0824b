// SPDX-License-Identifier: Apache-2.0
// `millrace run --output-format`: rows as CSV and JSON Lines, read by others than ourselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/millrace_process.h"

namespace millrace {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const char kPlays[] =
    "2026-11-21T10:00:00Z\tann\tsong, with a comma\tSE\t40000\n"
    "2026-11-21T10:01:00Z\tbob\tsong, with a comma\tSE\t31000\n"
    "2026-11-21T10:02:00Z\tann\t\"hymn\"\tSE\t90000\n"
    "2026-11-21T10:03:00Z\tcat\tBj\xC3\xB6rk\\ntwo lines\tDE\t30000\n";
const char kTopListCsv[] =
    "country,rank,track,n\n"
    "*,1,\"song, with a comma\",2\n*,2,\"\"\"hymn\"\"\",1\n*,3,\"Bj\xC3\xB6rk\ntwo lines\",1\n"
    "DE,1,\"Bj\xC3\xB6rk\ntwo lines\",1\n"
    "SE,1,\"song, with a comma\",2\nSE,2,\"\"\"hymn\"\"\",1\n";
const char kTopListJson[] =
    "{\"country\":\"*\",\"rank\":1,\"track\":\"song, with a comma\",\"n\":2}\n"
    "{\"country\":\"*\",\"rank\":2,\"track\":\"\\\"hymn\\\"\",\"n\":1}\n"
    "{\"country\":\"*\",\"rank\":3,\"track\":\"Bj\xC3\xB6rk\\ntwo lines\",\"n\":1}\n"
    "{\"country\":\"DE\",\"rank\":1,\"track\":\"Bj\xC3\xB6rk\\ntwo lines\",\"n\":1}\n"
    "{\"country\":\"SE\",\"rank\":1,\"track\":\"song, with a comma\",\"n\":2}\n"
    "{\"country\":\"SE\",\"rank\":2,\"track\":\"\\\"hymn\\\"\",\"n\":1}\n";

class CliOutputFormatTest : public MillraceTest {
 protected:
  void SetUp() override {
    MillraceTest::SetUp();
    Write("in/plays.tsv", kPlays);
  }
  ProcessResult TopList(std::vector<std::string> more) {
    std::vector<std::string> words = {"run", "toplist", "--input", "in", "--output", "out"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  }
  json Manifest(const std::string& output = "out") {
    return json::parse(Read(output + "/_manifest.json"));
  }
  // What a CSV file holds, in the eyes of Python.
  json PythonCsv(const std::string& path) {
    Process python({"/usr/bin/env", "python3", "-c",
                    "import csv, json, sys\n"
                    "text = open(sys.argv[1], encoding='latin-1', newline='')\n"
                    "print(json.dumps(list(csv.reader(text, strict=True))))",
                    path},
                   root_);
    const ProcessResult result = python.Wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out);
  }
  json PythonJsonLines(const std::string& path) {
    Process python({"/usr/bin/env", "python3", "-c",
                    "import json, sys\n"
                    "lines = open(sys.argv[1], encoding='utf-8', newline='\\n')\n"
                    "print(json.dumps([list(json.loads(line).items()) for line in lines]))",
                    path},
                   root_);
    const ProcessResult result = python.Wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out);
  }
};

TEST_F(CliOutputFormatTest, CsvHasAHeaderAndQuotesWhatNeedsIt) {
  const ProcessResult run = TopList({"--output-format", "csv"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Read("out/part-00000.csv"), kTopListCsv);
  EXPECT_EQ(PythonCsv("out/part-00000.csv")[3],
            json::array({"*", "3", "Bj\xC3\x83\xC2\xB6rk\ntwo lines", "1"}));
  EXPECT_EQ(Manifest()["plan"]["output_format"], "csv");
  EXPECT_EQ(Manifest()["files"][0]["path"], "part-00000.csv");
  EXPECT_EQ(Manifest()["files"][0]["records"], 6);
  EXPECT_EQ(Manifest()["records_out"], 6);
}

TEST_F(CliOutputFormatTest, JsonLinesHaveNumbersAsNumbers) {
  const ProcessResult run = TopList({"--output-format=jsonl"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Read("out/part-00000.jsonl"), kTopListJson);
  const json rows = PythonJsonLines("out/part-00000.jsonl");
  EXPECT_EQ(rows[1], json::parse(R"([["country","*"],["rank",2],["track","\"hymn\""],["n",1]])"));
  EXPECT_EQ(Run({"cat", "out"}).out, kTopListJson);
}

TEST_F(CliOutputFormatTest, TsvIsWhatItWasBefore) {
  ASSERT_EQ(TopList({"--output-format", "tsv"}).exit_code, 0);
  EXPECT_THAT(Read("out/part-00000.tsv"), StartsWith("*\t1\tsong, with a comma\t2\n"));
  EXPECT_FALSE(Manifest()["plan"].contains("output_format"));
  const ProcessResult again = TopList({});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("up to date"));
}

// Each part opens by itself; together they are shown as one.
TEST_F(CliOutputFormatTest, EachPartHasTheHeaderAndCatShowsOne) {
  ASSERT_EQ(TopList({"--output-format", "csv", "--parts", "4"}).exit_code, 0);
  std::string rows;
  for (int part = 0; part < 4; ++part) {
    const std::string text = Read("out/part-0000" + std::to_string(part) + ".csv");
    ASSERT_THAT(text, StartsWith("country,rank,track,n\n")) << part;
    rows += text.substr(text.find('\n') + 1);
  }
  EXPECT_EQ("country,rank,track,n\n" + rows, kTopListCsv);
  EXPECT_EQ(Manifest()["records_out"], 6);
  EXPECT_EQ(Run({"cat", "out"}).out, kTopListCsv);
  const std::string_view csv = kTopListCsv;
  EXPECT_EQ(Run({"head", "out", "-n", "100"}).out, csv);
  EXPECT_EQ(Run({"head", "out", "-n", "4"}).out, csv.substr(0, csv.find("SE,1")));
  EXPECT_EQ(Run({"head", "out", "-n", "3"}).out, csv.substr(0, csv.find("DE,1")));
  EXPECT_EQ(Run({"head", "out", "-n", "0"}).out, "country,rank,track,n\n");
}

TEST_F(CliOutputFormatTest, AnEmptyOutputIsAHeader) {
  Write("empty.tsv", "");
  for (const std::string parts : {"1", "3"}) {
    const ProcessResult run = Run({"run", "toplist", "--input", "empty.tsv", "--output",
                                   "e" + parts, "--output-format", "csv", "--parts", parts});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(Read("e" + parts + "/part-00000.csv"), "country,rank,track,n\n");
    EXPECT_EQ(Run({"cat", "e" + parts}).out, "country,rank,track,n\n");
    EXPECT_EQ(Manifest("e" + parts)["records_out"], 0);
  }
  ASSERT_EQ(
      Run({"run", "toplist", "--input", "empty.tsv", "--output", "j", "--output-format", "jsonl"})
          .exit_code,
      0);
  EXPECT_EQ(Read("j/part-00000.jsonl"), "");
}

TEST_F(CliOutputFormatTest, PartsAreCompressedVerifiedAndRunAgain) {
  for (const auto& [compression, ending] :
       {std::pair<std::string, std::string>{"zstd", ".zst"}, {"gzip", ".gz"}}) {
    for (const auto& [format, text] :
         {std::pair<std::string, std::string>{"csv", kTopListCsv}, {"jsonl", kTopListJson}}) {
      ASSERT_EQ(
          TopList({"--output-format", format, "--compress", compression, "--force", "--parts", "2"})
              .exit_code,
          0);
      EXPECT_TRUE(Exists("out/part-00001." + format + ending));
      EXPECT_EQ(Run({"cat", "out"}).out, text);
      EXPECT_EQ(Run({"verify", "out"}).exit_code, 0);
      const ProcessResult rerun = Run({"rerun", "out", "--into", "again-" + format + ending});
      EXPECT_EQ(rerun.exit_code, 0) << rerun.err;
      EXPECT_EQ(rerun.out, "identical\n");
      EXPECT_EQ(Read("again-" + format + ending + "/_manifest.json"), Read("out/_manifest.json"));
    }
  }
}

TEST_F(CliOutputFormatTest, AnotherFormatIsAnotherPlan) {
  ASSERT_EQ(TopList({}).exit_code, 0);
  const ProcessResult other = TopList({"--output-format", "csv"});
  EXPECT_EQ(other.exit_code, 73);
  EXPECT_THAT(other.err, HasSubstr("--output-format was tsv and is csv"));
  ASSERT_EQ(TopList({"--output-format", "csv", "--force"}).exit_code, 0);
  EXPECT_THAT(TopList({"--output-format", "csv"}).err, HasSubstr("up to date"));
  EXPECT_THAT(TopList({"--output-format", "jsonl"}).err,
              HasSubstr("--output-format was csv and is jsonl"));
}

// Records are rows, whatever lines they have; the header is none.
TEST_F(CliOutputFormatTest, RerunNamesTheRecordThatDiffers) {
  ASSERT_EQ(TopList({"--output-format", "csv"}).exit_code, 0);
  std::string changed = kTopListCsv;
  changed[changed.find("SE,1") + 3] = '7';
  Write("out/part-00000.csv", changed);
  const ProcessResult rerun = Run({"rerun", "out"});
  EXPECT_EQ(rerun.exit_code, 65);
  EXPECT_THAT(rerun.out + rerun.err, HasSubstr("in record 5"));
}

TEST_F(CliOutputFormatTest, BytesAreTheSameWhateverTheMachineDoes) {
  std::string plays;
  for (int i = 0; i < 20'000; ++i) {
    plays += "2026-11-21T10:00:00Z\tuser" + std::to_string(i % 71) + "\ttrack, " +
             std::to_string(i * 7919 % 3001) + (i % 5 == 0 ? "\\n\"x\"" : "") + "\tC" +
             std::to_string(i % 7) + "\t40000\n";
  }
  Write("in/plays.tsv", plays);
  const std::vector<std::vector<std::string>> ways = {
      {"--parallel", "1"},
      {"--parallel", "3", "--split-size", "50000"},
      {"--parallel", "2", "--memory", "16M", "--split-size", "1M", "--scratch", "spills"},
      {"--isolate"},
  };
  for (const std::string format : {"csv", "jsonl"}) {
    std::vector<std::string> manifests, outputs;
    for (const std::vector<std::string>& way : ways) {
      std::vector<std::string> words = {"--output-format", format, "--force",
                                        "--parts",         "3",    "--quiet"};
      words.insert(words.end(), way.begin(), way.end());
      const ProcessResult run = TopList(words);
      ASSERT_EQ(run.exit_code, 0) << run.err;
      manifests.push_back(Read("out/_manifest.json"));
      outputs.push_back(Run({"cat", "out"}).out);
      EXPECT_TRUE(manifests.back() == manifests.front()) << testing::PrintToString(way);
      EXPECT_TRUE(outputs.back() == outputs.front()) << testing::PrintToString(way);
    }
  }
}

TEST_F(CliOutputFormatTest, RevenueKeepsOddBytes) {
  Write("users.tsv", "ann\tS,E\tfree\nbob\t\"\tfree\ncid\t\tfree\ndan\t\\r\\n\tfree\n");
  Write("products.tsv", "p\tcat\\tegory\t1\nq\t\xF6\t1\n");
  Write("transactions.tsv",
        "t1\tann\tp\t100\t2026-11-21\nt2\tbob\tq\t-5\t2026-11-21\nt3\tcid\tx\t7\t2026-11-22\n"
        "t4\tdan\tp\t9007199254740993\t2026-11-22\nt5\t\\N\tp\t1\t2026-11-23\n");
  const std::vector<std::string> revenue = {"run",
                                            "revenue",
                                            "--input",
                                            "transactions=transactions.tsv",
                                            "--input",
                                            "users=users.tsv",
                                            "products=products.tsv",
                                            "--output",
                                            "sales",
                                            "--output-format"};
  std::vector<std::string> csv = revenue;
  csv.push_back("csv");
  const ProcessResult run = Run(csv);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(PythonCsv("sales/part-00000.csv"),
            json::array({{"country", "category", "date", "amount_cents", "transactions"},
                         {"", "?", "2026-11-22", "7", "1"},
                         {"\r\n", "cat\tegory", "2026-11-22", "9007199254740993", "1"},
                         {"\"", "\xC3\xB6", "2026-11-21", "-5", "1"},
                         {"?", "cat\tegory", "2026-11-23", "1", "1"},
                         {"S,E", "cat\tegory", "2026-11-21", "100", "1"}}));
  EXPECT_THAT(Read("sales/part-00000.csv"), HasSubstr("\n\"\",?,2026-11-22,7,1\n"));

  std::vector<std::string> jsonl = revenue;
  jsonl.insert(jsonl.end(), {"jsonl", "--force"});
  const ProcessResult refused = Run(jsonl);
  EXPECT_EQ(refused.exit_code, 65);
  EXPECT_THAT(refused.err, HasSubstr("output revenue: the column category of the row"));
  EXPECT_TRUE(Exists("sales/part-00000.csv"));  // As it was.
  EXPECT_THAT(HiddenNames(), IsEmpty());
  Write("products.tsv", "p\tcat\\tegory\t1\nq\t\xC3\xB6\t1\n");
  ASSERT_EQ(Run(jsonl).exit_code, 0);
  EXPECT_EQ(PythonJsonLines("sales/part-00000.jsonl")[1],
            json::parse(R"([["country","\r\n"],["category","cat\tegory"],["date","2026-11-22"],
                            ["amount_cents",9007199254740993],["transactions",1]])"));
}

std::string EscapedTsv(const std::string& raw) {
  std::string escaped;
  for (const char c : raw) {
    if (c == '\\')
      escaped += "\\\\";
    else if (c == '\t')
      escaped += "\\t";
    else if (c == '\n')
      escaped += "\\n";
    else
      escaped += c;
  }
  return escaped;
}

// All short fields of these bytes, first and last in their row, from a job without a reduce.
TEST_F(CliOutputFormatTest, AnySmallFieldIsReadByOthers) {
  std::vector<std::string> fields = {""};
  for (std::size_t i = 0; i < fields.size() && fields[i].size() < 3; ++i) {
    for (const char c : std::string_view(",\"\r\n\t\\N a")) fields.push_back(fields[i] + c);
  }
  std::string rows;
  json expected_csv = json::array({{"first", "second"}}), expected_json = json::array();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string& second = fields[fields.size() - 1 - i];
    rows += EscapedTsv(fields[i]) + "\t" + EscapedTsv(second) + "\n";
    expected_csv.push_back({fields[i], second});
    expected_json.push_back({{"first", fields[i]}, {"second", second}});
  }
  rows += "\\N\t\\N\n";
  expected_csv.push_back({"", ""});
  Write("rows.tsv", rows);
  const std::vector<std::string> run = {"run",     "rows",           "--module", MILLRACE_PROBES,
                                        "--input", "rows.tsv",       "--output", "out",
                                        "--force", "--output-format"};
  for (const std::string format : {"csv", "jsonl"}) {
    std::vector<std::string> words = run;
    words.push_back(format);
    const ProcessResult result = Run(words);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(Manifest()["files"][0]["records"], fields.size() + 1);
  }
  const json lines = PythonJsonLines("out/rows/part-00000.jsonl");
  ASSERT_EQ(lines.size(), fields.size() + 1);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    ASSERT_EQ(lines[i][0], json::array({"first", expected_json[i]["first"]}));
    ASSERT_EQ(lines[i][1], json::array({"second", expected_json[i]["second"]}));
  }
  EXPECT_EQ(lines.back(), json::parse(R"([["first",null],["second",null]])"));

  std::vector<std::string> words = run;
  words.push_back("csv");
  ASSERT_EQ(Run(words).exit_code, 0);
  const json read = PythonCsv("out/rows/part-00000.csv");
  ASSERT_EQ(read.size(), expected_csv.size());
  for (std::size_t i = 0; i < read.size(); ++i) ASSERT_EQ(read[i], expected_csv[i]) << i;
}

TEST_F(CliOutputFormatTest, AnOutputWithoutColumnsKeepsItsFormat) {
  Write("rows.tsv", "a\tb\n");
  const std::vector<std::string> run = {
      "run",      "rows",     "--module", MILLRACE_PROBES,   "--input",
      "rows.tsv", "--output", "out",      "--output-format", "csv"};
  std::vector<std::string> dry = run;
  dry.push_back("--dry-run");
  EXPECT_THAT(Run(dry).out, HasSubstr("output rows: csv of first, second\n"
                                      "output seconds: tsv, whatever --output-format says\n"));
  const ProcessResult result = Run(run);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Run({"cat", "out", "--name", "rows"}).out, "first,second\na,b\n");
  EXPECT_EQ(Run({"cat", "out", "--name", "seconds"}).out, "b\n");
  EXPECT_TRUE(Exists("out/seconds/part-00000.tsv"));
}

TEST_F(CliOutputFormatTest, WhatCantBeWrittenIsRefusedBeforeAnythingRuns) {
  const ProcessResult unknown = TopList({"--output-format", "xlsx"});
  EXPECT_EQ(unknown.exit_code, 64);
  EXPECT_EQ(unknown.err,
            "millrace: this millrace can't write --output-format xlsx; choose tsv, csv, jsonl or "
            "parquet\n");
  const ProcessResult lines =
      Run({"run", "sort", "--input", "in", "--output", "out", "--output-format", "csv"});
  EXPECT_EQ(lines.exit_code, 64);
  EXPECT_EQ(lines.err,
            "millrace: job sort: it can't write as csv: none of its outputs has columns; leave out "
            "--output-format\n");
  EXPECT_FALSE(Exists("out"));
}

}  // namespace
}  // namespace millrace
