// SPDX-License-Identifier: Apache-2.0
#include "cli/cluster_commands.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster_client.h"
#include "cli/cluster_run.h"
#include "cli/console.h"
#include "cli/key_flags.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/sudden_end.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

using Json = nlohmann::ordered_json;

// Where `scripts/cluster` and all examples have a master listen.
constexpr char kDefaultMaster[] = "tcp://127.0.0.1:5801";

const char* StateName(RunState state) {
  switch (state) {
    case RunState::kQueued:
      return "queued";
    case RunState::kRunning:
      return "running";
    case RunState::kPublishing:
      return "publishing";
    case RunState::kDone:
      return "done";
    case RunState::kFailed:
      return "failed";
    case RunState::kRefused:
      return "refused";
    case RunState::kUnknown:
      break;
  }
  return "unknown";
}

std::string Padded(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

std::string RunLine(const RunStatus& run) {
  std::string line = Padded(Printable(run.name), 34) + Padded(StateName(run.state), 11);
  std::string where;
  if (run.state == RunState::kRunning && !run.phase.empty()) {
    where = Printable(run.phase) + " " + std::to_string(run.phase_tasks_done) + "/" +
            std::to_string(run.phase_tasks_total);
  }
  line += Padded(std::to_string(run.tasks_done) + "/" + std::to_string(run.tasks_total), 12) +
          Padded(where, 26) + Printable(run.user) + "  " + Printable(run.output);
  return line + "\n";
}

// Without its key.
std::string EndpointText(const WorkerStatus& worker) {
  const Result<Endpoint> endpoint = Endpoint::Parse(worker.endpoint);
  return Printable(endpoint.ok() ? endpoint->text : worker.endpoint);
}

std::string StatusText(const ClusterStatus& status) {
  std::string text = Padded("run", 34) + Padded("state", 11) + Padded("tasks", 12) +
                     Padded("phase", 26) + "user  output\n";
  if (status.runs.empty()) text = "no runs\n";
  for (const RunStatus& run : status.runs) text += RunLine(run);
  if (status.workers.empty()) return text + "\nno workers; `millrace worker` starts one\n";
  text += "\n" + Padded("worker", 21) + Padded("host", 24) + Padded("slots", 10) +
          Padded("memory", 14) + "endpoint\n";
  for (const WorkerStatus& worker : status.workers) {
    text += Padded(std::to_string(worker.worker.value), 21) + Padded(Printable(worker.host), 24) +
            Padded(std::to_string(worker.slots_busy) + "/" + std::to_string(worker.slots), 10) +
            Padded(FormatBytes(worker.slot_memory_bytes), 14) + EndpointText(worker);
    if (worker.is_set_aside) text += "  set aside: too many tasks failed there";
    if (!worker.takes_tasks) text += "  takes no tasks: it drains, or its spool is full";
    text += "\n";
  }
  return text;
}

std::string RunText(const RunStatus& run) {
  std::string text = RunLine(run);
  if (!run.message.empty()) text += "  " + Printable(run.message) + "\n";
  text += "  " + std::to_string(run.tasks_running) + " attempts at work, " +
          std::to_string(run.totals.attempts) + " started, " + std::to_string(run.totals.failures) +
          " failed\n";
  text += "  " + FormatCount(run.totals.records_in) + " records in (" +
          FormatBytes(run.totals.bytes_in) + "), " + FormatCount(run.totals.records_out) +
          " out, " + FormatCount(run.totals.reject_count) + " rejects\n";
  return text;
}

Json RunJson(const RunStatus& run) {
  return {{"run", run.name},
          {"state", StateName(run.state)},
          {"error", run.message.empty() ? Json(nullptr) : Json(run.message)},
          {"user", run.user},
          {"output", run.output},
          {"tasks_done", run.tasks_done},
          {"tasks_total", run.tasks_total},
          {"tasks_running", run.tasks_running},
          {"attempts", run.totals.attempts},
          {"failures", run.totals.failures},
          {"records_in", run.totals.records_in},
          {"bytes_in", run.totals.bytes_in},
          {"records_out", run.totals.records_out},
          {"rejects", run.totals.reject_count}};
}

Json StatusJson(const ClusterStatus& status) {
  Json runs = Json::array();
  for (const RunStatus& run : status.runs) runs.push_back(RunJson(run));
  Json workers = Json::array();
  for (const WorkerStatus& worker : status.workers) {
    workers.push_back({{"worker", worker.worker.value},
                       {"host", worker.host},
                       {"endpoint", EndpointText(worker)},
                       {"slots", worker.slots},
                       {"slots_busy", worker.slots_busy},
                       {"slot_memory_bytes", worker.slot_memory_bytes},
                       {"takes_tasks", worker.takes_tasks},
                       {"set_aside", worker.is_set_aside}});
  }
  return {{"runs", runs}, {"workers", workers}};
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<std::unique_ptr<ClusterClient>> ConnectTo(const Arguments& arguments) {
  MR_ASSIGN_OR_RETURN(const std::optional<KeyFolder> keys,
                      KeysFlag(arguments, KeyHolder::kSubmitter));
  return ClusterClient::Connect(
      arguments.Has("--master") ? arguments.Get("--master") : kDefaultMaster, keys);
}

int Fail(const Status& status) {
  PrintMessage(status.message());
  return status.code() == StatusCode::kUnavailable ? kExitNoCluster : ExitCode(status);
}

Status UnknownRun(const std::string& name) {
  return Status::NotFound("the master knows no run ", Printable(name),
                          "; `millrace status` lists them");
}

// The name, or that of the only open run.
Result<std::string> NameToWatch(ClusterClient& client, const std::string& name,
                                const CancelToken& cancel) {
  if (!name.empty()) return name;
  MR_ASSIGN_OR_RETURN(const ClusterStatus status, client.AskCluster(&cancel));
  std::vector<std::string> open;
  for (const RunStatus& run : status.runs) {
    if (run.state != RunState::kDone && run.state != RunState::kFailed) open.push_back(run.name);
  }
  if (open.size() == 1) return open[0];
  return Status::InvalidArgument(
      open.size(), " runs are open; say which one to watch: ", "`millrace status` lists them");
}

}  // namespace

int StatusCommand(const Arguments& arguments) {
  Result<std::unique_ptr<ClusterClient>> client = ConnectTo(arguments);
  if (!client.ok()) return Fail(client.error());
  const bool is_json = arguments.Has("--json");
  if (arguments.argument.empty()) {
    const Result<ClusterStatus> status = (*client)->AskCluster(nullptr);
    if (!status.ok()) return Fail(status.error());
    return FinishStdout(WriteStdout(is_json ? Dump(StatusJson(*status)) : StatusText(*status)));
  }
  const Result<RunStatus> run = (*client)->AskRun(arguments.argument, nullptr);
  if (!run.ok()) return Fail(run.error());
  if (run->state == RunState::kUnknown) return Fail(UnknownRun(arguments.argument));
  return FinishStdout(WriteStdout(is_json ? Dump(RunJson(*run)) : RunText(*run)));
}

int WatchCommand(const Arguments& arguments) {
  ResetEnd();
  CancelToken cancel;
  SignalGuard signals(cancel);
  Result<std::unique_ptr<ClusterClient>> client = ConnectTo(arguments);
  if (!client.ok()) return Fail(client.error());
  const Result<std::string> name = NameToWatch(**client, arguments.argument, cancel);
  if (!name.ok()) return Fail(name.error());
  const Result<RunStatus> known = (*client)->AskRun(*name, &cancel);
  if (!known.ok()) return Fail(known.error());
  if (known->state == RunState::kUnknown) return Fail(UnknownRun(*name));
  std::optional<ConsoleProgress> progress;
  if (!arguments.Has("--quiet")) progress.emplace(ProgressStyle::OfStderr());
  const Result<RunStatus> status = FollowRun(
      **client, {.name = *name, .cancel = &cancel, .progress = progress ? &*progress : nullptr});
  progress.reset();
  if (!status.ok()) {
    if (status.error().code() == StatusCode::kCancelled) return signals.exit_code();
    return Fail(status.error());
  }
  if (status->state == RunState::kDone) {
    if (!arguments.Has("--quiet")) PrintMessage(*name + " wrote " + status->output);
    return kExitOk;
  }
  PrintMessage(status->message);
  return ExitCodeOf(*status);
}

int CancelCommand(const Arguments& arguments) {
  Result<std::unique_ptr<ClusterClient>> client = ConnectTo(arguments);
  if (!client.ok()) return Fail(client.error());
  const std::string& name = arguments.argument;
  if (name.empty()) return Fail(Status::InvalidArgument("which run? `millrace status` lists them"));
  RunStatus status;
  const Status asked = (*client)->Ask(
      {.body = CancelRun{name}, .again_ms = 50, .on_silence = {}}, [&](const MessageBody& body) {
        const auto* told = std::get_if<RunStatus>(&body);
        if (told == nullptr || told->name != name) return false;
        status = *told;
        // That it is cancelled must be durable first; what is publishing is let finish.
        return status.state != RunState::kRunning && status.state != RunState::kQueued;
      });
  if (!asked.ok()) return Fail(asked);
  if (status.state == RunState::kUnknown) return Fail(UnknownRun(name));
  const bool is_cancelled = status.code == StatusCode::kCancelled;
  PrintMessage(name + (is_cancelled
                           ? std::string(" is cancelled")
                           : std::string(" is not cancelled: it is ") + StateName(status.state)));
  return is_cancelled ? kExitOk : kExitFailed;
}

}  // namespace millrace
