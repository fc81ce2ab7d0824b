// SPDX-License-Identifier: Apache-2.0
#include "master/event_log.h"

#include <time.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mapreduce/base/size.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/proto/limits.h"
#include "master/logged_reason.h"

namespace millrace {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::size_t kJobsMax = 1'000;  // Of runs whose submission is under way.
constexpr std::size_t kPhasesNamed = 100;

// "2026-11-25T22:17:53.042Z"
std::string Utc(std::int64_t utc_ms) {
  const time_t seconds = static_cast<time_t>(utc_ms / 1000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32];
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char text[48];
  std::snprintf(text, sizeof text, "%s.%03dZ", date, static_cast<int>(utc_ms % 1000));
  return text;
}

// kUserCode -> "user_code".
std::string ClassName(StatusCode code) {
  std::string name;
  for (const char c : StatusCodeName(code).substr(1)) {
    const bool is_upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if (is_upper && !name.empty()) name += '_';
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

std::string Name(std::string_view text) { return Shortened(text, kLoggedBytesMax); }

// As text: 64 bits are more than a number in JavaScript holds.
std::string IdText(WorkerId worker) { return std::to_string(worker.value); }

const char* BlameName(Blame blame) {
  switch (blame) {
    case Blame::kTask:
      return "task";
    case Blame::kWorker:
      return "worker";
    case Blame::kSource:
      return "source";
  }
  return "task";
}

void AddTotals(const RunTotals& totals, Json& event) {
  event["attempts"] = totals.attempts;
  event["failures"] = totals.failures;
  event["records_in"] = totals.records_in;
  event["bytes_in"] = totals.bytes_in;
  event["records_out"] = totals.records_out;
  event["rejects"] = totals.reject_count;
  event["spilled_bytes"] = totals.spilled_bytes;
  event["run_bytes"] = totals.run_bytes;
}

bool IsEnd(const std::string& line) {
  const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object() || !event.contains("event")) return false;
  return event["event"] == "done" || event["event"] == "failed" || event["event"] == "cancelled";
}

}  // namespace

class EventLog::Writer {
 public:
  explicit Writer(EventFiles files) : files_(std::move(files)) {}

  void Recover(const JobRun& run, Epoch epoch, EventTime now);
  void SetJob(const std::string& run, const std::string& job);
  void Add(const JournalRecord& record, const Scheduler& scheduler, EventTime now);
  void AddEnds(const Scheduler& scheduler, EventTime now);
  void Add(const WorkerLeft& left, EventTime now);
  Status Flush();

 private:
  struct AtWork {
    WorkerId worker;
    std::optional<std::uint64_t> started_ms;  // By the steady clock; none: by an older epoch.
  };
  struct OpenRun {
    std::string name;
    std::string file;
    std::vector<std::string> phases;
    std::map<AttemptId, AtWork> at_work;
    std::map<WorkerId, std::string> hosts;  // Of workers that this log knows.
    bool has_started = false;
    std::optional<std::uint64_t> submitted_ms;
    std::optional<RunEnded> end;
    std::string lines;  // To be written.
    std::uint64_t line_count = 0;
    std::uint64_t bytes = 0;     // Of the file and `lines`.
    std::uint64_t left_out = 0;  // There was no room within the limit.
    std::uint64_t lost = 0;      // They could not be written,
    std::string why_lost;
  };

  OpenRun& Begin(const RunSpec& spec, JobRunId id);
  OpenRun* Find(JobRunId id);
  Json Start(const OpenRun& run, const char* event, EventTime now) const;
  Json OfAttempt(const OpenRun& run, const char* event, const AttemptId& id, EventTime now) const;
  Json Describe(const RunSpec& spec) const;
  void Put(JobRunId id, OpenRun& run, const Json& event, bool is_last = false);
  void PutEnd(JobRunId id, OpenRun& run, const RunTotals* totals, EventTime now);
  /// Takes an attempt from those at work, and says how long it has been there.
  bool EndAttempt(OpenRun& run, const AttemptId& id, EventTime now, Json& event);
  void StopAll(JobRunId id, OpenRun& run, const TaskId* task, const char* why, EventTime now);

  void On(const RunSubmitted& submitted, const Scheduler& scheduler, EventTime now);
  void On(const AttemptStarted& started, const Scheduler& scheduler, EventTime now);
  void On(const TaskCommitted& committed, const Scheduler&, EventTime now);
  void On(const AttemptFailed& failed, const Scheduler&, EventTime now);
  void On(const RunPublishing& publishing, const Scheduler&, EventTime now);
  void On(const RunEnded& ended, const Scheduler&, EventTime now);
  void On(const BordersFixed&, const Scheduler&, EventTime) {}  // Keys: contents of records.
  void On(const SavedPhase&, const Scheduler&, EventTime) {}
  void On(const SavedTask&, const Scheduler&, EventTime) {}

  EventFiles files_;
  std::map<JobRunId, OpenRun> runs_;
  std::set<JobRunId> touched_;               // They have lines to be written.
  std::set<JobRunId> ended_;                 // Their ends are to be told.
  std::map<std::string, std::string> jobs_;  // By run: of those about to be submitted.
};

EventLog::EventLog(EventFiles files) : writer_(std::make_unique<Writer>(std::move(files))) {}

EventLog::~EventLog() = default;

Result<std::unique_ptr<EventLog>> EventLog::Open(const std::string& directory,
                                                 const EventFiles::Limits& limits) {
  MR_ASSIGN_OR_RETURN(EventFiles files, EventFiles::Open(directory, limits));
  return std::unique_ptr<EventLog>(new EventLog(std::move(files)));
}

void EventLog::Recover(const JobRun& run, Epoch epoch, EventTime now) {
  writer_->Recover(run, epoch, now);
}

void EventLog::SetJob(const std::string& run, const std::string& job) { writer_->SetJob(run, job); }

void EventLog::Add(const JournalRecord& record, const Scheduler& scheduler, EventTime now) {
  writer_->Add(record, scheduler, now);
}

void EventLog::AddEnds(const Scheduler& scheduler, EventTime now) {
  writer_->AddEnds(scheduler, now);
}

void EventLog::Add(const WorkerLeft& left, EventTime now) { writer_->Add(left, now); }

Status EventLog::Flush() { return writer_->Flush(); }

// ---- Runs ---------------------------------------------------------------------------------------

EventLog::Writer::OpenRun* EventLog::Writer::Find(JobRunId id) {
  const auto found = runs_.find(id);
  return found == runs_.end() || found->second.end ? nullptr : &found->second;
}

EventLog::Writer::OpenRun& EventLog::Writer::Begin(const RunSpec& spec, JobRunId id) {
  OpenRun& run = runs_[id];
  run.name = spec.name;
  run.file = EventFiles::NameOf(spec.name);
  for (const PhaseSpec& phase : spec.phases) run.phases.push_back(Name(phase.name));
  Result<std::uint64_t> bytes = files_.Repair(run.file);
  run.bytes = bytes.ok() ? *bytes : 0;  // What is wrong will be wrong when it is written, too.
  return run;
}

void EventLog::Writer::SetJob(const std::string& run, const std::string& job) {
  if (jobs_.size() >= kJobsMax) jobs_.clear();
  jobs_[run] = job;
}

void EventLog::Writer::Recover(const JobRun& recovered, Epoch epoch, EventTime now) {
  const RunSpec& spec = recovered.spec();
  if (recovered.is_over()) {
    const std::optional<std::string> last = files_.LastLine(EventFiles::NameOf(spec.name));
    if (!last || IsEnd(*last)) return;
  }
  OpenRun& run = Begin(spec, recovered.id());
  run.has_started = true;
  Json event = Start(run, "recovered", now);
  event["version"] = kVersion;
  event["epoch"] = epoch.value;
  event.update(Describe(spec));
  event["tasks_done"] = recovered.tasks_done();
  if (recovered.is_over()) {
    Put(recovered.id(), run, event);
    run.end = recovered.end();
    PutEnd(recovered.id(), run, &recovered.totals(), now);
    return;
  }
  for (const TaskPhase& phase : recovered.phases()) {
    for (std::uint32_t index = 0; index < phase.next_fresh; ++index) {
      for (const Attempt& attempt : phase.tasks[index].attempts)
        run.at_work[{{phase.id, index}, attempt.number}] = {attempt.worker, std::nullopt};
    }
  }
  event["attempts_at_work"] = run.at_work.size();
  Put(recovered.id(), run, event);
}

void EventLog::Writer::On(const RunSubmitted& submitted, const Scheduler& scheduler,
                          EventTime now) {
  std::set<std::string> open;
  for (const auto& [id, run] : runs_) open.insert(run.file);
  open.insert(EventFiles::NameOf(submitted.spec.name));
  files_.Prune(open);
  OpenRun& run = Begin(submitted.spec, submitted.run);
  run.submitted_ms = now.steady_ms;
  Json event = Start(run, "submitted", now);
  event["version"] = kVersion;
  event["epoch"] = scheduler.epoch().value;
  if (const auto job = jobs_.extract(submitted.spec.name)) event["job"] = Name(job.mapped());
  event.update(Describe(submitted.spec));
  Put(submitted.run, run, event);
}

Json EventLog::Writer::Describe(const RunSpec& spec) const {
  Json event = Json::object();
  event["user"] = Name(spec.user);
  event["output"] = Shortened(spec.output, kPathBytesMax);
  std::uint64_t tasks = 0;
  Json phases = Json::array();
  for (const PhaseSpec& phase : spec.phases) {
    tasks += phase.task_count;
    if (phases.size() == kPhasesNamed) continue;
    phases.push_back({{"phase", Name(phase.name)},
                      {"kind", phase.kind == TaskKind::kMap ? "map" : "reduce"},
                      {"tasks", phase.task_count}});
  }
  event["tasks"] = tasks;
  event["phases"] = std::move(phases);
  return event;
}

void EventLog::Writer::On(const RunPublishing& publishing, const Scheduler&, EventTime now) {
  if (OpenRun* const run = Find(publishing.run))
    Put(publishing.run, *run, Start(*run, "publishing", now));
}

void EventLog::Writer::On(const RunEnded& ended, const Scheduler&, EventTime) {
  if (OpenRun* const run = Find(ended.run)) {
    run->end = ended;
    ended_.insert(ended.run);
  }
}

void EventLog::Writer::AddEnds(const Scheduler& scheduler, EventTime now) {
  for (const JobRunId id : std::exchange(ended_, {})) {
    const JobRun* const run = scheduler.FindRun(id);
    PutEnd(id, runs_.at(id), run == nullptr ? nullptr : &run->totals(), now);
  }
}

void EventLog::Writer::PutEnd(JobRunId id, OpenRun& run, const RunTotals* totals, EventTime now) {
  StopAll(id, run, nullptr, "the run has ended", now);
  const RunEnded& end = *run.end;
  Json event = Start(run,
                     end.code == StatusCode::kOk          ? "done"
                     : end.code == StatusCode::kCancelled ? "cancelled"
                                                          : "failed",
                     now);
  if (end.code != StatusCode::kOk && end.code != StatusCode::kCancelled) {
    event["class"] = ClassName(end.code);
    event["reason"] = LoggedReason(end.code, end.message);
  }
  if (run.submitted_ms) event["duration_ms"] = now.steady_ms - *run.submitted_ms;
  if (totals != nullptr) AddTotals(*totals, event);
  if (run.left_out > 0) event["events_left_out"] = run.left_out;
  Put(id, run, event, /*is_last=*/true);
}

// ---- Attempts -----------------------------------------------------------------------------------

void EventLog::Writer::On(const AttemptStarted& started, const Scheduler& scheduler,
                          EventTime now) {
  const JobRunId id = started.attempt.task.phase.run;
  OpenRun* const run = Find(id);
  if (run == nullptr) return;
  if (!std::exchange(run->has_started, true)) Put(id, *run, Start(*run, "started", now));
  if (!run->hosts.contains(started.worker)) {
    Json joined = Start(*run, "worker_joined", now);
    joined["worker"] = IdText(started.worker);
    const auto worker = scheduler.workers().find(started.worker);
    if (worker != scheduler.workers().end() && worker->second.is_registered) {
      run->hosts[started.worker] = Name(worker->second.host);
      joined["host"] = Name(worker->second.host);
      joined["slots"] = worker->second.slots;
      Put(id, *run, joined);
    }
  }
  run->at_work[started.attempt] = {started.worker, now.steady_ms};
  Json event = OfAttempt(*run, "attempt_started", started.attempt, now);
  event["backup"] = started.is_backup;
  Put(id, *run, event);
}

void EventLog::Writer::On(const TaskCommitted& committed, const Scheduler&, EventTime now) {
  const AttemptId& id = committed.attempt;
  OpenRun* const run = Find(id.task.phase.run);
  if (run == nullptr) return;
  Json event = OfAttempt(*run, "attempt_succeeded", id, now);
  if (!EndAttempt(*run, id, now, event)) return;
  const TaskOutput& output = committed.output;
  event["records_in"] = output.records_in;
  event["bytes_in"] = output.bytes_in;
  event["records_out"] = output.records_out;
  event["rejects"] = output.reject_count;
  event["spilled_bytes"] = output.spilled_bytes;
  event["run_bytes"] = output.run_bytes;
  Put(id.task.phase.run, *run, event);
  StopAll(id.task.phase.run, *run, &id.task, "another attempt has succeeded", now);
}

void EventLog::Writer::On(const AttemptFailed& failed, const Scheduler&, EventTime now) {
  const AttemptId& id = failed.attempt;
  OpenRun* const run = Find(id.task.phase.run);
  if (run == nullptr) return;
  Json event = OfAttempt(*run, "attempt_failed", id, now);
  if (!EndAttempt(*run, id, now, event)) return;
  const TaskFailure& failure = failed.failure;
  event["class"] = ClassName(failure.code);
  event["blame"] = BlameName(failed.blame);
  event["reason"] = LoggedReason(failure.code, failure.message);
  if (failure.position && !failure.position->is_group()) {
    event["shard"] = Shortened(failure.position->shard, kPathBytesMax);
    event["offset"] = failure.position->offset;
  } else if (failure.position) {
    event["in_group"] = true;  // Which one, its key says: that is of the data.
  }
  if (failure.source) event["source_worker"] = IdText(*failure.source);
  if (failed.sets_record_aside) event["sets_aside"] = true;
  Put(id.task.phase.run, *run, event);
}

bool EventLog::Writer::EndAttempt(OpenRun& run, const AttemptId& id, EventTime now, Json& event) {
  const auto found = run.at_work.find(id);
  if (found == run.at_work.end()) return false;  // It has ended before, by whatever.
  if (const auto started_ms = found->second.started_ms)
    event["duration_ms"] = now.steady_ms - std::min(now.steady_ms, *started_ms);
  run.at_work.erase(found);
  return true;
}

// Those of `task`; null: all of the run.
void EventLog::Writer::StopAll(JobRunId id, OpenRun& run, const TaskId* task, const char* why,
                               EventTime now) {
  std::vector<AttemptId> stopped;
  auto at = task == nullptr ? run.at_work.begin() : run.at_work.lower_bound({*task, 0});
  for (; at != run.at_work.end() && (task == nullptr || at->first.task == *task); ++at)
    stopped.push_back(at->first);
  for (const AttemptId& attempt : stopped) {
    Json event = OfAttempt(run, "attempt_stopped", attempt, now);
    EndAttempt(run, attempt, now, event);
    event["reason"] = why;
    Put(id, run, event);
  }
}

void EventLog::Writer::Add(const WorkerLeft& left, EventTime now) {
  for (const JobRunId id : left.runs) {
    OpenRun* const run = Find(id);
    if (run == nullptr) continue;
    Json event = Start(*run, "worker_lost", now);
    event["worker"] = IdText(left.worker);
    if (!left.host.empty()) event["host"] = Name(left.host);
    event["reason"] = left.why;
    event["attempts_at_work"] =
        std::count_if(run->at_work.begin(), run->at_work.end(),
                      [&](const auto& entry) { return entry.second.worker == left.worker; });
    Put(id, *run, event);
  }
}

// ---- Lines --------------------------------------------------------------------------------------

void EventLog::Writer::Add(const JournalRecord& record, const Scheduler& scheduler, EventTime now) {
  std::visit([&](const auto& r) { On(r, scheduler, now); }, record);
}

Json EventLog::Writer::Start(const OpenRun& run, const char* event, EventTime now) const {
  return {{"time", Utc(now.utc_ms)}, {"event", event}, {"run", Name(run.name)}};
}

Json EventLog::Writer::OfAttempt(const OpenRun& run, const char* event, const AttemptId& id,
                                 EventTime now) const {
  Json json = Start(run, event, now);
  const std::uint32_t phase = id.task.phase.index;
  json["phase"] = phase < run.phases.size() ? run.phases[phase] : std::to_string(phase);
  json["task"] = id.task.index;
  json["attempt"] = id.number;
  const auto at_work = run.at_work.find(id);
  if (at_work == run.at_work.end()) return json;
  json["worker"] = IdText(at_work->second.worker);
  const auto host = run.hosts.find(at_work->second.worker);
  if (host != run.hosts.end()) json["host"] = host->second;
  return json;
}

void EventLog::Writer::Put(JobRunId id, OpenRun& run, const Json& event, bool is_last) {
  const auto add = [&](const Json& json) {
    // ASCII alone: what reads the file byte by byte, a terminal say, meets nothing it would obey.
    const std::string line =
        json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
    run.lines += line;
    run.bytes += line.size();
    ++run.line_count;
    touched_.insert(id);
  };
  if (run.bytes < files_.limits().file_bytes_max || is_last) return add(event);
  if (run.left_out++ > 0) return;
  Json full = event;  // Its time and run.
  full.erase(std::next(full.begin(), 3), full.end());
  full["event"] = "log_full";
  add(full);
}

Status EventLog::Writer::Flush() {
  Status status;
  for (const JobRunId id : std::exchange(touched_, {})) {
    OpenRun& run = runs_.at(id);
    std::string lines = std::move(run.lines);
    if (run.lost > 0) {
      Json lost = Json::parse(lines.substr(0, lines.find('\n')), nullptr, false);
      lost.erase(std::next(lost.begin(), 3), lost.end());
      lost["event"] = "events_lost";
      lost["count"] = run.lost;
      lost["reason"] = run.why_lost;
      lines = lost.dump() + "\n" + lines;
    }
    run.lines.clear();
    const std::uint64_t count = std::exchange(run.line_count, 0);
    const Status written = files_.Append(run.file, lines);
    if (written.ok()) {
      run.lost = 0;
    } else {
      run.lost += count;
      run.why_lost = written.message();
      status.Update(Status::Error(written.code(), FormatCount(run.lost),
                                  run.lost == 1 ? " event" : " events", " of the run ", run.name,
                                  " could not be written: ", written.message()));
    }
    if (run.end && !ended_.contains(id)) runs_.erase(id);
  }
  return status;
}

}  // namespace millrace
