// SPDX-License-Identifier: Apache-2.0
#include "worker/worker.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/worker_tools.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

WorkerOptions Slots(std::uint32_t slots) {
  WorkerOptions options;
  options.slots = slots;
  return options;
}

// ---- The master

TEST(WorkerTest, SaysHelloUntilItIsWelcome) {
  TestShell shell;
  EXPECT_THAT(shell.ToldMaster<Hello>(), SizeIs(1));
  shell.Advance(3'000);
  EXPECT_THAT(shell.ToldMaster<Hello>(), SizeIs(3));
  shell.Register();
  shell.ToldMaster<Hello>();
  shell.Advance(60'000);
  EXPECT_THAT(shell.ToldMaster<Hello>(), IsEmpty());
}

TEST(WorkerTest, SaysOnceThatItIsWelcome) {
  TestShell shell;
  shell.Register();
  const std::vector<Note> notes = shell.Take<Note>();
  ASSERT_THAT(notes, SizeIs(1));
  EXPECT_EQ(notes[0].text, "the master has taken it in, at epoch 1");
  shell.Greet();
  shell.Advance(60'000);
  EXPECT_THAT(shell.Take<Note>(), IsEmpty());
  shell.FromMaster(HelloWanted{}, Epoch{5});
  shell.Greet();
  EXPECT_THAT(shell.Take<Note>(), SizeIs(1));
}

TEST(WorkerTest, BeatsTwiceAHeartbeat) {
  TestShell shell;
  shell.Register();
  shell.Advance(10 * kHeartbeatMs);
  EXPECT_THAT(shell.ToldMaster<Heartbeat>(), SizeIs(20));
}

TEST(WorkerTest, FollowsTheHighestEpochAndIgnoresLowerOnes) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(HelloWanted{}, Epoch{5});
  EXPECT_EQ(shell.worker().epoch(), Epoch{5});
  shell.Greet();
  shell.FromMaster(StartOf(Map(0), 1), Epoch{4});
  EXPECT_THAT(shell.Started(), IsEmpty());
  shell.FromMaster(StartOf(Map(0), 1), Epoch{5});
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0)));
  shell.FromMaster(KillTask{Map(0)}, Epoch{4});
  EXPECT_THAT(shell.Take<KillChild>(), IsEmpty());
  EXPECT_EQ(shell.worker().epoch(), Epoch{5});
}

TEST(WorkerTest, TellsANewEpochWhatItDoesAndHolds) {
  TestShell shell(Slots(2));
  shell.Register();
  shell.Hold(Map(0));
  shell.FromMaster(StartOf(Map(1), shell.NextOrder()));
  shell.FromMaster(StartOf(Map(2), shell.NextOrder()));
  shell.End(Map(2), OutputOf(100));  // Not answered.
  shell.ToldMaster<Hello>();
  shell.FromMaster(HelloWanted{}, Epoch{2});
  const std::vector<Hello> hellos = shell.ToldMaster<Hello>();
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_EQ(hellos[0].worker, kSelf);
  EXPECT_THAT(hellos[0].held, ElementsAre(Map(0)));
  EXPECT_THAT(hellos[0].present, ElementsAre(Map(1), Map(2)));
}

// A new master counts its orders from 1.
TEST(WorkerTest, TakesOrdersOfANewEpochFromTheFirstOn) {
  TestShell shell(Slots(2));
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 7));
  shell.FromMaster(HelloWanted{}, Epoch{2});
  shell.Greet();
  shell.FromMaster(StartOf(Map(1), 1));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0), Map(1)));
}

TEST(WorkerTest, TakesNoTasksFromAnEpochThatHasNotWelcomedIt) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1), Epoch{2});
  EXPECT_THAT(shell.Started(), IsEmpty());
}

TEST(WorkerTest, IgnoresTheWelcomeForAnotherHello) {
  TestShell shell;
  shell.FromMaster(HelloWanted{});
  shell.FromMaster(Welcome{999, kHeartbeatMs, kLeaseMs, {}, {}, {}, 1});
  EXPECT_FALSE(shell.worker().has_lease(shell.now_ms()));
  shell.FromMaster(StartOf(Map(0), 1));
  EXPECT_THAT(shell.Started(), IsEmpty());
}

TEST(WorkerTest, LeavesWhenItIsRefused) {
  TestShell shell;
  shell.FromMaster(Refused{"speaks protocol 0"});
  const std::vector<Leave> leaves = shell.Take<Leave>();
  ASSERT_THAT(leaves, SizeIs(1));
  EXPECT_THAT(leaves[0].status.message(), HasSubstr("speaks protocol 0"));
}

TEST(WorkerTest, TellsInHeartbeatsWhatItDoesAndHolds) {
  TestShell shell;
  shell.Register();
  shell.Hold(Map(0));
  shell.Hold(Map(1));
  shell.FromMaster(StartOf(Map(2), 9));
  shell.Step(ChildProgressed{Map(2), 3, 77, {}});
  shell.ToldMaster<Heartbeat>();
  shell.Advance(kHeartbeatMs / 2);
  const std::vector<Heartbeat> beats = shell.ToldMaster<Heartbeat>();
  ASSERT_THAT(beats, SizeIs(1));
  EXPECT_TRUE(beats[0].takes_tasks);
  EXPECT_EQ(beats[0].last_order, 9u);
  ASSERT_THAT(beats[0].present, SizeIs(1));
  EXPECT_EQ(beats[0].present[0].attempt, Map(2));
  EXPECT_EQ(beats[0].present[0].bytes, 77u);
  EXPECT_THAT(beats[0].held, ElementsAre(HeldSummary{
                                 {JobRunId{1}, 0}, 2, OutputHash(Map(0)) + OutputHash(Map(1))}));
}

// ---- The lease

TEST(WorkerTest, CountsItsLeaseFromTheTimeItSaidHello) {
  TestShell shell;
  shell.FromMaster(HelloWanted{});
  const std::uint64_t sent_ms = shell.now_ms();
  shell.Advance(900);
  shell.Greet();
  EXPECT_TRUE(shell.worker().has_lease(sent_ms + kLeaseMs - 1));
  EXPECT_FALSE(shell.worker().has_lease(sent_ms + kLeaseMs));
}

TEST(WorkerTest, CountsItsLeaseFromTheTimeItSentTheHeartbeat) {
  TestShell shell;
  shell.Register();
  shell.holds_acks = true;
  shell.Advance(kHeartbeatMs / 2);
  const std::uint64_t sent_ms = shell.now_ms(), heartbeat = shell.last_sequence();
  shell.Advance(kHeartbeatMs / 2 - 1);
  shell.FromMaster(HeartbeatAck{heartbeat});
  EXPECT_TRUE(shell.worker().has_lease(sent_ms + kLeaseMs - 1));
  EXPECT_FALSE(shell.worker().has_lease(sent_ms + kLeaseMs));
}

TEST(WorkerTest, KeepsItsLeaseWhenAnOlderAnswerComesLast) {
  TestShell shell;
  shell.Register();
  shell.holds_acks = true;
  shell.Advance(kHeartbeatMs / 2);
  const std::uint64_t first = shell.last_sequence();
  shell.Advance(kHeartbeatMs / 2);
  const std::uint64_t sent_ms = shell.now_ms();
  shell.FromMaster(HeartbeatAck{shell.last_sequence()});
  shell.FromMaster(HeartbeatAck{first});
  EXPECT_TRUE(shell.worker().has_lease(sent_ms + kLeaseMs - 1));
}

TEST(WorkerTest, TakesNoTaskWithoutLease) {
  TestShell shell;
  shell.Register();
  shell.holds_acks = true;
  shell.Advance(kLeaseMs);
  shell.FromMaster(StartOf(Map(0), 1));
  EXPECT_THAT(shell.worker().Running(), IsEmpty());
  shell.holds_acks = false;
  shell.Advance(kHeartbeatMs);
  EXPECT_THAT(shell.Started(), IsEmpty());
  shell.FromMaster(StartOf(Map(0), 2));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0)));
}

// What waits for a slot, or for bytes, when the lease ends may be another's by then.
TEST(WorkerTest, StartsNoChildWithoutLease) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.FromMaster(StartOf(Map(1), 2));
  shell.Started();
  shell.holds_acks = true;
  shell.Advance(kLeaseMs);
  shell.End(Map(0), OutputOf(100));
  EXPECT_THAT(shell.Started(), IsEmpty());
  shell.holds_acks = false;
  shell.Advance(kHeartbeatMs / 2);
  EXPECT_THAT(shell.Started(), ElementsAre(Map(1)));
}

TEST(WorkerTest, GoesOnWithWhatIsAtWorkWithoutLease) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.holds_acks = true;
  shell.Advance(10 * kLeaseMs);
  EXPECT_THAT(shell.Take<KillChild>(), IsEmpty());
  shell.End(Map(0), OutputOf(100));
  EXPECT_THAT(shell.ToldMaster<TaskDone>(), SizeIs(1));
}

// ---- Children

TEST(WorkerTest, RefusesAnOrderBehindALaterOne) {
  TestShell shell(Slots(4));
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 2));
  shell.FromMaster(StartOf(Map(1), 1));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0)));
}

TEST(WorkerTest, StartsAnAttemptOnce) {
  TestShell shell(Slots(4));
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.FromMaster(StartOf(Map(0), 1));
  shell.FromMaster(StartOf(Map(0), 2));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0)));
  shell.End(Map(0), OutputOf(100));
  shell.FromMaster(StartOf(Map(0), 3));  // Reported.
  shell.FromMaster(TaskAnswer{Map(0), true});
  shell.FromMaster(StartOf(Map(0), 4));  // Held.
  EXPECT_THAT(shell.Started(), IsEmpty());
}

TEST(WorkerTest, AsksForThePlanOfARunOnce) {
  TestShell shell(Slots(2));
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.FromMaster(StartOf(Map(1), 2));
  EXPECT_THAT(shell.ToldMaster<PlanWanted>(), SizeIs(1));
  const std::vector<StartChild> children = shell.Take<StartChild>();
  ASSERT_THAT(children, SizeIs(2));
  for (const StartChild& child : children) {
    EXPECT_EQ(child.run_name, "run");
    EXPECT_EQ(child.plan, "the plan");
  }
}

TEST(WorkerTest, AsksForAPlanUntilItComesAndStartsNothingBefore) {
  TestShell shell;
  shell.Register();
  shell.holds_plans = true;
  shell.FromMaster(StartOf(Map(0), 1));
  shell.Advance(6'000);
  EXPECT_THAT(shell.ToldMaster<PlanWanted>(), SizeIs(3));
  EXPECT_THAT(shell.Started(), IsEmpty());
  shell.FromMaster(RunPlan{JobRunId{2}, "other", "/out/other", "of another run"});
  EXPECT_THAT(shell.Started(), IsEmpty());
  shell.FromMaster(RunPlan{JobRunId{1}, "run", "/out/run", "the plan"});
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0)));
}

TEST(WorkerTest, KeepsToItsSlots) {
  TestShell shell(Slots(2));
  shell.Register();
  for (std::uint32_t task = 0; task < 4; ++task) shell.FromMaster(StartOf(Map(task), task + 1));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0), Map(1)));
  shell.End(Map(1), OutputOf(100));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(2)));
}

// The slot is free when the child is gone, not when it was told to go.
TEST(WorkerTest, KeepsTheSlotOfAKilledChildUntilItIsGone) {
  TestShell shell(Slots(1));
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.FromMaster(StartOf(Map(1), 2));
  shell.FromMaster(KillTask{Map(0)});
  EXPECT_THAT(shell.Take<KillChild>(), SizeIs(1));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0)));
  shell.End(Map(0), OutputOf(100));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(1)));
}

TEST(WorkerTest, DropsWhatAKilledAttemptLeftAndReportsNothing) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.FromMaster(KillTask{Map(0)});
  shell.FromMaster(KillTask{Map(0)});
  EXPECT_THAT(shell.Take<KillChild>(), SizeIs(1));
  EXPECT_THAT(shell.Take<DropAttempt>(), IsEmpty());
  shell.End(Map(0), OutputOf(100));
  EXPECT_THAT(shell.Take<DropAttempt>(), SizeIs(1));
  EXPECT_THAT(shell.ToldMaster<TaskDone>(), IsEmpty());
  EXPECT_EQ(shell.worker().report_count(), 0u);
}

TEST(WorkerTest, NeverStartsWhatWasKilledWhileItWaited) {
  TestShell shell(Slots(1));
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.FromMaster(StartOf(Map(1), 2));
  shell.FromMaster(KillTask{Map(1)});
  shell.End(Map(0), OutputOf(100));
  EXPECT_THAT(shell.Started(), ElementsAre(Map(0)));
}

TEST(WorkerTest, DropsAReportWhoseAttemptIsKilled) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.End(Map(0), OutputOf(100));
  shell.FromMaster(KillTask{Map(0)});
  EXPECT_THAT(shell.Take<DropAttempt>(), SizeIs(1));
  shell.ToldMaster<TaskDone>();
  shell.Advance(10'000);
  EXPECT_THAT(shell.ToldMaster<TaskDone>(), IsEmpty());
}

TEST(WorkerTest, KillsAndDropsWhatTheWelcomeSays) {
  TestShell shell(Slots(2));
  shell.Register();
  shell.Hold(Map(0));
  shell.FromMaster(StartOf(Map(1), shell.NextOrder()));
  shell.Register({0, 0, 0, 0, /*kill=*/{Map(1)}, /*drop=*/{Map(0)}});
  EXPECT_THAT(shell.Take<KillChild>(), SizeIs(1));
  EXPECT_THAT(shell.worker().Held(), IsEmpty());
  const std::vector<DropAttempt> drops = shell.Take<DropAttempt>();
  ASSERT_THAT(drops, SizeIs(1));
  EXPECT_EQ(drops[0].attempt, Map(0));
  EXPECT_TRUE(drops[0].keeps_parts);  // Committed ones are the master's.
}

TEST(WorkerTest, KillsAChildThatHangsAndReportsItsRecord) {
  WorkerOptions options;
  options.no_progress_ms = 60'000;
  TestShell shell(options);
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.Advance(50'000);
  shell.Step(ChildProgressed{Map(0), 1, 10, RecordPosition{"shard", 7}});
  shell.Advance(59'999);
  shell.Step(ChildProgressed{Map(0), 1, 10, RecordPosition{"shard", 7}});  // Nothing new.
  EXPECT_THAT(shell.Take<KillChild>(), IsEmpty());
  shell.Advance(1);
  EXPECT_THAT(shell.Take<KillChild>(), SizeIs(1));
  EXPECT_THAT(shell.ToldMaster<TaskFailed>(), IsEmpty());  // It still runs.
  shell.End(Map(0), TaskFailure{StatusCode::kUserCode, "signal 9", {}, {}, {}});
  const std::vector<TaskFailed> failed = shell.ToldMaster<TaskFailed>();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].failure.code, StatusCode::kResourceLimit);
  EXPECT_EQ(failed[0].failure.message, "no progress for 60 s");
  EXPECT_EQ(failed[0].failure.position, (RecordPosition{"shard", 7}));
}

TEST(WorkerTest, ReportsASpoolThatFails) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.Step(SpoolFailed{Map(0), Status::ResourceLimit("the disk is full")});
  EXPECT_THAT(shell.Take<KillChild>(), SizeIs(1));
  shell.End(Map(0), OutputOf(100));
  const std::vector<TaskFailed> failed = shell.ToldMaster<TaskFailed>();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].failure.message, "the disk is full");
}

// ---- Reports

TEST(WorkerTest, ReportsUntilItIsAnswered) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.End(Map(0), OutputOf(100));
  EXPECT_THAT(shell.ToldMaster<TaskDone>(), SizeIs(1));
  shell.Advance(3'000);
  EXPECT_THAT(shell.ToldMaster<TaskDone>(), SizeIs(3));
  shell.FromMaster(TaskAnswer{Map(0), true});
  shell.Advance(10'000);
  EXPECT_THAT(shell.ToldMaster<TaskDone>(), IsEmpty());
}

TEST(WorkerTest, ReportsAFailureUntilItIsAnswered) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.End(Map(0), TaskFailure{StatusCode::kUserCode, "boom", {}, {}, {}});
  shell.Advance(1'000);
  EXPECT_THAT(shell.ToldMaster<TaskFailed>(), SizeIs(2));
  shell.FromMaster(TaskAnswer{Map(0), false});
  EXPECT_THAT(shell.Take<DropAttempt>(), SizeIs(1));
  shell.Advance(10'000);
  EXPECT_THAT(shell.ToldMaster<TaskFailed>(), IsEmpty());
}

TEST(WorkerTest, ReportsToTheNextEpochWhatTheLastOneDidNotAnswer) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.End(Map(0), OutputOf(100));
  shell.ToldMaster<TaskDone>();
  shell.FromMaster(HelloWanted{}, Epoch{2});
  EXPECT_THAT(shell.ToldMaster<TaskDone>(), IsEmpty());
  shell.Greet();
  EXPECT_THAT(shell.ToldMaster<TaskDone>(), SizeIs(1));
}

TEST(WorkerTest, HoldsOnlyWhatWasCommitted) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.End(Map(0), OutputOf(100));
  EXPECT_THAT(shell.worker().Held(), IsEmpty());
  shell.FromMaster(TaskAnswer{Map(0), true});
  EXPECT_THAT(shell.worker().Held(), ElementsAre(Map(0)));
  EXPECT_THAT(shell.Take<DropAttempt>(), IsEmpty());
}

TEST(WorkerTest, DropsAllOfAnOutputThatWasNotCommitted) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.End(Map(0), OutputOf(100));
  shell.FromMaster(TaskAnswer{Map(0), false});
  EXPECT_THAT(shell.worker().Held(), IsEmpty());
  const std::vector<DropAttempt> drops = shell.Take<DropAttempt>();
  ASSERT_THAT(drops, SizeIs(1));
  EXPECT_FALSE(drops[0].keeps_parts);
}

TEST(WorkerTest, KeepsTheCommittedPartsOfATaskWithoutRunFiles) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Reduce(0), 1));
  shell.End(Reduce(0), OutputOf(0));
  shell.FromMaster(TaskAnswer{Reduce(0), true});
  EXPECT_THAT(shell.worker().Held(), IsEmpty());
  const std::vector<DropAttempt> drops = shell.Take<DropAttempt>();
  ASSERT_THAT(drops, SizeIs(1));
  EXPECT_TRUE(drops[0].keeps_parts);
}

TEST(WorkerTest, LetsGoOfAllOfARunThatHasEnded) {
  TestShell shell(Slots(2));
  shell.Register();
  shell.Hold(Map(0));
  shell.FromMaster(StartOf(Map(1), shell.NextOrder()));
  shell.FromMaster(StartOf(Map(2), shell.NextOrder()));
  shell.FromMaster(StartOf(Map(3), shell.NextOrder()));  // Waits for a slot.
  shell.End(Map(1), OutputOf(100));
  shell.Started();
  shell.FromMaster(EndRun{JobRunId{1}});
  EXPECT_THAT(shell.worker().Held(), IsEmpty());
  EXPECT_EQ(shell.worker().report_count(), 0u);
  EXPECT_THAT(shell.Take<KillChild>(), SizeIs(2));  // 2 and 3.
  shell.End(Map(2), OutputOf(100));
  shell.End(Map(3), OutputOf(100));
  EXPECT_THAT(shell.Take<DropAttempt>(), SizeIs(4));
  EXPECT_THAT(shell.worker().Running(), IsEmpty());
}

TEST(WorkerTest, KeepsWhatIsOfOtherRuns) {
  TestShell shell;
  shell.Register();
  shell.Hold(Map(0));
  shell.FromMaster(EndRun{JobRunId{2}});
  EXPECT_THAT(shell.worker().Held(), ElementsAre(Map(0)));
}

// ---- The spool

TEST(WorkerTest, TakesNoTasksWhileItsSpoolIsFull) {
  WorkerOptions options;
  options.spool_bytes_max = 150;
  TestShell shell(options);
  shell.Register();
  shell.Hold(Map(0), 100);
  shell.Advance(1'000);
  EXPECT_TRUE(shell.ToldMaster<Heartbeat>().back().takes_tasks);
  shell.Hold(Map(1), 51);
  shell.Advance(1'000);
  EXPECT_FALSE(shell.ToldMaster<Heartbeat>().back().takes_tasks);
  shell.FromMaster(EndRun{JobRunId{1}});
  shell.Advance(1'000);
  EXPECT_TRUE(shell.ToldMaster<Heartbeat>().back().takes_tasks);
}

// ---- Draining

TEST(WorkerTest, LeavesAtOnceWhenItDrainsAndHasNothing) {
  TestShell shell;
  shell.Register();
  shell.Step(DrainWanted{});
  EXPECT_THAT(shell.ToldMaster<Goodbye>(), SizeIs(1));
  const std::vector<Leave> leaves = shell.Take<Leave>();
  ASSERT_THAT(leaves, SizeIs(1));
  EXPECT_TRUE(leaves[0].status.ok());
}

TEST(WorkerTest, FinishesAndServesWhatItHasBeforeItLeaves) {
  TestShell shell;
  shell.Register();
  shell.Hold(Map(0));
  shell.FromMaster(StartOf(Map(1), shell.NextOrder()));
  shell.ToldMaster<Heartbeat>();
  shell.Step(DrainWanted{});
  const std::vector<Heartbeat> beats = shell.ToldMaster<Heartbeat>();
  ASSERT_THAT(beats, SizeIs(1));
  EXPECT_FALSE(beats[0].takes_tasks);
  shell.End(Map(1), OutputOf(100));
  shell.FromMaster(TaskAnswer{Map(1), true});
  shell.Advance(60'000);
  EXPECT_THAT(shell.Take<Leave>(), IsEmpty());
  shell.FromMaster(EndRun{JobRunId{1}});
  EXPECT_THAT(shell.Take<Leave>(), SizeIs(1));
}

TEST(WorkerTest, LeavesAfterDrainMsThoughItsOutputsMayBeNeeded) {
  WorkerOptions options;
  options.drain_ms = 100'000;
  TestShell shell(options);
  shell.Register();
  shell.Hold(Map(0));
  shell.Step(DrainWanted{});
  shell.Advance(99'999);
  EXPECT_THAT(shell.Take<Leave>(), IsEmpty());
  shell.Advance(1);
  EXPECT_THAT(shell.Take<Leave>(), SizeIs(1));
}

// ---- Reduces

FetchData StreamOf(const std::vector<AttemptId>& outputs, const std::string& bytes) {
  FetchData data;
  data.reader = Reduce(0);
  data.stream_bytes = bytes.size();
  data.bytes = bytes;
  for (const AttemptId& output : outputs)
    data.slices.push_back({output, 1, 0, bytes.size() / outputs.size(), 0});
  return data;
}

TEST(WorkerTest, FetchesWhatOthersHoldThenStartsTheChild) {
  TestShell shell;
  shell.Register();
  shell.Hold(Map(0));
  shell.Started();
  StartTask start = StartOf(Reduce(0), shell.NextOrder());
  start.kind = TaskKind::kReduce;
  start.sources = {SetOf(kSelf, {Map(0)}), SetOf(kPeer, {Map(1), Map(2)})};
  shell.FromMaster(start);
  EXPECT_THAT(shell.Started(), IsEmpty());
  EXPECT_THAT(shell.worker().Running(), ElementsAre(Reduce(0)));
  const std::vector<FetchRequest> requests = shell.Told<FetchRequest>(kPeer);
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].output_count, 2u);
  shell.FromWorker(kPeer, StreamOf({Map(1), Map(2)}, "abcdef"));
  const std::vector<AppendSpool> appends = shell.Take<AppendSpool>();
  ASSERT_THAT(appends, SizeIs(1));
  EXPECT_EQ(appends[0].bytes, "abcdef");
  const std::vector<StartChild> children = shell.Take<StartChild>();
  ASSERT_THAT(children, SizeIs(1));
  EXPECT_THAT(children[0].local_outputs, ElementsAre(Map(0)));
  ASSERT_THAT(children[0].inputs, SizeIs(1));
  EXPECT_EQ(children[0].inputs[0].key.from, kPeer);
  EXPECT_EQ(children[0].inputs[0].bytes, 6u);
  EXPECT_THAT(children[0].inputs[0].slices, SizeIs(2));
}

TEST(WorkerTest, ReportsTheSourceThatDoesNotSend) {
  WorkerOptions options;
  options.fetch.tries_max = 3;
  TestShell shell(options);
  shell.Register();
  StartTask start = StartOf(Reduce(0), 1);
  start.sources = {SetOf(kPeer, {Map(1)})};
  shell.FromMaster(start);
  shell.Advance(3 * options.fetch.retry_ms);
  const std::vector<TaskFailed> failed = shell.ToldMaster<TaskFailed>();
  ASSERT_FALSE(failed.empty());
  EXPECT_EQ(failed[0].failure.code, StatusCode::kUnavailable);
  EXPECT_EQ(failed[0].failure.source, kPeer);
  EXPECT_THAT(shell.Started(), IsEmpty());
}

// The answer to its own report may be on its way.
TEST(WorkerTest, WaitsForTheCommitOfWhatItIsToReadItself) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.End(Map(0), OutputOf(100));
  shell.Started();
  StartTask start = StartOf(Reduce(0), 2);
  start.sources = {SetOf(kSelf, {Map(0)})};
  shell.FromMaster(start);
  EXPECT_THAT(shell.Started(), IsEmpty());
  shell.FromMaster(TaskAnswer{Map(0), true});
  EXPECT_THAT(shell.Started(), ElementsAre(Reduce(0)));
}

TEST(WorkerTest, ReportsItselfWhenItDoesNotHoldWhatItIsToRead) {
  TestShell shell;
  shell.Register();
  StartTask start = StartOf(Reduce(0), 1);
  start.sources = {SetOf(kSelf, {Map(0)})};
  shell.FromMaster(start);
  shell.Advance(60'000);
  const std::vector<TaskFailed> failed = shell.ToldMaster<TaskFailed>();
  ASSERT_FALSE(failed.empty());
  EXPECT_EQ(failed[0].failure.source, kSelf);
}

TEST(WorkerTest, IgnoresBytesForAnAttemptThatWasKilled) {
  TestShell shell;
  shell.Register();
  StartTask start = StartOf(Reduce(0), 1);
  start.sources = {SetOf(kPeer, {Map(1)})};
  shell.FromMaster(start);
  shell.FromMaster(KillTask{Reduce(0)});
  EXPECT_THAT(shell.Take<DropAttempt>(), SizeIs(1));
  shell.FromWorker(kPeer, StreamOf({Map(1)}, "abc"));
  EXPECT_THAT(shell.Take<AppendSpool>(), IsEmpty());
  EXPECT_THAT(shell.Started(), IsEmpty());
}

// ---- Serving

FetchRequest RequestFor(const std::vector<AttemptId>& outputs) {
  const SourceSet set = SetOf(kSelf, outputs);
  FetchRequest request;
  request.reader = Reduce(0);
  request.holder = kSelf;
  request.output_count = set.output_count;
  request.outputs_hash = set.outputs_hash;
  request.credit_bytes = 1'000;
  return request;
}

// Its port was another worker's, maybe of another cluster, with outputs of the same ids.
TEST(WorkerTest, RefusesWhatIsAskedOfAnotherWorker) {
  TestShell shell;
  shell.Register();
  shell.Hold(Map(0));
  FetchRequest request = RequestFor({Map(0)});
  request.holder = kOther;
  shell.FromWorker(kPeer, request);
  EXPECT_THAT(shell.Take<ReadPiece>(), IsEmpty());
  const std::vector<FetchRefused> refused = shell.Told<FetchRefused>(kPeer);
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_NE(refused[0].code, StatusCode::kUnavailable);  // To ask again is in vain.
}

TEST(WorkerTest, ServesExactlyTheSetThatIsAskedFor) {
  TestShell shell;
  shell.Register();
  shell.Hold(Map(0));
  shell.Hold(Map(1));
  for (const std::vector<AttemptId>& wrong :
       {std::vector<AttemptId>{Map(0)}, {Map(0), Map(2)}, {Map(0), Map(1), Map(2)}, {}}) {
    shell.FromWorker(kPeer, RequestFor(wrong));
    const std::vector<FetchRefused> refused = shell.Told<FetchRefused>(kPeer);
    ASSERT_THAT(refused, SizeIs(1));
    EXPECT_EQ(refused[0].code, StatusCode::kUnavailable);
    EXPECT_THAT(shell.Take<ReadPiece>(), IsEmpty());
  }
  shell.FromWorker(kPeer, RequestFor({Map(0), Map(1)}));
  const std::vector<ReadPiece> reads = shell.Take<ReadPiece>();
  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_THAT(reads[0].outputs, ElementsAre(Map(0), Map(1)));
}

TEST(WorkerTest, ServesNothingThatIsNotCommitted) {
  TestShell shell;
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.End(Map(0), OutputOf(100));
  shell.FromWorker(kPeer, RequestFor({Map(0)}));
  EXPECT_THAT(shell.Told<FetchRefused>(kPeer), SizeIs(1));
}

TEST(WorkerTest, SendsTheSlicesWithTheFirstPieceAlone) {
  TestShell shell;
  shell.Register();
  shell.Hold(Map(0));
  shell.FromWorker(kPeer, RequestFor({Map(0)}));
  const std::vector<FetchSlice> slices = {{Map(0), 1, 0, 6, 0}};
  for (const std::uint64_t offset : {0, 3}) {
    const std::vector<ReadPiece> reads = shell.Take<ReadPiece>();
    ASSERT_THAT(reads, SizeIs(1));
    EXPECT_EQ(reads[0].offset, offset);
    shell.Step(PieceRead{reads[0].key, offset, ServedPiece{slices, 6, "abc"}, {}});
    const std::vector<FetchData> data = shell.Told<FetchData>(kPeer);
    ASSERT_THAT(data, SizeIs(1));
    EXPECT_EQ(data[0].offset, offset);
    EXPECT_EQ(data[0].bytes, "abc");
    EXPECT_EQ(data[0].slices.size(), offset == 0 ? 1u : 0u);
  }
  EXPECT_THAT(shell.Take<ReadPiece>(), IsEmpty());
}

TEST(WorkerTest, TellsTheReaderWhichOutputIsDamaged) {
  TestShell shell;
  shell.Register();
  shell.Hold(Map(0));
  shell.FromWorker(kPeer, RequestFor({Map(0)}));
  const ReadPiece read = shell.Take<ReadPiece>().at(0);
  shell.Step(PieceRead{read.key, 0, Status::Corrupt("block 2: hash mismatch"), Map(0)});
  const std::vector<FetchRefused> refused = shell.Told<FetchRefused>(kPeer);
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_EQ(refused[0].code, StatusCode::kCorrupt);
  EXPECT_EQ(refused[0].damaged, Map(0));
  EXPECT_EQ(refused[0].message, "block 2: hash mismatch");
}

TEST(WorkerTest, LeavesWhenItsTimeToDrainIsOverWhateverItIsAt) {
  WorkerOptions options;
  options.drain_ms = 10'000;
  TestShell shell(options);
  shell.Register();
  shell.FromMaster(StartOf(Map(0), 1));
  shell.Step(DrainWanted{});
  shell.Advance(10'001);
  EXPECT_THAT(shell.Take<Leave>(), SizeIs(1));
}

TEST(WorkerTest, DoesNotSpinForAPlanThatNobodyWaitsFor) {
  TestShell shell;
  shell.Register();
  shell.holds_plans = true;
  shell.FromMaster(StartOf(Map(0), 1));
  shell.FromMaster(KillTask{Map(0)});
  int due = 0;
  for (int ms = 0; ms < 4'000; ++ms) {
    due += shell.worker().NextTimerMs() <= shell.now_ms();
    shell.Advance(1);
  }
  EXPECT_LT(due, 10);
}

// ---- Workers on one host

WorkerOptions OnHost(const std::string& host_id) {
  WorkerOptions options;
  options.host_id = host_id;
  return options;
}
FetchRequest RequestOf(const std::vector<AttemptId>& outputs, const std::string& host) {
  const SourceSet set = SetOf(kSelf, outputs);
  FetchRequest request;
  request.reader = Reduce(0);
  request.holder = kSelf;
  request.output_count = set.output_count;
  request.outputs_hash = set.outputs_hash;
  request.credit_bytes = 100;
  request.host = host;
  return request;
}
FetchFile FileOf(const AttemptId& output, const std::string& path) {
  FetchFile file;
  file.output = output;
  file.path = path;
  return file;
}

TEST(WorkerTest, NamesItsFilesToAReaderOnItsHost) {
  TestShell shell(OnHost("here"));
  shell.Register();
  shell.Hold(Map(0));
  shell.FromWorker(kPeer, RequestOf({Map(0)}, "here"));
  const std::vector<ListFiles> lists = shell.Take<ListFiles>();
  ASSERT_THAT(lists, SizeIs(1));
  EXPECT_EQ(lists[0].reader_worker, kPeer);
  EXPECT_THAT(lists[0].outputs, ElementsAre(Map(0)));
  EXPECT_THAT(shell.Take<ReadPiece>(), IsEmpty());
  shell.Step(FilesListed{kPeer, lists[0].request, std::vector{FileOf(Map(0), "/run")}, {}});
  const std::vector<FetchFiles> files = shell.Told<FetchFiles>(kPeer);
  ASSERT_THAT(files, SizeIs(1));
  EXPECT_EQ(files[0].reader, Reduce(0));
  EXPECT_THAT(files[0].files, ElementsAre(FileOf(Map(0), "/run")));
}

TEST(WorkerTest, SendsBytesToReadersElsewhere) {
  for (const char* own : {"here", ""}) {
    for (const char* host : {"there", ""}) {
      TestShell shell(OnHost(own));
      shell.Register();
      shell.Hold(Map(0));
      shell.FromWorker(kPeer, RequestOf({Map(0)}, host));
      EXPECT_THAT(shell.Take<ListFiles>(), IsEmpty());
      EXPECT_THAT(shell.Take<ReadPiece>(), SizeIs(1));
    }
  }
}

TEST(WorkerTest, SendsBytesToWhoeverHasSomeAlready) {
  TestShell shell(OnHost("here"));
  shell.Register();
  shell.Hold(Map(0));
  FetchRequest request = RequestOf({Map(0)}, "here");
  request.resume_at = 7;
  shell.FromWorker(kPeer, request);
  EXPECT_THAT(shell.Take<ReadPiece>(), SizeIs(1));
}

TEST(WorkerTest, SendsBytesWhereTheFilesAreTooManyForOneMessage) {
  TestShell shell(OnHost("here"));
  shell.Register();
  std::vector<FetchFile> files;
  for (std::uint32_t i = 0; i < 5'000; ++i)
    files.push_back(FileOf(Map(i), std::string(4'096, 'x')));
  shell.Hold(Map(0));
  shell.FromWorker(kPeer, RequestOf({Map(0)}, "here"));
  shell.Step(FilesListed{kPeer, shell.Take<ListFiles>().at(0).request, files, {}});
  EXPECT_THAT(shell.Told<FetchFiles>(kPeer), IsEmpty());
  EXPECT_THAT(shell.Take<ReadPiece>(), SizeIs(1));
}

TEST(WorkerTest, SaysWhichOutputIsGone) {
  TestShell shell(OnHost("here"));
  shell.Register();
  shell.Hold(Map(0));
  shell.FromWorker(kPeer, RequestOf({Map(0)}, "here"));
  shell.Step(
      FilesListed{kPeer, shell.Take<ListFiles>().at(0).request, Status::Corrupt("gone"), Map(0)});
  const std::vector<FetchRefused> refused = shell.Told<FetchRefused>(kPeer);
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_EQ(refused[0].code, StatusCode::kCorrupt);
  EXPECT_EQ(refused[0].damaged, Map(0));
}

TEST(WorkerTest, GivesTheChildFilesOfItsHost) {
  TestShell shell(OnHost("here"));
  shell.Register();
  StartTask start = StartOf(Reduce(0), shell.NextOrder());
  start.kind = TaskKind::kReduce;
  start.sources = {SetOf(kPeer, {Map(0)})};
  shell.FromMaster(start);
  EXPECT_EQ(shell.Told<FetchRequest>(kPeer).at(0).host, "here");
  shell.FromWorker(kPeer, FetchFiles{Reduce(0), {}, {FileOf(Map(0), "/run")}});
  const std::vector<StartChild> started = shell.Take<StartChild>();
  ASSERT_THAT(started, SizeIs(1));
  ASSERT_THAT(started[0].inputs, SizeIs(1));
  EXPECT_THAT(started[0].inputs[0].files, ElementsAre(FileOf(Map(0), "/run")));
}

TEST(WorkerTest, LetsAChildLiveThatMovesWithinWhatItHasRead) {
  WorkerOptions options;
  options.no_progress_ms = 10'000;
  TestShell shell(options);
  shell.Register();
  shell.FromMaster(StartOf(Map(0), shell.NextOrder()));
  for (std::uint64_t moves = 1; moves < 5; ++moves) {
    shell.Advance(6'000);
    shell.Step(ChildProgressed{Map(0), 1, 1, {}, moves});
  }
  EXPECT_THAT(shell.Take<KillChild>(), IsEmpty());
  shell.Advance(11'000);
  EXPECT_THAT(shell.Take<KillChild>(), SizeIs(1));
}

}  // namespace
}  // namespace millrace
