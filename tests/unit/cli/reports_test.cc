// SPDX-License-Identifier: Apache-2.0
// What the command prints: progress, summaries, the JSON line, messages of signal handlers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/json_report.h"
#include "cli/progress.h"
#include "cli/run_report.h"
#include "cli/signal_text.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

TEST(JsonReportTest, HasExactlyTheseMembers) {
  RunSummary summary{.run = "toplist-12", .output = "out"};
  summary.records_in = 9;
  summary.bytes_in = std::numeric_limits<std::uint64_t>::max();
  const std::string line = JsonReport(summary);
  EXPECT_THAT(line, EndsWith("}\n"));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::ordered_json::parse(line);
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) names.push_back(name);
  EXPECT_THAT(names,
              ElementsAre("status", "exit", "error", "run", "output", "records_in", "bytes_in",
                          "records_out", "rejects", "tasks_run", "tasks_reused", "seconds"));
  EXPECT_EQ(json["status"], "done");
  EXPECT_EQ(json["exit"], 0);
  EXPECT_TRUE(json["error"].is_null());
  EXPECT_EQ(json["bytes_in"], std::numeric_limits<std::uint64_t>::max());
  summary.state = RunOutcome::kUpToDate;
  EXPECT_EQ(nlohmann::json::parse(JsonReport(summary))["status"], "up_to_date");
}

TEST(JsonReportTest, FailureHoldsTheError) {
  const auto json =
      nlohmann::json::parse(JsonFailure(65, "bad \"line\"\nin caf\xE9", "caf\xE9", 1.5));
  EXPECT_EQ(json["status"], "failed");
  EXPECT_EQ(json["exit"], 65);
  EXPECT_THAT(json["error"].get<std::string>(), HasSubstr("bad \"line\"\nin caf"));
  EXPECT_EQ(json["seconds"], 1.5);
  EXPECT_EQ(json.size(), 12u);
}

Progress Half() {
  return {.stage = "stage-1 map",
          .bytes_done = std::uint64_t{50} << 20,
          .bytes_total = std::uint64_t{100} << 20};
}

TEST(ProgressTest, LineSaysHowFarAndHowLong) {
  EXPECT_EQ(ProgressLine(Half(), 10),
            "stage-1 map: 50 %, 50.0 MiB of 100.0 MiB, 5.0 MiB/s, 0:10 left");
  EXPECT_THAT(ProgressLine(Half(), 7200), HasSubstr("2:00:00 left"));
  EXPECT_EQ(ProgressLine({.stage = "x"}, 0), "x: 0 %, 0 of 0 tasks");
}

TEST(ProgressTest, BarFitsTheTerminal) {
  for (std::size_t columns = 1; columns < 200; ++columns) {
    const std::string bar = ProgressBar(Half(), 10, {.is_terminal = true, .columns = columns});
    EXPECT_LE(bar.size(), std::max<std::size_t>(columns, 2) - 1) << columns;
  }
}

// On a cluster the stage is named by whoever wrote the job.
TEST(ProgressTest, NameOfAStageIsNothingThatATerminalObeys) {
  Progress progress = Half();
  progress.stage = "map\x1B[2J\n";
  EXPECT_THAT(ProgressBar(progress, 10, {.is_terminal = true}), HasSubstr("map\\x1B[2J\\x0A"));
}

TEST(ProgressTest, ColorOnlyWhereItIsWanted) {
  EXPECT_THAT(ProgressBar(Half(), 10, {.is_terminal = true}), Not(HasSubstr("\033")));
  EXPECT_THAT(ProgressBar(Half(), 10, {.is_terminal = true, .has_color = true}),
              HasSubstr("\033[32m"));
  EXPECT_THAT(ProgressBar(Half(), 10, {.is_terminal = true}),
              HasSubstr("[===============               ]"));
}

TEST(RunReportTest, ShowsWhereTimeAndBytesWent) {
  RunSummary summary{.run = "toplist-12", .output = "out"};
  summary.records_in = 12'345;
  summary.records_out = 1;
  summary.bytes_in = std::uint64_t{3} << 20;
  summary.rejects = 2;
  summary.seconds = 1.5;
  summary.tasks_run = 3;
  summary.phases.Add(Phase::kRead, 250'000'000, std::uint64_t{3} << 20);
  summary.phases.Add(Phase::kMap, 750'000'000, 0);
  summary.counters["unknown"] = 4;
  const std::string report = RunReport(summary);
  EXPECT_THAT(report, HasSubstr("millrace: wrote out: 12,345 records in (3.0 MiB), 1 record out, "
                                "2 rejects, 1.50 s (2.0 MiB/s)\n"));
  EXPECT_THAT(report, HasSubstr("  read           0.25 s    25 %      3.0 MiB\n"));
  EXPECT_THAT(report, HasSubstr("  map            0.75 s    75 %"));
  EXPECT_THAT(report, Not(HasSubstr("sort")));
  EXPECT_THAT(report, HasSubstr("counter unknown: 4"));
  EXPECT_THAT(report, HasSubstr("out/_rejects.tsv"));
}

TEST(SignalTextTest, BuildsWithoutAllocating) {
  SignalText text;
  text.Add("a ").AddNumber(0).Add(" ").AddNumber(std::numeric_limits<std::uint64_t>::max());
  text.AddPrintable("\n\x7F\xC3\xA9").AddJson("\"\\\n\xC3");
  EXPECT_STREQ(text.c_str(), "a 0 18446744073709551615??\xC3\xA9\\\"\\\\??");
}

TEST(SignalTextTest, CutsWhatIsTooLong) {
  const std::string large(100'000, 'x');
  SignalText text;
  text.Add(large.c_str()).Add("y").AddNumber(7);
  EXPECT_LT(std::string(text.c_str()).size(), 30'000u);
}

}  // namespace
}  // namespace millrace
