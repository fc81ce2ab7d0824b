// SPDX-License-Identifier: Apache-2.0
#include "cli/master_command.h"

#include <memory>
#include <optional>
#include <string>

#include "cli/console.h"
#include "cli/key_flags.h"
#include "cli/service_limits.h"
#include "cli/service_log.h"
#include "cli/stop_signal.h"
#include "mapreduce/engine/code_identity.h"
#include "master/master_process.h"

namespace millrace {
namespace {

constexpr std::uint64_t kHeartbeatMsMin = 50;
constexpr std::uint64_t kHeartbeatMsMax = 600'000;

Result<MasterProcessOptions> OptionsOf(const Arguments& arguments) {
  MasterProcessOptions options;
  if (!arguments.Has("--listen")) {
    return Status::InvalidArgument(
        "--listen is missing; say where workers find the master: --listen tcp://127.0.0.1:5801");
  }
  if (!arguments.Has("--state")) {
    return Status::InvalidArgument(
        "--state is missing; say which directory holds the master's journal");
  }
  MR_ASSIGN_OR_RETURN(options.listen, Endpoint::Parse(arguments.Get("--listen")));
  MR_RETURN_IF_ERROR(CheckListenable(options.listen, arguments.Has("--keys")));
  MR_ASSIGN_OR_RETURN(const std::optional<KeyFolder> keys, KeysFlag(arguments, KeyHolder::kMaster));
  options.keys = TransportKeysOf(keys);
  options.state_directory = arguments.Get("--state");
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> heartbeat_ms,
                      CountFlag(arguments, "--heartbeat", kHeartbeatMsMin, kHeartbeatMsMax));
  if (heartbeat_ms) {
    options.scheduler.rejoin_ms =
        options.scheduler.rejoin_ms * *heartbeat_ms / options.scheduler.heartbeat_ms;
    options.scheduler.heartbeat_ms = *heartbeat_ms;
  }
  MR_ASSIGN_OR_RETURN(options.scheduler.build, ProgramBuild());
  MR_ASSIGN_OR_RETURN(options.log, ServiceLog("master", arguments));
  return options;
}

Result<int> Serve(const Arguments& arguments) {
  MR_ASSIGN_OR_RETURN(const MasterProcessOptions options, OptionsOf(arguments));
  RaiseDescriptorLimit();
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<StopSignal> stop,
                      StopSignal::Watch(arguments.Has("--exit-on-stdin-eof")));
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<MasterProcess> master, MasterProcess::Start(options));
  options.log("listens at " + master->endpoint());
  MR_RETURN_IF_ERROR(WriteStdout(master->endpoint() + "\n"));
  do {
    const Status status = master->Run(stop->fd());
    if (!status.ok() && arguments.Has("--log")) options.log("ends: " + status.message());
    MR_RETURN_IF_ERROR(status);
  } while (!stop->HasCome());
  options.log("ends; the next one goes on from here");
  return stop->exit_code();
}

}  // namespace

int MasterCommand(const Arguments& arguments) {
  const Result<int> exit_code = Serve(arguments);
  if (exit_code.ok()) return *exit_code;
  PrintMessage(exit_code.error().message());
  // Another one is at work, and this one is not needed.
  const bool is_superseded = exit_code.error().code() == StatusCode::kStale;
  return is_superseded ? ExitCode(Status::Unavailable("")) : ExitCode(exit_code.error());
}

}  // namespace millrace
