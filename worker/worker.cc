// SPDX-License-Identifier: Apache-2.0
#include "worker/worker.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "mapreduce/base/test_hooks.h"

namespace millrace {
namespace {

constexpr std::uint64_t kPlanAsks = 3;      // A plan is asked for once in so many reports' times.
constexpr std::size_t kUnansweredMax = 64;  // Heartbeats whose time of sending is remembered.

FetchLimits FetchLimitsOf(const WorkerOptions& options) {
  FetchLimits limits = options.fetch;
  limits.host = options.host_id;
  return limits;
}

}  // namespace

Worker::Worker(WorkerId id, const WorkerOptions& options)
    : id_(id), options_(options), fetcher_(FetchLimitsOf(options)), server_(options.serve) {}

void Worker::Start(std::uint64_t now_ms, WorkerActions& out) {
  now_ms_ = now_ms;
  out_ = &out;
  SayHello();
}

void Worker::Step(WorkerEvent event, std::uint64_t now_ms, WorkerActions& out) {
  if (has_left_) return;
  now_ms_ = now_ms;
  out_ = &out;
  if (auto* arrived = std::get_if<MessageArrived>(&event)) {
    OnMessage(*arrived);
  } else if (const auto* progressed = std::get_if<ChildProgressed>(&event)) {
    OnProgress(*progressed);
  } else if (const auto* ended = std::get_if<ChildEnded>(&event)) {
    OnChildEnded(*ended);
  } else if (const auto* failed = std::get_if<SpoolFailed>(&event)) {
    if (activities_.contains(failed->attempt)) {
      Kill(failed->attempt,
           TaskFailure{failed->status.code(), failed->status.message(), {}, {}, {}});
    }
  } else if (auto* read = std::get_if<PieceRead>(&event)) {
    OnPieceRead(*read);
  } else if (const auto* listed = std::get_if<FilesListed>(&event)) {
    OnFilesListed(*listed);
  } else if (std::holds_alternative<DrainWanted>(event) && !is_draining_) {
    is_draining_ = true;
    drain_end_ms_ = now_ms_ + options_.drain_ms;
    if (is_registered_) SendHeartbeat();
  }
  OnTimers();
}

// ---- Messages -----------------------------------------------------------------------------------

void Worker::OnMessage(MessageArrived& arrived) {
  if (const auto* from = std::get_if<WorkerId>(&arrived.from)) {
    OnPeerMessage(*from, arrived.message.body);
  } else if (std::holds_alternative<MasterAddress>(arrived.from)) {
    OnMasterMessage(arrived.message);
  }
}

void Worker::OnMasterMessage(const Message& message) {
  // A refusal is heard whoever says it: a master of another cluster is at another epoch.
  if (const auto* refused = std::get_if<Refused>(&message.body)) {
    has_left_ = true;
    out_->push_back(
        Leave{Status::InvalidArgument("the master refuses this worker: ", refused->message)});
    return;
  }
  if (message.epoch < epoch_ && !MR_MUTATION("epoch_ignored")) return;
  if (message.epoch > epoch_) {
    epoch_ = message.epoch;
    is_registered_ = false;
    last_order_ = 0;
    sent_ms_.clear();
    next_hello_ms_ = now_ms_;
  }
  if (const auto* welcome = std::get_if<Welcome>(&message.body)) {
    On(*welcome);
  } else if (const auto* ack = std::get_if<HeartbeatAck>(&message.body)) {
    RenewLease(ack->heartbeat);
  } else if (std::holds_alternative<HelloWanted>(message.body)) {
    if (is_registered_) next_hello_ms_ = now_ms_;
    is_registered_ = false;
  } else if (const auto* start = std::get_if<StartTask>(&message.body)) {
    On(*start);
  } else if (const auto* plan = std::get_if<RunPlan>(&message.body)) {
    On(*plan);
  } else if (const auto* kill = std::get_if<KillTask>(&message.body)) {
    On(*kill);
  } else if (const auto* answer = std::get_if<TaskAnswer>(&message.body)) {
    On(*answer);
  } else if (const auto* end = std::get_if<EndRun>(&message.body)) {
    On(*end);
  }
}

void Worker::On(const Welcome& welcome) {
  if (!sent_ms_.contains(welcome.hello)) return;  // Of an older Hello, or a second time.
  if (!std::exchange(is_registered_, true)) {
    out_->push_back(Note{"the master has taken it in, at epoch " + std::to_string(epoch_.value)});
  }
  cluster_ = welcome.cluster;
  heartbeat_ms_ = welcome.heartbeat_ms;
  lease_ms_ = welcome.lease_ms;
  // What others have been given is gone before the new lease begins.
  for (const AttemptId& attempt : welcome.kill) On(KillTask{attempt});
  last_order_ = std::max(last_order_, welcome.last_order);
  RenewLease(welcome.hello);
  for (const AttemptId& output : welcome.drop) {
    if (held_.erase(output) > 0) Drop(output, /*keeps_parts=*/true);
  }
  next_heartbeat_ms_ = now_ms_ + heartbeat_ms_ / 2;
  for (auto& [attempt, report] : reports_) SendReport(attempt, report);
}

void Worker::RenewLease(std::uint64_t sequence) {
  const auto sent = sent_ms_.find(sequence);
  if (sent == sent_ms_.end()) return;
  lease_end_ms_ = std::max(lease_end_ms_, sent->second + lease_ms_);
  sent_ms_.erase(sent_ms_.begin(), std::next(sent));
}

void Worker::On(const StartTask& start) {
  if (!is_registered_ || start.order <= last_order_ || !has_lease(now_ms_)) return;
  last_order_ = start.order;
  const AttemptId& id = start.attempt;
  if (activities_.contains(id) || reports_.contains(id) || held_.contains(id)) return;
  Activity& activity = activities_[id];
  activity.task = start;
  activity.progress_ms = now_ms_;
  waiting_.push_back(id);
}

void Worker::On(const RunPlan& plan) {
  const auto found = plans_.find(plan.run);
  if (found != plans_.end()) found->second.plan = plan;  // Else it is not wanted any more.
}

void Worker::On(const KillTask& kill) {
  if (activities_.contains(kill.attempt)) Kill(kill.attempt, std::nullopt);
  if (reports_.erase(kill.attempt) > 0) Drop(kill.attempt);
}

void Worker::On(const TaskAnswer& answer) {
  const auto report = reports_.find(answer.attempt);
  if (report == reports_.end()) return;
  const auto* output = std::get_if<TaskOutput>(&report->second.result);
  if (answer.is_committed && output != nullptr) {
    if (output->run_bytes > 0) {
      held_[answer.attempt] = output->run_bytes;
    } else {
      Drop(answer.attempt, /*keeps_parts=*/true);
    }
  } else {
    Drop(answer.attempt);
  }
  reports_.erase(report);
}

void Worker::On(const EndRun& end) {
  const auto is_of_run = [&](const AttemptId& id) { return id.task.phase.run == end.run; };
  std::vector<AttemptId> over;
  for (const auto& [id, activity] : activities_) {
    if (is_of_run(id)) over.push_back(id);
  }
  for (const AttemptId& id : over) Kill(id, std::nullopt);
  for (auto at = reports_.begin(); at != reports_.end();) {
    if (is_of_run(at->first)) {
      Drop(at->first);
      at = reports_.erase(at);
    } else {
      ++at;
    }
  }
  for (auto at = held_.begin(); at != held_.end();) {
    if (is_of_run(at->first)) {
      Drop(at->first, /*keeps_parts=*/true);
      at = held_.erase(at);
    } else {
      ++at;
    }
  }
  server_.CloseRun(end.run);
}

// ---- Attempts -----------------------------------------------------------------------------------

void Worker::StartWaiting() {
  std::deque<AttemptId> still_waiting;
  for (const AttemptId& id : waiting_) {
    const auto found = activities_.find(id);
    if (found == activities_.end() || found->second.stage != Stage::kWaiting) continue;
    if (HasPlan(id.task.phase.run) && BusySlots() < options_.slots) {
      StartFetching(found->second);
    } else {
      still_waiting.push_back(id);
    }
  }
  waiting_ = std::move(still_waiting);
}

// Asks for it where it isn't there.
bool Worker::HasPlan(JobRunId run) {
  Plan& plan = plans_[run];
  if (plan.plan) return true;
  if (is_registered_ && plan.next_ask_ms <= now_ms_) {
    plan.next_ask_ms = now_ms_ + kPlanAsks * options_.report_ms;  // It may be large.
    SendToMaster(PlanWanted{run});
  }
  return false;
}

void Worker::ForgetPlans() {
  std::erase_if(plans_, [this](const auto& entry) {
    const AttemptId first{{{entry.first, 0}, 0}, 0};
    const auto has_some = [&](const auto& map) {
      const auto at = map.lower_bound(first);
      return at != map.end() && at->first.task.phase.run == entry.first;
    };
    return !has_some(activities_) && !has_some(reports_) && !has_some(held_);
  });
}

void Worker::StartFetching(Activity& activity) {
  const StartTask& task = activity.task;
  activity.stage = Stage::kFetching;
  activity.progress_ms = now_ms_;
  for (const SourceSet& set : task.sources) {
    if (set.worker == id_) continue;  // Its own files, read where they lie.
    fetcher_.Add({task.attempt, set.source, set.worker}, set, task.borders);
  }
}

void Worker::OnFetchesDone() {
  if (!has_lease(now_ms_)) return;  // The task may be another's by now.
  std::vector<AttemptId> done;
  const std::uint64_t patience_ms = options_.fetch.tries_max * options_.fetch.retry_ms;
  for (const auto& [id, activity] : activities_) {
    if (activity.stage != Stage::kFetching || !fetcher_.IsDone(id)) continue;
    if (HoldsSources(activity.task) || now_ms_ - activity.progress_ms >= patience_ms)
      done.push_back(id);
  }
  for (const AttemptId& id : done) StartFetched(activities_.at(id));
}

std::uint64_t Worker::OutputsHash(const std::vector<AttemptId>& outputs) {
  std::uint64_t hash = 0;
  for (const AttemptId& output : outputs) hash += OutputHash(output);
  return hash;
}

// Whether it holds itself what the task is to read of it. The answers to its own reports may still
// be on the way.
bool Worker::HoldsSources(const StartTask& task) const {
  return std::all_of(task.sources.begin(), task.sources.end(), [&](const SourceSet& set) {
    if (set.worker != id_) return true;
    const std::vector<AttemptId> outputs = HeldOf({task.attempt.task.phase.run, set.source.phase});
    return outputs.size() == set.output_count && OutputsHash(outputs) == set.outputs_hash;
  });
}

void Worker::StartFetched(Activity& activity) {
  const StartTask& task = activity.task;
  if (!HoldsSources(task)) {
    FinishAttempt(task.attempt, TaskFailure{StatusCode::kUnavailable,
                                            "this worker does not hold what the task is to read",
                                            {},
                                            id_,
                                            {}});
    return;
  }
  const RunPlan& plan = *plans_.at(task.attempt.task.phase.run).plan;
  StartChild start{task, plan.name, plan.plan, plan.output, fetcher_.Fetched(task.attempt), {}};
  fetcher_.Remove(task.attempt);
  std::set<std::uint32_t> phases;
  for (const SourceSet& set : task.sources) {
    if (set.worker != id_ || !phases.insert(set.source.phase).second) continue;
    for (const AttemptId& output : HeldOf({task.attempt.task.phase.run, set.source.phase}))
      start.local_outputs.push_back(output);
  }
  activity.stage = Stage::kRunning;
  activity.progress_ms = now_ms_;
  out_->push_back(std::move(start));
}

// With a failure it is reported, without one forgotten, once nothing of it runs any more.
void Worker::Kill(AttemptId id, std::optional<TaskFailure> failure) {
  Activity& activity = activities_.at(id);
  if (activity.stage == Stage::kKilled) {
    if (!failure) activity.killed_for.reset();
    return;
  }
  fetcher_.Remove(id);
  if (activity.stage == Stage::kRunning) {
    activity.stage = Stage::kKilled;
    activity.killed_for = std::move(failure);
    out_->push_back(KillChild{id});
  } else if (failure) {
    FinishAttempt(id, std::move(*failure));
  } else {
    activities_.erase(id);
    Drop(id);
  }
}

void Worker::OnProgress(const ChildProgressed& progressed) {
  const auto found = activities_.find(progressed.attempt);
  if (found == activities_.end()) return;
  Activity& activity = found->second;
  if (progressed.records != activity.records || progressed.bytes != activity.bytes ||
      progressed.moves != activity.moves) {
    activity.progress_ms = now_ms_;
  }
  activity.moves = progressed.moves;
  activity.records = progressed.records;
  activity.bytes = progressed.bytes;
  activity.position = progressed.position;
}

void Worker::OnChildEnded(const ChildEnded& ended) {
  const auto found = activities_.find(ended.attempt);
  if (found == activities_.end()) return;
  Activity& activity = found->second;
  if (activity.stage != Stage::kKilled) {
    FinishAttempt(ended.attempt, ended.result);
  } else if (activity.killed_for) {
    FinishAttempt(ended.attempt, *activity.killed_for);
  } else {
    activities_.erase(found);
    Drop(ended.attempt);
  }
}

void Worker::FinishAttempt(AttemptId id, std::variant<TaskOutput, TaskFailure> result) {
  activities_.erase(id);
  fetcher_.Remove(id);
  Report& report = reports_[id];
  report.result = std::move(result);
  SendReport(id, report);
}

void Worker::Drop(AttemptId id, bool keeps_parts) { out_->push_back(DropAttempt{id, keeps_parts}); }

void Worker::SendReport(AttemptId id, Report& report) {
  report.next_ms = now_ms_ + (MR_BUGGIFY("worker.report_again") ? 1 : options_.report_ms);
  if (!is_registered_) return;
  if (const auto* output = std::get_if<TaskOutput>(&report.result)) {
    SendToMaster(TaskDone{id, *output});
  } else {
    SendToMaster(TaskFailed{id, std::get<TaskFailure>(report.result)});
  }
}

std::vector<AttemptId> Worker::HeldOf(PhaseId phase) const {
  std::vector<AttemptId> outputs;
  for (auto at = held_.lower_bound({{phase, 0}, 0}); at != held_.end(); ++at) {
    if (at->first.task.phase != phase) break;
    outputs.push_back(at->first);
  }
  return outputs;
}

std::vector<AttemptId> Worker::Present() const {
  std::vector<AttemptId> present;
  for (const auto& [id, activity] : activities_) {
    if (activity.stage != Stage::kKilled || activity.killed_for) present.push_back(id);
  }
  for (const auto& [id, report] : reports_) present.push_back(id);
  return present;
}

std::vector<AttemptId> Worker::Running() const {
  std::vector<AttemptId> running;
  for (const auto& [id, activity] : activities_) {
    if (activity.stage == Stage::kFetching || activity.stage == Stage::kRunning)
      running.push_back(id);
  }
  return running;
}

std::vector<AttemptId> Worker::Held() const {
  std::vector<AttemptId> outputs;
  for (const auto& [id, bytes] : held_) outputs.push_back(id);
  return outputs;
}

std::uint32_t Worker::BusySlots() const {
  return static_cast<std::uint32_t>(
      std::count_if(activities_.begin(), activities_.end(),
                    [](const auto& entry) { return entry.second.stage != Stage::kWaiting; }));
}

std::uint64_t Worker::SpoolBytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, held] : held_) bytes += held;
  for (const auto& [id, activity] : activities_) bytes += activity.fetched_bytes;
  for (const auto& [id, report] : reports_) {
    if (const auto* output = std::get_if<TaskOutput>(&report.result)) bytes += output->run_bytes;
  }
  return bytes;
}

bool Worker::TakesTasks() const {
  return !is_draining_ && SpoolBytes() <= options_.spool_bytes_max;
}

// ---- Time ---------------------------------------------------------------------------------------

void Worker::OnTimers() {
  StartWaiting();
  std::vector<Fetcher::Outgoing> outgoing;
  fetcher_.Tick(now_ms_, outgoing);
  for (Fetcher::Outgoing& message : outgoing) SendTo(message.to, std::move(message.body));
  for (auto& [reader, failure] : fetcher_.TakeFailed()) {
    if (activities_.contains(reader)) FinishAttempt(reader, std::move(failure));
  }
  OnFetchesDone();
  StartWaiting();
  for (SliceServer::NextRead& read : server_.TakeReads()) {
    out_->push_back(ReadPiece{read.key, std::move(read.outputs), std::move(read.borders),
                              read.offset, read.bytes_max});
  }
  std::vector<AttemptId> hanging;
  for (const auto& [id, activity] : activities_) {
    if (activity.stage != Stage::kKilled &&
        now_ms_ - activity.progress_ms >= options_.no_progress_ms) {
      hanging.push_back(id);
    }
  }
  for (const AttemptId& id : hanging) {
    std::ostringstream text;
    text << "no progress for " << options_.no_progress_ms / 1000 << " s";
    Kill(id, TaskFailure{StatusCode::kResourceLimit,
                         std::move(text).str(),
                         activities_.at(id).position,
                         {},
                         {}});
  }
  const bool has_all_done = activities_.empty() && reports_.empty() && held_.empty();
  if (is_draining_ && (has_all_done || now_ms_ >= drain_end_ms_)) {
    SendToMaster(Goodbye{});
    has_left_ = true;
    out_->push_back(Leave{Status::Ok()});
    return;
  }
  if (!is_registered_) {
    if (next_hello_ms_ <= now_ms_) SayHello();
    return;
  }
  if (next_heartbeat_ms_ <= now_ms_) SendHeartbeat();
  for (auto& [id, report] : reports_) {
    if (report.next_ms <= now_ms_) SendReport(id, report);
  }
}

std::uint64_t Worker::NextTimerMs() const {
  std::uint64_t next = fetcher_.NextTimerMs();
  if (is_registered_) {
    next = std::min(next, next_heartbeat_ms_);
    for (const auto& [run, plan] : plans_) {
      if (!plan.plan) next = std::min(next, plan.next_ask_ms);
    }
    for (const auto& [id, report] : reports_) next = std::min(next, report.next_ms);
  } else {
    next = std::min(next, next_hello_ms_);
  }
  for (const auto& [id, activity] : activities_) {
    if (activity.stage != Stage::kKilled)
      next = std::min(next, activity.progress_ms + options_.no_progress_ms);
  }
  if (is_draining_ && drain_end_ms_ > now_ms_) next = std::min(next, drain_end_ms_);
  return next;
}

void Worker::SayHello() {
  next_hello_ms_ = now_ms_ + options_.hello_ms;
  Hello hello;
  hello.worker = id_;
  hello.host = options_.host;
  hello.endpoint = options_.endpoint;
  hello.build = options_.build;
  hello.slots = options_.slots;
  hello.slot_memory_bytes = options_.slot_memory_bytes;
  hello.takes_tasks = TakesTasks();
  hello.present = Present();
  hello.held = Held();
  hello.cluster = cluster_;
  sent_ms_[SendToMaster(std::move(hello))] = now_ms_;
  if (sent_ms_.size() > kUnansweredMax) sent_ms_.erase(sent_ms_.begin());
}

void Worker::SendHeartbeat() {
  next_heartbeat_ms_ = now_ms_ + (MR_BUGGIFY("worker.heartbeat_again") ? 1 : heartbeat_ms_ / 2);
  ForgetPlans();
  Heartbeat heartbeat;
  heartbeat.takes_tasks = TakesTasks();
  heartbeat.last_order = last_order_;
  for (const AttemptId& id : Present()) {
    const auto found = activities_.find(id);
    heartbeat.present.push_back(
        found == activities_.end()
            ? AttemptProgress{id, 0, 0}
            : AttemptProgress{id, found->second.records, found->second.bytes});
  }
  for (const auto& [id, bytes] : held_) {
    if (heartbeat.held.empty() || heartbeat.held.back().phase != id.task.phase)
      heartbeat.held.push_back({id.task.phase, 0, 0});
    ++heartbeat.held.back().output_count;
    heartbeat.held.back().outputs_hash += OutputHash(id);
  }
  sent_ms_[SendToMaster(std::move(heartbeat))] = now_ms_;
  if (sent_ms_.size() > kUnansweredMax) sent_ms_.erase(sent_ms_.begin());
}

std::uint64_t Worker::SendToMaster(MessageBody body) {
  out_->push_back(Send{MasterAddress{}, {epoch_, ++last_sequence_, std::move(body)}});
  return last_sequence_;
}

void Worker::SendTo(const Address& to, MessageBody body) {
  out_->push_back(Send{to, {Epoch(), ++last_sequence_, std::move(body)}});
}

}  // namespace millrace
