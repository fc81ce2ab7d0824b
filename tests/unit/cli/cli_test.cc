// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command_table.h"
#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

struct CountLine {
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit) {
    emit(std::string(line.text), 1);
  }
};
void CountLines(Job& job) {
  job.Param<std::int64_t>("least", 0, "lines that come less often are left out");
  job.ReadLines("lines").Map<CountLine>().Reduce<Sum>().Write<Tsv>("counts");
}

struct Known {
  void Map(const Line& line, Emitter<std::string, Sourced<std::int64_t>>& emit, Context& context) {
    emit(std::string(line.text), {1, context.origin()});
  }
};
struct LookUp {
  Table<std::string, std::int64_t> words;
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit) {
    emit(std::string(line.text), words.Find(std::string(line.text)).value_or(0));
  }
};
void KnownLines(Job& job) {
  auto words = job.ReadLines("words").Map<Known>().AsTable();
  auto lines = job.ReadLines("lines");
  lines.Map<LookUp>(words).Reduce<Sum>().Write<Tsv>("known");
  lines.Map<CountLine>().Write<Tsv>("copy");
}

void Throws(Job&) { throw std::runtime_error("no such day"); }
MR_JOB(count_lines, CountLines, "how often each line comes")
MR_JOB(known_lines, KnownLines, "how often each known line comes")
MR_JOB(throws, Throws, "a definition that throws")

struct Outcome {
  int exit_code = 0;
  std::string out, err;
};

// Sends a descriptor's output to a file while it lives.
class Capture {
 public:
  explicit Capture(int fd) : fd_(fd), saved_(dup(fd)), file_(std::tmpfile()) {
    dup2(fileno(file_), fd_);
  }
  std::string Take() {
    dup2(saved_, fd_);
    close(saved_);
    std::string text(static_cast<std::size_t>(lseek(fileno(file_), 0, SEEK_END)), '\0');
    EXPECT_EQ(pread(fileno(file_), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    std::fclose(file_);
    return text;
  }

 private:
  const int fd_, saved_;
  std::FILE* const file_;
};

Outcome RunMillrace(const std::vector<std::string>& words) {
  std::vector<std::string> all = {"millrace"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  std::fflush(stdout);
  std::fflush(stderr);
  Capture out(STDOUT_FILENO);
  Capture err(STDERR_FILENO);
  Outcome outcome;
  outcome.exit_code = RunCommandLine(static_cast<int>(argv.size()), argv.data());
  outcome.err = err.Take();
  outcome.out = out.Take();
  return outcome;
}

class CliTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "cli_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    std::ofstream(root_ / "in.txt") << "b\na\nb\n";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string In() const { return (root_ / "in.txt").string(); }
  std::string Out() const { return (root_ / "out").string(); }

  std::filesystem::path root_;
};

TEST_F(CliTest, UsageErrorsAreOneSentenceAndExitCode64) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"walk"},
      {"--wat"},
      {"run"},
      {"run", "count_lines"},
      {"run", "count_lines", "--output", Out()},
      {"run", "count_lines", "--input", In()},
      {"run", "count_lines", "--input", In(), "--output", ""},
      {"run", "count_lines", "--input", In(), "--output", "/"},
      {"run", "count_line", "--input", In(), "--output", Out()},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--param", "most=1"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--param", "least"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--param", "least=few"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--date", "2026-02-30"},
      {"run", "count_lines", "--input", In() + "{date}", "--output", Out()},
      {"run", "count_lines", "--input", In(), In(), "--output", Out()},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--parallel", "0"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--parallel", "many"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--memory", "lots"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--split-size", "-1"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--parts", "0"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--compress", "lzma"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--max-rejects", "101%"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--module", "/dev/null"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--module", "no/such.so"},
      {"run", "count_lines", "--input", In(), "--output", Out(), "--forse"},
      {"jobs", "count_line"},
      {"jobs", "--graph"},
      {"jobs", "--dot"},
      {"cat"},
      {"head", "out", "-n", "-3"},
      {"verify"},
      {"rerun"},
      {"completion"},
      {"completion", "csh"},
  };
  for (const std::vector<std::string>& words : wrong) {
    std::string line;
    for (const std::string& word : words) line += word + " ";
    const Outcome outcome = RunMillrace(words);
    EXPECT_EQ(outcome.exit_code, 64) << line << outcome.err;
    EXPECT_EQ(outcome.out, "") << line;
    EXPECT_THAT(outcome.err, StartsWith("millrace: ")) << line;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << line << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(Out())) << line;
  }
}

// It would be the first input's, which nobody means who writes that.
TEST_F(CliTest, PatternBehindAnotherInputsNameNeedsItsOwn) {
  const std::string more = (root_ / "more.txt").string();
  std::ofstream(more) << "c\n";
  const auto run = [&](std::vector<std::string> inputs) {
    std::vector<std::string> words = {"run",           "known_lines", "--output", Out(),
                                      "--max-rejects", "9",           "--quiet",  "--force"};
    words.insert(words.end(), inputs.begin(), inputs.end());
    return RunMillrace(words);
  };
  const Outcome outcome = run({"--input", "words=" + In(), "lines=" + In(), more});
  EXPECT_EQ(outcome.exit_code, 64);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("would be read as words"),
                                 HasSubstr("write lines=" + more + ", or give it an --input")));
  const std::vector<std::vector<std::string>> clear = {
      {"--input", "lines=" + In(), "--input", more},
      {"--input", "words=" + In(), more, "--input", "lines=" + In()},
      {"--input", more, "lines=" + In()},
      {"--input", "words=" + In(), "--input", "lines=" + In(), "lines=" + more},
  };
  for (const std::vector<std::string>& inputs : clear) {
    const Outcome fine = run(inputs);
    EXPECT_EQ(fine.exit_code, 0) << fine.err;
  }
}

TEST_F(CliTest, SuggestsWhatWasMeant) {
  EXPECT_THAT(RunMillrace({"rum"}).err, HasSubstr("did you mean run?"));
  EXPECT_THAT(RunMillrace({"run", "count_line", "--input", In(), "--output", Out()}).err,
              HasSubstr("did you mean count_lines?"));
  EXPECT_THAT(
      RunMillrace({"run", "count_lines", "--input", In(), "--output", Out(), "--param", "lesat=3"})
          .err,
      HasSubstr("did you mean least?"));
}

TEST_F(CliTest, OtherErrorsHaveTheirOwnExitCodes) {
  EXPECT_EQ(RunMillrace({"run", "count_lines", "--input", "no/such", "--output", Out()}).exit_code,
            66);
  const Outcome unknown =
      RunMillrace({"run", "count_lines", "--input", "logs=no/such", "--output", Out()});
  EXPECT_EQ(unknown.exit_code, 66);
  EXPECT_THAT(unknown.err, HasSubstr("the job has no input logs, only lines"));
  EXPECT_EQ(RunMillrace({"run", "throws", "--input", In(), "--output", Out()}).exit_code, 70);
  EXPECT_EQ(RunMillrace({"run", "count_lines", "--input", In(), "--output", In()}).exit_code, 73);
  EXPECT_EQ(
      RunMillrace({"run", "count_lines", "--input", In(), "--output", In(), "--force"}).exit_code,
      73);
  EXPECT_EQ(
      RunMillrace({"run", "count_lines", "--input", In(), "--output", In() + "/out"}).exit_code,
      73);
  EXPECT_EQ(
      RunMillrace({"run", "count_lines", "--input", root_.string(), "--output", Out()}).exit_code,
      73);
  std::filesystem::create_directory(Out());
  EXPECT_EQ(RunMillrace({"run", "count_lines", "--input", In(), "--output", Out()}).exit_code, 73);
  EXPECT_EQ(RunMillrace({"cat", "no/such"}).exit_code, 66);
  EXPECT_EQ(RunMillrace({"verify", "no/such"}).exit_code, 66);
  EXPECT_EQ(RunMillrace({"rerun", "no/such"}).exit_code, 66);
  EXPECT_EQ(RunMillrace({"cat", Out()}).exit_code, 65);
  EXPECT_EQ(RunMillrace({"verify", Out()}).exit_code, 65);
  EXPECT_TRUE(std::filesystem::exists(In()));
}

TEST_F(CliTest, JsonLineComesAlsoWithUsageErrors) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "--json"},
        {"run", "nojob", "--json", "--input", In(), "--output", Out()},
        {"run", "count_lines", "--json", "--nonsense"},
        {"run", "count_lines", "--input", "no/such", "--output", Out(), "--json"}}) {
    const Outcome outcome = RunMillrace(words);
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(json["status"], "failed");
    EXPECT_EQ(json["exit"], outcome.exit_code);
    EXPECT_EQ("millrace: " + json["error"].get<std::string>() + "\n", outcome.err);
    EXPECT_EQ(json.size(), 12u);
  }
}

TEST_F(CliTest, HelpAndVersionGoToStdout) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--help"},
                                                {"-h"},
                                                {"help"},
                                                {"run", "--help"},
                                                {"help", "run"},
                                                {"cat", "-h"},
                                                {"run", "toplist", "--help", "--nonsense"}}) {
    const Outcome outcome = RunMillrace(words);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("millrace "));
    EXPECT_EQ(outcome.err, "");
    EXPECT_TRUE(words[0] != "cat" || outcome.out.find("--name") != std::string::npos);
  }
  EXPECT_THAT(RunMillrace({"--version"}).out, MatchesRegex("millrace [0-9.]+\n"));
}

TEST_F(CliTest, JobsListsAndDescribes) {
  const Outcome list = RunMillrace({"jobs"});
  EXPECT_EQ(list.exit_code, 0);
  EXPECT_THAT(list.out, HasSubstr("count_lines  how often each line comes\n"));
  const Outcome job = RunMillrace({"jobs", "count_lines", "--graph"});
  EXPECT_EQ(job.exit_code, 0) << job.err;
  for (const char* const part : {"lines (text)", "counts (tsv: column1, column2)", "least=0",
                                 "lines > map CountLine", "reduce Sum", "write counts"}) {
    EXPECT_THAT(job.out, HasSubstr(part));
  }
  const Outcome dot = RunMillrace({"jobs", "count_lines", "--dot"});
  EXPECT_EQ(dot.exit_code, 0) << dot.err;
  EXPECT_THAT(dot.out, StartsWith("digraph \"count_lines\" {\n"));
  EXPECT_THAT(dot.out, EndsWith("}\n"));
}

TEST_F(CliTest, DryRunSaysWhatItWouldDoAndDoesNothing) {
  const Outcome outcome =
      RunMillrace({"run", "count_lines", "--input", In(), "--output", Out(), "--dry-run"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "would write " + Out() +
                             ": 1 split, 1 part\n"
                             "input lines: 1 file, 6 B, 1 split\n"
                             "output counts: tsv of column1, column2\n"
                             "stage-1 map of lines: 1 task\n"
                             "stage-1 reduce:       1 task or more, writes counts\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(root_), {}), 1);
}

TEST_F(CliTest, DryRunKnowsSplitsTablesAndPartsOfEachPhase) {
  std::ofstream(root_ / "words.txt") << "a\nb\n";
  std::ofstream(root_ / "more.txt") << "a\nb\n";
  const auto run = [this](const std::vector<std::string>& more) {
    std::vector<std::string> words = {
        "run",      "known_lines",   "--input", "words=" + (root_ / "words.txt").string(),
        "--input",  "lines=" + In(), "--input", "lines=" + (root_ / "more.txt").string(),
        "--output", Out(),           "--parts", "3",
        "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return RunMillrace(words);
  };
  const Outcome cut = run({"--dry-run", "--split-size", "4"});
  EXPECT_EQ(cut.exit_code, 0) << cut.err;
  EXPECT_EQ(cut.out, "would write " + Out() +
                         ": 4 splits, 3 parts\n"
                         "input words: 1 file, 4 B, 1 split\n"
                         "input lines: 2 files, 10 B, 3 splits\n"
                         "output known: tsv of column1, column2\n"
                         "output copy: tsv of column1, column2\n"
                         "stage-1 map of words: 1 task\n"
                         "stage-1 reduce:       1 task or more, makes a table\n"
                         "stage-2 map of lines: 3 tasks, looks up in the table of stage-1\n"
                         "stage-2 reduce:       3 tasks or more, writes known\n"
                         "stage-3 map of lines: 3 tasks, writes copy\n");
  // Both files are one split; without a reduce it is cut where a part begins.
  const Outcome packed = run({"--dry-run"});
  EXPECT_THAT(packed.out, HasSubstr("input lines: 2 files, 10 B, 1 split\n"));
  EXPECT_THAT(packed.out, HasSubstr("stage-2 map of lines: 1 task, "));
  EXPECT_THAT(packed.out, HasSubstr("stage-3 map of lines: 2 tasks, writes copy\n"));
  // So few records are not worth more tasks.
  const Outcome done = run({"--json"});
  EXPECT_EQ(nlohmann::json::parse(done.out)["tasks_run"], 1 + 1 + 1 + 3 + 2) << done.err;
}

TEST_F(CliTest, DryRunSaysThatNothingWouldRun) {
  const std::vector<std::string> run = {"run",      "count_lines", "--input", In(),
                                        "--output", Out(),         "--quiet"};
  const auto dry = [&run](const std::vector<std::string>& more) {
    std::vector<std::string> words = run;
    words.insert(words.end(), more.begin(), more.end());
    words.emplace_back("--dry-run");
    return RunMillrace(words);
  };
  ASSERT_EQ(RunMillrace(run).exit_code, 0);
  const Outcome same = dry({});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_EQ(same.out, Out() + " is up to date: nothing would run\n");
  EXPECT_EQ(same.err, "");
  const Outcome forced = dry({"--force"});
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  EXPECT_THAT(forced.out, StartsWith("would replace " + Out() + ": 1 split, 1 part\n"));
  const Outcome other = dry({"--parts", "2"});
  EXPECT_EQ(other.exit_code, 73);
  EXPECT_EQ(other.out, "");
}

TEST_F(CliTest, DryRunHasItsPlanAsJson) {
  const std::vector<std::string> run = {"run",      "count_lines", "--input", In(),
                                        "--output", Out(),         "--json",  "--quiet"};
  std::vector<std::string> dry = run;
  dry.emplace_back("--dry-run");
  const auto last_line = [](const Outcome& outcome) {
    const std::size_t begin = outcome.out.rfind('\n', outcome.out.size() - 2);
    return nlohmann::json::parse(outcome.out.substr(begin == std::string::npos ? 0 : begin + 1));
  };
  const auto json = last_line(RunMillrace(dry));
  EXPECT_EQ(json["status"], "done");
  EXPECT_TRUE(json["run"].is_null());
  EXPECT_EQ(json["bytes_in"], 6);
  EXPECT_EQ(json["tasks_run"], 0);
  const auto expected = nlohmann::json::parse(R"({
    "parts": 1, "replaces": false,
    "inputs": [{"name": "lines", "files": 1, "bytes": 6, "splits": 1, "format": "text",
                "whole": 0}],
    "outputs": [{"name": "counts", "format": "tsv", "columns": ["column1", "column2"]}],
    "phases": [
      {"stage": "stage-1", "kind": "map", "input": "lines", "tasks": 1, "tasks_exact": true,
       "makes_table": false, "tables_of": [], "outputs": []},
      {"stage": "stage-1", "kind": "reduce", "input": null, "tasks": 1, "tasks_exact": false,
       "makes_table": false, "tables_of": [], "outputs": ["counts"]}]})");
  EXPECT_EQ(json["plan"], expected) << json["plan"];
  ASSERT_EQ(RunMillrace(run).exit_code, 0);
  const auto done = last_line(RunMillrace(dry));
  EXPECT_EQ(done["status"], "up_to_date");
  EXPECT_FALSE(done.contains("plan"));
}

}  // namespace
}  // namespace millrace
