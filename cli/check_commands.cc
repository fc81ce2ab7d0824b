// SPDX-License-Identifier: Apache-2.0
#include "cli/check_commands.h"

#include <optional>
#include <string>

#include "cli/console.h"
#include "cli/crash_handler.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/sudden_end.h"
#include "cli/work_flags.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/modules.h"
#include "mapreduce/engine/rerun.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/engine/verify.h"

namespace millrace {
namespace {

Status NeedsOutput(const Arguments& arguments) {
  if (!arguments.argument.empty()) return {};
  return Status::InvalidArgument("which output? see `millrace ", arguments.command->name,
                                 " --help`");
}

int Fail(const Status& error, const SignalGuard& signals) {
  const bool is_cancelled = error.code() == StatusCode::kCancelled;
  PrintMessage(is_cancelled ? signals.word() : error.message());
  return is_cancelled ? signals.exit_code() : ExitCode(error);
}

}  // namespace

int VerifyCommand(const Arguments& arguments) {
  ResetEnd();
  CancelToken cancel;
  SignalGuard signals(cancel);
  const std::string& output = arguments.argument;
  const auto verify = [&]() -> Result<VerifyReport> {
    MR_RETURN_IF_ERROR(NeedsOutput(arguments));
    MR_ASSIGN_OR_RETURN(const WorkFlags flags, ReadWorkFlags(arguments));
    return VerifyOutput(output, flags.parallel > 0 ? flags.parallel : UsableCores(), cancel);
  };
  const Result<VerifyReport> report = verify();
  ClaimEndOrWait();
  if (!report.ok()) return Fail(report.error(), signals);
  const bool is_quiet = arguments.Has("--quiet");
  for (const std::string& note : report->notes) {
    if (!is_quiet) PrintMessage("note: " + note);
  }
  for (const std::string& problem : report->problems) PrintMessage(output + ": " + problem);
  if (!report->problems.empty()) return kExitBadData;
  if (is_quiet) return kExitOk;
  return FinishStdout(WriteStdout("verified " + Printable(output) + ": " +
                                  FormatCount(report->files_checked) + " of its files and " +
                                  FormatCount(report->inputs_checked) + " of its inputs, " +
                                  FormatBytes(report->bytes_checked) + "\n"));
}

int RerunCommand(const Arguments& arguments) {
  ResetEnd();
  CancelToken cancel;
  SignalGuard signals(cancel);
  const CrashHandler crashes;
  const auto rerun = [&]() -> Result<RerunReport> {
    MR_RETURN_IF_ERROR(NeedsOutput(arguments));
    MR_ASSIGN_OR_RETURN(const WorkFlags flags, ReadWorkFlags(arguments));
    MR_RETURN_IF_ERROR(LoadModules(arguments.All("--module")));
    std::optional<ConsoleProgress> progress;
    if (!arguments.Has("--quiet")) progress.emplace(ProgressStyle::OfStderr());
    return RerunOutput({.output = arguments.argument,
                        .into = arguments.Get("--into"),
                        .parallel = flags.parallel,
                        .memory_bytes = flags.memory_bytes,
                        .scratch = arguments.Get("--scratch"),
                        .split_bytes = flags.split_bytes},
                       cancel, progress ? &*progress : nullptr);
  };
  const Result<RerunReport> report = rerun();
  ClaimEndOrWait();
  if (!report.ok()) return Fail(report.error(), signals);
  for (const std::string& note : report->notes) {
    if (!arguments.Has("--quiet")) PrintMessage("note: " + note);
  }
  for (const std::string& difference : report->differences) PrintMessage(difference);
  if (!report->differences.empty()) return kExitBadData;
  return FinishStdout(WriteStdout("identical\n"));
}

}  // namespace millrace
