// SPDX-License-Identifier: Apache-2.0
// What clients are told, and which of them may run what.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/master/scheduler_tools.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RunStatus LastToldTo(TestMaster& master, const MessageBody& question) {
  master.Told<RunStatus>(kClient);
  master.Ask(question);
  const std::vector<RunStatus> told = master.Told<RunStatus>(kClient);
  return told.empty() ? RunStatus() : told.back();
}

TEST(SchedulerStatusTest, FollowsTheRunThatIsAtWorkOnTheSame) {
  TestMaster master;
  master.Join(kA);
  RunSpec spec = MapOnly("run", 2);
  master.Submit(spec);
  spec.name = "again";
  EXPECT_EQ(LastToldTo(master, SubmitRun{spec}).name, "run");
  EXPECT_EQ(master.StatusOf("again").state, RunState::kUnknown);
}

TEST(SchedulerStatusTest, RefusesAnotherRunAtTheSameOutput) {
  TestMaster master;
  master.Join(kA);
  RunSpec spec = MapOnly("run", 2);
  master.Submit(spec);
  spec.name = "other";
  spec.plan = "another";
  const RunStatus told = LastToldTo(master, SubmitRun{spec});
  EXPECT_EQ(told.name, "other");
  EXPECT_EQ(told.state, RunState::kRefused);
  EXPECT_EQ(told.code, StatusCode::kUnavailable);
  EXPECT_THAT(told.message, AllOf(HasSubstr("run"), HasSubstr("/out/run")));
}

TEST(SchedulerStatusTest, TakesAnotherRunAtTheOutputOfOneThatHasEnded) {
  TestMaster master;
  master.Join(kA);
  RunSpec spec = MapOnly("run", 1);
  master.Submit(spec);
  master.FinishAll();
  spec.name = "next";
  spec.plan = "another";
  EXPECT_NE(master.Submit(spec), JobRunId());
}

// A restarted master must not clear what a new run has at the place of an old one.
TEST(SchedulerStatusTest, LeavesTheFolderOfAnOpenRunAloneWhenItCleansUpForAnEndedOne) {
  TestMaster master;
  master.Join(kA);
  RunSpec spec = MapOnly("run", 1);
  master.Submit(spec);
  master.Ask(CancelRun{"run"});
  spec.name = "next";
  master.Submit(spec);
  master.Forget();
  master.Restart();
  EXPECT_THAT(master.Take<CleanRun>(), IsEmpty());
  EXPECT_THAT(master.Take<PrepareRun>(), SizeIs(1));
}

TEST(SchedulerStatusTest, TellsHowFarARunIsAndWhatItHasMade) {
  TestMaster master;
  master.Join(kA);
  RunSpec spec = MapOnly("run", 2);
  spec.phases[0].task_bytes = {100, 50};
  master.Submit(spec);
  const std::vector<AttemptId> running = master.Running(kA);
  ASSERT_THAT(running, SizeIs(1));
  TaskOutput output = master.OutputOf(running[0]);
  output.records_in = 7;
  output.spilled_bytes = 3;
  output.phase_times = {{1, 2}, {3, 4}};
  master.Done(running[0], output);
  const RunStatus status = master.StatusOf("run");
  EXPECT_EQ(status.phase, "map");
  EXPECT_EQ(status.output, "/out/run");
  EXPECT_EQ(status.phase_tasks_done, 1u);
  EXPECT_EQ(status.phase_tasks_total, 2u);
  EXPECT_EQ(status.phase_bytes_done, 100u);
  EXPECT_EQ(status.phase_bytes_total, 150u);
  EXPECT_EQ(status.tasks_running, 1u);
  EXPECT_EQ(status.totals.records_in, 7u);
  EXPECT_EQ(status.totals.spilled_bytes, 3u);
  EXPECT_EQ(status.totals.phase_times, (std::vector<PhaseTime>{{1, 2}, {3, 4}}));
  EXPECT_EQ(status.totals.attempts, 2u);
}

TEST(SchedulerStatusTest, TellsEachFailureOnce) {
  TestMaster master;
  master.Join(kA);
  master.Submit(MapOnly("run", 1));
  TaskFailure failure = CrashAt({"in.txt", 40});
  failure.message = "it crashed";
  failure.log = "first line\nlast line\n";
  master.Fail(master.Running(kA).at(0), failure);
  const RunStatus first = LastToldTo(master, AskRunStatus{"run", 0});
  EXPECT_EQ(first.totals.failures, 1u);
  EXPECT_THAT(first.failures,
              ElementsAre(AllOf(HasSubstr("map task 0, attempt 1 on host"), HasSubstr("it crashed"),
                                HasSubstr("byte 40 of in.txt"), HasSubstr("\n  | last line"))));
  EXPECT_THAT(LastToldTo(master, AskRunStatus{"run", 1}).failures, IsEmpty());
}

TEST(SchedulerStatusTest, ListsRunsAndWorkers) {
  TestMaster master;
  master.Join(kA, /*slots=*/2);
  master.Join(kB);
  master.Submit(MapOnly("over", 1));
  master.FinishAll();
  master.Submit(MapOnly("open", 5));
  master.Told<ClusterStatus>(kClient);
  master.Ask(AskCluster{});
  const std::vector<ClusterStatus> told = master.Told<ClusterStatus>(kClient);
  ASSERT_THAT(told, SizeIs(1));
  ASSERT_THAT(told[0].runs, SizeIs(2));
  EXPECT_EQ(told[0].runs[0].name, "open");
  EXPECT_EQ(told[0].runs[1].state, RunState::kDone);
  ASSERT_THAT(told[0].workers, SizeIs(2));
  EXPECT_EQ(told[0].workers[0].slots_busy, 2u);
}

// Its ids of runs and attempts mean something else here.
TEST(SchedulerStatusTest, RefusesAWorkerOfAnotherCluster) {
  TestMaster master;
  Hello hello;
  hello.worker = kA;
  hello.slots = 1;
  hello.cluster = SchedulerOptions().cluster + 1;
  master.Step(MessageArrived{kA, {Epoch(), 1, hello}});
  EXPECT_THAT(master.Told<Refused>(kA), SizeIs(1));
  EXPECT_THAT(master.scheduler().workers(), IsEmpty());
}

TEST(SchedulerStatusTest, CancelsARunThatIsNotDurableYet) {
  TestMaster master;
  master.Join(kA);
  master.holds_journal = true;
  master.Ask(SubmitRun{MapOnly("run", 1)});
  master.Ask(CancelRun{"run"});
  master.holds_journal = false;
  master.Sync();
  EXPECT_EQ(master.StatusOf("run").code, StatusCode::kCancelled);
}

// Of two results of one task, the key up to which they agree.
TEST(SchedulerStatusTest, NamesTheFirstDifferingKey) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 2, 1));
  const AttemptId first = master.RunningOf(TaskId{{run, 0}, 0});
  TaskOutput output = master.OutputOf(first);
  output.samples = {{"apple", "pear"}};
  output.sample_digests = {{1, 2}};
  master.Done(first, output);
  master.ExpectLost(kA);
  master.Join(kB);
  output.digest.low ^= 1;
  output.sample_digests = {{1, 3}};
  master.Done(master.RunningOf(TaskId{{run, 0}, 0}), output);
  const RunStatus status = master.StatusOf("run");
  EXPECT_EQ(status.code, StatusCode::kDiverged);
  EXPECT_THAT(status.message, HasSubstr("the first difference up to key \"pear\""));
}

}  // namespace
}  // namespace millrace
