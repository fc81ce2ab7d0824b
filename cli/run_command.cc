// SPDX-License-Identifier: Apache-2.0
#include "cli/run_command.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster_run.h"
#include "cli/console.h"
#include "cli/crash_handler.h"
#include "cli/isolated_rerun.h"
#include "cli/job_file_merge.h"
#include "cli/json_report.h"
#include "cli/key_flags.h"
#include "cli/private_cluster.h"
#include "cli/progress.h"
#include "cli/run_report.h"
#include "cli/signals.h"
#include "cli/sudden_end.h"
#include "cli/work_flags.h"
#include "mapreduce/engine/modules.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/run.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {
namespace {

// Part files have five digits.
constexpr std::uint64_t kPartsMax = 100'000;

Result<OutputFormat> OutputFormatFlag(const Arguments& arguments) {
  const std::string name = arguments.Get("--output-format", "tsv");
  if (const auto format = ParseOutputFormat(name); format.ok()) return *format;
  return Status::InvalidArgument("this millrace can't write --output-format ", Printable(name),
                                 "; choose tsv, csv, jsonl or parquet");
}

Result<RunRequest> MakeRequest(const Arguments& arguments) {
  if (arguments.argument.empty()) {
    return Status::InvalidArgument(
        "which job? it comes right behind `run`, before --input; `millrace jobs` lists them");
  }
  if (!arguments.Has("--output")) {
    return Status::InvalidArgument("--output is missing; say where the result goes");
  }
  RunRequest request{.job = arguments.argument,
                     .inputs = arguments.All("--input"),
                     .output = arguments.Get("--output"),
                     .date = arguments.Get("--date"),
                     .scratch = arguments.Get("--scratch"),
                     .force = arguments.Has("--force"),
                     .dry_run = arguments.Has("--dry-run")};
  MR_ASSIGN_OR_RETURN(request.output, WithDate("--output", request.output, request.date));
  request.formats = arguments.All("--format");
  MR_ASSIGN_OR_RETURN(request.params, PairsFlag(arguments, "--param"));
  MR_ASSIGN_OR_RETURN(const WorkFlags work, ReadWorkFlags(arguments));
  request.parallel = work.parallel;
  request.memory_bytes = work.memory_bytes;
  request.split_bytes = work.split_bytes;
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> parts,
                      CountFlag(arguments, "--parts", 1, kPartsMax));
  request.parts = static_cast<int>(parts.value_or(0));
  MR_ASSIGN_OR_RETURN(request.compression, ParseCompression(arguments.Get("--compress", "none")));
  MR_ASSIGN_OR_RETURN(request.output_format, OutputFormatFlag(arguments));
  MR_ASSIGN_OR_RETURN(request.max_rejects, RejectLimitFlag(arguments, "--max-rejects"));
  return request;
}

// In `--input old=a b` everybody reads b as old's, too. It would be of the job's first input, which
// is right by itself; so only that is refused. The job is asked only where it may be the case.
Status CheckPatternsBehindNames(const Arguments& given, const Arguments& arguments) {
  std::vector<std::string> names;
  std::string named;  // The input that this --input named last.
  bool is_input = false, is_behind = false;
  for (const std::string& word : given.words) {
    if (word.size() > 1 && word[0] == '-') {
      is_input = word == "--input";
      is_behind = false;
      named.clear();
      continue;
    }
    if (!is_input) continue;
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos && !is_behind) continue;
    if (names.empty()) {
      const Result<std::vector<std::string>> found = InputNamesOfJob(arguments);
      if (!found.ok() || found->size() < 2) return Status::Ok();  // An error the run will say.
      names = *found;
    }
    const std::string name = word.substr(0, equals);
    if (equals != std::string::npos && std::find(names.begin(), names.end(), name) != names.end()) {
      named = name;
    } else if (!named.empty() && named != names.front()) {
      return Status::InvalidArgument("--input ", named, "=… ", Printable(word),
                                     ": NAME= is for one pattern, and ", Printable(word),
                                     " would be read as ", names.front(), "; write ", named, "=",
                                     Printable(word), ", or give it an --input of its own");
    }
    is_behind = true;
  }
  return Status::Ok();
}

bool IsForCluster(const Arguments& arguments) {
  return arguments.Has("--master") || arguments.Has("--isolate") ||
         arguments.Has("--check-determinism");
}

// What can't be had together.
Status CheckPlaces(const Arguments& arguments) {
  for (const char* const flag : {"--isolate", "--scratch"}) {
    if (arguments.Has("--master") && arguments.Has(flag)) {
      return Status::InvalidArgument(
          flag, " is about this machine, --master about a cluster, whose ",
          "workers have a --spool and isolate each task anyway; leave ", "one out");
    }
  }
  if (arguments.Has("--detach") && !arguments.Has("--master"))
    return Status::InvalidArgument("--detach leaves a run to a cluster: it needs --master");
  if (arguments.Has("--keys") && !arguments.Has("--master"))
    return Status::InvalidArgument("--keys are those of a cluster: they need --master");
  return Status::Ok();
}

ClusterRunResult RunOnSomeCluster(const Arguments& arguments, const RunRequest& request,
                                  CancelToken& cancel, ConsoleProgress* progress) {
  ClusterRunRequest on_cluster;
  on_cluster.run = request;
  on_cluster.modules = arguments.All("--module");
  on_cluster.checks_determinism = arguments.Has("--check-determinism");
  on_cluster.detaches = arguments.Has("--detach");
  if (!arguments.Has("--master")) return RunIsolated(std::move(on_cluster), cancel, progress);
  on_cluster.master = arguments.Get("--master");
  Result<std::optional<KeyFolder>> keys = KeysFlag(arguments, KeyHolder::kSubmitter);
  if (!keys.ok()) return {keys.error(), ExitCode(keys.error()), false};
  on_cluster.keys = *std::move(keys);
  if (arguments.Has("--memory")) on_cluster.memory_bytes_min = request.memory_bytes;
  return RunOnCluster(on_cluster, cancel, progress);
}

void Report(const RunSummary& summary, bool is_quiet) {
  if (is_quiet) return;
  if (summary.state == RunOutcome::kUpToDate) {
    PrintMessage(summary.output + " is up to date");
  } else if (summary.state == RunOutcome::kDone) {
    const std::string report = RunReport(summary);
    WriteStderr(report);
  }
}

}  // namespace

int RunCommand(const Arguments& given) {
  const auto start = std::chrono::steady_clock::now();
  ResetEnd();
  if (given.Has("--json")) PrepareFailureLine(given.Get("--output"));

  CancelToken cancel;
  SignalGuard signals(cancel);
  const CrashHandler crashes;
  const Result<Arguments> read = WithJobFile(given);
  const Arguments& arguments = read.ok() ? *read : given;
  const std::string output = arguments.Get("--output");
  const bool is_json = arguments.Has("--json");
  const bool is_quiet = arguments.Has("--quiet");
  if (is_json) PrepareFailureLine(output);
  int failure_exit_code = 0;  // Of a cluster's run: says more than the error.
  bool is_detached = false;
  const auto run = [&]() -> Result<RunSummary> {
    MR_RETURN_IF_ERROR(read.error());
    // That it can't be written is found again with the report.
    if (NamesJobFile(given) && arguments.Has("--dry-run"))
      static_cast<void>(WriteStdout(CommandLine(arguments) + "\n"));
    MR_ASSIGN_OR_RETURN(const RunRequest request, MakeRequest(arguments));
    MR_RETURN_IF_ERROR(LoadModules(arguments.All("--module")));
    MR_RETURN_IF_ERROR(CheckPatternsBehindNames(given, arguments));
    MR_RETURN_IF_ERROR(CheckPlaces(arguments));
    const bool may_set_aside = request.max_rejects.count > 0 || request.max_rejects.percent > 0;
    if (may_set_aside && !IsForCluster(arguments)) ArmIsolatedRerun(arguments.words);
    std::optional<ConsoleProgress> progress;
    if (!is_quiet) progress.emplace(ProgressStyle::OfStderr());
    ConsoleProgress* const shown = progress ? &*progress : nullptr;
    const bool is_local = !arguments.Has("--master") && request.dry_run;
    if (is_local || !IsForCluster(arguments)) {
      const Result<OutputPlace> place = OutputPlace::Resolve(request.output);
      if (place.ok() && !request.dry_run) ClearDeadIsolatedRun(*place);
      return RunJob(request, cancel, shown);
    }
    ClusterRunResult result = RunOnSomeCluster(arguments, request, cancel, shown);
    failure_exit_code = result.exit_code;
    is_detached = result.is_detached;
    return std::move(result.summary);
  };
  const Result<RunSummary> summary = run();
  DisarmIsolatedRerun();
  ClaimEndOrWait();

  if (!summary.ok()) {
    const bool is_cancelled = summary.error().code() == StatusCode::kCancelled;
    const int exit_code = is_cancelled             ? signals.exit_code()
                          : failure_exit_code != 0 ? failure_exit_code
                                                   : ExitCode(summary.error());
    const std::string message =
        is_cancelled ? signals.word() : WithPlaces(arguments, summary.error()).message();
    PrintMessage(message);
    if (is_json) {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      static_cast<void>(
          FinishStdout(WriteStdout(JsonFailure(exit_code, message, output, seconds.count()))));
    }
    return exit_code;
  }
  Status written;
  if (is_detached) return FinishStdout(WriteStdout(summary->run + "\n"));
  if (arguments.Has("--dry-run")) {
    written = WriteStdout(DryRunReport(*summary));
  } else {
    Report(*summary, is_quiet);
  }
  if (is_json && written.ok()) written = WriteStdout(JsonReport(*summary));
  return FinishStdout(written);
}

}  // namespace millrace
