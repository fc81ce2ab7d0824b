// SPDX-License-Identifier: Apache-2.0
#include "cli/run_command.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "cli/console.h"
#include "cli/crash_handler.h"
#include "cli/json_report.h"
#include "cli/modules.h"
#include "cli/progress.h"
#include "cli/run_report.h"
#include "cli/signals.h"
#include "cli/sudden_end.h"
#include "cli/work_flags.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/run.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {
namespace {

// Part files have five digits.
constexpr std::uint64_t kPartsMax = 100'000;

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
  MR_ASSIGN_OR_RETURN(request.params, PairsFlag(arguments, "--param"));
  MR_ASSIGN_OR_RETURN(const WorkFlags work, ReadWorkFlags(arguments));
  request.parallel = work.parallel;
  request.memory_bytes = work.memory_bytes;
  request.split_bytes = work.split_bytes;
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> parts,
                      CountFlag(arguments, "--parts", 1, kPartsMax));
  request.parts = static_cast<int>(parts.value_or(0));
  MR_ASSIGN_OR_RETURN(request.compression, ParseCompression(arguments.Get("--compress", "none")));
  MR_ASSIGN_OR_RETURN(request.max_rejects, RejectLimitFlag(arguments, "--max-rejects"));
  return request;
}

void Report(const RunSummary& summary, bool is_quiet) {
  if (is_quiet) return;
  if (summary.state == RunState::kUpToDate) {
    PrintMessage(summary.output + " is up to date");
  } else if (summary.state == RunState::kDone) {
    const std::string report = RunReport(summary);
    WriteStderr(report);
  }
}

}  // namespace

int RunCommand(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  const std::string output = arguments.Get("--output");
  const bool is_json = arguments.Has("--json");
  const bool is_quiet = arguments.Has("--quiet");
  ResetEnd();
  if (is_json) PrepareFailureLine(output);

  CancelToken cancel;
  SignalGuard signals(cancel);
  const CrashHandler crashes;
  const auto run = [&]() -> Result<RunSummary> {
    MR_ASSIGN_OR_RETURN(const RunRequest request, MakeRequest(arguments));
    MR_RETURN_IF_ERROR(LoadModules(arguments.All("--module")));
    std::optional<ConsoleProgress> progress;
    if (!is_quiet) progress.emplace(ProgressStyle::OfStderr());
    return RunJob(request, cancel, progress ? &*progress : nullptr);
  };
  const Result<RunSummary> summary = run();
  ClaimEndOrWait();

  if (!summary.ok()) {
    const bool is_cancelled = summary.error().code() == StatusCode::kCancelled;
    const int exit_code = is_cancelled ? signals.exit_code() : ExitCode(summary.error());
    const std::string message = is_cancelled ? signals.word() : summary.error().message();
    PrintMessage(message);
    if (is_json) {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      static_cast<void>(
          FinishStdout(WriteStdout(JsonFailure(exit_code, message, output, seconds.count()))));
    }
    return exit_code;
  }
  Report(*summary, is_quiet);
  Status written;
  if (summary->state == RunState::kPlanned) written = WriteStdout(DryRunReport(*summary));
  if (is_json && written.ok()) written = WriteStdout(JsonReport(*summary));
  return FinishStdout(written);
}

}  // namespace millrace
