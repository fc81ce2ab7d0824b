// SPDX-License-Identifier: Apache-2.0
// Histories that once broke a promise of the scheduler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "master/scheduler.h"
#include "tests/unit/master/scheduler_tools.h"
namespace millrace {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
TaskId Map(JobRunId run, std::uint32_t task) { return {{run, 0}, task}; }
TaskId Reduce(JobRunId run, std::uint32_t task) { return {{run, 1}, task}; }

TEST(SchedulerBadDaysTest, AFailureOfARemadeMapDoesNotEndARunThatIsBeingPublished) {
  TestMaster master;
  master.holds_publish = true;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.worker(kA).takes_tasks = false;
  master.Beat(kA);
  master.Finish(Map(run, 0));
  master.Join(kB);  // Reduce on B.
  master.Join(kC);
  ASSERT_EQ(master.WorkerOf(master.RunningOf(Reduce(run, 0))), kB);
  master.Say(kA, Goodbye{});  // Map again on C.
  const AttemptId again = master.RunningOf(Map(run, 0));
  ASSERT_EQ(again.number, 2u);
  master.Finish(Reduce(run, 0));  // It had fetched all.
  ASSERT_THAT(master.Take<PublishRun>(), SizeIs(1));
  master.Fail(again, {StatusCode::kNotFound, "input is gone", {}, {}, {}});
  master.Published(run, Status::Ok());
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone) << master.StatusOf("run").message;
}

TEST(SchedulerBadDaysTest, AUserIsNotChargedForeverForAnAttemptLostWhileItsRunEnds) {
  for (const bool lose : {false, true}) {
    TestMaster master;
    RunSpec spec = MapOnly("run", 1);
    spec.user = "ann";
    master.Join(kA);
    master.Submit(spec);
    master.holds_journal = true;
    master.Ask(CancelRun{"run"});
    if (lose) master.Say(kA, Goodbye{});
    master.Sync();
    master.holds_journal = false;
    if (!lose) master.Say(kA, Goodbye{});
    RunSpec ann = MapOnly("ann", 9), bob = MapOnly("bob", 9);
    ann.user = "ann";
    bob.user = "bob";
    const JobRunId a = master.Submit(ann), b = master.Submit(bob);
    master.Join(kB, 3);
    EXPECT_EQ(master.run(a).active_count(), 2u) << lose;
    EXPECT_EQ(master.run(b).active_count(), 1u) << lose;
  }
}

TEST(SchedulerBadDaysTest, SetsNoMoreAsideWhenTwoTasksCrashAtOnce) {
  TestMaster master;
  master.Join(kA, 2);
  RunSpec spec = MapOnly("run", 2);
  spec.crashed_records_max = 1;
  const JobRunId run = master.Submit(spec);
  for (int i = 0; i < 2; ++i) {
    master.holds_journal = true;
    master.FailTask(Map(run, 0), CrashAt({"shard", 0}));
    master.FailTask(Map(run, 1), CrashAt({"shard", 1}));
    master.Sync();
    master.holds_journal = false;
    master.Advance(60'000);
  }
  EXPECT_LE(master.run(run).set_aside_count(), 1u);
}

TEST(SchedulerBadDaysTest, AWorkerWithoutSlotsKeepsNoTaskFromBeingTriedAgain) {
  TestMaster master;
  master.Join(kA, 1);
  master.Join(kB, 0);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.FailTask(Map(run, 0), Crash("boom"));
  master.Advance(3'600'000);
  EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 2u);
}

TEST(SchedulerBadDaysTest, ADamagedOutputDoesNotComeBackWithItsHoldersNextHello) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.worker(kA).takes_tasks = false;
  master.Beat(kA);
  master.Finish(Map(run, 0));
  master.Join(kB);
  RunSpec other = MapOnly("other", 9);
  other.user = "bob";
  master.Submit(other);
  master.FailTask(Reduce(run, 0),
                  {StatusCode::kCorrupt, "hash", {}, kA, AttemptId{Map(run, 0), 1}});
  // B's slot is bob's now, so the map can't start yet.
  ASSERT_THAT(master.run(run).phases()[0].missing, ElementsAre(0));
  master.Advance(2'000);
  EXPECT_THAT(master.run(run).phases()[0].missing, ElementsAre(0));
}

TEST(SchedulerBadDaysTest, NamesTheEndpointOfEachSourceAfterARestart) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.worker(kA).takes_tasks = false;
  master.Beat(kA);
  master.Finish(Map(run, 0));
  master.Restart();
  master.Join(kB);
  const auto starts = master.Told<StartTask>(kB);
  EXPECT_TRUE(starts.empty()) << "A has not said where it is";
  master.Join(kA);
  for (const StartTask& start : master.Told<StartTask>(kB))
    EXPECT_EQ(start.sources.at(0).endpoint, "endpoint 1");
}

TEST(SchedulerBadDaysTest, CountsAFailureOfAWorkerOnce) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 2, 1));
  master.Join(kD);
  ASSERT_EQ(master.WorkerOf(master.RunningOf(Map(run, 0))), kA);
  master.FailTask(Map(run, 0), Crash("boom"));  // Map 1 is on D.
  for (std::uint64_t id = 10; id < 13; ++id) {
    master.Join(WorkerId{id});
    master.Advance(1'000);
    const WorkerId on = master.WorkerOf(master.RunningOf(Map(run, 0)));
    master.Finish(Map(run, 0));
    EXPECT_EQ(master.scheduler().workers().at(kA).failures, 1u) << id;
    if (on == kA) return;  // Blamed once, A may have it again.
    master.Say(on, Goodbye{});
    master.Silence(on);
  }
}

TEST(SchedulerBadDaysTest, NumbersNoRunTwiceThoughItWasForgotten) {
  SchedulerOptions options;
  options.runs_remembered_max = 1;
  TestMaster master(options);
  const JobRunId one = master.Submit(MapOnly("one", 1));
  const JobRunId two = master.Submit(MapOnly("two", 1));
  master.Ask(CancelRun{"two"});
  master.Ask(CancelRun{"one"});
  master.RestartFrom(master.scheduler().Snapshot());
  EXPECT_GT(master.Submit(MapOnly("three", 1)), two) << one;
}

// An ended run is forgotten while records of it are still on their way to the journal.
TEST(SchedulerBadDaysTest, RecoversThoughARunIsForgottenBeforeItsLastRecord) {
  SchedulerOptions options;
  options.runs_remembered_max = 2;
  TestMaster master(options);
  master.Join(kA);
  master.Submit(MapOnly("long", 1));
  for (const char* name : {"b", "c", "d"}) {
    master.Submit(MapOnly(name, 1));
    master.Ask(CancelRun{name});
  }
  master.Ask(CancelRun{"long"});
  EXPECT_EQ(master.StatusOf("long").state, RunState::kFailed) << "the last to end is remembered";
  for (const char* name : {"e", "f", "g"}) {
    master.Submit(MapOnly(name, 1));
    master.Ask(CancelRun{name});
  }
  EXPECT_EQ(master.StatusOf("long").state, RunState::kUnknown);
  std::vector<JournalRecord> records = master.Durable();
  records.push_back(
      AttemptFailed{{{{JobRunId{1}, 0}, 0}, 1}, kA, Blame::kTask, Crash("late"), false});
  master.RestartFrom(records);  // Fails where a record can't be taken in.
}

// A reduce that wrote parts and holds runs starts again just when the last part is committed.
TEST(SchedulerBadDaysTest, PublishesNothingWhileACommittedPartIsAboutToBeMadeAgain) {
  TestMaster master;
  RunSpec spec = MapReduce("run", 1, 1);
  spec.phases[1].channels = 1;
  spec.phases.push_back(spec.phases[1]);
  spec.phases[2].channels = 0;
  spec.phases[2].sources = {{1, 0}};
  master.Join(kA);
  const JobRunId run = master.Submit(spec);
  master.Finish(Map(run, 0));
  master.worker(kA).takes_tasks = false;
  master.Beat(kA);
  master.Finish(Reduce(run, 0));
  master.Join(kB);
  const TaskId last{{run, 2}, 0};
  ASSERT_EQ(master.WorkerOf(master.RunningOf(last)), kB);
  master.Join(kC, 2);
  master.holds_journal = true;
  master.Finish(last);
  master.Say(kA, Goodbye{});
  master.Silence(kA);
  master.holds_publish = true;
  master.holds_journal = false;
  master.Sync();
  for (const PublishRun& publish : master.Take<PublishRun>()) {
    for (const TaskPhase& phase : master.run(publish.run).phases()) {
      if (!phase.spec->writes_parts) continue;
      for (const Task& task : phase.tasks) EXPECT_NE(task.committed, 0u) << phase.id;
    }
  }
}

TEST(SchedulerBadDaysTest, AFailedBackupSaysNothingAgainstTheAttemptBesideIt) {
  SchedulerOptions options;
  options.backup.elapsed_ms_min = 1'000;
  options.attempts_max = 1;
  TestMaster master(options);
  master.Join(kA, 4);
  const JobRunId run = master.Submit(MapOnly("run", 4));
  master.Advance(1'000);
  for (std::uint32_t task = 0; task < 3; ++task) master.Finish(Map(run, task));
  const AttemptId slow = master.RunningOf(Map(run, 3));
  master.Join(kB, 4);
  master.Advance(20'000);
  const AttemptId backup = master.RunningOf(Map(run, 3));
  ASSERT_NE(backup, slow);
  master.Fail(backup, {StatusCode::kResourceLimit, "disk full", {}, {}, {}});
  EXPECT_EQ(master.StatusOf("run").state, RunState::kRunning);
  master.Advance(20'000);
  EXPECT_EQ(master.RunningOf(Map(run, 3)), slow) << "B has failed at it: no second backup there";
  master.Done(slow);
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

// A record is set aside while an attempt that copes with it is at work.
TEST(SchedulerBadDaysTest, SkipsNoRecordThatTheCommittedAttemptHasRead) {
  SchedulerOptions options;
  options.backup.elapsed_ms_min = 1'000;
  options.crashes_before_aside = 1;
  TestMaster master(options);
  master.Join(kA, 4);
  RunSpec spec = MapReduce("run", 4, 1);
  spec.crashed_records_max = 5;
  const JobRunId run = master.Submit(spec);
  master.Advance(1'000);
  for (std::uint32_t task = 0; task < 3; ++task) master.Finish(Map(run, task));
  const AttemptId slow = master.RunningOf(Map(run, 3));
  master.Join(kB, 4);
  master.Advance(20'000);
  const AttemptId backup = master.RunningOf(Map(run, 3));
  ASSERT_NE(backup, slow);
  master.Fail(backup, CrashAt({"shard", 7}));
  EXPECT_EQ(master.run(run).set_aside_count(), 1u);
  master.Done(slow);
  EXPECT_EQ(master.run(run).set_aside_count(), 0u);
  master.Told<StartTask>(kB);
  master.Say(kA, Goodbye{});  // The map is needed again.
  master.Silence(kA);
  master.Advance(60'000);
  for (const StartTask& start : master.Told<StartTask>(kB)) {
    if (start.attempt.task == Map(run, 3)) {
      EXPECT_THAT(start.set_aside, IsEmpty());
    }
  }
}

TEST(SchedulerBadDaysTest, BelievesNoResultOfAnAttemptThatNeverWas) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.Finish(Map(run, 0));
  TaskOutput other = master.OutputOf({Map(run, 0), 1});
  other.digest.low += 1;
  master.Say(kA, TaskDone{{Map(run, 0), 77}, other});
  EXPECT_EQ(master.StatusOf("run").state, RunState::kRunning);
}

TEST(SchedulerBadDaysTest, TakesNoOtherRunForTheOneOfThatName) {
  TestMaster master;
  master.Submit(MapOnly("run", 1));
  master.Told<RunStatus>(kClient);
  master.Ask(SubmitRun{MapOnly("run", 2)});
  const auto answers = master.Told<RunStatus>(kClient);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].state, RunState::kRefused);
}

TEST(SchedulerBadDaysTest, RefusesAPhaseThatNobodyReads) {
  TestMaster master;
  RunSpec spec = MapOnly("run", 1);
  spec.phases.insert(spec.phases.begin(), spec.phases[0]);
  spec.phases[0].writes_parts = false;
  spec.phases[0].channels = 1;
  spec.phases[0].name = "idle";
  master.Ask(SubmitRun{spec});
  const auto answers = master.Told<RunStatus>(kClient);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].state, RunState::kRefused);
  EXPECT_THAT(answers[0].message, HasSubstr("idle"));
}

TEST(SchedulerBadDaysTest, TakesNoPartOutsideTheOutput) {
  for (const char* path : {"../x", "/x", "a/../../x", "", "a//b", "./x"}) {
    TestMaster master;
    master.Join(kA);
    const JobRunId run = master.Submit(MapOnly("run", 1));
    const AttemptId attempt = master.RunningOf(Map(run, 0));
    TaskOutput output = master.OutputOf(attempt);
    output.parts.push_back({path, 1, 1, {}});
    master.Done(attempt, output);
    EXPECT_EQ(master.run(run).phases()[0].committed_count, 0u) << path;
  }
}

TEST(SchedulerBadDaysTest, TakesNoFileOfRejectsOfAnotherPhase) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  TaskOutput output = master.OutputOf(attempt);
  output.reject_file = RejectFile{{{1, {}}, {2, {}}}};
  master.Done(attempt, output);
  EXPECT_EQ(master.run(run).phases()[0].committed_count, 0u);
  EXPECT_THAT(master.StatusOf("run").failures, ElementsAre(HasSubstr("2 texts of rejects")));
  master.Advance(60'000);
  output.reject_file->texts.pop_back();
  master.Done(master.RunningOf(Map(run, 0)), output);
  EXPECT_EQ(master.run(run).phases()[0].committed_count, 1u);
}

// Each phase reads the one before by two channels: what is needed again must not be counted by
// the number of ways that lead to it.
TEST(SchedulerBadDaysTest, ALostWorkerOfADeepRunIsNoMatterOfHours) {
  TestMaster master;
  RunSpec spec = MapOnly("run", 1);
  spec.phases[0].channels = 2;
  spec.phases[0].writes_parts = false;
  for (std::uint32_t depth = 1; depth <= 60; ++depth) {
    PhaseSpec phase = spec.phases[0];
    phase.kind = TaskKind::kReduce;
    phase.sources = {{depth - 1, 0}, {depth - 1, 1}};
    if (depth == 60) phase.writes_parts = true;
    spec.phases.push_back(phase);
  }
  master.Join(kA);
  const JobRunId run = master.Submit(spec);
  for (std::uint32_t depth = 0; depth < 60; ++depth) master.Finish({{run, depth}, 0});
  master.Say(kA, Goodbye{});
  master.Silence(kA);
  master.Join(kB);
  EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 2u);
}

// The master stands still; what the workers said meanwhile waits behind the timer that wakes it.
TEST(SchedulerBadDaysTest, LosesNoWorkerForHavingStoodStillItself) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Advance(5'000);
  master.StandStill(60'000);
  master.Step(TimerFired{});
  master.Beat(kA);
  master.Advance(1'000);
  EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 1u);
  EXPECT_TRUE(master.scheduler().workers().contains(kA));
}

}  // namespace
}  // namespace millrace
