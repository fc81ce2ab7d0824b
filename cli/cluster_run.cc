// SPDX-License-Identifier: Apache-2.0
#include "cli/cluster_run.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "cli/cluster_client.h"
#include "cli/console.h"
#include "cli/private_cluster.h"
#include "mapreduce/api/abi_version.h"
#include "mapreduce/base/random_id.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/manifest_file.h"
#include "mapreduce/engine/modules.h"
#include "mapreduce/engine/prepared_run.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/security/module_signature.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kPollMsMin = 5;
constexpr std::uint64_t kPollMsMax = 30;
constexpr std::uint64_t kPollShareOf = 200;   // Of the time so far: a short run isn't kept waiting.
constexpr std::uint64_t kCancelAgainMs = 50;  // That it is over must become durable first.
constexpr std::uint64_t kCancelPatienceMs = 10'000;
constexpr std::uint64_t kFollowPatienceMs = 600'000;  // Of a master that is away.
// So many map tasks for each slot: few, for a task costs a process and what it combines is combined
// again by the reduce (with four, 1 GB of toplist on two slots took a tenth more CPU time); not
// one, for the last to end keeps all waiting.
constexpr std::uint64_t kSplitsPerSlot = 2;
constexpr std::uint64_t kSplitBytesMin = std::uint64_t{1} << 20;
constexpr std::uint64_t kSplitBytesMax = std::uint64_t{256} << 20;
constexpr std::uint64_t kSlotsAssumed = 8;  // Where no worker is there yet.

std::string UserName() {
  const passwd* const user = getpwuid(geteuid());
  return user != nullptr ? std::string(user->pw_name) : std::to_string(geteuid());
}

bool IsOver(const RunStatus& status) {
  return status.state == RunState::kDone || status.state == RunState::kFailed ||
         status.state == RunState::kRefused;
}

Status StatusOf(const RunStatus& status) {
  if (status.state == RunState::kDone) return Status::Ok();
  return Status::Error(status.code == StatusCode::kOk ? StatusCode::kInternal : status.code,
                       status.message);
}

// Whether the end of the run tells what this failure ("stage-1 map task 1, attempt 1 on host: …")
// does: it is printed last, once.
bool EndTells(const RunStatus& status, const std::string& failure) {
  const std::size_t cause = failure.find(": ");
  return status.state == RunState::kFailed && cause != std::string::npos &&
         status.message.ends_with(std::string_view(failure).substr(cause));
}

void Show(const RunStatus& status, ConsoleProgress* progress) {
  if (progress == nullptr) return;
  for (const std::string& failure : status.failures) {
    if (!EndTells(status, failure)) progress->Say(failure);
  }
  std::string stage = status.phase.empty() ? "publish" : status.phase;
  if (status.state == RunState::kQueued) stage = "waiting for a worker";
  Progress shown;
  shown.stage = stage;
  shown.bytes_done = status.phase_bytes_done;
  shown.bytes_total = status.phase_bytes_total;
  shown.tasks_done = static_cast<int>(status.phase_tasks_done);
  shown.tasks_total = static_cast<int>(status.phase_tasks_total);
  progress->OnProgress(shown);
}

/// One call of RunOnCluster.
class ClusterRun {
 public:
  ClusterRun(const ClusterRunRequest& request, CancelToken& cancel, ConsoleProgress* progress)
      : request_(request), cancel_(cancel), progress_(progress) {}

  ClusterRunResult Run() {
    Result<RunSummary> summary = Execute();
    if (summary.ok()) return {std::move(summary), kExitOk, is_detached_};
    if (summary.error().code() == StatusCode::kCancelled && cancel_.cancelled()) Cancel();
    const int exit_code = exit_code_ != 0 ? exit_code_ : ExitCode(summary.error());
    return {std::move(summary), exit_code, false};
  }

 private:
  Result<RunSummary> Execute() {
    MR_ASSIGN_OR_RETURN(client_, ClusterClient::Connect(request_.master, request_.keys));
    Result<ClusterStatus> cluster = client_->AskCluster(&cancel_);
    if (!cluster.ok()) return Fail(cluster.error(), kExitNoCluster);
    const RunRequest& run = request_.run;
    const int parallel = UsableCores();
    MR_ASSIGN_OR_RETURN(prepared_, PrepareRun(files_, run, parallel));
    if (!run.dry_run) ClearDeadIsolatedRun(prepared_.place);
    if (run.split_bytes == 0) prepared_.split_bytes = SplitBytesFor(*cluster);
    prepared_.small_inputs = SmallInputs::kAsOthers;
    MR_ASSIGN_OR_RETURN(std::optional<RunSummary> finished,
                        LookAtOutput(files_, run, prepared_, parallel, cancel_, progress_));
    if (finished) return *std::move(finished);
    if (run.dry_run) return DryRun();
    MR_ASSIGN_OR_RETURN(SubmitRun submit, MakeSubmission());
    // Gone again, where they are empty, if nothing comes of it.
    CreatedDirectories parents(files_);
    MR_RETURN_IF_ERROR(parents.Make(ParentPath(prepared_.place.output)));
    MR_RETURN_IF_ERROR(Submit(std::move(submit)));
    if (request_.detaches) {
      is_detached_ = true;
      parents.Keep();
      RunSummary summary = PlanSummary(run, prepared_);
      summary.run = name_;
      return summary;
    }
    Result<RunSummary> summary = Follow();
    if (summary.ok()) parents.Keep();
    return summary;
  }

  // A cluster's reduces have one task for each part, as do maps without a reduce.
  Result<RunSummary> DryRun() const {
    RunSummary summary = PlanSummary(request_.run, prepared_);
    MR_ASSIGN_OR_RETURN(const ClusterPlan plan,
                        MakeClusterPlan(prepared_.planned, {.split_bytes = prepared_.split_bytes,
                                                            .typed_output = request_.run.output}));
    const std::vector<PhaseSpec> phases = PhasesOf(plan);
    MR_CHECK(phases.size() == summary.planned_phases.size());
    for (std::size_t i = 0; i < phases.size(); ++i) {
      summary.planned_phases[i].task_count = phases[i].task_count;
      summary.planned_phases[i].is_exact = true;
    }
    return summary;
  }

  std::uint64_t SplitBytesFor(const ClusterStatus& cluster) const {
    std::uint64_t slots = 0;
    for (const WorkerStatus& worker : cluster.workers) slots += worker.slots;
    if (slots == 0) slots = kSlotsAssumed;
    if (request_.run.parallel > 0)
      slots = std::min(slots, static_cast<std::uint64_t>(request_.run.parallel));
    return std::clamp(prepared_.planned.stored_bytes / (slots * kSplitsPerSlot) + 1, kSplitBytesMin,
                      kSplitBytesMax);
  }

  Result<SubmitRun> MakeSubmission() {
    const RunRequest& run = request_.run;
    ClusterPlanOptions options;
    options.split_bytes = prepared_.split_bytes;
    options.typed_output = run.output;
    options.force = run.force;
    options.max_rejects = run.max_rejects;
    options.checks_determinism = request_.checks_determinism;
    MR_ASSIGN_OR_RETURN(options.modules, Modules());
    MR_ASSIGN_OR_RETURN(const ClusterPlan plan, MakeClusterPlan(prepared_.planned, options));
    SubmitRun submit;
    RunSpec& spec = submit.spec;
    spec.name = run.job + "-" + Hex(RandomId());
    spec.user = UserName();
    spec.parallel_max = static_cast<std::uint32_t>(std::max(run.parallel, 0));
    spec.memory_bytes_min = request_.memory_bytes_min;
    spec.crashed_records_max = run.max_rejects.percent >= 0
                                   ? kSetAsideMax
                                   : std::min<std::uint64_t>(run.max_rejects.count, kSetAsideMax);
    spec.output = prepared_.place.output;
    spec.phases = PhasesOf(plan);
    MR_ASSIGN_OR_RETURN(spec.plan, EncodeClusterPlan(plan));
    return submit;
  }

  // The bytes that are loaded here, and told of in the plan's code; whatever the files are by now.
  Result<std::vector<ModuleFile>> Modules() {
    std::optional<SigningKey> key;
    if (!request_.modules.empty() && request_.keys && !request_.keys->signing_key_path.empty()) {
      MR_ASSIGN_OR_RETURN(key, ReadSigningKey(request_.keys->signing_key_path));
    }
    std::vector<ModuleFile> modules;
    for (const std::string& path : request_.modules) {
      const std::shared_ptr<const ModuleImage> image = LoadedModule(path);
      MR_CHECK(image != nullptr);
      ModuleFile module;
      module.name = path.substr(path.rfind('/') + 1);
      module.hash = image->Hash();
      module.bytes = image->bytes().size();
      if (key) {
        const ModuleSignature signature =
            SignModule(*key, DigestModule(image->bytes()), kJobAbiVersion);
        module.signer.assign(signature.signer.bytes.begin(), signature.signer.bytes.end());
        module.signature.assign(signature.bytes.begin(), signature.bytes.end());
      }
      modules_[module.hash.Hex()] = image;
      modules.push_back(std::move(module));
    }
    return modules;
  }

  // Until the master has taken the run; hands it modules that it lacks.
  Status Submit(SubmitRun submit) {
    name_ = submit.spec.name;
    RunStatus answer;
    bool has_file = false;
    do {
      has_file = false;
      const ClusterClient::Question question{
          .body = submit, .cancel = &cancel_, .on_silence = [this] { TellSilence(); }};
      const Status status = client_->Ask(question, [&](const MessageBody& body) {
        if (const auto* wanted = std::get_if<FileWanted>(&body)) return has_file = Give(*wanted);
        const auto* told = std::get_if<RunStatus>(&body);
        if (told == nullptr || told->state == RunState::kUnknown) return false;
        answer = *told;
        return true;
      });
      if (!status.ok()) return Fail(status, kExitNoCluster);
    } while (has_file);
    if (answer.state == RunState::kRefused) {
      const bool is_later = answer.code == StatusCode::kUnavailable;
      return Fail(StatusOf(answer), is_later ? 0 : kExitNoCluster);
    }
    is_attached_ = answer.name != name_;
    if (is_attached_ && progress_ != nullptr)
      progress_->Say("the run " + answer.name + " does the same already: following it");
    name_ = answer.name;
    return Status::Ok();
  }

  // True when the master has all of the file.
  bool Give(const FileWanted& wanted) {
    const auto module = modules_.find(wanted.hash.Hex());
    if (module == modules_.end()) return false;
    const std::string_view contents = module->second->bytes();
    if (wanted.offset > contents.size()) return false;
    if (wanted.offset == contents.size()) return true;
    client_->Tell(FileData{wanted.hash, wanted.offset, contents.size(),
                           std::string(contents.substr(wanted.offset, kFilePieceBytesMax))});
    return false;
  }

  Result<RunSummary> Follow() {
    MR_ASSIGN_OR_RETURN(
        const RunStatus status,
        FollowRun(*client_, {.name = name_, .cancel = &cancel_, .progress = progress_}));
    if (status.code == StatusCode::kCancelled)  // Not by us, or we would have left.
      return Fail(Status::Unavailable("the run ", name_, " was cancelled"), kExitFailed);
    if (status.state != RunState::kDone) return Fail(StatusOf(status), ExitCodeOf(status));
    RunSummary summary = PlanSummary(request_.run, prepared_);
    MR_ASSIGN_OR_RETURN(const proto::Manifest manifest,
                        ReadManifest(files_, prepared_.place.output));
    FillFrom(manifest, summary);
    summary.state = RunOutcome::kDone;
    summary.tasks_run = status.tasks_total;
    summary.spilled_bytes = status.totals.spilled_bytes + status.totals.run_bytes;
    for (std::size_t i = 0; i < std::min(kPhaseCount, status.totals.phase_times.size()); ++i) {
      const PhaseTime& time = status.totals.phase_times[i];
      summary.phases.Add(static_cast<Phase>(i), time.nanoseconds, time.bytes);
    }
    return summary;
  }

  void TellSilence() {
    if (progress_ != nullptr) progress_->Say("the master does not answer; asking again");
  }

  // The user wants it to end: tell the master, and wait until the run is over.
  void Cancel() {
    // One that was there before is somebody else's, too.
    if (name_.empty() || client_ == nullptr || is_attached_) return;
    const ClusterClient::Question question{.body = CancelRun{name_},
                                           .again_ms = kCancelAgainMs,
                                           .patience_ms = kCancelPatienceMs,
                                           .on_silence = {}};
    static_cast<void>(client_->Ask(question, [&](const MessageBody& body) {
      const auto* told = std::get_if<RunStatus>(&body);
      return told != nullptr && told->name == name_ &&
             (IsOver(*told) || told->state == RunState::kUnknown);
    }));
  }

  Status Fail(const Status& status, int exit_code) {
    if (status.code() != StatusCode::kCancelled) exit_code_ = exit_code;
    return status;
  }

  const ClusterRunRequest& request_;
  CancelToken& cancel_;
  ConsoleProgress* const progress_;
  FileSystem& files_ = LocalFileSystem();
  std::unique_ptr<ClusterClient> client_;
  PreparedRun prepared_;
  std::map<std::string, std::shared_ptr<const ModuleImage>> modules_;  // By hex.
  std::string name_;
  int exit_code_ = 0;
  bool is_attached_ = false;
  bool is_detached_ = false;
};

}  // namespace

Result<RunStatus> FollowRun(ClusterClient& client, const FollowOptions& options) {
  std::uint64_t failures_seen = 0;
  const Clock::time_point start = Clock::now();
  for (;;) {
    RunStatus status;
    const ClusterClient::Question question{
        .body = AskRunStatus{options.name, failures_seen},
        .patience_ms = kFollowPatienceMs,
        .cancel = options.cancel,
        .on_silence = [&] {
          if (options.progress != nullptr)
            options.progress->Say("the master does not answer; the run waits for it, so do we");
        }};
    const Status asked = client.Ask(question, [&](const MessageBody& body) {
      const auto* told = std::get_if<RunStatus>(&body);
      if (told == nullptr || told->name != options.name) return false;
      status = *told;
      return true;
    });
    if (asked.code() == StatusCode::kUnavailable) {
      return Status::Unavailable(asked.message(), "; the run goes on when it is back: `millrace ",
                                 "watch ", options.name, "` follows it then");
    }
    MR_RETURN_IF_ERROR(asked);
    if (status.state == RunState::kUnknown) {
      return Status::Unavailable("the master at ", client.endpoint(), " knows no run ",
                                 options.name, "; run it again");
    }
    Show(status, options.progress);
    failures_seen = std::max(failures_seen, status.totals.failures);
    if (IsOver(status)) return status;
    const auto so_far = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    std::this_thread::sleep_for(std::chrono::milliseconds(std::clamp(
        static_cast<std::uint64_t>(so_far.count()) / kPollShareOf, kPollMsMin, kPollMsMax)));
  }
}

int ExitCodeOf(const RunStatus& status) {
  // Cancelled by whoever did it: for those who follow, it failed.
  return status.code == StatusCode::kCancelled ? kExitFailed : ExitCode(StatusOf(status));
}

ClusterRunResult RunOnCluster(const ClusterRunRequest& request, CancelToken& cancel,
                              ConsoleProgress* progress) {
  const Clock::time_point start = Clock::now();
  ClusterRunResult result = ClusterRun(request, cancel, progress).Run();
  if (result.summary.ok())
    result.summary->seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace millrace
