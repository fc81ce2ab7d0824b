// SPDX-License-Identifier: Apache-2.0
// The jobs of docs/examples/api.cc, whose code docs/reference/api.md shows, do what they say.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/docs/page.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

class ExamplesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "millrace_docs_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    Shell(
        "printf '2026-11-21T08:00\\tann\\tsong a\\tSE\\t180000\\n"
        "2026-11-21T08:04\\tann\\tsong b\\t\\\\N\\t180999\\n"
        "2026-11-22T07:00\\tbob\\tsong b\\tSE\\t9000\\n"
        "2026-11-20T07:00\\tann\\tsong c\\tSE\\t180000\\n' > plays.tsv && "
        "printf 'ann\\tpaid\\n' > users.tsv");
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Shell(const std::string& command) { return OutputOf(command, directory_.string()); }

  // What the job makes of its first input.
  std::string Output(const std::string& job, const std::string& flags = "",
                     const std::string& cat_flags = "",
                     const std::string& input = "plays=plays.tsv") {
    const std::string millrace = "PATH=" MILLRACE_BIN_DIRS ":$PATH millrace ";
    return Shell(millrace + "run " + job + " --module " MILLRACE_EXAMPLE_API + " --input " + input +
                 " --output " + job + " --quiet --force " + flags + " && " + millrace + "cat " +
                 job + " " + cat_flags);
  }

  fs::path directory_;
};

TEST_F(ExamplesTest, OwnAggregatorGivesTheRangeOfEachUser) {
  EXPECT_EQ(Output("play_range"), "ann\t180000\t180999\nbob\t9000\t9000\n");
}

TEST_F(ExamplesTest, SecondarySortBringsTheFirstTrackFirst) {
  EXPECT_EQ(Output("first_tracks"), "ann\tsong c\nbob\tsong b\n");
}

TEST_F(ExamplesTest, JoinedMapsValuesComeFirst) {
  EXPECT_EQ(Output("plan_tracks", "--input users=users.tsv"),
            "paid\tsong a\npaid\tsong b\npaid\tsong c\n?\tsong b\n");
}

TEST_F(ExamplesTest, TableIsLookedUpByAMap) {
  EXPECT_EQ(Output("plays_by_plan", "--input users=users.tsv"), "?\t1\npaid\t3\n");
  Shell("printf 'bob\\tfree\\nann\\tfree\\n' >> users.tsv");
  EXPECT_EQ(Output("plays_by_plan", "--input users=users.tsv --max-rejects 1"),
            "free\t1\npaid\t3\n");
  EXPECT_EQ(Shell("cut -f 1-3,5- plays_by_plan/_rejects.tsv"),
            "users\tusers.tsv\t18\tann\\tfree\n");
}

TEST_F(ExamplesTest, StagesResultIsLookedUpByAnother) {
  EXPECT_EQ(Output("tracks_of_fans"), "song a\t1\nsong b\t1\nsong c\t1\n");
}

TEST_F(ExamplesTest, ReduceSetsARecordAside) {
  EXPECT_EQ(Output("first_of_day", "--max-rejects 1"),
            "ann\t2026-11-20\tsong c\nann\t2026-11-21\tsong a\nbob\t2026-11-22\tsong b\n");
  EXPECT_EQ(Shell("cut -f 1-4 first_of_day/_rejects.tsv"),
            "plays\tplays.tsv\t38\tnot the user's first play of the day\n");
}

TEST_F(ExamplesTest, RowsOfAnyColumnsKnowNull) {
  EXPECT_EQ(Output("count_nulls", "", "", "plays.tsv"), "4\t1\n");
}

TEST_F(ExamplesTest, DocumentsAreNamed) {
  EXPECT_EQ(Output("count_lines", "--input documents=users.tsv", "", "documents=plays.tsv"),
            "plays.tsv\t4\nusers.tsv\t1\n");
}

TEST_F(ExamplesTest, DateIsTheRuns) {
  EXPECT_EQ(Output("tracks_of_day", "--date 2026-11-22"), "song b\t1\n");
}

TEST_F(ExamplesTest, JoinsGiveTheSameRowsInBothWays) {
  const std::vector<std::pair<std::string, std::string>> rows_of = {
      {"inner", "paid\tsong a\npaid\tsong b\npaid\tsong c\n"},
      {"left", "?\tsong b\npaid\tsong a\npaid\tsong b\npaid\tsong c\n"},
      {"semi", "ann\tsong a\nann\tsong b\nann\tsong c\n"},
      {"anti", "bob\tsong b\n"}};
  for (const auto& [join, rows] : rows_of) {
    for (const std::string job : {"join_by_table", "join_by_shuffle"}) {
      EXPECT_EQ(Output(job, "--input users=users.tsv --param join=" + join, "| LC_ALL=C sort"),
                rows)
          << job;
    }
  }
}

TEST_F(ExamplesTest, TopOfEachCountryIsRanked) {
  EXPECT_EQ(Output("longest_by_country", "--param k=2"),
            "?\t1\tsong b\t180999\nSE\t1\tsong a\t180000\nSE\t2\tsong c\t180000\n");
}

TEST_F(ExamplesTest, QuantilesAreColumns) {
  EXPECT_EQ(Output("play_lengths"), "?\t180224\t180224\t180224\nSE\t180224\t180224\t180224\n");
}

TEST_F(ExamplesTest, JsonHasAMemberForEachField) {
  EXPECT_EQ(Output("mails"),
            R"({"template":"weekly","user":"ann","tracks":["song a","song b","song c"]})"
            "\n"
            R"({"template":"weekly","user":"bob","tracks":["song b"]})"
            "\n");
}

TEST_F(ExamplesTest, LogHasTheSameBitsEverywhere) {
  EXPECT_EQ(Output("log_days"),
            "2026-11-20\t0.6931471805599453\n2026-11-21\t1.0986122886681098\n"
            "2026-11-22\t0.6931471805599453\n");
}

TEST_F(ExamplesTest, StageWritesTwoOutputsOneInDescendingOrder) {
  EXPECT_EQ(Output("busy_days", "", "--name by_day"),
            "2026-11-20\t1\n2026-11-21\t2\n2026-11-22\t1\n");
  EXPECT_EQ(Output("busy_days", "", "--name by_count"),
            "2\t2026-11-21\n1\t2026-11-20\n1\t2026-11-22\n");
}

TEST_F(ExamplesTest, TypeWithACodecIsAKeyAndIsWrittenAsItsFields) {
  EXPECT_EQ(Output("prices"), "EUR\t9\t1\nEUR\t180\t3\n");
}

TEST_F(ExamplesTest, SampleIsTheSameHoweverTheInputIsSplit) {
  Shell("seq 20000 > lines.txt");
  const auto sample = [this](const std::string& flags) {
    return Output("sample_lines", "--param percent=50 " + flags, "", "lines.txt");
  };
  const std::string whole = sample("--parallel 1");
  const std::size_t count = SplitLines(whole).size();
  EXPECT_GT(count, 9500u);
  EXPECT_LT(count, 10500u);
  EXPECT_EQ(sample("--split-size 1k --parallel 3"), whole);
}

}  // namespace
}  // namespace millrace
