// SPDX-License-Identifier: Apache-2.0
// Whom the scheduler believes, what it tells and when; runs from submission to publishing. Tasks,
// failures and workers are in scheduler_tasks_test.cc, restarts in scheduler_recovery_test.cc.
#include "master/scheduler.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/master/scheduler_tools.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TaskId Map(JobRunId run, std::uint32_t task) { return {{run, 0}, task}; }

// ---- Durability

TEST(SchedulerTest, TellsOfARunOnlyOnceItIsDurable) {
  TestMaster master;
  master.holds_journal = true;
  master.Submit(MapOnly("run", 1));
  EXPECT_THAT(master.Told<RunStatus>(kClient), IsEmpty());
  EXPECT_THAT(master.Take<PrepareRun>(), IsEmpty());
  EXPECT_EQ(master.StatusOf("run").state, RunState::kUnknown);
  master.Sync();
  const std::vector<RunStatus> told = master.Told<RunStatus>(kClient);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].state, RunState::kQueued);
  EXPECT_THAT(master.Take<PrepareRun>(), SizeIs(1));
}

TEST(SchedulerTest, StartsATaskOnlyOnceThatIsDurable) {
  TestMaster master;
  master.Submit(MapOnly("run", 1));
  master.holds_journal = true;
  master.Join(kA);
  EXPECT_THAT(master.Records<AttemptStarted>(), SizeIs(1));
  EXPECT_THAT(master.Told<StartTask>(kA), IsEmpty());
  master.Sync();
  EXPECT_THAT(master.Told<StartTask>(kA), SizeIs(1));
}

TEST(SchedulerTest, CommitsOnlyOnceThatIsDurable) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 2));
  master.holds_journal = true;
  master.Finish(Map(run, 0));
  EXPECT_THAT(master.Told<TaskAnswer>(kA), IsEmpty());
  EXPECT_EQ(master.StatusOf("run").tasks_done, 0u);
  master.Sync();
  const std::vector<TaskAnswer> answers = master.Told<TaskAnswer>(kA);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_TRUE(answers[0].is_committed);
  EXPECT_EQ(master.StatusOf("run").tasks_done, 1u);
}

// The journal tells how far it is by count: the same count twice, or less, is nothing new.
TEST(SchedulerTest, TakesEachRecordForDurableOnce) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 2));
  master.Finish(Map(run, 0));
  master.Forget();
  master.Step(JournalDurable{master.journal().size()});
  master.Step(JournalDurable{1});
  EXPECT_THAT(master.Take<Send>(), IsEmpty());
}

// ---- Trust

TEST(SchedulerTest, CommitsATaskOnceThoughItIsReportedAgain) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 2));
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  master.holds_journal = true;
  master.Done(attempt);
  master.Done(attempt);
  master.Sync();
  master.Told<TaskAnswer>(kA);
  master.Say(kA, TaskDone{attempt, master.OutputOf(attempt)});
  master.Sync();
  EXPECT_THAT(master.Records<TaskCommitted>(), SizeIs(1));
  const std::vector<TaskAnswer> answers = master.Told<TaskAnswer>(kA);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_TRUE(answers[0].is_committed);
}

TEST(SchedulerTest, RefusesWhatAWorkerWithoutTheAttemptReports) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Join(kB);
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  ASSERT_EQ(master.WorkerOf(attempt), kA);
  master.Say(kB, TaskDone{attempt, master.OutputOf(attempt)});
  EXPECT_THAT(master.Records<TaskCommitted>(), IsEmpty());
  const std::vector<TaskAnswer> answers = master.Told<TaskAnswer>(kB);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_FALSE(answers[0].is_committed);
}

TEST(SchedulerTest, BelievesNoWorkerWithoutLease) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  master.ExpectLost(kA);
  master.worker(kA).is_silent = true;  // Except for this:
  master.Say(kA, TaskDone{attempt, master.OutputOf(attempt)});
  EXPECT_THAT(master.Told<HelloWanted>(kA), SizeIs(1));
  EXPECT_THAT(master.Records<TaskCommitted>(), IsEmpty());
}

// It comes back with an attempt that others have been given meanwhile.
TEST(SchedulerTest, KillsWhatALostWorkerStillHasAtWork) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  master.ExpectLost(kA);
  master.Join(kB);
  EXPECT_EQ(master.RunningOf(Map(run, 0)), (AttemptId{Map(run, 0), 2}));
  master.worker(kA).present = {attempt};
  master.Join(kA);
  const std::vector<Welcome> welcomes = master.Told<Welcome>(kA);
  ASSERT_FALSE(welcomes.empty());
  EXPECT_THAT(welcomes.back().kill, ElementsAre(attempt));
  master.Say(kA, TaskDone{attempt, master.OutputOf(attempt)});
  EXPECT_THAT(master.Records<TaskCommitted>(), IsEmpty());
}

TEST(SchedulerTest, WantsAHelloFromWhoFollowsAnOlderEpoch) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  master.Restart();
  master.Join(kA);
  ASSERT_EQ(master.scheduler().epoch(), Epoch{2});
  master.Forget();
  master.Say(kA, TaskDone{attempt, master.OutputOf(attempt)}, Epoch{1});
  EXPECT_THAT(master.Told<HelloWanted>(kA), SizeIs(1));
  EXPECT_THAT(master.Records<TaskCommitted>(), IsEmpty());
  master.Say(kA, TaskDone{attempt, master.OutputOf(attempt)});
  EXPECT_THAT(master.Records<TaskCommitted>(), SizeIs(1));
}

TEST(SchedulerTest, StandsDownBeforeANewerEpoch) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  master.Say(kA, TaskDone{attempt, master.OutputOf(attempt)}, Epoch{9});
  const std::vector<StandDown> stands = master.Take<StandDown>();
  ASSERT_THAT(stands, SizeIs(1));
  EXPECT_EQ(stands[0].newer, Epoch{9});
  master.Forget();
  master.Done(attempt);
  master.Submit(MapOnly("other", 1));
  EXPECT_THAT(master.Take<AppendJournal>(), IsEmpty());
  EXPECT_THAT(master.Take<Send>(), IsEmpty());
}

TEST(SchedulerTest, IgnoresAHelloAndAHeartbeatThatComeLate) {
  TestMaster master;
  master.Join(kA);
  master.Silence(kA);
  const Hello old{.worker = kA,
                  .host = "",
                  .endpoint = "",
                  .build = "",
                  .slots = 99,
                  .present = {},
                  .held = {}};
  master.Step(MessageArrived{kA, {master.scheduler().epoch(), 1, old}});
  EXPECT_EQ(master.scheduler().workers().at(kA).slots, 1u);
  const std::uint64_t lease_end_ms = master.scheduler().workers().at(kA).lease_end_ms;
  master.Advance(10);
  master.Step(MessageArrived{kA, {master.scheduler().epoch(), 1, Heartbeat{true, 0, {}, {}}}});
  EXPECT_EQ(master.scheduler().workers().at(kA).lease_end_ms, lease_end_ms);
}

TEST(SchedulerTest, RefusesAWorkerOfAnotherProtocol) {
  TestMaster master;
  Hello hello;
  hello.protocol = kProtocolVersion + 1;
  master.worker(kA);
  master.Say(kA, hello);
  EXPECT_THAT(master.Told<Refused>(kA), SizeIs(1));
  EXPECT_THAT(master.scheduler().workers(), IsEmpty());
}

TEST(SchedulerTest, RefusesAWorkerOfAnotherBuildAndNamesBoth) {
  SchedulerOptions options;
  options.build = "new";
  TestMaster master(options);
  Hello hello;
  hello.build = "old";
  master.worker(kA);
  master.Say(kA, hello);
  const auto refused = master.Told<Refused>(kA);
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_THAT(refused[0].message, AllOf(HasSubstr("old"), HasSubstr("new")));
  EXPECT_THAT(master.scheduler().workers(), IsEmpty());
}

TEST(SchedulerTest, LetsAWorkerWaitForWhichThereIsNoRoom) {
  SchedulerOptions options;
  options.workers_max = 1;
  TestMaster master(options);
  master.Join(kA);
  master.Join(kB);
  EXPECT_THAT(master.Told<Refused>(kB), IsEmpty());
  EXPECT_THAT(master.Told<Welcome>(kB), IsEmpty());
  master.Say(kA, Goodbye{});
  master.Join(kB);
  EXPECT_THAT(master.Told<Welcome>(kB), SizeIs(1));
}

// ---- Admission

TEST(SchedulerTest, RunsANameOnceThoughItIsSubmittedAgain) {
  TestMaster master;
  master.Submit(MapOnly("run", 1));
  master.Submit(MapOnly("run", 1));
  EXPECT_THAT(master.Records<RunSubmitted>(), SizeIs(1));
  EXPECT_THAT(master.Told<RunStatus>(kClient), SizeIs(2));
}

TEST(SchedulerTest, RunsANameOnceThoughItIsSubmittedAgainBeforeItIsDurable) {
  TestMaster master;
  master.holds_journal = true;
  master.Submit(MapOnly("run", 1));
  master.Submit(MapOnly("run", 1));
  master.Sync();
  EXPECT_THAT(master.Records<RunSubmitted>(), SizeIs(1));
}

TEST(SchedulerTest, AnswersTheSameWhenARunIsOver) {
  TestMaster master;
  master.Join(kA);
  master.Submit(MapOnly("run", 1));
  master.FinishAll();
  master.Submit(MapOnly("run", 1));
  EXPECT_THAT(master.Records<RunSubmitted>(), SizeIs(1));
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

// Runs that are on their way to the journal count, too.
TEST(SchedulerTest, RefusesMoreRunsThanItMayHave) {
  SchedulerOptions options;
  options.runs_max = 2;
  TestMaster master(options);
  master.Submit(MapOnly("one", 1));
  master.holds_journal = true;
  master.Submit(MapOnly("two", 1));
  master.Told<RunStatus>(kClient);
  master.Submit(MapOnly("three", 1));
  const std::vector<RunStatus> told = master.Told<RunStatus>(kClient);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].state, RunState::kRefused);
  EXPECT_EQ(told[0].code, StatusCode::kUnavailable);
  EXPECT_EQ(told[0].message, "the master has 2 runs already; try again later");
}

TEST(SchedulerTest, RefusesABadSpecWithASentence) {
  SchedulerOptions options;
  options.phases_max = 2;
  options.tasks_max = 100;
  TestMaster master(options);
  struct Bad {
    void (*spoil)(RunSpec&);
    const char* sentence;
  };
  const Bad bads[] = {
      {[](RunSpec& spec) { spec.name.clear(); }, "a run needs a name"},
      {[](RunSpec& spec) { spec.phases.clear(); }, "run bad has no phases"},
      {[](RunSpec& spec) { spec.phases.resize(3); }, "run bad has more than 2 phases"},
      {[](RunSpec& spec) { spec.phases[0].task_count = 101; },
       "run bad, phase map: more tasks than a run may have"},
      {[](RunSpec& spec) { spec.phases[1].task_count = 99; },
       "run bad, phase reduce: more tasks than a run may have"},
      {[](RunSpec& spec) { spec.phases[0].sample_capacity = 0; },
       "run bad, phase map: no keys are sampled"},
      {[](RunSpec& spec) { spec.phases[0].task_bytes = {1}; },
       "run bad, phase map: sizes for another number of tasks"},
      {[](RunSpec& spec) {
         spec.phases[0].sources = {{0, 0}};
       },
       "run bad, phase map: a reduce needs sources, and a map must not have any"},
      {[](RunSpec& spec) { spec.phases[1].sources.clear(); },
       "run bad, phase reduce: a reduce needs sources, and a map must not have any"},
      {[](RunSpec& spec) { spec.phases[1].task_count = 0; },
       "run bad, phase reduce: a reduce has no part"},
      {[](RunSpec& spec) {
         spec.phases[1].sources = {{1, 0}};
       },
       "run bad, phase reduce: a source that no earlier phase has"},
      {[](RunSpec& spec) {
         spec.phases[1].sources = {{0, 1}};
       },
       "run bad, phase reduce: a source that no earlier phase has"},
      {[](RunSpec& spec) { spec.phases[0].sample_capacity = 7; },
       "run bad, phase reduce: its sources sample another number of keys"},
  };
  for (const Bad& bad : bads) {
    RunSpec spec = MapReduce("bad", 2, 2);
    bad.spoil(spec);
    master.Submit(spec);
    const std::vector<RunStatus> told = master.Told<RunStatus>(kClient);
    ASSERT_THAT(told, SizeIs(1)) << bad.sentence;
    EXPECT_EQ(told[0].state, RunState::kRefused);
    EXPECT_EQ(told[0].code, StatusCode::kInvalidArgument);
    EXPECT_EQ(told[0].message, bad.sentence);
  }
  EXPECT_THAT(master.journal(), IsEmpty());
}

TEST(SchedulerTest, ForgetsTheOldestEndedRuns) {
  SchedulerOptions options;
  options.runs_remembered_max = 2;
  TestMaster master(options);
  master.Join(kA);
  for (const char* name : {"one", "two", "three"}) {
    master.Submit(MapOnly(name, 1));
    master.FinishAll();
  }
  EXPECT_EQ(master.StatusOf("one").state, RunState::kUnknown);
  EXPECT_EQ(master.StatusOf("two").state, RunState::kDone);
  EXPECT_EQ(master.StatusOf("three").state, RunState::kDone);
}

// ---- Whose turn it is

TEST(SchedulerTest, SharesSlotsBetweenUsers) {
  TestMaster master;
  RunSpec ann = MapOnly("large", 100);
  ann.user = "ann";
  RunSpec bob = MapOnly("small", 100);
  bob.user = "bob";
  const JobRunId large = master.Submit(ann);
  const JobRunId small = master.Submit(bob);
  master.Join(kA, 10);
  EXPECT_EQ(master.run(large).active_count(), 5u);
  EXPECT_EQ(master.run(small).active_count(), 5u);
}

TEST(SchedulerTest, StartsTheRunWithThePriorityFirst) {
  TestMaster master;
  RunSpec urgent = MapOnly("urgent", 2);
  urgent.priority = 1;
  const JobRunId first = master.Submit(MapOnly("first", 2));
  const JobRunId second = master.Submit(urgent);
  master.Join(kA, 3);
  EXPECT_EQ(master.run(second).active_count(), 2u);
  EXPECT_EQ(master.run(first).active_count(), 1u);
}

TEST(SchedulerTest, KeepsToParallelMax) {
  TestMaster master;
  RunSpec spec = MapOnly("run", 5);
  spec.parallel_max = 2;
  const JobRunId run = master.Submit(spec);
  master.Join(kA, 4);
  EXPECT_THAT(master.Running(kA), SizeIs(2));
  master.Finish(Map(run, 0));
  EXPECT_THAT(master.Running(kA), SizeIs(2));
}

TEST(SchedulerTest, GivesTasksOnlyToSlotsWithEnoughMemory) {
  TestMaster master;
  RunSpec spec = MapOnly("run", 2);
  spec.memory_bytes_min = 1000;
  master.Submit(spec);
  master.Join(kA, 1, 999);
  master.Join(kB, 1, 1000);
  EXPECT_THAT(master.Running(kA), IsEmpty());
  EXPECT_THAT(master.Running(kB), SizeIs(1));
}

TEST(SchedulerTest, LetsASmallRunPassOneThatNoWorkerCanTake) {
  TestMaster master;
  RunSpec spec = MapOnly("huge", 2);
  spec.memory_bytes_min = UINT64_MAX;
  master.Submit(spec);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Join(kA);
  EXPECT_THAT(master.Running(kA), ElementsAre(AttemptId{Map(run, 0), 1}));
}

// ---- Output

TEST(SchedulerTest, StartsNothingBeforeTheOutputIsPrepared) {
  TestMaster master;
  master.holds_prepare = true;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  EXPECT_THAT(master.Running(kA), IsEmpty());
  master.Prepared(run, Status::Ok());
  EXPECT_THAT(master.Running(kA), SizeIs(1));
}

TEST(SchedulerTest, PreparesAgainWhatMayPass) {
  TestMaster master;
  master.holds_prepare = true;
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Take<PrepareRun>();
  master.Prepared(run, Status::Unavailable("a mount is away"));
  EXPECT_THAT(master.Take<PrepareRun>(), IsEmpty());
  master.Advance(500);
  EXPECT_THAT(master.Take<PrepareRun>(), SizeIs(1));
}

TEST(SchedulerTest, EndsARunWhoseOutputCannotBePrepared) {
  TestMaster master;
  master.holds_prepare = true;
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Prepared(run, Status::CannotCreate("/out is read-only"));
  EXPECT_EQ(master.StatusOf("run").code, StatusCode::kCannotCreate);
  EXPECT_EQ(master.StatusOf("run").message, "/out is read-only");
}

TEST(SchedulerTest, PublishesWhenAllPartsAreCommittedAndSaysDoneWhenThatIs) {
  TestMaster master;
  master.holds_publish = true;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 2, 2));
  master.FinishAll();
  EXPECT_THAT(master.Take<PublishRun>(), SizeIs(1));
  EXPECT_EQ(master.StatusOf("run").state, RunState::kPublishing);
  EXPECT_THAT(master.Take<CleanRun>(), IsEmpty());
  master.holds_journal = true;
  master.Published(run, Status::Ok());
  EXPECT_EQ(master.StatusOf("run").state, RunState::kPublishing);
  master.Sync();
  const RunStatus status = master.StatusOf("run");
  EXPECT_EQ(status.state, RunState::kDone);
  EXPECT_EQ(status.code, StatusCode::kOk);
  EXPECT_THAT(master.Told<EndRun>(kA), SizeIs(1));
  const std::vector<CleanRun> cleans = master.Take<CleanRun>();
  ASSERT_THAT(cleans, SizeIs(1));
  EXPECT_EQ(cleans[0].run, run);
  EXPECT_EQ(cleans[0].output, "/out/run");
}

TEST(SchedulerTest, PublishesAgainWhatMayPassUpToALimit) {
  SchedulerOptions options;
  options.output_attempts_max = 3;
  TestMaster master(options);
  master.holds_publish = true;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.FinishAll();
  for (int attempt = 0; attempt < 3; ++attempt) {
    EXPECT_THAT(master.Take<PublishRun>(), SizeIs(1));
    master.Published(run, Status::Unavailable("a mount is away"));
    master.Advance(options.backoff_ms_max);
  }
  EXPECT_THAT(master.Take<PublishRun>(), IsEmpty());
  EXPECT_EQ(master.StatusOf("run").state, RunState::kFailed);
  EXPECT_EQ(master.StatusOf("run").message, "a mount is away");
}

TEST(SchedulerTest, EndsARunWhoseOutputIsInTheWay) {
  TestMaster master;
  master.holds_publish = true;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.FinishAll();
  master.Published(run, Status::CannotCreate("/out exists"));
  EXPECT_EQ(master.StatusOf("run").code, StatusCode::kCannotCreate);
  EXPECT_THAT(master.Take<CleanRun>(), SizeIs(1));
}

TEST(SchedulerTest, PublishesARunWithoutTasks) {
  TestMaster master;
  master.Submit(MapOnly("run", 0));
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

// ---- Ends

TEST(SchedulerTest, CancelsARun) {
  TestMaster master;
  master.Join(kA);
  master.Submit(MapOnly("run", 3));
  master.Ask(CancelRun{"run"});
  const RunStatus status = master.StatusOf("run");
  EXPECT_EQ(status.state, RunState::kFailed);
  EXPECT_EQ(status.code, StatusCode::kCancelled);
  EXPECT_THAT(master.Told<EndRun>(kA), SizeIs(1));
  EXPECT_THAT(master.Take<CleanRun>(), SizeIs(1));
  EXPECT_THAT(master.Running(kA), IsEmpty());
  master.Submit(MapOnly("next", 1));
  EXPECT_THAT(master.Running(kA), SizeIs(1));
}

TEST(SchedulerTest, CancelsNothingThatIsBeingPublished) {
  TestMaster master;
  master.holds_publish = true;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.FinishAll();
  master.Ask(CancelRun{"run"});
  master.Published(run, Status::Ok());
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

TEST(SchedulerTest, EndsARunForWhichNoWorkerCame) {
  SchedulerOptions options;
  TestMaster master(options);
  RunSpec spec = MapOnly("run", 1);
  spec.memory_bytes_min = 1000;
  master.Join(kA, 1, 999);
  master.Submit(spec);
  master.Advance(options.no_worker_ms);
  EXPECT_NE(master.StatusOf("run").state, RunState::kFailed);
  master.Advance(2 * options.heartbeat_ms);
  EXPECT_EQ(master.StatusOf("run").code, StatusCode::kUnavailable);
  EXPECT_EQ(master.StatusOf("run").message,
            "no worker with 1000 B of memory a slot came within 600 s: ask for less with --memory, "
            "or start one (`millrace worker --memory`)");
}

TEST(SchedulerTest, TellsOfNoMemoryWhereNoneWasAskedFor) {
  SchedulerOptions options;
  TestMaster master(options);
  master.Submit(MapOnly("run", 1));
  master.Advance(options.no_worker_ms);
  master.Advance(2 * options.heartbeat_ms);
  EXPECT_EQ(master.StatusOf("run").message,
            "no worker came within 600 s: start one (`millrace worker`)");
}

TEST(SchedulerTest, WaitsAnewAfterAWorkerHasCome) {
  SchedulerOptions options;
  TestMaster master(options);
  master.Submit(MapOnly("run", 1));
  master.Advance(options.no_worker_ms - 10'000);
  master.Join(kA);
  master.Advance(10'000);
  master.ExpectLost(kA);
  master.Advance(options.no_worker_ms - 10'000);
  EXPECT_EQ(master.StatusOf("run").state, RunState::kQueued);
}

// ---- Phases

TEST(SchedulerTest, FixesBordersOnceWhateverIsMadeAgain) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 2));
  TaskOutput output = master.OutputOf(master.RunningOf(Map(run, 0)));
  output.samples = {{"a", "b", "c", "d"}};
  master.Done(master.RunningOf(Map(run, 0)), output);
  ASSERT_THAT(master.Records<BordersFixed>(), SizeIs(1));
  EXPECT_THAT(master.Records<BordersFixed>()[0].borders, SizeIs(1));
  master.ExpectLost(kA);
  master.Join(kB);
  output.samples = {{"v", "w", "x", "y"}};
  master.Done(master.RunningOf(Map(run, 0)), output);
  master.FinishAll();
  EXPECT_THAT(master.Records<BordersFixed>(), SizeIs(1));
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

// However few keys are known, each key belongs to exactly one part.
TEST(SchedulerTest, CoversAllKeysByTheRangesOfTheReduces) {
  for (const std::vector<std::string>& keys :
       {std::vector<std::string>{}, {"k"}, {"a", "b"}, {"a", "b", "c", "d", "e", "f", "g"}}) {
    TestMaster master;
    master.Join(kA, 5);
    const JobRunId run = master.Submit(MapReduce("run", 1, 5));
    TaskOutput output = master.OutputOf(master.RunningOf(Map(run, 0)));
    output.samples = {keys};
    master.Told<StartTask>(kA);
    master.Done(master.RunningOf(Map(run, 0)), output);
    const std::vector<StartTask> starts = master.Told<StartTask>(kA);
    ASSERT_THAT(starts, SizeIs(5));
    for (const std::string key : {"", "0", "a", "b", "bb", "c", "d", "e", "f", "g", "k", "z"}) {
      int parts = 0;
      for (const StartTask& start : starts) {
        const bool is_behind_begin = !start.borders.begin || *start.borders.begin <= key;
        const bool is_before_end = !start.borders.end || key < *start.borders.end;
        parts += is_behind_begin && is_before_end ? 1 : 0;
      }
      EXPECT_EQ(parts, 1) << "key '" << key << "' with " << keys.size() << " keys known";
    }
  }
}

TEST(SchedulerTest, TellsAWorkerThePlanOfARun) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Say(kA, PlanWanted{run});
  const std::vector<RunPlan> plans = master.Told<RunPlan>(kA);
  ASSERT_THAT(plans, SizeIs(1));
  EXPECT_EQ(plans[0].name, "run");
  EXPECT_EQ(plans[0].plan, "plan of run");
}

TEST(SchedulerTest, TellsAWorkerThatWantsThePlanOfAnEndedRunSo) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Ask(CancelRun{"run"});
  master.Forget();
  master.Say(kA, PlanWanted{run});
  EXPECT_THAT(master.Told<RunPlan>(kA), IsEmpty());
  EXPECT_THAT(master.Told<EndRun>(kA), SizeIs(1));
}

TEST(SchedulerTest, NamesEachHolderOfWhatAReduceReads) {
  TestMaster master;
  master.Join(kA);
  master.Join(kB);
  const JobRunId run = master.Submit(MapReduce("run", 3, 1));
  const AttemptId one = master.RunningOf(Map(run, 0)), two = master.RunningOf(Map(run, 1));
  master.Done(one);
  master.Done(two);
  const AttemptId three = master.RunningOf(Map(run, 2));
  ASSERT_EQ(master.WorkerOf(three), kA);
  master.Told<StartTask>(kA);
  master.Done(three);
  const std::vector<StartTask> starts = master.Told<StartTask>(kA);
  ASSERT_THAT(starts, SizeIs(1));
  EXPECT_EQ(starts[0].kind, TaskKind::kReduce);
  EXPECT_THAT(
      starts[0].sources,
      ElementsAre(SourceSet{{0, 0}, kA, "endpoint 1", 2, OutputHash(one) + OutputHash(three)},
                  SourceSet{{0, 0}, kB, "endpoint 2", 1, OutputHash(two)}));
}

}  // namespace
}  // namespace millrace
