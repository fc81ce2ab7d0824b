// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_MASTER_SCHEDULER_TOOLS_H_
#define TESTS_UNIT_MASTER_SCHEDULER_TOOLS_H_

// A scheduler with a shell that does at once what it is told, and with workers that behave: they
// say Hello when asked, beat, report until they are answered, and know what they were given. A test
// says what finishes, what fails and what is held back or lost.
//
//   TestMaster master;
//   master.Join(kA);
//   const JobRunId run = master.Submit(MapReduce("run", /*maps=*/2, /*parts=*/1));
//   master.Finish({{run, 0}, 0});
//   EXPECT_THAT(master.Running(kA), ElementsAre(AttemptId{{{run, 0}, 1}, 1}));
//
// At each step it checks what must always hold: nobody is told of what is not durable.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "master/scheduler.h"

namespace millrace {

inline constexpr WorkerId kA{1}, kB{2}, kC{3}, kD{4};
inline constexpr ClientId kClient{1};

/// Tasks that write parts and read nothing of others.
inline RunSpec MapOnly(const std::string& name, std::uint32_t tasks) {
  RunSpec spec;
  spec.name = name;
  spec.output = "/out/" + name;
  spec.user = "user";
  spec.plan = "plan of " + name;
  spec.phases.push_back(
      {.name = "map", .task_count = tasks, .sources = {}, .writes_parts = true, .task_bytes = {}});
  return spec;
}

inline RunSpec MapReduce(const std::string& name, std::uint32_t maps, std::uint32_t parts) {
  RunSpec spec = MapOnly(name, maps);
  spec.phases[0].channels = 1;
  spec.phases[0].writes_parts = false;
  spec.phases.push_back({.name = "reduce",
                         .kind = TaskKind::kReduce,
                         .task_count = parts,
                         .sources = {{0, 0}},
                         .writes_parts = true,
                         .task_bytes = {}});
  return spec;
}

/// A map whose reduce makes a table (phases 0, 1), and maps that look up in it (phase 2).
inline RunSpec LookUp(const std::string& name, std::uint32_t table_parts, std::uint32_t readers) {
  RunSpec spec = MapReduce(name, 1, table_parts);
  spec.phases[1].writes_parts = false;
  spec.phases[1].makes_table = true;
  spec.phases.push_back(MapOnly(name, readers).phases[0]);
  spec.phases[2].tables = {1};
  return spec;
}

inline TaskFailure Crash(const std::string& message) {
  return {StatusCode::kUserCode, message, {}, {}, {}};
}
inline TaskFailure CrashAt(const RecordPosition& record) {
  return {StatusCode::kUserCode, "signal 11", record, {}, {}};
}

struct TestWorker {
  std::uint32_t slots = 1;
  std::uint64_t slot_memory_bytes = 1 << 30;
  bool is_silent = false;  ///< Says nothing by itself.
  bool takes_tasks = true;
  std::uint64_t sequence = 0;
  std::uint64_t last_order = 0;
  std::set<AttemptId> present;
  std::map<AttemptId, MessageBody> reported;  ///< And not answered.
  std::set<AttemptId> held;
};

/// See above. One thread.
class TestMaster {
 public:
  explicit TestMaster(const SchedulerOptions& options = {}) : options_(options) { StartEpoch({}); }

  bool holds_journal = false;  ///< Nothing becomes durable until Sync().
  bool holds_prepare = false;  ///< Outputs are prepared only by Prepared(),
  bool holds_publish = false;  ///< and published only by Published().

  // ---- The shell.

  std::uint64_t now_ms() const { return now_ms_; }
  const Scheduler& scheduler() const { return *scheduler_; }
  const JobRun& run(JobRunId id) const { return *scheduler_->FindRun(id); }
  /// All that was appended, by all epochs.
  const std::vector<JournalRecord>& journal() const { return journal_; }
  std::vector<JournalRecord> Durable() const {
    return {journal_.begin(), journal_.begin() + static_cast<std::ptrdiff_t>(durable_count_)};
  }
  template <class Record>
  std::vector<Record> Records() const {
    std::vector<Record> found;
    for (const JournalRecord& record : journal_) {
      if (const auto* match = std::get_if<Record>(&record)) found.push_back(*match);
    }
    return found;
  }
  /// Actions of one kind since the last call.
  template <class Action>
  std::vector<Action> Take() {
    std::vector<Action> found;
    std::erase_if(log_, [&](const MasterAction& action) {
      const auto* match = std::get_if<Action>(&action);
      if (match != nullptr) found.push_back(*match);
      return match != nullptr;
    });
    return found;
  }
  /// Messages of one kind to somebody since the last call.
  template <class Body>
  std::vector<Body> Told(const Address& to) {
    std::vector<Body> found;
    std::erase_if(log_, [&](const MasterAction& action) {
      const auto* send = std::get_if<Send>(&action);
      const auto* body = send == nullptr ? nullptr : std::get_if<Body>(&send->message.body);
      if (body == nullptr || send->to != to) return false;
      found.push_back(*body);
      return true;
    });
    return found;
  }
  void Forget() { log_.clear(); }

  void Step(const MasterEvent& event) {
    MasterActions actions;
    scheduler_->Step(event, now_ms_, actions);
    Carry(actions);
    if (!std::exchange(is_pumping_, true)) {
      Pump();
      is_pumping_ = false;
    }
  }
  /// The first `count` records that are not durable become so; 0: all, and what they lead to.
  void Sync(std::size_t count = 0) {
    if (count == 0) {
      while (durable_count_ < journal_.size()) Sync(journal_.size() - durable_count_);
      return;
    }
    for (const std::size_t end = durable_count_ + count; durable_count_ < end; ++durable_count_)
      NoteDurable(journal_.at(durable_count_));
    Step(JournalDurable{durable_count_ - recovered_count_});
  }
  void Prepared(JobRunId run, const Status& status) { Step(RunPrepared{run, status}); }
  void Published(JobRunId run, const Status& status) { Step(PublishEnded{run, status}); }

  /// Time passes; workers beat, timers fire.
  void Advance(std::uint64_t ms) {
    const std::uint64_t end_ms = now_ms_ + ms;
    while (now_ms_ < end_ms) {
      const std::uint64_t timer_ms = scheduler_->NextTimerMs().value_or(end_ms);
      now_ms_ = std::min({end_ms, next_beat_ms_, std::max(timer_ms, now_ms_ + 1)});
      if (now_ms_ == next_beat_ms_) {
        next_beat_ms_ += options_.heartbeat_ms / 2;
        for (auto& [id, worker] : workers_) {
          if (worker.is_silent) continue;
          Beat(id);
          const std::map<AttemptId, MessageBody> reports = worker.reported;
          for (const auto& [attempt, report] : reports) Say(id, report);
        }
      }
      Step(TimerFired{});
    }
  }

  /// Time passes, and the master notices nothing of it.
  void StandStill(std::uint64_t ms) {
    now_ms_ += ms;
    next_beat_ms_ = now_ms_ + options_.heartbeat_ms / 2;
  }
  /// A new master takes over: from the durable records, or from what is given.
  void Restart() { StartEpoch(Durable()); }
  void RestartFrom(const std::vector<JournalRecord>& records) { StartEpoch(records); }

  // ---- Clients.

  void Ask(MessageBody body) { Step(MessageArrived{kClient, {Epoch(), 0, std::move(body)}}); }
  JobRunId Submit(const RunSpec& spec) {
    Ask(SubmitRun{spec});
    for (const RunSubmitted& submitted : Records<RunSubmitted>()) {
      if (submitted.spec.name == spec.name) return submitted.run;
    }
    return JobRunId();
  }
  RunStatus StatusOf(const std::string& name) {
    Told<RunStatus>(kClient);
    Ask(AskRunStatus{name});
    return Told<RunStatus>(kClient).at(0);
  }

  // ---- Workers.

  TestWorker& worker(WorkerId id) { return workers_[id]; }
  void Join(WorkerId id, std::uint32_t slots = 1, std::uint64_t slot_memory_bytes = 1 << 30) {
    workers_[id].slots = slots;
    workers_[id].slot_memory_bytes = slot_memory_bytes;
    SayHello(id);
  }
  void SayHello(WorkerId id) {
    const TestWorker& worker = workers_.at(id);
    Hello hello;
    hello.worker = id;
    hello.host = "host";
    hello.endpoint = "endpoint " + std::to_string(id.value);
    hello.slots = worker.slots;
    hello.slot_memory_bytes = worker.slot_memory_bytes;
    hello.takes_tasks = worker.takes_tasks;
    hello.present = {worker.present.begin(), worker.present.end()};
    hello.held = {worker.held.begin(), worker.held.end()};
    Say(id, hello);
  }
  void Beat(WorkerId id) {
    const TestWorker& worker = workers_.at(id);
    Heartbeat heartbeat{worker.takes_tasks, worker.last_order, {}, {}};
    for (const AttemptId& attempt : worker.present)
      heartbeat.present.push_back({attempt, 0, bytes_read_[attempt]});
    for (const AttemptId& output : worker.held) {
      if (heartbeat.held.empty() || heartbeat.held.back().phase != output.task.phase)
        heartbeat.held.push_back({output.task.phase, 0, 0});
      ++heartbeat.held.back().output_count;
      heartbeat.held.back().outputs_hash += OutputHash(output);
    }
    Say(id, heartbeat);
  }
  void Say(WorkerId id, MessageBody body, std::optional<Epoch> epoch = {}) {
    const Message message{epoch.value_or(scheduler_->epoch()), ++workers_.at(id).sequence,
                          std::move(body)};
    Step(MessageArrived{id, message});
  }
  /// No word of it arrives any more.
  void Silence(WorkerId id) { workers_.at(id).is_silent = true; }
  void ExpectLost(WorkerId id) {
    Silence(id);
    Advance(options_.lease_ms());
    EXPECT_FALSE(scheduler_->workers().contains(id));
    workers_.erase(id);
  }

  /// What the worker was told to do and has not reported.
  std::vector<AttemptId> Running(WorkerId id) const {
    std::vector<AttemptId> running;
    const auto found = workers_.find(id);
    if (found == workers_.end()) return running;
    for (const AttemptId& attempt : found->second.present) {
      if (!found->second.reported.contains(attempt)) running.push_back(attempt);
    }
    return running;
  }
  /// The newest attempt at work on a task; number 0: none.
  AttemptId RunningOf(const TaskId& task) const {
    AttemptId newest{task, 0};
    for (const auto& [id, worker] : workers_) {
      for (const AttemptId& attempt : Running(id)) {
        if (attempt.task == task) newest = std::max(newest, attempt);
      }
    }
    return newest;
  }
  WorkerId WorkerOf(const AttemptId& attempt) const {
    for (const auto& [id, worker] : workers_) {
      if (worker.present.contains(attempt)) return id;
    }
    return WorkerId();
  }

  TaskOutput OutputOf(const AttemptId& attempt) const {
    TaskOutput output;
    output.digest = {attempt.task.index + 1, attempt.task.phase.index + 1};
    output.bytes_in = 1'000'000;
    const JobRun* const run = scheduler_->FindRun(attempt.task.phase.run);
    const bool has_runs = run != nullptr && !run->is_over() &&
                          run->spec().phases[attempt.task.phase.index].channels > 0;
    if (has_runs) output.run_bytes = 100;
    const bool has_table = run != nullptr && !run->is_over() &&
                           run->spec().phases[attempt.task.phase.index].makes_table;
    if (has_table) output.table = {".table", 1000 + attempt.task.index, 1, output.digest};
    return output;
  }
  void Done(const AttemptId& attempt, const TaskOutput& output) {
    const WorkerId id = WorkerOf(attempt);
    ASSERT_NE(id, WorkerId()) << attempt << " is nowhere at work";
    Say(id, workers_.at(id).reported[attempt] = TaskDone{attempt, output});
  }
  void Done(const AttemptId& attempt) { Done(attempt, OutputOf(attempt)); }
  void Finish(const TaskId& task) { Done(RunningOf(task)); }
  void Fail(const AttemptId& attempt, const TaskFailure& failure) {
    const WorkerId id = WorkerOf(attempt);
    ASSERT_NE(id, WorkerId()) << attempt << " is nowhere at work";
    Say(id, workers_.at(id).reported[attempt] = TaskFailed{attempt, failure});
  }
  void FailTask(const TaskId& task, const TaskFailure& failure) { Fail(RunningOf(task), failure); }
  /// What the attempt tells of itself in heartbeats.
  void SetBytesRead(const AttemptId& attempt, std::uint64_t bytes) { bytes_read_[attempt] = bytes; }
  /// Finishes all that is at work, and what is started thereupon.
  void FinishAll() {
    for (bool is_any = true; std::exchange(is_any, false);) {
      for (const auto& [id, worker] : workers_) {
        for (const AttemptId& attempt : Running(id)) {
          is_any = true;
          if (WorkerOf(attempt) == id) Done(attempt);
        }
      }
    }
  }

 private:
  void StartEpoch(const std::vector<JournalRecord>& records) {
    journal_ = records;
    recovered_count_ = durable_count_ = records.size();
    events_.clear();
    scheduler_ = std::make_unique<Scheduler>(options_, Epoch{++epoch_});
    for (const JournalRecord& record : records) {
      const Status status = scheduler_->Recover(record);
      ASSERT_TRUE(status.ok()) << status.message();
    }
    MasterActions actions;
    scheduler_->Start(now_ms_, actions);
    for (auto& [id, worker] : workers_) worker.last_order = 0;
    Carry(actions);
    Pump();
  }

  void Pump() {
    while (true) {
      if (!holds_journal && durable_count_ < journal_.size()) {
        Sync(journal_.size() - durable_count_);
      } else if (!events_.empty()) {
        const MasterEvent event = events_.front();
        events_.pop_front();
        Step(event);
      } else if (!greeting_.empty()) {
        const WorkerId id = *greeting_.begin();
        greeting_.erase(id);
        if (workers_.contains(id) && !workers_.at(id).is_silent) SayHello(id);
      } else {
        return;
      }
    }
  }

  void Carry(const MasterActions& actions) {
    for (const MasterAction& action : actions) {
      log_.push_back(action);
      if (const auto* append = std::get_if<AppendJournal>(&action)) {
        journal_.push_back(append->record);
      } else if (const auto* prepare = std::get_if<PrepareRun>(&action)) {
        if (!holds_prepare) events_.push_back(RunPrepared{prepare->run, Status::Ok()});
      } else if (const auto* publish = std::get_if<PublishRun>(&action)) {
        if (!holds_publish) events_.push_back(PublishEnded{publish->run, Status::Ok()});
      } else if (const auto* send = std::get_if<Send>(&action)) {
        Check(*send);
        if (const auto* to = std::get_if<WorkerId>(&send->to); to && workers_.contains(*to))
          Deliver(*to, send->message.body);
      }
    }
  }

  void NoteDurable(const JournalRecord& record) {
    if (const auto* submitted = std::get_if<RunSubmitted>(&record))
      durable_runs_.insert(submitted->spec.name);
    if (const auto* started = std::get_if<AttemptStarted>(&record))
      durable_starts_.insert({started->attempt, started->worker});
    if (const auto* committed = std::get_if<TaskCommitted>(&record))
      durable_commits_.insert(committed->attempt);
  }

  void Check(const Send& send) const {
    EXPECT_EQ(send.message.epoch, scheduler_->epoch());
    if (const auto* start = std::get_if<StartTask>(&send.message.body)) {
      EXPECT_TRUE(durable_starts_.contains({start->attempt, std::get<WorkerId>(send.to)}))
          << start->attempt << " starts before that is durable";
      for (const TableFiles& table : start->tables) {
        for (std::uint32_t i = 0; i < table.files.size(); ++i) {
          const AttemptId maker{{{start->attempt.task.phase.run, table.phase}, i},
                                table.files[i].number};
          EXPECT_TRUE(durable_commits_.contains(maker))
              << start->attempt << " looks up in what " << maker << " makes, which may not count";
        }
      }
    } else if (const auto* answer = std::get_if<TaskAnswer>(&send.message.body)) {
      EXPECT_TRUE(!answer->is_committed || durable_commits_.contains(answer->attempt))
          << answer->attempt << " is told to be committed before it is";
    } else if (const auto* status = std::get_if<RunStatus>(&send.message.body)) {
      EXPECT_TRUE(status->state == RunState::kUnknown || status->state == RunState::kRefused ||
                  durable_runs_.contains(status->name))
          << status->name << " is told of before it is durable";
    }
  }

  void Deliver(WorkerId id, const MessageBody& body) {
    TestWorker& worker = workers_.at(id);
    if (worker.is_silent) return;
    const auto forget = [&](const AttemptId& attempt) {
      worker.present.erase(attempt);
      worker.reported.erase(attempt);
    };
    if (const auto* start = std::get_if<StartTask>(&body)) {
      if (start->order <= worker.last_order) return;
      worker.last_order = start->order;
      worker.present.insert(start->attempt);
    } else if (const auto* kill = std::get_if<KillTask>(&body)) {
      forget(kill->attempt);
    } else if (const auto* answer = std::get_if<TaskAnswer>(&body)) {
      const auto report = worker.reported.find(answer->attempt);
      if (report == worker.reported.end()) return;
      const auto* done = std::get_if<TaskDone>(&report->second);
      if (answer->is_committed && done != nullptr && done->output.run_bytes > 0)
        worker.held.insert(answer->attempt);
      forget(answer->attempt);
    } else if (const auto* welcome = std::get_if<Welcome>(&body)) {
      for (const AttemptId& attempt : welcome->kill) forget(attempt);
      for (const AttemptId& output : welcome->drop) worker.held.erase(output);
    } else if (const auto* end = std::get_if<EndRun>(&body)) {
      const auto is_over = [&](const AttemptId& attempt) {
        return attempt.task.phase.run == end->run;
      };
      std::erase_if(worker.present, is_over);
      std::erase_if(worker.reported, [&](const auto& entry) { return is_over(entry.first); });
      std::erase_if(worker.held, is_over);
    } else if (std::holds_alternative<HelloWanted>(body)) {
      greeting_.insert(id);
    }
  }

  const SchedulerOptions options_;
  std::uint64_t epoch_ = 0;
  std::unique_ptr<Scheduler> scheduler_;
  std::uint64_t now_ms_ = 1'000'000;
  std::uint64_t next_beat_ms_ = 1'000'000 + 1;
  bool is_pumping_ = false;

  std::vector<JournalRecord> journal_;
  std::size_t durable_count_ = 0;
  std::size_t recovered_count_ = 0;  // Of those: written by older epochs.
  std::deque<MasterEvent> events_;   // Answers of the shell, on their way,
  std::set<WorkerId> greeting_;      // and workers that are about to say Hello.
  std::vector<MasterAction> log_;

  std::map<WorkerId, TestWorker> workers_;
  std::map<AttemptId, std::uint64_t> bytes_read_;
  std::set<std::string> durable_runs_;
  std::set<std::pair<AttemptId, WorkerId>> durable_starts_;
  std::set<AttemptId> durable_commits_;
};

}  // namespace millrace

#endif  // TESTS_UNIT_MASTER_SCHEDULER_TOOLS_H_
