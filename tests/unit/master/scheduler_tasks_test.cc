// SPDX-License-Identifier: Apache-2.0
// What the scheduler does about lost messages, lost workers, failing tasks and slow ones.
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "master/scheduler.h"
#include "tests/unit/master/scheduler_tools.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const RecordPosition kRecord{"shard", 7};

TaskId Map(JobRunId run, std::uint32_t task) { return {{run, 0}, task}; }
TaskId Reduce(JobRunId run, std::uint32_t task) { return {{run, 1}, task}; }

// ---- StartTasks

TEST(SchedulerTasksTest, SendsALostStartAgain) {
  TestMaster master;
  master.Join(kA);
  master.Silence(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  const std::vector<StartTask> lost = master.Told<StartTask>(kA);
  ASSERT_THAT(lost, SizeIs(1));
  master.worker(kA).is_silent = false;
  master.Advance(1'001);
  EXPECT_THAT(master.Told<StartTask>(kA), IsEmpty());  // It may be on its way.
  master.Advance(1'000);
  const std::vector<StartTask> again = master.Told<StartTask>(kA);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].attempt, lost[0].attempt);
  EXPECT_GT(again[0].order, lost[0].order);
  EXPECT_EQ(master.RunningOf(Map(run, 0)), lost[0].attempt);
}

// It has seen a later order, so it will never take the one that was lost.
TEST(SchedulerTasksTest, SendsALostStartAgainAtOnceWhenALaterOneHasArrived) {
  TestMaster master;
  master.Join(kA, 2);
  master.Silence(kA);
  const JobRunId run = master.Submit(MapOnly("run", 2));
  master.worker(kA).is_silent = false;
  const std::vector<StartTask> starts = master.Told<StartTask>(kA);
  ASSERT_THAT(starts, SizeIs(2));
  master.worker(kA).last_order = starts[1].order;
  master.worker(kA).present = {starts[1].attempt};
  master.Beat(kA);
  const std::vector<StartTask> again = master.Told<StartTask>(kA);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].attempt.task, Map(run, 0));
  EXPECT_GT(again[0].order, starts[1].order);
}

TEST(SchedulerTasksTest, SendsNothingAgainThatIsAtWork) {
  TestMaster master;
  master.Join(kA);
  master.Submit(MapOnly("run", 1));
  master.Forget();
  master.Advance(60'000);
  EXPECT_THAT(master.Told<StartTask>(kA), IsEmpty());
}

TEST(SchedulerTasksTest, StartsNoMoreThanThereAreSlots) {
  TestMaster master;
  master.Join(kA, 3);
  master.Submit(MapOnly("run", 10));
  EXPECT_THAT(master.Running(kA), SizeIs(3));
}

// ---- Leases

TEST(SchedulerTasksTest, EndsALeaseExactlyAtItsEndAndStartsItsTasksElsewhere) {
  SchedulerOptions options;
  TestMaster master(options);
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Join(kB);
  master.Silence(kA);
  master.Advance(1'500);
  master.Beat(kA);
  master.Advance(options.lease_ms() - 1);
  EXPECT_TRUE(master.scheduler().workers().contains(kA));
  EXPECT_THAT(master.Running(kB), IsEmpty());
  master.Advance(1);
  EXPECT_FALSE(master.scheduler().workers().contains(kA));
  EXPECT_THAT(master.Running(kB), ElementsAre(AttemptId{Map(run, 0), 2}));
}

TEST(SchedulerTasksTest, TellsTheWorkerTheLeaseThatItKeeps) {
  SchedulerOptions options;
  TestMaster master(options);
  master.Join(kA);
  const std::vector<Welcome> welcomes = master.Told<Welcome>(kA);
  ASSERT_THAT(welcomes, SizeIs(1));
  EXPECT_EQ(welcomes[0].lease_ms, options.lease_ms());
  EXPECT_EQ(welcomes[0].heartbeat_ms, options.heartbeat_ms);
  EXPECT_EQ(master.scheduler().workers().at(kA).lease_end_ms - master.now_ms(), options.lease_ms());
}

TEST(SchedulerTasksTest, AnswersEachHeartbeatByItsNumber) {
  TestMaster master;
  master.Join(kA);
  master.Beat(kA);
  const std::vector<HeartbeatAck> acks = master.Told<HeartbeatAck>(kA);
  ASSERT_THAT(acks, SizeIs(1));
  EXPECT_EQ(acks[0].heartbeat, master.worker(kA).sequence);
}

TEST(SchedulerTasksTest, StartsElsewhereWhatADrainedWorkerLeavesAndGivesItNothingNew) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 3));
  master.worker(kA).takes_tasks = false;
  master.Beat(kA);
  master.Finish(Map(run, 0));
  EXPECT_THAT(master.Running(kA), IsEmpty());
  master.Join(kB, 2);
  EXPECT_THAT(master.Running(kB), SizeIs(2));
  master.Say(kA, Goodbye{});
  EXPECT_FALSE(master.scheduler().workers().contains(kA));
}

TEST(SchedulerTasksTest, EndsARunWhoseTaskLosesItsWorkersTooOften) {
  SchedulerOptions options;
  options.losses_max = 3;
  TestMaster master(options);
  master.Submit(MapOnly("run", 1));
  for (std::uint64_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(master.StatusOf("run").state, RunState::kQueued);
    master.Join(WorkerId{id});
    master.ExpectLost(WorkerId{id});
  }
  EXPECT_EQ(master.StatusOf("run").code, StatusCode::kUnavailable);
  EXPECT_EQ(master.StatusOf("run").message, "run: map task 0 lost its worker 3 times");
}

// ---- Outputs

TEST(SchedulerTasksTest, RemakesWhatIsLostWithAWorkerWhileItIsNeeded) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 2, 1));
  master.Finish(Map(run, 0));
  master.Join(kB);
  master.ExpectLost(kA);
  EXPECT_THAT(master.Running(kB), ElementsAre(AttemptId{Map(run, 0), 2}));
}

TEST(SchedulerTasksTest, RemakesNothingThatIsNotNeeded) {
  TestMaster master;
  master.holds_publish = true;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.Finish(Map(run, 0));
  master.Finish(Reduce(run, 0));
  master.Join(kB);
  master.ExpectLost(kA);
  EXPECT_THAT(master.Running(kB), IsEmpty());
  EXPECT_THAT(master.Records<AttemptStarted>(), SizeIs(2));
  master.Published(run, Status::Ok());
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

TEST(SchedulerTasksTest, TakesOutputsBackFromAWorkerThatReturnsInTime) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.worker(kA).takes_tasks = false;
  master.Beat(kA);
  master.Finish(Map(run, 0));
  const std::set<AttemptId> held = master.worker(kA).held;
  ASSERT_THAT(held, SizeIs(1));
  master.ExpectLost(kA);
  master.worker(kA).held = held;
  master.Join(kA);
  EXPECT_EQ(master.RunningOf(Reduce(run, 0)), (AttemptId{Reduce(run, 0), 1}));
  EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 0u);
}

TEST(SchedulerTasksTest, LetsAWorkerDropWhatHasBeenMadeAgain) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.Finish(Map(run, 0));
  const std::set<AttemptId> held = master.worker(kA).held;
  master.ExpectLost(kA);
  master.Join(kB);
  master.Finish(Map(run, 0));
  master.worker(kA).held = held;
  master.Join(kA);
  const std::vector<Welcome> welcomes = master.Told<Welcome>(kA);
  ASSERT_FALSE(welcomes.empty());
  EXPECT_THAT(welcomes.back().drop, ElementsAre(AttemptId{Map(run, 0), 1}));
}

TEST(SchedulerTasksTest, StartsNoReduceWhoseSourcesWereLostBeforeItWasDurable) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.worker(kA).takes_tasks = false;
  master.Beat(kA);
  master.Finish(Map(run, 0));
  master.holds_journal = true;
  master.Join(kB);  // The reduce is to start there,
  master.Say(kA, Goodbye{});
  master.Sync();
  const std::vector<StartTask> starts = master.Told<StartTask>(kB);
  ASSERT_THAT(starts, SizeIs(1));  // but what it reads is made again first.
  EXPECT_EQ(starts[0].attempt, (AttemptId{Map(run, 0), 2}));
  master.holds_journal = false;
  master.FinishAll();
  master.Advance(1'000);
  master.FinishAll();
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

TEST(SchedulerTasksTest, WantsAHelloWhenAWorkerHoldsSomethingElse) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 2, 1));
  master.Finish(Map(run, 0));
  master.Advance(5'000);
  EXPECT_THAT(master.Told<HelloWanted>(kA), IsEmpty());
  master.Finish(Map(run, 1));
  master.worker(kA).held.erase({Map(run, 0), 1});
  master.Advance(1'000);
  EXPECT_THAT(master.Told<HelloWanted>(kA), SizeIs(1));
  EXPECT_THAT(master.run(run).phases()[0].missing, ElementsAre(0));
}

// It may not have heard yet that its output was committed.
TEST(SchedulerTasksTest, WantsNoHelloWhileAnswersAreOnTheirWay) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  master.Silence(kA);
  master.Done(attempt);
  master.worker(kA).is_silent = false;
  master.Told<TaskAnswer>(kA);
  master.Beat(kA);
  EXPECT_THAT(master.Told<HelloWanted>(kA), IsEmpty());
  EXPECT_THAT(master.Told<TaskAnswer>(kA), SizeIs(1));  // Once more.
  EXPECT_THAT(master.worker(kA).held, ElementsAre(attempt));
}

TEST(SchedulerTasksTest, TellsAWorkerWithOutputsOfAnEndedRunSo) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.Finish(Map(run, 0));
  master.Silence(kA);
  master.Ask(CancelRun{"run"});
  master.worker(kA).is_silent = false;
  master.Forget();
  master.Beat(kA);
  EXPECT_THAT(master.Told<EndRun>(kA), SizeIs(1));
  EXPECT_THAT(master.worker(kA).held, IsEmpty());
}

TEST(SchedulerTasksTest, RemakesADamagedOutputAndTriesItsReaderAgain) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.Finish(Map(run, 0));
  master.FailTask(Reduce(run, 0),
                  {StatusCode::kCorrupt, "hash mismatch", {}, kA, AttemptId{Map(run, 0), 1}});
  EXPECT_THAT(master.Running(kA), ElementsAre(AttemptId{Map(run, 0), 2}));
  master.Advance(500);
  master.FinishAll();
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

// One reader that can't fetch may be the one to blame.
TEST(SchedulerTasksTest, RemakesWhatCannotBeFetchedAfterSeveralSaidSo) {
  SchedulerOptions options;
  options.fetch_failures_max = 3;
  TestMaster master(options);
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.Finish(Map(run, 0));
  master.worker(kA).takes_tasks = false;
  for (int failure = 1; failure <= 3; ++failure) {
    EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 0u);
    master.FailTask(Reduce(run, 0), {StatusCode::kUnavailable, "no answer", {}, kA, {}});
    if (failure == 1) master.Join(kB);
    if (failure < 3) master.Advance(10'000);
  }
  EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 2u);
}

TEST(SchedulerTasksTest, EndsARunThatCannotReadItsSources) {
  SchedulerOptions options;
  options.source_failures_max = 2;
  TestMaster master(options);
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.Finish(Map(run, 0));
  for (int failure = 0; failure < 2; ++failure) {
    master.FailTask(Reduce(run, 0), {StatusCode::kUnavailable, "no answer", {}, kA, {}});
    master.Advance(10'000);
  }
  EXPECT_EQ(master.StatusOf("run").message,
            "run: reduce task 0 could not read its input 2 times, the last: no answer");
}

// ---- Failing tasks

TEST(SchedulerTasksTest, TriesAFailedTaskElsewhereLaterEachTime) {
  TestMaster master;
  master.Join(kA);
  master.Join(kB);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  ASSERT_EQ(master.WorkerOf(master.RunningOf(Map(run, 0))), kA);
  master.FailTask(Map(run, 0), Crash("boom"));
  master.Advance(499);
  EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 0u);
  master.Advance(1);
  EXPECT_THAT(master.Running(kB), ElementsAre(AttemptId{Map(run, 0), 2}));
  master.FailTask(Map(run, 0), Crash("boom"));
  master.Advance(999);
  EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 0u);
  master.Advance(1);
  EXPECT_EQ(master.RunningOf(Map(run, 0)).number, 3u);  // It has failed on all there are.
}

TEST(SchedulerTasksTest, LetsOtherTasksPassOneThatWaitsForAnotherWorker) {
  TestMaster master;
  master.Join(kA);
  master.Join(kB);
  const JobRunId run = master.Submit(MapOnly("run", 3));
  const AttemptId on_a = master.Running(kA).at(0);
  master.Fail(on_a, Crash("boom"));
  EXPECT_THAT(master.Running(kA), ElementsAre(AttemptId{Map(run, 2), 1}));
  master.Finish(Map(run, 2));
  master.Advance(60'000);
  EXPECT_THAT(master.Running(kA), IsEmpty());  // kB could take it, once it is free.
  master.Finish(master.Running(kB).at(0).task);
  master.Advance(60'000);
  EXPECT_THAT(master.Running(kB), ElementsAre(AttemptId{on_a.task, 2}));
}

TEST(SchedulerTasksTest, EndsARunAfterTheLastAttemptNamingTheRecord) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  for (int attempt = 0; attempt < 4; ++attempt) {
    master.FailTask(Map(run, 0), CrashAt(kRecord));
    master.Advance(60'000);
  }
  const RunStatus status = master.StatusOf("run");
  EXPECT_EQ(status.state, RunState::kFailed);
  EXPECT_EQ(status.code, StatusCode::kUserCode);
  EXPECT_EQ(status.message,
            "run: map task 0 failed 4 times, the last: signal 11; 4 attempts ended at the record at"
            " byte 7 of shard");
}

TEST(SchedulerTasksTest, EndsARunAtOnceWhereAnotherAttemptWouldFindTheSame) {
  for (const StatusCode code :
       {StatusCode::kInvalidArgument, StatusCode::kNotFound, StatusCode::kStale,
        StatusCode::kBadData, StatusCode::kCannotCreate, StatusCode::kDiverged}) {
    TestMaster master;
    master.Join(kA);
    const JobRunId run = master.Submit(MapOnly("run", 1));
    master.FailTask(Map(run, 0), {code, "why", {}, {}, {}});
    EXPECT_EQ(master.StatusOf("run").code, code);
    EXPECT_EQ(master.StatusOf("run").message, "run: map task 0: why");
  }
}

TEST(SchedulerTasksTest, CountsAReportedFailureOnce) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  const AttemptId attempt = master.RunningOf(Map(run, 0));
  master.holds_journal = true;
  master.Fail(attempt, Crash("boom"));
  master.Fail(attempt, Crash("boom"));
  master.Sync();
  master.Say(kA, TaskFailed{attempt, Crash("boom")});
  master.Sync();
  EXPECT_THAT(master.Records<AttemptFailed>(), SizeIs(1));
}

TEST(SchedulerTasksTest, SetsARecordAsideThatCrashesTwiceWhereTheRunAllows) {
  TestMaster master;
  master.Join(kA);
  RunSpec spec = MapOnly("run", 1);
  spec.crashed_records_max = 1;
  const JobRunId run = master.Submit(spec);
  std::vector<StartTask> starts = master.Told<StartTask>(kA);
  for (int attempt = 0; attempt < 2; ++attempt) {
    ASSERT_THAT(starts, SizeIs(1));
    EXPECT_THAT(starts[0].set_aside, IsEmpty());
    master.FailTask(Map(run, 0), CrashAt(kRecord));
    master.Advance(60'000);
    starts = master.Told<StartTask>(kA);
  }
  ASSERT_THAT(starts, SizeIs(1));
  EXPECT_THAT(starts[0].set_aside, ElementsAre(kRecord));
}

// As a record, wherever its attempts are. From the second one on groups go one by one.
TEST(SchedulerTasksTest, SetsAGroupAsideThatCrashesTwiceWhereTheRunAllows) {
  const RecordPosition group{"", 0, std::string("k\0y", 3)};
  TestMaster master;
  master.Join(kA);
  master.Join(kB);
  RunSpec spec = MapReduce("run", 1, 1);
  spec.crashed_records_max = 1;
  const JobRunId run = master.Submit(spec);
  const TaskId reduce{{run, 1}, 0};
  master.Finish(Map(run, 0));
  const auto start = [&] {
    std::vector<StartTask> starts = master.Told<StartTask>(kA);
    for (StartTask& more : master.Told<StartTask>(kB)) starts.push_back(std::move(more));
    EXPECT_FALSE(starts.empty());
    return starts.empty() ? StartTask() : starts.back();
  };
  EXPECT_FALSE(start().goes_one_by_one);
  std::set<WorkerId> workers;
  for (int attempt = 0; attempt < 2; ++attempt) {
    workers.insert(master.WorkerOf(master.RunningOf(reduce)));
    master.FailTask(reduce, CrashAt(group));
    master.Advance(60'000);
    const StartTask next = start();
    EXPECT_TRUE(next.goes_one_by_one);
    if (attempt == 0) {
      EXPECT_THAT(next.set_aside, IsEmpty());
    } else if (attempt == 1) {
      EXPECT_THAT(next.set_aside, ElementsAre(group));
    }
  }
  EXPECT_THAT(workers, SizeIs(2));
  EXPECT_THAT(master.StatusOf("run").failures.back(),
              HasSubstr("in the group of key \"k\\x00y\"; the group is set aside"));
  master.RestartFrom(master.scheduler().Snapshot());
  EXPECT_EQ(master.run(run).phases()[1].tasks[0].trouble->set_aside,
            std::vector<RecordPosition>{group});
}

TEST(SchedulerTasksTest, NamesTheGroupThatCrashesEachTime) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 1));
  master.Finish(Map(run, 0));
  for (int attempt = 0; attempt < 4; ++attempt) {
    master.FailTask({{run, 1}, 0}, CrashAt({"", 0, "key"}));
    master.Advance(60'000);
  }
  EXPECT_THAT(master.StatusOf("run").message,
              HasSubstr("4 attempts ended in the group of key \"key\""));
}

TEST(SchedulerTasksTest, SetsNoMoreRecordsAsideThanTheRunAllows) {
  TestMaster master;
  master.Join(kA);
  RunSpec spec = MapOnly("run", 1);
  spec.crashed_records_max = 1;
  const JobRunId run = master.Submit(spec);
  for (const std::uint64_t offset : {1, 1, 2, 2, 2, 2}) {
    EXPECT_NE(master.StatusOf("run").state, RunState::kFailed);
    master.FailTask(Map(run, 0), CrashAt({"shard", offset}));
    master.Advance(60'000);
  }
  EXPECT_THAT(master.StatusOf("run").message,
              HasSubstr("4 attempts ended at the record at byte 2 of shard"));
}

TEST(SchedulerTasksTest, EndsARunWhoseTaskMakesOtherRecordsTheSecondTime) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 2, 1));
  master.Finish(Map(run, 0));
  master.ExpectLost(kA);
  master.Join(kB);
  const AttemptId second = master.RunningOf(Map(run, 0));
  TaskOutput other = master.OutputOf(second);
  other.digest = {77, 77};
  master.Done(second, other);
  const RunStatus status = master.StatusOf("run");
  EXPECT_EQ(status.state, RunState::kFailed);
  EXPECT_EQ(status.code, StatusCode::kDiverged);
  EXPECT_THAT(status.message, HasSubstr("run: map task 0: attempt 2 made other records"));
}

// ---- Workers that fail

// Fails what runs on kA, and lets it succeed on kB.
void FailOnAThenSucceedOnB(TestMaster& master, JobRunId run) {
  const TaskId task = master.Running(kA).at(0).task;
  master.Fail(master.Running(kA).at(0), Crash("boom"));
  while (master.run(run).phases()[0].tasks[task.index].committed == 0) {
    const std::vector<AttemptId> on_b = master.Running(kB);
    if (!on_b.empty()) master.Done(on_b[0]);
    master.Advance(500);
  }
}

TEST(SchedulerTasksTest, SetsAWorkerAsideWhoseFailuresSucceedElsewhere) {
  SchedulerOptions options;
  TestMaster master(options);
  master.Join(kA);
  master.Join(kB);
  const JobRunId run = master.Submit(MapOnly("run", 1'000));
  const auto& entry = master.scheduler().workers().at(kA);
  for (int failure = 0; failure < 3; ++failure) {
    EXPECT_LE(entry.set_aside_until_ms, master.now_ms());
    FailOnAThenSucceedOnB(master, run);
  }
  EXPECT_GT(entry.set_aside_until_ms, master.now_ms());
  master.Done(master.Running(kA).at(0));
  EXPECT_THAT(master.Running(kA), IsEmpty());
  master.Advance(options.set_aside_ms);
  EXPECT_THAT(master.Running(kA), SizeIs(1));
}

// Where all fail it is the task.
TEST(SchedulerTasksTest, SetsNobodyAsideForFailuresThatNeverSucceed) {
  TestMaster master;
  master.Join(kA);
  master.Join(kB);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  for (int failure = 0; failure < 4; ++failure) {
    master.FailTask(Map(run, 0), Crash("boom"));
    master.Advance(60'000);
  }
  EXPECT_EQ(master.StatusOf("run").state, RunState::kFailed);
  for (const auto& [id, worker] : master.scheduler().workers()) EXPECT_EQ(worker.failures, 0u);
}

// ---- Stragglers

// Four tasks on four workers; three are done after 10 s, the last has read next to nothing.
AttemptId LeaveAStraggler(TestMaster& master, JobRunId run, int done = 3) {
  master.Advance(10'000);
  for (int task = 0; task < done; ++task) master.Finish(Map(run, static_cast<std::uint32_t>(task)));
  const AttemptId slow = master.RunningOf(Map(run, 3));
  master.SetBytesRead(slow, 10);
  return slow;
}

TEST(SchedulerTasksTest, BacksUpAStragglerAndTakesWhatCommitsFirst) {
  TestMaster master;
  for (const WorkerId id : {kA, kB, kC, kD}) master.Join(id);
  const JobRunId run = master.Submit(MapOnly("run", 4));
  const AttemptId slow = LeaveAStraggler(master, run);
  const WorkerId on = master.WorkerOf(slow);
  master.Advance(40'000);
  const AttemptId backup = master.RunningOf(Map(run, 3));
  ASSERT_EQ(backup.number, 2u);
  EXPECT_NE(master.WorkerOf(backup), on);
  EXPECT_TRUE(master.Records<AttemptStarted>().back().is_backup);
  master.Advance(600'000);
  EXPECT_THAT(master.Records<AttemptStarted>(), SizeIs(5));  // One is enough.
  master.Done(backup);
  const std::vector<KillTask> kills = master.Told<KillTask>(on);
  ASSERT_THAT(kills, SizeIs(1));
  EXPECT_EQ(kills[0].attempt, slow);
  EXPECT_EQ(master.Records<TaskCommitted>().back().attempt, backup);
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

TEST(SchedulerTasksTest, TakesTheStragglersOutputWhenThatCommitsFirst) {
  TestMaster master;
  for (const WorkerId id : {kA, kB, kC, kD}) master.Join(id);
  const JobRunId run = master.Submit(MapOnly("run", 4));
  const AttemptId slow = LeaveAStraggler(master, run);
  master.Advance(40'000);
  const AttemptId backup = master.RunningOf(Map(run, 3));
  const WorkerId on = master.WorkerOf(backup);
  master.holds_journal = true;
  master.Done(slow);
  master.Done(backup);
  master.Sync();
  EXPECT_THAT(master.Told<KillTask>(on), SizeIs(1));
  EXPECT_EQ(master.Records<TaskCommitted>().back().attempt, slow);
}

TEST(SchedulerTasksTest, BacksUpNothingWithoutEvidence) {
  TestMaster master;
  for (const WorkerId id : {kA, kB, kC, kD}) master.Join(id);
  const JobRunId run = master.Submit(MapOnly("run", 4));
  LeaveAStraggler(master, run, /*done=*/2);
  master.Advance(600'000);
  EXPECT_THAT(master.Records<AttemptStarted>(), SizeIs(4));
}

TEST(SchedulerTasksTest, BacksUpNothingThatReadsAsFastAsOthers) {
  TestMaster master;
  for (const WorkerId id : {kA, kB, kC, kD}) master.Join(id);
  const JobRunId run = master.Submit(MapOnly("run", 4));
  const AttemptId large = LeaveAStraggler(master, run);
  master.SetBytesRead(large, UINT64_MAX >> 20);
  master.Advance(600'000);
  EXPECT_THAT(master.Records<AttemptStarted>(), SizeIs(4));
}

TEST(SchedulerTasksTest, BacksUpNothingBeyondParallelMax) {
  TestMaster master;
  for (const WorkerId id : {kA, kB, kC, kD}) master.Join(id);
  RunSpec spec = MapOnly("run", 4);
  spec.parallel_max = 1;
  const JobRunId run = master.Submit(spec);
  for (std::uint32_t task = 0; task < 3; ++task) {
    master.Advance(10'000);
    master.Finish(Map(run, task));
  }
  master.Advance(600'000);
  EXPECT_THAT(master.Records<AttemptStarted>(), SizeIs(4));
}

}  // namespace
}  // namespace millrace
