// SPDX-License-Identifier: Apache-2.0
// Phases that make tables, and phases that look up in them.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "master/scheduler.h"
#include "tests/unit/master/scheduler_tools.h"

namespace millrace {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TaskId Map(JobRunId run, std::uint32_t task) { return {{run, 0}, task}; }
TaskId Maker(JobRunId run, std::uint32_t task) { return {{run, 1}, task}; }
TaskId Reader(JobRunId run, std::uint32_t task) { return {{run, 2}, task}; }

bool IsAtWork(const TestMaster& master, const TaskId& task) {
  return master.RunningOf(task).number > 0;
}

// Of the StartTasks that the worker has been told of: what they say of tables.
std::vector<std::vector<TableFiles>> TablesTold(TestMaster& master, WorkerId worker,
                                                std::uint32_t phase) {
  std::vector<std::vector<TableFiles>> told;
  for (const StartTask& start : master.Told<StartTask>(worker)) {
    if (start.attempt.task.phase.index == phase) told.push_back(start.tables);
  }
  return told;
}

TableFiles Table(std::vector<TableFiles::File> files) { return {.phase = 1, .files = files}; }

TEST(SchedulerTablesTest, TasksWaitForTheirTables) {
  TestMaster master;
  master.Join(kA, /*slots=*/8);
  const JobRunId run = master.Submit(LookUp("run", /*table_parts=*/2, /*readers=*/2));
  EXPECT_THAT(master.Running(kA), SizeIs(1));
  master.Finish(Map(run, 0));
  EXPECT_THAT(master.Running(kA), SizeIs(2));
  master.Finish(Maker(run, 1));
  EXPECT_FALSE(IsAtWork(master, Reader(run, 0)));
  EXPECT_THAT(TablesTold(master, kA, 1), Each(IsEmpty()));
  master.Finish(Maker(run, 0));
  EXPECT_TRUE(IsAtWork(master, Reader(run, 0)));
  EXPECT_THAT(TablesTold(master, kA, 2), ElementsAre(ElementsAre(Table({{1, 1000}, {1, 1001}})),
                                                     ElementsAre(Table({{1, 1000}, {1, 1001}}))));
  master.FinishAll();
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

TEST(SchedulerTablesTest, NamesTheAttemptsThatWereCommitted) {
  TestMaster master;
  master.Join(kA, /*slots=*/8);
  const JobRunId run = master.Submit(LookUp("run", 2, 1));
  master.Finish(Map(run, 0));
  master.FailTask(Maker(run, 1), Crash("boom"));
  master.Finish(Maker(run, 0));
  master.Advance(60'000);
  master.Finish(Maker(run, 1));
  EXPECT_THAT(TablesTold(master, kA, 2), ElementsAre(ElementsAre(Table({{1, 1000}, {2, 1001}}))));
}

// The files are not held by anybody.
TEST(SchedulerTablesTest, ATableOutlivesTheWorkerThatMadeIt) {
  TestMaster master;
  master.Join(kA, /*slots=*/2);
  const JobRunId run = master.Submit(LookUp("run", 2, 1));
  master.Finish(Map(run, 0));
  master.FinishAll();
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);

  const JobRunId other = master.Submit(LookUp("other", 2, 3));
  master.Finish(Map(other, 0));
  master.Finish(Maker(other, 0));
  master.Finish(Maker(other, 1));
  master.ExpectLost(kA);
  master.Join(kB);
  EXPECT_THAT(TablesTold(master, kB, 2), ElementsAre(ElementsAre(Table({{1, 1000}, {1, 1001}}))));
  master.FinishAll();
  EXPECT_EQ(master.StatusOf("other").state, RunState::kDone);
  EXPECT_EQ(master.StatusOf("other").totals.attempts, 1u + 2 + 2 + 3);  // Readers began twice.
}

// The maker's run files are lost and needed, so it runs again: who looks up waits, as its new files
// are the ones that count.
TEST(SchedulerTablesTest, ATableThatIsMadeAgainIsWaitedFor) {
  TestMaster master;
  master.Join(kA, /*slots=*/2);
  RunSpec spec = LookUp("run", 1, 4);
  spec.phases[1].channels = 1;
  spec.phases.push_back(spec.phases[1]);  // Reads the maker's run files.
  spec.phases[3].sources = {{1, 0}};
  spec.phases[3].channels = 0;
  spec.phases[3].makes_table = false;
  spec.phases[3].writes_parts = true;
  const JobRunId run = master.Submit(spec);
  master.Finish(Map(run, 0));
  master.Finish(Maker(run, 0));
  EXPECT_TRUE(IsAtWork(master, Reader(run, 0)));
  master.ExpectLost(kA);
  master.Join(kB, /*slots=*/8);
  EXPECT_TRUE(IsAtWork(master, Map(run, 0)));
  master.Forget();
  master.Finish(Map(run, 0));
  EXPECT_TRUE(IsAtWork(master, Maker(run, 0)));
  const std::size_t readers = TablesTold(master, kB, 2).size();
  EXPECT_EQ(readers, 0u);
  master.Finish(Maker(run, 0));
  for (const auto& told : TablesTold(master, kB, 2))
    EXPECT_THAT(told, ElementsAre(Table({{2, 1000}})));
  master.FinishAll();
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

TEST(SchedulerTablesTest, ATableThatNobodyLooksUpInIsPartOfTheRunAllTheSame) {
  TestMaster master;
  master.Join(kA, /*slots=*/8);
  RunSpec spec = LookUp("run", 1, 1);
  spec.phases[2].tables.clear();
  const JobRunId run = master.Submit(spec);
  master.Finish(Reader(run, 0));
  master.Finish(Map(run, 0));
  EXPECT_THAT(master.Take<PublishRun>(), IsEmpty());
  master.Finish(Maker(run, 0));
  EXPECT_THAT(master.Take<PublishRun>(), SizeIs(1));
}

TEST(SchedulerTablesTest, ANewMasterKnowsTheTables) {
  for (const bool is_snapshot : {false, true}) {
    TestMaster master;
    master.Join(kA, /*slots=*/1);
    const JobRunId run = master.Submit(LookUp("run", 2, 2));
    master.Finish(Map(run, 0));
    master.FailTask(Maker(run, 0), Crash("boom"));
    master.Finish(Maker(run, 1));
    master.Advance(60'000);
    master.Finish(Maker(run, 0));
    EXPECT_TRUE(IsAtWork(master, Reader(run, 0)));
    master.RestartFrom(is_snapshot ? master.scheduler().Snapshot() : master.Durable());
    master.SayHello(kA);
    master.Forget();
    master.Finish(Reader(run, 0));
    EXPECT_THAT(TablesTold(master, kA, 2), ElementsAre(ElementsAre(Table({{2, 1000}, {1, 1001}}))));
    master.FinishAll();
    EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
    EXPECT_EQ(master.run(run).totals().attempts, 6u);
  }
}

// Between the makers' last commit and the readers' start.
TEST(SchedulerTablesTest, ANewMasterGoesOnWithTheReaders) {
  TestMaster master;
  master.Join(kA, /*slots=*/8);
  const JobRunId run = master.Submit(LookUp("run", 1, 1));
  master.Finish(Map(run, 0));
  const AttemptId maker = master.RunningOf(Maker(run, 0));
  master.holds_journal = true;
  master.Done(maker);
  master.Sync(1);
  master.Restart();
  master.holds_journal = false;
  master.Sync();
  master.SayHello(kA);
  EXPECT_TRUE(IsAtWork(master, Reader(run, 0)));
  master.FinishAll();
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
  EXPECT_EQ(master.run(run).totals().attempts, 3u);
}

TEST(SchedulerTablesTest, AReportWithoutItsTableIsAFailure) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(LookUp("run", 1, 1));
  const AttemptId map = master.RunningOf(Map(run, 0));
  TaskOutput output = master.OutputOf(map);
  output.table.emplace();
  master.Done(map, output);
  EXPECT_THAT(master.StatusOf("run").failures,
              ElementsAre(HasSubstr("a table that is not wanted")));
  master.Advance(60'000);
  master.Finish(Map(run, 0));
  const AttemptId maker = master.RunningOf(Maker(run, 0));
  output = master.OutputOf(maker);
  output.table.reset();
  master.Done(maker, output);
  EXPECT_THAT(master.StatusOf("run").failures.back(), HasSubstr("no file of the table"));
  EXPECT_FALSE(IsAtWork(master, Reader(run, 0)));
}

TEST(SchedulerTablesTest, RefusesTablesThatCannotBe) {
  const std::function<void(RunSpec&)> spoils[] = {
      [](RunSpec& spec) { spec.phases[1].makes_table = false; },
      [](RunSpec& spec) { spec.phases[2].tables = {0}; },
      [](RunSpec& spec) { spec.phases[2].tables = {2}; },
      [](RunSpec& spec) {
        spec.phases[2].tables = {1, 1};
      },
      [](RunSpec& spec) { spec.phases[2].tables = {7}; },
      [](RunSpec& spec) { spec.phases[0].makes_table = true; },
  };
  for (const auto& spoil : spoils) {
    RunSpec spec = LookUp("run", 1, 1);
    spoil(spec);
    TestMaster master;
    master.Submit(spec);
    EXPECT_THAT(master.Told<RunStatus>(kClient),
                ElementsAre(Field(&RunStatus::state, RunState::kRefused)))
        << &spoil - spoils;
  }
}

TEST(SchedulerTablesTest, AMakerThatMakesAnotherTableEndsTheRun) {
  TestMaster master;
  master.Join(kA);
  RunSpec spec = LookUp("run", 1, 1);
  spec.phases[1].channels = 1;
  spec.phases.push_back(spec.phases[1]);
  spec.phases[3].sources = {{1, 0}};
  spec.phases[3].channels = 0;
  spec.phases[3].makes_table = false;
  spec.phases[3].writes_parts = true;
  const JobRunId run = master.Submit(spec);
  master.Finish(Map(run, 0));
  master.Finish(Maker(run, 0));
  master.ExpectLost(kA);
  master.Join(kB);
  master.Finish(Map(run, 0));
  TaskOutput other = master.OutputOf(master.RunningOf(Maker(run, 0)));
  other.digest = other.table->xxh128 = {7, 7};
  master.Done(master.RunningOf(Maker(run, 0)), other);
  EXPECT_EQ(master.StatusOf("run").code, StatusCode::kDiverged);
  EXPECT_THAT(master.StatusOf("run").message, HasSubstr("in the table it makes"));
}

}  // namespace
}  // namespace millrace
