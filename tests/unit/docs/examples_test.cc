// SPDX-License-Identifier: Apache-2.0
// The jobs of docs/examples/api.cc, whose code docs/reference/api.md shows, do what they say.
#include <cstdlib>
#include <filesystem>
#include <string>

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

TEST_F(ExamplesTest, TopOfEachCountryIsRanked) {
  EXPECT_EQ(Output("longest_by_country", "--param k=2"),
            "?\t1\tsong b\t180999\nSE\t1\tsong a\t180000\nSE\t2\tsong c\t180000\n");
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
