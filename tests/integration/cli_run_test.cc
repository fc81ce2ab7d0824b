// SPDX-License-Identifier: Apache-2.0
// The `millrace` command end to end, on a good day: results, repeated runs, flags, reports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/integration/millrace_process.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const char kPlays[] =
    "2026-11-21T10:00:00Z\tann\tsong\tSE\t40000\n"
    "2026-11-21T10:01:00Z\tbob\tsong\tSE\t31000\n"
    "2026-11-21T10:02:00Z\tann\thymn\tSE\t90000\n"
    "2026-11-21T10:03:00Z\tcat\thymn\tDE\t30000\n"
    "2026-11-21T10:04:00Z\tcat\tjingle\tDE\t2000\n";
const char kTopList[] =
    "*\t1\thymn\t2\n*\t2\tsong\t2\n"
    "DE\t1\thymn\t1\n"
    "SE\t1\tsong\t2\nSE\t2\thymn\t1\n";

class CliRunTest : public MillraceTest {
 protected:
  void SetUp() override {
    MillraceTest::SetUp();
    Write("in/plays.tsv", kPlays);
  }
  ProcessResult TopList(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"run",          "toplist",  "--input",
                                      "in/plays.tsv", "--output", "out"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  }
  nlohmann::json Manifest(const std::string& output = "out") {
    return nlohmann::json::parse(Read(output + "/_manifest.json"));
  }
};

TEST_F(CliRunTest, DateInTheOutputNeedsADate) {
  const ProcessResult run = Run({"run", "sort", "--input", "in/plays.tsv", "--output", "p/{date}"});
  EXPECT_EQ(run.exit_code, 64);
  EXPECT_THAT(run.err, HasSubstr("--output 'p/{date}' holds {date}; add --date"));
  EXPECT_FALSE(Exists("p"));
}

TEST_F(CliRunTest, NothingBehindAnEqualsSignIsNoValue) {
  const ProcessResult run =
      Run({"run", "sort", "--input", "in/plays.tsv", "--output=", "--quiet", "--json"});
  EXPECT_EQ(run.exit_code, 64);
  EXPECT_THAT(run.err, HasSubstr("--output= has nothing behind it"));
  EXPECT_FALSE(Exists("--quiet"));
  EXPECT_EQ(Run({"run", "sort", "--input", "in/plays.tsv", "--output", ""}).exit_code, 64);
}

TEST_F(CliRunTest, AFailedCommandLineStillSaysItsOutput) {
  const ProcessResult run = Run({"run", "sort", "--output", "z", "--json", "--bogus"});
  EXPECT_EQ(run.exit_code, 64);
  EXPECT_EQ(nlohmann::json::parse(run.out)["output"], "z");
}

// "dt=..." is a path where the job has no input of that name, also when outputs are checked.
TEST_F(CliRunTest, OutputMayBeNamedAsWhatIsBehindAnEqualsSign) {
  Write("dt=day/x.tsv", "b\na\n");
  const ProcessResult run = Run({"run", "sort", "--input", "dt=day/", "--output", "day"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Read("day/part-00000.tsv"), "a\nb\n");
}

TEST_F(CliRunTest, NoOutputGoesIntoAnother) {
  ASSERT_EQ(TopList().exit_code, 0);
  const ProcessResult run =
      Run({"run", "sort", "--input", "in/plays.tsv", "--output", "out/deep/er"});
  EXPECT_EQ(run.exit_code, 73);
  EXPECT_THAT(run.err, HasSubstr("lies inside the output"));
  EXPECT_EQ(Run({"verify", "out"}).exit_code, 0);
}

TEST_F(CliRunTest, TopListEndToEnd) {
  const ProcessResult run = TopList();
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("5 records in"));
  EXPECT_THAT(run.err, HasSubstr("phase"));
  EXPECT_EQ(Read("out/part-00000.tsv"), kTopList);
  EXPECT_TRUE(Exists("out/_SUCCESS"));
  EXPECT_FALSE(Exists("out/_rejects.tsv"));
  EXPECT_THAT(HiddenNames(), IsEmpty());

  const nlohmann::json manifest = Manifest();
  ASSERT_EQ(manifest["files"].size(), 1u);
  EXPECT_EQ(manifest["files"][0]["path"], "part-00000.tsv");
  EXPECT_EQ(manifest["files"][0]["bytes"], std::string(kTopList).size());
  EXPECT_EQ(manifest["files"][0]["records"], 5);
  EXPECT_EQ(Run({"cat", "out"}).out, kTopList);
  EXPECT_EQ(Run({"head", "out", "-n", "2"}).out, "*\t1\thymn\t2\n*\t2\tsong\t2\n");
  EXPECT_EQ(Run({"head", "out", "-n", "0"}).out, "");
  EXPECT_EQ(Run({"cat", "out", "--name", "other"}).exit_code, 64);
}

TEST_F(CliRunTest, SaysWhyAnOutputCanNotBeLookedAt) {
  std::filesystem::create_symlink("loop", root_ / "loop");
  const ProcessResult run = Run({"run", "sort", "--input", "in/plays.tsv", "--output", "loop/out"});
  EXPECT_EQ(run.exit_code, 73);
  EXPECT_THAT(run.err, HasSubstr("Too many levels of symbolic links"));
}

TEST_F(CliRunTest, AFileThatMayNotGrowIsAnErrorNotTheEnd) {
  std::string lines;
  for (int i = 0; i < 100'000; ++i) lines += "line " + std::to_string(i) + "\n";
  Write("in/lines", lines);
  Process run({"/bin/sh", "-c",
               std::string("ulimit -f 100; exec ") + MILLRACE_BINARY +
                   " run sort --input in/lines --output out --json"},
              root_);
  const ProcessResult result = run.Wait();
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("File too large"));
  EXPECT_EQ(nlohmann::json::parse(result.out)["status"], "failed");
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

// The input was good, so 65 would be wrong: that is what nobody need try again.
TEST_F(CliRunTest, DamageToItsOwnFilesIsAReasonToTryAgain) {
  std::string lines;
  for (int i = 0; i < 60'000; ++i) lines += "line " + std::to_string(i) + "\n";
  Write("in/lines", lines + "halve runs\n");
  const ProcessResult run =
      Run({"run", "probe", "--module", MILLRACE_PROBES, "--input", "in/lines", "--output", "out",
           "--memory", "600k", "--split-size", "200k", "--parallel", "1"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr(".run: "));
  EXPECT_THAT(run.err, HasSubstr("run it again"));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(CliRunTest, SecondRunIsUpToDateAndTouchesNothing) {
  ASSERT_EQ(TopList().exit_code, 0);
  const auto before = std::filesystem::last_write_time(root_ / "out/part-00000.tsv");
  Write("in/plays.tsv", kPlays);  // The same bytes, newer.
  const ProcessResult again = TopList({"--json", "--parallel", "1", "--memory", "64M"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("out is up to date"));
  const auto json = nlohmann::json::parse(again.out);
  EXPECT_EQ(json["status"], "up_to_date");
  EXPECT_EQ(json["records_out"], 5);
  EXPECT_EQ(json["tasks_run"], 0);
  EXPECT_EQ(std::filesystem::last_write_time(root_ / "out/part-00000.tsv"), before);
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliRunTest, SaysWhatDiffersAndReplacesOnlyWithForce) {
  ASSERT_EQ(TopList().exit_code, 0);
  const ProcessResult other = TopList({"--param", "k=1"});
  EXPECT_EQ(other.exit_code, 73);
  EXPECT_THAT(other.err, HasSubstr("parameter k was 100 and is 1"));
  EXPECT_THAT(other.err, HasSubstr("--force"));
  EXPECT_EQ(Read("out/part-00000.tsv"), kTopList);

  Write("in/plays.tsv", std::string(kPlays) + "2026-11-21T11:00:00Z\tbob\thymn\tDE\t50000\n");
  const ProcessResult changed = TopList();
  EXPECT_EQ(changed.exit_code, 73);
  EXPECT_THAT(changed.err, HasSubstr("input plays: plays.tsv changed"));

  const ProcessResult forced = TopList({"--force", "--param", "k=1"});
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  EXPECT_EQ(Read("out/part-00000.tsv"), "*\t1\thymn\t3\nDE\t1\thymn\t2\nSE\t1\tsong\t2\n");
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliRunTest, AnIncompleteOutputIsInTheWay) {
  ASSERT_EQ(TopList().exit_code, 0);
  std::filesystem::remove(root_ / "out/_SUCCESS");
  EXPECT_THAT(TopList().err, HasSubstr("_SUCCESS is missing"));
  ASSERT_EQ(TopList({"--force"}).exit_code, 0);
  Write("out/part-00000.tsv", "short");
  EXPECT_EQ(TopList().exit_code, 73);
  ASSERT_EQ(TopList({"--force"}).exit_code, 0);
  Write("out/_manifest.json", "{}");
  const ProcessResult damaged = TopList();
  EXPECT_EQ(damaged.exit_code, 73);
  EXPECT_THAT(damaged.err, HasSubstr("manifest"));
  std::filesystem::remove_all(root_ / "out");
  Write("out/somebody's", "work");
  EXPECT_EQ(TopList().exit_code, 73);
  EXPECT_EQ(Read("out/somebody's"), "work");
  EXPECT_EQ(TopList({"--force"}).exit_code, 0);
  EXPECT_FALSE(Exists("out/somebody's"));
}

TEST_F(CliRunTest, ManifestIsTheSameWhateverTheMachineDoes) {
  std::string lines;
  for (int i = 0; i < 20'000; ++i) {
    lines += std::to_string(i * 7919 % 3001) + " word" + std::to_string(i % 17) + "\n";
  }
  Write("text/a.txt", lines);
  Write("text/b.txt", "the end\n");
  const std::vector<std::vector<std::string>> ways = {
      {"--parallel", "1"},
      {"--parallel", "3", "--split-size", "10000"},
      {"--parallel", "2", "--memory", "16M", "--split-size", "1M", "--scratch", "spills"},
  };
  std::vector<std::string> manifests, parts;
  for (const std::vector<std::string>& way : ways) {
    std::vector<std::string> words = {"run",   "wordcount", "--input",    "text", "--output",
                                      "words", "--force",   "--compress", "zstd"};
    words.insert(words.end(), way.begin(), way.end());
    const ProcessResult run = Run(words);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    manifests.push_back(Read("words/_manifest.json"));
    parts.push_back(Read("words/part-00000.tsv.zst"));
    EXPECT_EQ(manifests.back(), manifests.front());
    EXPECT_EQ(parts.back(), parts.front());
  }
  EXPECT_FALSE(Exists("spills"));
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliRunTest, JsonIsTheLastLineOfStdout) {
  const ProcessResult run = TopList({"--json", "--quiet"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.err, "");
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["status"], "done");
  EXPECT_THAT(json["run"].get<std::string>(), StartsWith("toplist-"));
  EXPECT_EQ(json["run"], Manifest()["run"]);
  EXPECT_EQ(json["output"], "out");
  EXPECT_EQ(json["records_in"], 5);
  EXPECT_EQ(json["bytes_in"], std::string(kPlays).size());
  EXPECT_EQ(json["records_out"], 5);
  EXPECT_EQ(json["rejects"], 0);
  EXPECT_GE(json["tasks_run"], 1);
  EXPECT_GT(json["seconds"], 0);

  Write("in/plays.tsv", "bad\n");
  const ProcessResult failed = TopList({"--json", "--force"});
  EXPECT_EQ(failed.exit_code, 65);
  const auto failure = nlohmann::json::parse(failed.out);
  EXPECT_EQ(failure["status"], "failed");
  EXPECT_EQ(failure["exit"], 65);
  EXPECT_EQ("millrace: " + failure["error"].get<std::string>() + "\n", failed.err);
  EXPECT_EQ(Read("out/part-00000.tsv"), kTopList);
}

TEST_F(CliRunTest, CompressedOutputsReadLikePlainOnes) {
  for (const std::string compression : {"zstd", "gzip"}) {
    const ProcessResult run = Run({"run", "toplist", "--input", "in/plays.tsv", "--output",
                                   compression, "--compress", compression});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(Run({"cat", compression}).out, kTopList);
    EXPECT_EQ(Run({"verify", compression}).exit_code, 0);
  }
  EXPECT_TRUE(Exists("zstd/part-00000.tsv.zst"));
  EXPECT_TRUE(Exists("gzip/part-00000.tsv.gz"));
}

TEST_F(CliRunTest, CatEndsQuietlyWhenNobodyReads) {
  std::string lines;
  for (int i = 0; i < 300'000; ++i) lines += "line " + std::to_string(i) + "\n";
  Write("lines.txt", lines);
  ASSERT_EQ(Run({"run", "sort", "--input", "lines.txt", "--output", "sorted"}).exit_code, 0);
  Process pipe({"/bin/bash", "-c",
                std::string("set -o pipefail; '") + MILLRACE_BINARY + "' cat sorted | head -n 1"},
               root_);
  const ProcessResult result = pipe.Wait();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "line 0\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(CliRunTest, CatSaysWhenStdoutIsFull) {
  ASSERT_EQ(TopList().exit_code, 0);
  Process full({"/bin/bash", "-c", std::string("'") + MILLRACE_BINARY + "' cat out > /dev/full"},
               root_);
  const ProcessResult result = full.Wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("stdout"));
}

TEST_F(CliRunTest, SeveralOutputsAreChosenByName) {
  Write("lines.txt", "a\nb\na\n");
  const ProcessResult run = Run({"run", "two_outputs", "--module", MILLRACE_PROBES, "--input",
                                 "lines.txt", "--output", "both"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Run({"cat", "both"}).exit_code, 64);
  EXPECT_THAT(Run({"cat", "both"}).err, HasSubstr("one, two"));
  EXPECT_EQ(Run({"cat", "both", "--name", "one"}).out, "a\t2\nb\t1\n");
  EXPECT_EQ(Run({"cat", "both", "--name", "two"}).out, "a\t1\nb\t1\n");
  EXPECT_EQ(Run({"verify", "both"}).exit_code, 0);
}

TEST_F(CliRunTest, ModulesBringJobs) {
  EXPECT_EQ(Run({"run", "probe", "--input", "in", "--output", "out"}).exit_code, 64);
  EXPECT_THAT(Run({"jobs", "--module", MILLRACE_PROBES}).out, HasSubstr("probe"));
  EXPECT_EQ(Run({"jobs", "--module", MILLRACE_PROBES, "--module", MILLRACE_PROBES}).exit_code, 0);
  EXPECT_EQ(Run({"jobs", "--module", "/dev/null"}).exit_code, 64);
  EXPECT_EQ(Run({"jobs", "--module", "in/plays.tsv"}).exit_code, 64);
  EXPECT_EQ(Run({"jobs", "--module", "in"}).exit_code, 64);
}

TEST_F(CliRunTest, VerifySeesEveryKindOfChange) {
  ASSERT_EQ(TopList().exit_code, 0);
  const ProcessResult good = Run({"verify", "out"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("verified out: 2 of its files and 1 of its inputs"));
  Process elsewhere(Command({"verify", (root_ / "out").string()}), "/");
  EXPECT_EQ(elsewhere.Wait().exit_code, 0);

  std::string flipped = kTopList;
  flipped[7] = static_cast<char>(flipped[7] ^ 1);
  Write("out/part-00000.tsv", flipped);
  Write("out/stranger", "x");
  std::filesystem::remove(root_ / "out/_SUCCESS");
  const ProcessResult bad = Run({"verify", "out"});
  EXPECT_EQ(bad.exit_code, 65);
  EXPECT_THAT(bad.err, HasSubstr("out: part-00000.tsv is damaged"));
  EXPECT_THAT(bad.err, HasSubstr("out: stranger is not in the manifest"));
  EXPECT_THAT(bad.err, HasSubstr("out: _SUCCESS is missing"));

  ASSERT_EQ(TopList({"--force"}).exit_code, 0);
  std::string changed = kPlays;
  changed[3] = '7';
  Write("in/plays.tsv", changed);
  const ProcessResult input = Run({"verify", "out"});
  EXPECT_EQ(input.exit_code, 65);
  EXPECT_THAT(input.err, HasSubstr("input plays: in/plays.tsv changed"));
  std::filesystem::remove(root_ / "in/plays.tsv");
  const ProcessResult gone = Run({"verify", "out"});
  EXPECT_EQ(gone.exit_code, 0) << gone.err;
  EXPECT_THAT(gone.err, HasSubstr("input plays: in/plays.tsv is gone"));

  std::string manifest = Read("out/_manifest.json");
  manifest[manifest.size() / 2] = static_cast<char>(manifest[manifest.size() / 2] ^ 4);
  Write("out/_manifest.json", manifest);
  EXPECT_EQ(Run({"verify", "out"}).exit_code, 65);
}

TEST_F(CliRunTest, RerunIsIdenticalOrSaysWhatDiffers) {
  ASSERT_EQ(TopList().exit_code, 0);
  const ProcessResult same = Run({"rerun", "out", "--parallel", "1", "--split-size", "64"});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_EQ(same.out, "identical\n");
  EXPECT_THAT(HiddenNames(), IsEmpty());
  Process elsewhere(
      Command({"rerun", (root_ / "out").string(), "--into", (root_ / "again").string()}), "/");
  const ProcessResult again = elsewhere.Wait();
  EXPECT_EQ(again.out, "identical\n") << again.exit_code << again.err;
  EXPECT_EQ(Read("again/_manifest.json"), Read("out/_manifest.json"));
  EXPECT_EQ(Run({"rerun", "out", "--into", "again"}).exit_code, 73);

  std::string flipped = kTopList;
  flipped[9] = static_cast<char>(flipped[9] ^ 1);
  Write("out/part-00000.tsv", flipped);
  const ProcessResult damaged = Run({"rerun", "out"});
  EXPECT_EQ(damaged.exit_code, 65);
  EXPECT_EQ(damaged.out, "");
  EXPECT_THAT(damaged.err, HasSubstr("part-00000.tsv differs from byte 9 on, in record 1"));
  Write("out/part-00000.tsv", kTopList);

  Write("in/plays.tsv", std::string(kPlays) + "2026-11-21T11:00:00Z\tbob\tnew\tSE\t50000\n");
  const ProcessResult changed = Run({"rerun", "out"});
  EXPECT_EQ(changed.exit_code, 65);
  const std::size_t input = changed.err.find("input plays: plays.tsv changed");
  const std::size_t output = changed.err.find("part-00000.tsv differs");
  EXPECT_NE(input, std::string::npos) << changed.err;
  EXPECT_NE(output, std::string::npos) << changed.err;
  EXPECT_LT(input, output);

  std::filesystem::remove(root_ / "in/plays.tsv");
  EXPECT_EQ(Run({"rerun", "out"}).exit_code, 66);
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliRunTest, RerunFindsCodeThatLooksAtTheClock) {
  Write("lines.txt", "a\nb\n");
  ASSERT_EQ(
      Run({"run", "clock", "--module", MILLRACE_PROBES, "--input", "lines.txt", "--output", "out"})
          .exit_code,
      0);
  const ProcessResult rerun = Run({"rerun", "out", "--module", MILLRACE_PROBES});
  EXPECT_EQ(rerun.exit_code, 65);
  EXPECT_THAT(rerun.err, HasSubstr("part-00000.tsv differs"));
}

TEST_F(CliRunTest, RejectsAreSetAsideUpToTheLimit) {
  Write("in/plays.tsv", std::string(kPlays) + "too\tfew\nworse\n");
  const ProcessResult none = TopList();
  EXPECT_EQ(none.exit_code, 65);
  EXPECT_FALSE(Exists("out"));
  const ProcessResult some = TopList({"--max-rejects", "2", "--json"});
  EXPECT_EQ(some.exit_code, 0) << some.err;
  EXPECT_EQ(nlohmann::json::parse(some.out)["rejects"], 2);
  EXPECT_THAT(Read("out/_rejects.tsv"), HasSubstr("too"));
  EXPECT_EQ(Manifest()["rejects"]["count"], 2);
  EXPECT_EQ(Run({"verify", "out"}).exit_code, 0);
  EXPECT_EQ(Run({"rerun", "out"}).out, "identical\n");
  EXPECT_THAT(TopList().err, HasSubstr("up to date"));  // The limit is no part of the plan.
}

TEST_F(CliRunTest, DateStandsForItselfInInputAndOutput) {
  Write("logs/2026-11-21/plays.tsv", kPlays);
  const ProcessResult run = Run({"run", "toplist", "--input", "logs/{date}/*.tsv", "--date",
                                 "2026-11-21", "--output", "out/{date}"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Manifest("out/2026-11-21")["plan"]["date"], "2026-11-21");
}

// A table of some 40 MiB with a budget of 16: it lies in a file, of which pages are mapped.
TEST_F(CliRunTest, ATableLargerThanTheMemoryIsRightAndWarnsOnce) {
  constexpr int kUsers = 300'000;
  const std::string tail(80, 'u');
  const auto user = [&tail](int i) { return "user-" + std::to_string(i) + tail; };
  std::string users;
  for (int i = 0; i < kUsers; ++i) {
    const int each = static_cast<int>(std::int64_t{i} * 7919 % kUsers);
    users += user(each) + "\tC" + std::to_string(each % 7) + "\tfree\n";
  }
  Write("users.tsv", users);
  Write("products.tsv", "p\tbooks\t100\n");
  std::string transactions;
  std::map<std::string, int> expected;  // By country.
  for (int i = 0; i < 20'000; ++i) {
    const int buyer = static_cast<int>((std::int64_t{i} * 104'729) % (kUsers + 3000));
    transactions += "t" + std::to_string(i) + "\t" + user(buyer) + "\tp\t1\t2026-11-21T10:00:00Z\n";
    ++expected[buyer < kUsers ? "C" + std::to_string(buyer % 7) : "?"];
  }
  Write("transactions.tsv", transactions);
  std::string rows;
  for (const auto& [country, count] : expected) {
    const std::string n = std::to_string(count);
    rows += country + "\tbooks\t2026-11-21\t" + n + "\t" + n + "\n";
  }
  const auto run = [this](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"run",      "revenue",
                                      "--input",  "transactions=transactions.tsv",
                                      "--input",  "users=users.tsv",
                                      "--input",  "products=products.tsv",
                                      "--output", "out",
                                      "--force"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  };
  const auto warnings = [](const std::string& err) {
    int count = 0;
    for (std::size_t at = 0; (at = err.find("warning:", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  const ProcessResult small = run({"--memory", "16M", "--parallel", "2"});
  ASSERT_EQ(small.exit_code, 0) << small.err;
  EXPECT_EQ(Read("out/part-00000.tsv"), rows);
  EXPECT_THAT(small.err, HasSubstr("millrace: warning: the table that stage-1 made (reduce "
                                   "KeepFirst) has "));
  EXPECT_THAT(small.err, HasSubstr(", more than half of --memory (16.0 MiB); lookups in it are "
                                   "slow unless the machine has as much to spare\n"));
  EXPECT_EQ(warnings(small.err), 1) << small.err;
  EXPECT_LT(small.elapsed, std::chrono::seconds(30));
  EXPECT_THAT(HiddenNames(), IsEmpty());

  const ProcessResult large = run({"--memory", "256M", "--parallel", "2"});
  ASSERT_EQ(large.exit_code, 0) << large.err;
  EXPECT_EQ(Read("out/part-00000.tsv"), rows);
  EXPECT_EQ(warnings(large.err), 0) << large.err;
  EXPECT_EQ(run({"--memory", "16M", "--quiet"}).err, "");
}

// Reduces have as many tasks as there are parts there, and maps without a reduce, too.
TEST_F(CliRunTest, DryRunOnAClusterKnowsItsTasksAndLeavesNothing) {
  const std::string endpoint = "ipc://" + (root_ / "socket").string();
  Process master(Command({"master", "--listen", endpoint, "--state", "state", "--quiet"}), root_);
  ASSERT_TRUE(Await("socket"));
  const ProcessResult run = TopList({"--master", endpoint, "--dry-run", "--parts", "3", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, StartsWith("would write out: 1 split, 3 parts\n"
                                  "input plays: 1 file, 196 B, 1 split\n"
                                  "output toplist: tsv of country, rank, track, n\n"
                                  "stage-1 map of plays: 1 task\n"
                                  "stage-1 reduce:       3 tasks\n"
                                  "stage-2 reduce:       3 tasks, writes toplist\n"
                                  "{"));
  const auto json = nlohmann::json::parse(run.out.substr(run.out.find('{')));
  for (const auto& phase : json["plan"]["phases"]) EXPECT_EQ(phase["tasks_exact"], true);
  EXPECT_EQ(json["plan"]["outputs"], nlohmann::json::parse(R"([{"name": "toplist", "format": "tsv",
                                       "columns": ["country", "rank", "track", "n"]}])"));
  EXPECT_FALSE(Exists("out"));
  master.Kill(SIGTERM);
  EXPECT_EQ(master.Wait().exit_code, 143);
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliRunTest, PlainProgressLinesWhereStderrIsNoTerminal) {
  const ProcessResult run = TopList();
  EXPECT_THAT(run.err, Not(HasSubstr("\r")));
  EXPECT_THAT(run.err, Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace millrace
