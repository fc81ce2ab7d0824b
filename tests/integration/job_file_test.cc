// SPDX-License-Identifier: Apache-2.0
// `millrace run FILE.toml` end to end: the same run as the command line that the file amounts to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/integration/millrace_process.h"

namespace millrace {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string Plays(const std::string& day) {
  std::string text;
  for (const std::string user : {"ann", "bob", "cat"}) {
    text += day + "T10:00:00Z\t" + user + "\tsong of " + day + "\tSE\t40000\n";
    text += day + "T11:00:00Z\t" + user + "\thymn\tDE\t40000\n";
  }
  return text + day + "T12:00:00Z\tann\thymn\tSE\t40000\n";
}

class JobFileRunTest : public MillraceTest {
 protected:
  void SetUp() override {
    MillraceTest::SetUp();
    for (const std::string day : {"2026-11-20", "2026-11-21", "2026-11-22"})
      Write("logs/" + day + "/plays.tsv", Plays(day));
    Write("nightly.toml",
          "job = \"toplist\"\n"
          "output = \"out/{date}\"\n"
          "parts = 2\n"
          "compress = \"zstd\"\n"
          "max-rejects = \"0.1%\"\n"
          "quiet = true\n"
          "\n"
          "[input]\n"
          "plays = \"logs/{date}/*.tsv\"\n"
          "\n"
          "[param]\n"
          "k = 2\n"
          "by = \"listeners\"\n");
  }

  // The files of an output, one after the other.
  std::string Bytes(const std::string& output) {
    return Read(output + "/_manifest.json") + Read(output + "/part-00000.tsv.zst") +
           Read(output + "/part-00001.tsv.zst");
  }
};

TEST_F(JobFileRunTest, IsTheCommandLineItAmountsTo) {
  const ProcessResult run = Run({"run", "nightly.toml", "--date", "2026-11-21"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out + run.err, "");
  const std::string from_file = Bytes("out/2026-11-21");
  EXPECT_THAT(Run({"cat", "out/2026-11-21"}).out, HasSubstr("song of 2026-11-21"));

  // Under another name, since an output that is up to date would prove nothing.
  const ProcessResult line =
      Run({"run", "toplist", "--input", "plays=logs/{date}/*.tsv", "--output", "line/{date}",
           "--parts", "2", "--compress", "zstd", "--max-rejects", "0.1%", "--param", "k=2",
           "--param", "by=listeners", "--date", "2026-11-21"});
  ASSERT_EQ(line.exit_code, 0) << line.err;
  EXPECT_EQ(Bytes("line/2026-11-21"), from_file);

  const ProcessResult again =
      Run({"run", "nightly.toml", "--date", "2026-11-21", "--json", "--memory", "64M"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(nlohmann::json::parse(again.out)["status"], "up_to_date");
  EXPECT_EQ(nlohmann::json::parse(again.out)["output"], "out/2026-11-21");
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(JobFileRunTest, DryRunPrintsALineThatDoesTheSame) {
  const ProcessResult dry =
      Run({"run", "nightly.toml", "--date", "2026-11-21", "--dry-run", "--param", "k=1"});
  ASSERT_EQ(dry.exit_code, 0) << dry.err;
  const std::string line = dry.out.substr(0, dry.out.find('\n'));
  EXPECT_EQ(line,
            "millrace run toplist --input 'plays=logs/{date}/*.tsv' --output 'out/{date}' --param "
            "by=listeners --param k=1 --date 2026-11-21 --parts 2 --compress zstd --max-rejects "
            "0.1% --quiet");
  EXPECT_THAT(dry.out, HasSubstr("\nwould write out/2026-11-21: "));
  EXPECT_FALSE(Exists("out"));
  const std::string folder =
      std::string(MILLRACE_BINARY).substr(0, std::string(MILLRACE_BINARY).rfind('/'));
  Process pasted({"/bin/sh", "-c", "PATH='" + folder + "':$PATH; " + line}, root_);
  const ProcessResult run = pasted.Wait();
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const ProcessResult same =
      Run({"run", "nightly.toml", "--date", "2026-11-21", "--dry-run", "--param", "k=1"});
  EXPECT_THAT(same.out, EndsWith("out/2026-11-21 is up to date: nothing would run\n"));
}

TEST_F(JobFileRunTest, BackFillsOneDayAfterTheOther) {
  for (const std::string day : {"2026-11-20", "2026-11-21", "2026-11-22"}) {
    const ProcessResult run = Run({"run", "nightly.toml", "--date", day});
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }
  for (const std::string day : {"2026-11-20", "2026-11-21", "2026-11-22"}) {
    EXPECT_THAT(Run({"cat", "out/" + day}).out, HasSubstr("song of " + day));
    const ProcessResult again = Run({"run", "nightly.toml", "--date", day, "--json"});
    EXPECT_EQ(nlohmann::json::parse(again.out)["status"], "up_to_date") << day;
  }
  const ProcessResult undated = Run({"run", "nightly.toml"});
  EXPECT_EQ(undated.exit_code, 64);
  EXPECT_EQ(undated.err,
            "millrace: --output 'out/{date}' holds {date}; add --date; set in nightly.toml:2:1\n");
}

TEST_F(JobFileRunTest, TheCommandLineReplacesAnInputsPatterns) {
  const ProcessResult run = Run({"run", "nightly.toml", "--date", "2026-11-21", "--input",
                                 "logs/2026-11-20", "--output", "other"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string rows = Run({"cat", "other"}).out;
  EXPECT_THAT(rows, HasSubstr("song of 2026-11-20"));
  EXPECT_THAT(rows, testing::Not(HasSubstr("song of 2026-11-21")));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(JobFileRunTest, ErrorsNameTheFile) {
  const ProcessResult missing = Run({"run", "weekly.toml", "--json", "--output", "z"});
  EXPECT_EQ(missing.exit_code, 66);
  EXPECT_EQ(missing.err,
            "millrace: cannot read the job file weekly.toml: No such file or directory\n");
  EXPECT_EQ(nlohmann::json::parse(missing.out)["exit"], 66);
  EXPECT_EQ(nlohmann::json::parse(missing.out)["output"], "z");

  Write("typo.toml", "job = \"toplist\"\nouput = \"out\"\n");
  const ProcessResult typo = Run({"run", "typo.toml"});
  EXPECT_EQ(typo.exit_code, 64);
  EXPECT_THAT(typo.err, StartsWith("millrace: typo.toml:2:1: unknown key ouput; did you mean "
                                   "output?"));

  Write("limit.toml", Read("nightly.toml") + "limit = 3\n");
  const ProcessResult unknown = Run({"run", "limit.toml", "--date", "2026-11-21"});
  EXPECT_EQ(unknown.exit_code, 64);
  EXPECT_THAT(unknown.err, HasSubstr("the job toplist has no parameter limit"));
  EXPECT_THAT(unknown.err, EndsWith("; set in limit.toml:14:1\n"));

  const ProcessResult day = Run({"run", "nightly.toml", "--date", "2026-11-19"});
  EXPECT_EQ(day.exit_code, 66);
  EXPECT_THAT(day.err, HasSubstr("'logs/{date}/*.tsv' matches no file (logs/2026-11-19/*.tsv)"));
  EXPECT_THAT(day.err, HasSubstr("; set in nightly.toml:9:1; relative paths start in /"));
  EXPECT_FALSE(Exists("out"));
}

// Paths mean what they mean on the command line, wherever the file is.
TEST_F(JobFileRunTest, PathsAreThoseOfTheWorkingFolder) {
  Write("jobs/nightly.toml", Read("nightly.toml"));
  EXPECT_EQ(Run({"run", "jobs/nightly.toml", "--date", "2026-11-21"}).exit_code, 0);
  EXPECT_TRUE(Exists("out/2026-11-21/_SUCCESS"));
  EXPECT_FALSE(Exists("jobs/out"));
}

// A run that may set records aside begins again, isolated, when it crashes.
TEST_F(JobFileRunTest, ACrashIsSetAsideAsWithoutAFile) {
  Write("lines.txt", "one\nsegv\ntwo\n");
  Write("crash.toml", "job = \"probe\"\nmodule = [\"" + std::string(MILLRACE_PROBES) +
                          "\"]\noutput = \"out\"\ninput = \"lines.txt\"\nmax-rejects = 1\n");
  const ProcessResult run = Run({"run", "crash.toml"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(Read("out/_rejects.tsv"), HasSubstr("lines.txt\t4\tcrashed the job's code\tsegv"));
}

}  // namespace
}  // namespace millrace
