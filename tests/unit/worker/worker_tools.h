// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_WORKER_WORKER_TOOLS_H_
#define TESTS_UNIT_WORKER_WORKER_TOOLS_H_

// A worker with a master of epoch 1 that answers at once, unless a test holds that back. Children
// do nothing by themselves: a test says what they get on with and how they end.
//
//   TestShell shell;
//   shell.Register();
//   shell.FromMaster(StartOf(Map(0), /*order=*/1));
//   shell.End(Map(0), OutputOf(100));
//   EXPECT_THAT(shell.Told<TaskDone>(MasterAddress{}), SizeIs(1));

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "worker/worker.h"

namespace millrace {

inline constexpr WorkerId kSelf{1}, kPeer{2}, kOther{3};
inline constexpr std::uint64_t kHeartbeatMs = 2'000, kLeaseMs = 4'000;

inline AttemptId Map(std::uint32_t task, std::uint32_t number = 1) {
  return {{{JobRunId{1}, 0}, task}, number};
}
inline AttemptId Reduce(std::uint32_t task, std::uint32_t number = 1) {
  return {{{JobRunId{1}, 1}, task}, number};
}
inline StartTask StartOf(const AttemptId& attempt, std::uint64_t order) {
  StartTask start;
  start.order = order;
  start.attempt = attempt;
  return start;
}
/// What a reduce reads of one worker: these outputs.
inline SourceSet SetOf(WorkerId worker, const std::vector<AttemptId>& outputs) {
  SourceSet set;
  set.worker = worker;
  set.endpoint = "endpoint";
  set.output_count = static_cast<std::uint32_t>(outputs.size());
  for (const AttemptId& output : outputs) set.outputs_hash += OutputHash(output);
  return set;
}
inline TaskOutput OutputOf(std::uint64_t run_bytes) {
  TaskOutput output;
  output.run_bytes = run_bytes;
  return output;
}

/// See above. One thread.
class TestShell {
 public:
  explicit TestShell(const WorkerOptions& options = {}) : worker_(kSelf, options) {
    WorkerActions actions;
    worker_.Start(now_ms_, actions);
    Carry(actions);
  }

  bool holds_acks = false;   ///< Heartbeats stay unanswered,
  bool holds_plans = false;  ///< and so does PlanWanted.

  const Worker& worker() const { return worker_; }
  std::uint64_t now_ms() const { return now_ms_; }
  /// Number of the last message to the master.
  std::uint64_t last_sequence() const { return last_sequence_; }

  void Step(const WorkerEvent& event) {
    WorkerActions actions;
    worker_.Step(event, now_ms_, actions);
    Carry(actions);
    while (!answers_.empty()) {
      const MessageBody answer = answers_.front();
      answers_.pop_front();
      FromMaster(answer);
    }
  }
  void FromMaster(MessageBody body, std::optional<Epoch> epoch = {}) {
    epoch_ = std::max(epoch_, epoch.value_or(epoch_));
    Step(MessageArrived{MasterAddress{}, {epoch.value_or(epoch_), 1, std::move(body)}});
  }
  void FromWorker(WorkerId from, MessageBody body) {
    Step(MessageArrived{from, {Epoch(), 1, std::move(body)}});
  }
  /// The master wants a Hello and answers it.
  void Register(const Welcome& answer = {}) {
    FromMaster(HelloWanted{});
    Greet(answer);
  }
  /// The master answers the Hello that was sent last.
  void Greet(Welcome answer = {}) {
    answer.hello = last_hello_;
    answer.heartbeat_ms = kHeartbeatMs;
    answer.lease_ms = kLeaseMs;
    FromMaster(answer);
  }
  void End(const AttemptId& attempt, const TaskOutput& output) {
    Step(ChildEnded{attempt, output});
  }
  void End(const AttemptId& attempt, const TaskFailure& failure) {
    Step(ChildEnded{attempt, failure});
  }
  /// Makes it hold an output of so many bytes.
  void Hold(const AttemptId& attempt, std::uint64_t run_bytes = 100) {
    FromMaster(StartOf(attempt, ++last_order_));
    End(attempt, OutputOf(run_bytes));
    FromMaster(TaskAnswer{attempt, true});
  }
  std::uint64_t NextOrder() { return ++last_order_; }

  void Advance(std::uint64_t ms) {
    const std::uint64_t end_ms = now_ms_ + ms;
    while (now_ms_ < end_ms) {
      now_ms_ = std::min(end_ms, std::max(worker_.NextTimerMs(), now_ms_ + 1));
      Step(TimerFired{});
    }
  }

  /// Actions of one kind since the last call.
  template <class Action>
  std::vector<Action> Take() {
    std::vector<Action> found;
    std::erase_if(log_, [&](const WorkerAction& action) {
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
    std::erase_if(log_, [&](const WorkerAction& action) {
      const auto* send = std::get_if<Send>(&action);
      const auto* body = send == nullptr ? nullptr : std::get_if<Body>(&send->message.body);
      if (body == nullptr || send->to != to) return false;
      found.push_back(*body);
      return true;
    });
    return found;
  }
  template <class Body>
  std::vector<Body> ToldMaster() {
    return Told<Body>(MasterAddress{});
  }
  /// Attempts whose children were started since the last call.
  std::vector<AttemptId> Started() {
    std::vector<AttemptId> started;
    for (const StartChild& start : Take<StartChild>()) started.push_back(start.task.attempt);
    return started;
  }

 private:
  void Carry(const WorkerActions& actions) {
    for (const WorkerAction& action : actions) {
      log_.push_back(action);
      const auto* send = std::get_if<Send>(&action);
      if (send == nullptr || !std::holds_alternative<MasterAddress>(send->to)) continue;
      last_sequence_ = send->message.sequence;
      if (std::holds_alternative<Hello>(send->message.body)) last_hello_ = last_sequence_;
      if (std::holds_alternative<Heartbeat>(send->message.body) && !holds_acks)
        answers_.push_back(HeartbeatAck{last_sequence_});
      const auto* wanted = std::get_if<PlanWanted>(&send->message.body);
      if (wanted != nullptr && !holds_plans)
        answers_.push_back(RunPlan{wanted->run, "run", "/out/run", "the plan"});
    }
  }

  Worker worker_;
  Epoch epoch_{1};
  std::uint64_t now_ms_ = 1'000'000;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t last_hello_ = 0;
  std::uint64_t last_order_ = 0;
  std::deque<MessageBody> answers_;
  std::vector<WorkerAction> log_;
};

}  // namespace millrace

#endif  // TESTS_UNIT_WORKER_WORKER_TOOLS_H_
