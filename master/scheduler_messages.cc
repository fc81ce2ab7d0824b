// SPDX-License-Identifier: Apache-2.0
// What the messages of clients and workers do.
#include <algorithm>
#include <sstream>

#include "mapreduce/base/test_hooks.h"
#include "mapreduce/engine/utf8.h"
#include "master/scheduler.h"

namespace millrace {
namespace {

constexpr std::uint64_t kNoRoomSaidMs = 60'000;  // They ask again and again: said once a minute.

std::string Key(const std::string& bytes) { return "\"" + Printable(bytes) + "\""; }

// Where two results of one task part: ", the first at key ...". Keys as they are encoded.
std::string FirstDifference(const TaskOutput* known, const TaskOutput& other) {
  if (known == nullptr) return "";
  for (std::size_t c = 0; c < other.sample_digests.size() && c < known->sample_digests.size();
       ++c) {
    const std::vector<std::uint32_t>& before = known->sample_digests[c];
    const std::vector<std::uint32_t>& now = other.sample_digests[c];
    const auto differs = std::mismatch(before.begin(), before.end(), now.begin(), now.end());
    if (differs.first == before.end() && differs.second == now.end()) continue;
    const auto at = static_cast<std::size_t>(differs.second - now.begin());
    if (at >= other.samples[c].size())
      return at == 0 ? "" : ", the first difference behind key " + Key(other.samples[c][at - 1]);
    return ", the first difference up to key " + Key(other.samples[c][at]);
  }
  for (std::size_t p = 0; p < other.parts.size() && p < known->parts.size(); ++p) {
    if (other.parts[p].xxh128 != known->parts[p].xxh128)
      return ", the first difference in " + other.parts[p].path;
  }
  if (other.table && known->table && other.table->xxh128 != known->table->xxh128)
    return ", the difference is in the table it makes";
  return "";
}

}  // namespace

void Scheduler::OnMessage(const MessageArrived& arrived) {
  const Message& message = arrived.message;
  if (const auto* client = std::get_if<ClientId>(&arrived.from)) {
    if (const auto* submit = std::get_if<SubmitRun>(&message.body)) On(*client, *submit);
    if (const auto* cancel = std::get_if<CancelRun>(&message.body)) On(*client, *cancel);
    if (const auto* ask = std::get_if<AskRunStatus>(&message.body)) On(*client, *ask);
    if (std::holds_alternative<AskCluster>(message.body)) SendTo(*client, StatusOfAll());
    return;
  }
  const auto* from = std::get_if<WorkerId>(&arrived.from);
  if (from == nullptr) return;
  if (message.epoch > epoch_) {
    is_stood_down_ = true;
    Say("worker ", from->value, " follows the newer epoch ", message.epoch.value);
    out_->push_back(StandDown{message.epoch});
    return;
  }
  if (const auto* hello = std::get_if<Hello>(&message.body)) {
    OnHello(*from, message, *hello);
    return;
  }
  WorkerEntry* const worker = FindWorker(*from);
  if (worker == nullptr || !worker->is_registered || message.epoch < epoch_) {
    SendTo(*from, HelloWanted{});
    return;
  }
  const bool is_late = message.sequence <= worker->last_sequence;
  worker->last_sequence = std::max(worker->last_sequence, message.sequence);
  if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
    // Behind a report it is still a sign of life; behind another heartbeat it is out of date.
    if (message.sequence <= worker->last_heartbeat) return;
    worker->last_heartbeat = message.sequence;
    On(*worker, message, *heartbeat);
  } else if (const auto* done = std::get_if<TaskDone>(&message.body)) {
    On(*worker, *done);
  } else if (const auto* failed = std::get_if<TaskFailed>(&message.body)) {
    On(*worker, *failed);
  } else if (const auto* wanted = std::get_if<PlanWanted>(&message.body)) {
    On(*worker, *wanted);
  } else if (std::holds_alternative<Goodbye>(message.body) && !is_late) {
    LoseWorker(*worker, "it has drained and left");
  }
}

// ---- Clients ------------------------------------------------------------------------------------

Status Scheduler::CheckSpec(const RunSpec& spec) const {
  if (spec.name.empty()) return Status::InvalidArgument("a run needs a name");
  if (spec.phases.empty()) return Status::InvalidArgument("run ", spec.name, " has no phases");
  if (spec.phases.size() > options_.phases_max)
    return Status::InvalidArgument("run ", spec.name, " has more than ", options_.phases_max,
                                   " phases");
  std::uint64_t tasks = 0;
  for (std::size_t index = 0; index < spec.phases.size(); ++index) {
    const PhaseSpec& phase = spec.phases[index];
    const auto bad = [&](std::string_view what) {
      return Status::InvalidArgument("run ", spec.name, ", phase ", phase.name, ": ", what);
    };
    tasks += phase.task_count;
    if (tasks > options_.tasks_max) return bad("more tasks than a run may have");
    if (phase.sample_capacity == 0) return bad("no keys are sampled");
    if (!phase.task_bytes.empty() && phase.task_bytes.size() != phase.task_count)
      return bad("sizes for another number of tasks");
    if (phase.sources.size() > options_.sources_max)
      return bad("more sources than a phase may have");
    if ((phase.kind == TaskKind::kReduce) == phase.sources.empty())
      return bad("a reduce needs sources, and a map must not have any");
    if (phase.kind == TaskKind::kReduce && phase.task_count == 0)
      return bad("a reduce has no part");
    if (phase.makes_table && phase.kind != TaskKind::kReduce) return bad("a map makes no table");
    for (std::size_t i = 0; i < phase.tables.size(); ++i) {
      const std::uint32_t maker = phase.tables[i];
      if (maker >= index || !spec.phases[maker].makes_table ||
          (i > 0 && maker <= phase.tables[i - 1]))
        return bad("a table that no earlier phase makes");
    }
    for (const PhaseSource& source : phase.sources) {
      if (source.phase >= index || source.channel >= spec.phases[source.phase].channels)
        return bad("a source that no earlier phase has");
      if (spec.phases[source.phase].sample_capacity != phase.sample_capacity)
        return bad("its sources sample another number of keys");
    }
  }
  std::vector<bool> is_of_use(spec.phases.size());
  for (std::size_t index = spec.phases.size(); index-- > 0;) {
    const PhaseSpec& phase = spec.phases[index];
    is_of_use[index] = is_of_use[index] || phase.writes_parts || phase.makes_table;
    if (!is_of_use[index])
      return Status::InvalidArgument("run ", spec.name, ", phase ", phase.name,
                                     ": nobody reads it, and it writes nothing");
    for (const PhaseSource& source : phase.sources) is_of_use[source.phase] = true;
  }
  return Status::Ok();
}

void Scheduler::Refuse(ClientId client, const std::string& name, const Status& why) {
  RunStatus status;
  status.name = name;
  status.state = RunState::kRefused;
  status.code = why.code();
  status.message = why.message();
  SendTo(client, std::move(status));
}

// The open run that writes there. Linear: runs_max is small, and runs are seldom submitted.
const JobRun* Scheduler::FindWriter(const std::string& output) const {
  if (output.empty()) return nullptr;
  for (const JobRunId id : open_runs_) {
    const JobRun* const run = FindRun(id);
    if (run->spec().output == output) return run;
  }
  return nullptr;
}

void Scheduler::On(ClientId from, const SubmitRun& submit) {
  const RunSpec& spec = submit.spec;
  if (const auto found = runs_by_name_.find(spec.name); found != runs_by_name_.end()) {
    const JobRun& run = *Find(found->second);
    if (run.is_over() || run.spec() == spec) {
      SendTo(from, StatusOf(spec.name));
    } else {
      Refuse(from, spec.name,
             Status::InvalidArgument("another run of this name is at work: choose another name"));
    }
    return;
  }
  if (submissions_.contains(spec.name)) return;  // The answer comes when it is durable.
  if (const JobRun* const writer = FindWriter(spec.output); writer != nullptr) {
    // The same again, by a client that doesn't know of the first: it gets that one's name.
    if (writer->spec().plan == spec.plan && writer->spec().phases == spec.phases) {
      SendTo(from, StatusOf(*writer, 0));
    } else {
      Refuse(from, spec.name,
             Status::Unavailable("the run ", writer->spec().name, " is writing ", spec.output,
                                 " right now: wait until it has ended, or cancel it"));
    }
    return;
  }
  Status status = CheckSpec(spec);
  for (const auto& [name, submission] : submissions_) {
    if (!spec.output.empty() && submission.output == spec.output) {
      status = Status::Unavailable("the run ", name, " is about to write ", spec.output,
                                   ": try again later");
    }
  }
  if (status.ok() && open_runs_.size() + submissions_.size() >= options_.runs_max) {
    status =
        Status::Unavailable("the master has ", options_.runs_max, " runs already; try again later");
  }
  if (!status.ok()) {
    Refuse(from, spec.name, status);
    return;
  }
  last_run_ = JobRunId{last_run_.value + 1};
  submissions_[spec.name] = {.client = from, .output = spec.output};
  Append(RunSubmitted{last_run_, spec});
}

void Scheduler::On(ClientId from, const CancelRun& cancel) {
  if (const auto pending = submissions_.find(cancel.name); pending != submissions_.end()) {
    pending->second.is_cancelled = true;  // The answer comes when the run is durable.
    return;
  }
  const auto found = runs_by_name_.find(cancel.name);
  if (found != runs_by_name_.end() && Find(found->second)->is_open())
    EndRunWith(*Find(found->second), Status::Cancelled("cancelled"));
  SendTo(from, StatusOf(cancel.name));
}

void Scheduler::On(ClientId from, const AskRunStatus& ask) {
  SendTo(from, StatusOf(ask.name, ask.failures_seen));
}

// ---- Workers ------------------------------------------------------------------------------------

void Scheduler::OnHello(WorkerId from, const Message& message, const Hello& hello) {
  if (hello.protocol != kProtocolVersion || hello.build != options_.build) {
    std::ostringstream text;
    text << "worker " << hello.host << " speaks protocol " << hello.protocol << " of build \""
         << hello.build << "\", this master " << kProtocolVersion << " of \"" << options_.build
         << "\": install one version on both";
    SendTo(from, Refused{std::move(text).str()});
    return;
  }
  if (hello.cluster != 0 && hello.cluster != options_.cluster) {
    SendTo(from, Refused{"worker " + hello.host +
                         " has worked for the master of another cluster: start it anew"});
    return;
  }
  WorkerEntry* worker = FindWorker(from);
  if (worker != nullptr && message.sequence <= worker->last_sequence) return;
  if (worker == nullptr) {
    if (workers_.size() >= options_.workers_max) {  // It asks again, and there may be room then.
      if (now_ms_ - no_room_said_ms_ >= kNoRoomSaidMs || no_room_said_ms_ == 0) {
        no_room_said_ms_ = now_ms_;
        Say("no room for worker ", from.value, " (", hello.host, ") beside ", workers_.size(),
            " others");
      }
      return;
    }
    worker = &workers_.Add(from);
  }
  worker->host = hello.host;
  worker->endpoint = hello.endpoint;
  worker->slots = hello.slots;
  worker->slot_memory_bytes = hello.slot_memory_bytes;
  worker->takes_tasks = hello.takes_tasks;
  worker->is_registered = true;
  worker->last_sequence = message.sequence;
  worker->last_heartbeat = message.sequence;
  workers_.SetLeaseEnd(*worker, now_ms_ + options_.lease_ms());
  Welcome welcome{message.sequence, options_.heartbeat_ms, options_.lease_ms(), last_order_, {}, {},
                  options_.cluster};
  TakeHeld(*worker, hello, welcome);
  for (const AttemptId& attempt : hello.present) {
    if (!IsWanted(*worker, attempt)) welcome.kill.push_back(attempt);
  }
  SendTo(from, std::move(welcome));
  SendAgain(*worker, {hello.present.begin(), hello.present.end()}, last_order_);
  for (const AttemptId& attempt : hello.present) OnPresent(*worker, {attempt, 0, 0});
  workers_.UpdateFree(*worker, now_ms_);
}

// What the worker holds becomes available again, what it doesn't hold any more is lost, and what
// nobody needs it may drop.
void Scheduler::TakeHeld(WorkerEntry& worker, const Hello& hello, Welcome& welcome) {
  std::set<AttemptId> held(hello.held.begin(), hello.held.end());
  for (const AttemptId& output : hello.held) {
    JobRun* const run = Find(output.task.phase.run);
    Task* const task = run == nullptr ? nullptr : run->FindTask(output.task);
    const bool is_valid = task != nullptr && !task->is_start_pending &&
                          task->committed == output.number && task->given_up != output.number &&
                          (task->holder == WorkerId() || task->holder == worker.id);
    if (!is_valid) {
      welcome.drop.push_back(output);
      continue;
    }
    run->SetHolder(*run->FindPhase(output.task.phase.index), output.task.index, worker.id);
    worker.held_phases.insert(output.task.phase);
    touched_runs_.insert(run->id());
  }
  held.insert(hello.present.begin(), hello.present.end());  // An answer may be on its way.
  for (const PhaseId& id : worker.held_phases) {
    JobRun* const run = Find(id.run);
    TaskPhase* const phase = run == nullptr ? nullptr : run->FindPhase(id.index);
    if (phase == nullptr) continue;
    const auto holder = phase->holders.find(worker.id);
    if (holder == phase->holders.end()) continue;
    const std::set<std::uint32_t> tasks = holder->second.tasks;
    for (const std::uint32_t task : tasks) {
      if (held.contains({{id, task}, phase->tasks[task].committed})) continue;
      run->LoseOutput(*phase, task);
      touched_runs_.insert(run->id());
    }
  }
}

void Scheduler::On(WorkerEntry& from, const Message& message, const Heartbeat& heartbeat) {
  // A planted bug: the lease is taken to be one heartbeat shorter than the worker was told.
  const std::uint64_t lease_ms = MR_MUTATION("lease_off_by_one")
                                     ? options_.lease_ms() - options_.heartbeat_ms
                                     : options_.lease_ms();
  workers_.SetLeaseEnd(from, now_ms_ + lease_ms);
  if (from.takes_tasks != heartbeat.takes_tasks) {
    from.takes_tasks = heartbeat.takes_tasks;
    workers_.UpdateFree(from, now_ms_);
  }
  std::set<AttemptId> present;
  for (const AttemptProgress& progress : heartbeat.present) {
    present.insert(progress.attempt);
    OnPresent(from, progress);
  }
  SendAgain(from, present, heartbeat.last_order);
  SendTo(from.id, HeartbeatAck{message.sequence});
  CheckHeld(from, heartbeat, present);
}

// What the worker holds, and what it is believed to hold. They differ after lost messages, and when
// outputs were given up: then all of it is told anew. A phase of which the worker waits for answers
// is in flux.
void Scheduler::CheckHeld(WorkerEntry& worker, const Heartbeat& heartbeat,
                          const std::set<AttemptId>& present) {
  const auto is_in_flux = [&](const PhaseId& phase) {
    const auto first = present.lower_bound({{phase, 0}, 0});
    return first != present.end() && first->task.phase == phase;
  };
  bool is_same = true;
  std::set<PhaseId> told;
  for (const HeldSummary& held : heartbeat.held) {
    told.insert(held.phase);
    JobRun* const run = Find(held.phase.run);
    if (run == nullptr || run->is_over()) {
      SendTo(worker.id, EndRun{held.phase.run});
      continue;
    }
    const TaskPhase* const phase = run->FindPhase(held.phase.index);
    if (phase == nullptr || is_in_flux(held.phase)) continue;
    const auto known = phase->holders.find(worker.id);
    is_same = is_same && known != phase->holders.end() &&
              known->second.tasks.size() == held.output_count &&
              known->second.hash == held.outputs_hash;
  }
  for (const PhaseId& id : worker.held_phases) {
    JobRun* const run = told.contains(id) || is_in_flux(id) ? nullptr : Find(id.run);
    const TaskPhase* const phase = run == nullptr ? nullptr : run->FindPhase(id.index);
    is_same = is_same && (phase == nullptr || !phase->holders.contains(worker.id));
  }
  if (!is_same || MR_BUGGIFY("scheduler.hello_again")) SendTo(worker.id, HelloWanted{});
}

// Whether anybody waits for what the worker says it has.
bool Scheduler::IsWanted(const WorkerEntry& worker, const AttemptId& id) {
  JobRun* const run = Find(id.task.phase.run);
  Task* const task = run == nullptr ? nullptr : run->FindTask(id.task);
  if (task == nullptr) return false;
  const Attempt* const attempt = task->FindAttempt(id.number);
  return attempt != nullptr && attempt->worker == worker.id ? !attempt->is_lost
                                                            : task->committed == id.number;
}

void Scheduler::OnPresent(WorkerEntry& worker, const AttemptProgress& progress) {
  const AttemptId& id = progress.attempt;
  if (!IsWanted(worker, id)) {
    SendTo(worker.id, KillTask{id});
    return;
  }
  Attempt* const attempt = Find(id.task.phase.run)->FindTask(id.task)->FindAttempt(id.number);
  if (attempt == nullptr) {
    SendTo(worker.id, TaskAnswer{id, true});
    return;
  }
  attempt->bytes = std::max(attempt->bytes, progress.bytes);    // A Hello says nothing of it.
  if (attempt->started_ms == 0) attempt->started_ms = now_ms_;  // By an older epoch.
}

// StartTasks that were lost on the way.
void Scheduler::SendAgain(WorkerEntry& worker, const std::set<AttemptId>& present,
                          std::uint64_t last_order) {
  for (const AttemptId& id : worker.attempts) {
    if (present.contains(id)) continue;
    JobRun* const run = Find(id.task.phase.run);
    Task* const task = run == nullptr ? nullptr : run->FindTask(id.task);
    Attempt* const attempt = task == nullptr ? nullptr : task->FindAttempt(id.number);
    if (attempt == nullptr || attempt->is_ending) continue;
    if (attempt->order > last_order && now_ms_ - attempt->started_ms < options_.heartbeat_ms &&
        !MR_BUGGIFY("scheduler.start_again")) {
      continue;
    }
    SendStart(*run, *attempt, id.task, worker.id);
  }
}

void Scheduler::On(WorkerEntry& from, const PlanWanted& wanted) {
  const JobRun* const run = Find(wanted.run);
  if (run == nullptr || run->is_over()) {
    SendTo(from.id, EndRun{wanted.run});
  } else {
    const RunSpec& spec = run->spec();
    SendTo(from.id, RunPlan{wanted.run, spec.name, spec.output, spec.plan});
  }
}

void Scheduler::On(WorkerEntry& from, const TaskDone& done) {
  const AttemptId& id = done.attempt;
  JobRun* const run = Find(id.task.phase.run);
  Task* const task = run == nullptr ? nullptr : run->FindTask(id.task);
  if (task == nullptr || !run->is_open()) {
    if (run == nullptr || run->is_over()) SendTo(from.id, TaskAnswer{id, false});
    return;
  }
  if (id.number > task->attempts_started) return;  // There is no such attempt.
  if (task->digest && *task->digest != done.output.digest) {
    EndRunWith(*run,
               Status::Error(StatusCode::kDiverged, run->spec().name, ": ",
                             run->spec().phases[id.task.phase.index].name, " task ", id.task.index,
                             ": attempt ", id.number, " made other records than an earlier one",
                             FirstDifference(task->output.get(), done.output),
                             ": the job's code is not deterministic (does it use random "
                             "numbers, the time, addresses or the order of a hash map?)"));
    return;
  }
  Attempt* const attempt = task->FindAttempt(id.number);
  if (attempt == nullptr || attempt->worker != from.id) {
    if (MR_MUTATION("stale_attempt_accepted") && task->committed != id.number) {
      Append(TaskCommitted{id, from.id, done.output});
      return;
    }
    SendTo(from.id, TaskAnswer{id, task->committed == id.number});
    return;
  }
  if (attempt->is_ending || task->is_commit_pending) return;  // The worker will ask again.
  const PhaseSpec& phase = run->spec().phases[id.task.phase.index];
  if (const Status status = CheckOutput(phase, done.output); !status.ok()) {
    attempt->is_ending = true;
    AttemptFailed record{id, from.id, Blame::kTask, {}, false};
    record.failure.code = status.code();
    record.failure.message = status.message();
    Append(std::move(record));
    return;
  }
  attempt->is_ending = true;
  task->is_commit_pending = true;
  Append(TaskCommitted{id, from.id, done.output});
  if (MR_MUTATION("commit_before_durable")) SendTo(from.id, TaskAnswer{id, true});
}

// Paths are joined to folders when a run is published.
Status Scheduler::CheckOutput(const PhaseSpec& phase, const TaskOutput& output) const {
  if (output.table.has_value() != phase.makes_table) {
    return Status::Internal(phase.makes_table ? "the worker reports no file of the table"
                                              : "the worker reports a table that is not wanted");
  }
  const std::size_t texts = 1 + (phase.kind == TaskKind::kReduce ? phase.channels : 0);
  if (output.reject_file && output.reject_file->texts.size() != texts) {
    return Status::Internal("the worker reports a file of ", output.reject_file->texts.size(),
                            " texts of rejects for a task that has ", texts);
  }
  for (const PartRecord& part : output.parts) {
    const std::string path = "/" + part.path + "/";
    if (path.find("//") != std::string::npos || path.find("/./") != std::string::npos ||
        path.find("/../") != std::string::npos) {
      return Status::Internal("the worker names the part \"", part.path,
                              "\", which is no path below the output");
    }
  }
  return Status::Ok();
}

void Scheduler::On(WorkerEntry& from, const TaskFailed& failed) {
  const AttemptId& id = failed.attempt;
  JobRun* const run = Find(id.task.phase.run);
  Task* const task = run == nullptr ? nullptr : run->FindTask(id.task);
  Attempt* const attempt = task == nullptr ? nullptr : task->FindAttempt(id.number);
  if (attempt == nullptr || attempt->worker != from.id) {
    SendTo(from.id, TaskAnswer{id, false});
    return;
  }
  if (attempt->is_ending || !run->is_open()) return;
  attempt->is_ending = true;
  const TaskFailure& failure = failed.failure;
  AttemptFailed record{id, from.id, Blame::kTask, failure, false};
  if (failure.source || failure.damaged) {
    record.blame = Blame::kSource;
  } else if (failure.position && run->set_aside_count() < run->spec().crashed_records_max) {
    const auto& crashes = task->Trouble().crashes;
    const auto before = crashes.find(*failure.position);
    const std::uint32_t times = 1 + (before == crashes.end() ? 0 : before->second);
    record.sets_record_aside = times >= options_.crashes_before_aside;
    if (record.sets_record_aside) run->AddPendingSetAside(1);
  }
  Append(std::move(record));
}

}  // namespace millrace
