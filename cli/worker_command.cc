// SPDX-License-Identifier: Apache-2.0
#include "cli/worker_command.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "cli/console.h"
#include "cli/key_flags.h"
#include "cli/service_limits.h"
#include "cli/service_log.h"
#include "cli/stop_signal.h"
#include "mapreduce/engine/run.h"
#include "mapreduce/proto/limits.h"
#include "worker/worker_process.h"

namespace millrace {
namespace {

constexpr std::uint64_t kNoProgressSecondsMax = 30 * 24 * 3600;

// As they are found here; they must be there.
Result<std::vector<std::string>> PathsFlag(const Arguments& arguments, const char* flag) {
  std::vector<std::string> paths;
  for (const std::string& path : arguments.All(flag)) {
    std::error_code error;
    const std::filesystem::path whole = std::filesystem::canonical(path, error);
    if (error) {
      return Status::InvalidArgument(flag, " ", path, ": ", error.message(),
                                     "; it must be there when the worker starts");
    }
    paths.push_back(whole.string());
  }
  return paths;
}

// What tasks must not read: a folder that all may read can't have it.
Result<std::vector<std::string>> HiddenFolders(const KeyFolder& keys) {
  std::error_code error;
  const std::string folder = std::filesystem::canonical(keys.path, error).string();
  if (error) return Status::InvalidArgument("--keys ", keys.path, ": ", error.message());
  const std::string system = ReadableSystemFolder(folder);
  if (system.empty()) return std::vector<std::string>{folder};
  return Status::InvalidArgument("the keys in ", folder, " are in reach of tasks, which may read ",
                                 system, "; keep them elsewhere, say below /etc");
}

// With keys, and a master elsewhere, other workers are elsewhere, too.
std::string DefaultListen(const WorkerProcessOptions& options) {
  return options.keys && !options.master.is_loopback() ? "tcp://*:*" : "tcp://127.0.0.1:*";
}

Result<WorkerProcessOptions> OptionsOf(const Arguments& arguments) {
  WorkerProcessOptions options;
  if (!arguments.Has("--master")) {
    return Status::InvalidArgument(
        "--master is missing; say where the master listens: --master tcp://127.0.0.1:5801");
  }
  if (!arguments.Has("--spool")) {
    return Status::InvalidArgument(
        "--spool is missing; say which directory of this machine holds what tasks leave");
  }
  MR_ASSIGN_OR_RETURN(options.master, Endpoint::Parse(arguments.Get("--master")));
  MR_RETURN_IF_ERROR(CheckConnectable(options.master));
  MR_ASSIGN_OR_RETURN(const std::optional<KeyFolder> keys, KeysFlag(arguments, KeyHolder::kWorker));
  options.keys = TransportKeysOf(keys);
  if (keys) options.master.key = keys->master;
  if (keys) options.module_signers = [allowed = keys->allowed] { return allowed->Signers(); };
  MR_ASSIGN_OR_RETURN(options.listen,
                      Endpoint::Parse(arguments.Get("--listen", DefaultListen(options))));
  MR_RETURN_IF_ERROR(CheckListenable(options.listen, keys.has_value()));
  if (arguments.Has("--advertise")) {
    MR_ASSIGN_OR_RETURN(options.advertise, Endpoint::Parse(arguments.Get("--advertise")));
    MR_RETURN_IF_ERROR(CheckConnectable(options.advertise));
  }
  options.spool_directory = arguments.Get("--spool");
  WorkerOptions& worker = options.worker;
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> slots,
                      CountFlag(arguments, "--slots", 1, kSlotsMax));
  worker.slots =
      static_cast<std::uint32_t>(slots.value_or(static_cast<std::uint64_t>(UsableCores())));
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> memory, SizeFlag(arguments, "--memory"));
  worker.slot_memory_bytes = memory.value_or(kDefaultMemoryBytes) / worker.slots;
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> spool_bytes,
                      SizeFlag(arguments, "--spool-size"));
  worker.spool_bytes_max = spool_bytes.value_or(UINT64_MAX);
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> no_progress_seconds,
                      CountFlag(arguments, "--no-progress-timeout", 1, kNoProgressSecondsMax));
  if (no_progress_seconds) worker.no_progress_ms = *no_progress_seconds * 1000;
  if (keys) {
    MR_ASSIGN_OR_RETURN(options.sandbox.hidden, HiddenFolders(*keys));
  }
  options.sandbox.is_on = !arguments.Has("--no-sandbox");
  MR_ASSIGN_OR_RETURN(options.sandbox.reads, PathsFlag(arguments, "--allow-read"));
  MR_ASSIGN_OR_RETURN(options.sandbox.writes, PathsFlag(arguments, "--allow-write"));
  options.reads_directly = !arguments.Has("--no-direct-reads");
  MR_ASSIGN_OR_RETURN(options.log, ServiceLog("worker", arguments));
  return options;
}

// SIGTERM and SIGHUP drain; a second one, SIGINT and the end of standard input end it at once.
Result<int> Work(const Arguments& arguments) {
  MR_ASSIGN_OR_RETURN(const WorkerProcessOptions options, OptionsOf(arguments));
  RaiseDescriptorLimit();
  KeepBuffers();
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<StopSignal> stop,
                      StopSignal::Watch(arguments.Has("--exit-on-stdin-eof")));
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<WorkerProcess> worker, WorkerProcess::Start(options));
  MR_RETURN_IF_ERROR(WriteStdout(worker->endpoint() + "\n"));
  bool is_draining = false;
  while (true) {
    const Result<std::optional<Status>> ended = worker->Run(stop->fd());
    const Status why = !ended.ok() ? ended.error() : ended->value_or(Status::Ok());
    if (!why.ok() && arguments.Has("--log")) options.log("ends: " + why.message());
    MR_ASSIGN_OR_RETURN(const std::optional<Status> left, ended);
    if (left && left->ok()) return kExitOk;
    if (left) {
      PrintMessage(left->message());
      return kExitNoCluster;
    }
    if (!stop->HasCome()) continue;
    if (stop->exit_code() != kExitTerminated || is_draining) {
      options.log("ends at once");
      return stop->exit_code();
    }
    is_draining = true;
    worker->Drain();
  }
}

}  // namespace

int WorkerCommand(const Arguments& arguments) {
  const Result<int> exit_code = Work(arguments);
  if (exit_code.ok()) return *exit_code;
  PrintMessage(exit_code.error().message());
  return ExitCode(exit_code.error());
}

}  // namespace millrace
