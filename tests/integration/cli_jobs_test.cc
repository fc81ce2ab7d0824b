// SPDX-License-Identifier: Apache-2.0
// The `millrace` command with jobs that refuse: data that can't give a right result, names that are
// the same, a date that lacks. No output may be there afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/millrace_process.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class CliJobsTest : public MillraceTest {
 protected:
  void ExpectNothingIsLeft() {
    EXPECT_FALSE(Exists("out"));
    EXPECT_THAT(HiddenNames(), IsEmpty());
  }
};

TEST_F(CliJobsTest, FailOfAJobIsBadDataAndPublishesNothing) {
  Write("plays.tsv", "2026-11-21T10:00:00Z\tann\tsong\tSE\t40000\n");
  Write("rights.tsv", "song\tholder a\t6000\nsong\tholder b\t4001\n");
  Write("pools.tsv", "SE\t1000\n");
  const std::vector<std::string> command = {"run",
                                            "royalties",
                                            "--input",
                                            "plays=plays.tsv",
                                            "rights=rights.tsv",
                                            "pools=pools.tsv",
                                            "--output",
                                            "out",
                                            "--max-rejects",
                                            "100%"};
  const ProcessResult run = Run(command);
  EXPECT_EQ(run.exit_code, 65);
  EXPECT_THAT(run.err, AllOf(HasSubstr("song"), HasSubstr("10001")));
  ExpectNothingIsLeft();
  // An output that is there stays what it was.
  Write("rights.tsv", "song\tholder a\t6000\nsong\tholder b\t4000\n");
  ASSERT_EQ(Run(command).exit_code, 0);
  const std::string manifest = Read("out/_manifest.json");
  Write("rights.tsv", "song\tholder a\t6000\nsong\tholder a\t4000\n");
  std::vector<std::string> forced = command;
  forced.emplace_back("--force");
  EXPECT_EQ(Run(forced).exit_code, 65);
  EXPECT_EQ(Read("out/_manifest.json"), manifest);
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliJobsTest, DocumentsOfOneNameAreAWrongCommand) {
  Write("in/a/note.txt", "one\n");
  Write("in/b/note.txt.gz", "two\n");
  Write("in/b/other.txt", "three\n");
  const ProcessResult run = Run({"run", "inverted_index", "--input", "in", "--output", "out"});
  EXPECT_EQ(run.exit_code, 64);
  EXPECT_THAT(run.err, AllOf(HasSubstr("note.txt"), HasSubstr("in/a/note.txt"),
                             HasSubstr("in/b/note.txt.gz"), HasSubstr("rename")));
  ExpectNothingIsLeft();
}

TEST_F(CliJobsTest, AJobThatNeedsADateIsAWrongCommandWithout) {
  Write("recommendations.tsv", "ann\t1\tsong\t5\n");
  Write("addresses.tsv", "ann\tann@example.com\n");
  Write("suppressed.tsv", "");
  std::vector<std::string> command = {"run",
                                      "mail_digest",
                                      "--input",
                                      "recommendations=recommendations.tsv",
                                      "addresses=addresses.tsv",
                                      "suppressed=suppressed.tsv",
                                      "--output",
                                      "out"};
  const ProcessResult run = Run(command);
  EXPECT_EQ(run.exit_code, 64);
  EXPECT_THAT(run.err, HasSubstr("--date"));
  ExpectNothingIsLeft();
  command.insert(command.end(), {"--date", "2026-11-21"});
  EXPECT_EQ(Run(command).exit_code, 0);
}

}  // namespace
}  // namespace millrace
