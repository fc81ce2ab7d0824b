// SPDX-License-Identifier: Apache-2.0
#include "cli/run_report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "mapreduce/base/phase_clock.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

std::string Fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

std::string Right(const std::string& text, std::size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
}

std::string Left(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

std::string Plural(std::uint64_t count, const std::string& noun) {
  return FormatCount(count) + " " + noun + (count == 1 ? "" : "s");
}

// Times are of all tasks together, so with several at once they add up to more than the run took.
std::string PhaseTable(const PhaseTimes& phases) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kPhaseCount; ++i) total += phases.nanoseconds(static_cast<Phase>(i));
  if (total == 0) return "";
  std::string table = "  phase       task time   share        bytes\n";
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    const Phase phase = static_cast<Phase>(i);
    const auto nanoseconds = static_cast<double>(phases.nanoseconds(phase));
    const std::uint64_t bytes = phases.bytes(phase);
    if (nanoseconds == 0 && bytes == 0) continue;
    table += "  " + Left(std::string(PhaseName(phase)), 12) +
             Right(Fixed(nanoseconds / 1e9, 2) + " s", 9) +
             Right(Fixed(100 * nanoseconds / static_cast<double>(total), 0) + " %", 8) +
             Right(bytes == 0 ? "" : FormatBytes(bytes), 13) + "\n";
  }
  return table;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// "output toplist: csv of country, rank, track, n".
std::string WrittenAs(const OutputSummary& output) {
  return "output " + output.name + ": " + output.format +
         (output.columns.empty() ? ", whatever --output-format says"
                                 : " of " + Joined(output.columns)) +
         "\n";
}

// "2 tasks or more, looks up in the tables of stage-1, stage-2, writes royalties".
std::string Work(const PhaseSummary& phase) {
  std::string work = Plural(phase.task_count, "task") + (phase.is_exact ? "" : " or more");
  if (!phase.table_stages.empty()) {
    work += std::string(", looks up in the table") + (phase.table_stages.size() > 1 ? "s" : "") +
            " of " + Joined(phase.table_stages);
  }
  if (phase.makes_table) work += ", makes a table";
  if (!phase.outputs.empty()) work += ", writes " + Joined(phase.outputs);
  return work;
}

}  // namespace

std::string RunReport(const RunSummary& summary) {
  std::string report =
      "millrace: wrote " + Printable(summary.output) + ": " + Plural(summary.records_in, "record") +
      " in (" + FormatBytes(summary.bytes_in) + "), " + Plural(summary.records_out, "record") +
      " out, " + Plural(summary.rejects, "reject") + ", " + Fixed(summary.seconds, 2) + " s";
  if (summary.seconds > 0) {
    const double speed = static_cast<double>(summary.bytes_in) / summary.seconds;
    report += " (" + FormatBytes(static_cast<std::uint64_t>(speed)) + "/s)";
  }
  report += "\n" + PhaseTable(summary.phases);
  report += "  " + Plural(summary.tasks_run, "task") + ", " + FormatBytes(summary.spilled_bytes) +
            " spilled";
  if (summary.peak_memory_bytes > 0)
    report += ", " + FormatBytes(summary.peak_memory_bytes) + " peak memory";
  report += "\n";
  for (const auto& [name, value] : summary.counters) {
    report += "  counter " + Printable(name) + ": " + FormatCount(value) + "\n";
  }
  if (summary.rejects > 0) {
    report += "  the rejects are in " + Printable(summary.output) + "/" + kRejectsName + "\n";
  }
  return report;
}

std::string DryRunReport(const RunSummary& summary) {
  if (summary.state == RunOutcome::kUpToDate)
    return Printable(summary.output) + " is up to date: nothing would run\n";
  std::string report =
      std::string(summary.replaces ? "would replace " : "would write ") +
      Printable(summary.output) + ": " + Plural(summary.split_count, "split") + ", " +
      Plural(static_cast<std::uint64_t>(std::max(summary.parts, 0)), "part") + "\n";
  for (const InputSummary& input : summary.inputs) {
    report += "input " + input.name + ": " + Plural(input.shard_count, "file") + ", " +
              FormatBytes(input.stored_bytes) + ", " + Plural(input.split_count, "split") +
              (input.is_converted ? ", read as " + Printable(input.format) : "") + "\n";
    if (input.whole_count > 0) {
      report +=
          "  " + Plural(input.whole_count, "large file") + " not split: " + input.why_whole + "\n";
    }
  }
  for (const OutputSummary& output : summary.outputs) report += WrittenAs(output);
  std::vector<std::string> names;
  std::size_t width = 0;
  for (const PhaseSummary& phase : summary.planned_phases) {
    names.push_back(phase.stage + (phase.input.empty() ? " reduce" : " map of " + phase.input) +
                    ":");
    width = std::max(width, names.back().size() + 1);
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    report += Left(names[i], width) + Work(summary.planned_phases[i]) + "\n";
  return report;
}

}  // namespace millrace
