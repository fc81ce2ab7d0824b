// SPDX-License-Identifier: Apache-2.0
#include "master/job_run.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/master/scheduler_tools.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr JobRunId kRun{1};

AttemptId Map(std::uint32_t task, std::uint32_t number = 1) { return {{{kRun, 0}, task}, number}; }
AttemptId Reduce(std::uint32_t task, std::uint32_t number = 1) {
  return {{{kRun, 1}, task}, number};
}

// Two maps, one reduce whose runs a second reduce reads.
RunSpec Chain() {
  RunSpec spec = MapReduce("chain", 2, 1);
  spec.phases[1].channels = 1;
  spec.phases[1].writes_parts = false;
  spec.phases.push_back(spec.phases[1]);
  spec.phases[2].sources = {{1, 0}};
  spec.phases[2].channels = 0;
  spec.phases[2].writes_parts = true;
  return spec;
}

void Start(JobRun& run, const AttemptId& attempt, WorkerId on, bool is_backup = false) {
  run.Apply(AttemptStarted{attempt, on, is_backup});
}
void Commit(JobRun& run, const AttemptId& attempt, WorkerId on,
            const std::vector<std::string>& keys = {}) {
  TaskOutput output;
  output.digest = {1, attempt.task.index};
  output.samples = {keys};
  run.Apply(TaskCommitted{attempt, on, output});
}
void Execute(JobRun& run, const AttemptId& attempt, WorkerId on) {
  Start(run, attempt, on);
  Commit(run, attempt, on);
}
void Fail(JobRun& run, const AttemptId& attempt, WorkerId on, Blame blame,
          const TaskFailure& failure = Crash("boom"), bool sets_record_aside = false) {
  run.Apply(AttemptFailed{attempt, on, blame, failure, sets_record_aside});
}
std::vector<std::uint32_t> Ready(TaskPhase& phase) {
  std::vector<std::uint32_t> ready(phase.requeued.begin(), phase.requeued.end());
  for (std::uint32_t task = phase.next_fresh; task < phase.tasks.size(); ++task)
    ready.push_back(task);
  return ready;
}

TEST(JobRunTest, OpensAPhaseWhenItsSourcesAreCompleteAndItsBordersFixed) {
  JobRun run({kRun, MapReduce("run", 2, 1)});
  TaskPhase& reduce = run.phases()[1];
  Execute(run, Map(0), kA);
  EXPECT_FALSE(run.IsOpen(reduce));
  Execute(run, Map(1), kA);
  EXPECT_FALSE(run.IsOpen(reduce));
  EXPECT_EQ(run.FirstReadyPhase(), nullptr);
  run.Apply(BordersFixed{reduce.id, {}});
  EXPECT_TRUE(run.IsOpen(reduce));
  EXPECT_EQ(run.FirstReadyPhase(), &reduce);
}

TEST(JobRunTest, ClosesAPhaseWhenASourceIsMissing) {
  JobRun run({kRun, MapReduce("run", 2, 1)});
  Execute(run, Map(0), kA);
  Execute(run, Map(1), kA);
  run.Apply(BordersFixed{{kRun, 1}, {}});
  run.LoseOutput(run.phases()[0], 1);
  EXPECT_FALSE(run.IsOpen(run.phases()[1]));
  EXPECT_EQ(run.FirstReadyPhase(), &run.phases()[0]);
  EXPECT_EQ(JobRun::FirstReady(run.phases()[0]), 1u);
}

TEST(JobRunTest, FindsNothingThatItDoesNotHave) {
  JobRun run({kRun, MapReduce("run", 2, 1)});
  EXPECT_NE(run.FindTask(Map(1).task), nullptr);
  EXPECT_EQ(run.FindTask(Map(2).task), nullptr);
  EXPECT_EQ(run.FindTask({{kRun, 2}, 0}), nullptr);
  EXPECT_EQ(run.FindTask({{JobRunId{2}, 0}, 0}), nullptr);
}

TEST(JobRunTest, StartsTasksInOrderAndThoseThatComeBackFirst) {
  JobRun run({kRun, MapOnly("run", 3)});
  TaskPhase& phase = run.phases()[0];
  EXPECT_EQ(JobRun::FirstReady(phase), 0u);
  Start(run, Map(0), kA);
  Start(run, Map(1), kB);
  EXPECT_THAT(Ready(phase), ElementsAre(2));
  Fail(run, Map(0), kA, Blame::kWorker);
  JobRun::Requeue(phase, 0);
  EXPECT_THAT(Ready(phase), ElementsAre(0, 2));
}

TEST(JobRunTest, KeepsATaskUnreadyWhileItIsAtWorkCommittedOrBacksOff) {
  JobRun run({kRun, MapOnly("run", 3)});
  TaskPhase& phase = run.phases()[0];
  Start(run, Map(0), kA);
  Execute(run, Map(1), kA);
  Start(run, Map(2), kA);
  Fail(run, Map(2), kA, Blame::kTask);
  phase.tasks[2].is_backing_off = true;
  for (std::uint32_t task = 0; task < 3; ++task) JobRun::Requeue(phase, task);
  EXPECT_THAT(Ready(phase), IsEmpty());
  phase.tasks[2].is_backing_off = false;
  JobRun::Requeue(phase, 2);
  EXPECT_THAT(Ready(phase), ElementsAre(2));
}

TEST(JobRunTest, EndsAllAttemptsWithTheCommitOfOne) {
  JobRun run({kRun, MapOnly("run", 1)});
  Start(run, Map(0, 1), kA);
  Start(run, Map(0, 2), kB, /*is_backup=*/true);
  Commit(run, Map(0, 2), kB);
  const Task& task = *run.FindTask(Map(0).task);
  EXPECT_THAT(task.attempts, IsEmpty());
  EXPECT_EQ(task.committed, 2u);
  EXPECT_TRUE(run.IsReadyToPublish());
}

TEST(JobRunTest, KnowsWhoHoldsWhatByCountAndHash) {
  JobRun run({kRun, MapReduce("run", 3, 1)});
  Execute(run, Map(0), kA);
  Execute(run, Map(1), kB);
  Execute(run, Map(2), kA);
  const auto& holders = run.phases()[0].holders;
  EXPECT_THAT(holders.at(kA).tasks, ElementsAre(0, 2));
  EXPECT_EQ(holders.at(kA).hash, OutputHash(Map(0)) + OutputHash(Map(2)));
  EXPECT_EQ(holders.at(kB).hash, OutputHash(Map(1)));
}

TEST(JobRunTest, ForgetsAHolderWithItsLastOutput) {
  JobRun run({kRun, MapReduce("run", 2, 1)});
  Execute(run, Map(0), kA);
  Execute(run, Map(1), kA);
  TaskPhase& phase = run.phases()[0];
  run.LoseOutput(phase, 0);
  EXPECT_EQ(phase.holders.at(kA).hash, OutputHash(Map(1)));
  run.LoseOutput(phase, 1);
  EXPECT_THAT(phase.holders, IsEmpty());
  EXPECT_THAT(phase.missing, ElementsAre(0, 1));
}

TEST(JobRunTest, TakesAnOutputBackThatWasLost) {
  JobRun run({kRun, MapReduce("run", 1, 1)});
  Execute(run, Map(0), kA);
  TaskPhase& phase = run.phases()[0];
  run.LoseOutput(phase, 0);
  EXPECT_THAT(Ready(phase), ElementsAre(0));
  run.SetHolder(phase, 0, kA);
  EXPECT_TRUE(phase.IsComplete());
  EXPECT_THAT(Ready(phase), IsEmpty());
}

TEST(JobRunTest, RemakesALostOutputOnlyWhileSomebodyIsToReadIt) {
  JobRun run({kRun, MapReduce("run", 1, 1)});
  Execute(run, Map(0), kA);
  run.Apply(BordersFixed{{kRun, 1}, {}});
  Execute(run, Reduce(0), kB);
  run.LoseOutput(run.phases()[0], 0);
  EXPECT_THAT(Ready(run.phases()[0]), IsEmpty());
}

// Nobody needs the maps until the reduce between is lost, too.
TEST(JobRunTest, RemakesWhatALostOutputWasMadeOf) {
  JobRun run({kRun, Chain()});
  Execute(run, Map(0), kA);
  Execute(run, Map(1), kB);
  run.Apply(BordersFixed{{kRun, 1}, {}});
  Execute(run, Reduce(0), kB);
  run.LoseOutput(run.phases()[0], 0);
  EXPECT_THAT(Ready(run.phases()[0]), IsEmpty());
  run.LoseOutput(run.phases()[1], 0);
  EXPECT_THAT(Ready(run.phases()[0]), ElementsAre(0));
  EXPECT_THAT(Ready(run.phases()[1]), ElementsAre(0));
  EXPECT_FALSE(run.IsOpen(run.phases()[1]));
}

TEST(JobRunTest, KeepsDigestAndOutputOfATaskThatRunsAgain) {
  JobRun run({kRun, MapReduce("run", 1, 1)});
  Execute(run, Map(0), kA);
  run.LoseOutput(run.phases()[0], 0);
  Start(run, Map(0, 2), kB);
  const Task& task = *run.FindTask(Map(0).task);
  EXPECT_EQ(task.committed, 0u);
  EXPECT_FALSE(run.phases()[0].IsCommitted());
  EXPECT_TRUE(task.digest.has_value());
  EXPECT_NE(task.output, nullptr);
}

TEST(JobRunTest, CountsWhatAFailureIsBlamedOn) {
  JobRun run({kRun, MapOnly("run", 1)});
  std::uint32_t number = 0;
  for (const Blame blame : {Blame::kTask, Blame::kWorker, Blame::kWorker, Blame::kSource}) {
    Start(run, Map(0, ++number), kA);
    Fail(run, Map(0, number), kA, blame);
  }
  const TaskTrouble& trouble = *run.FindTask(Map(0).task)->trouble;
  EXPECT_EQ(trouble.failures, 1u);
  EXPECT_EQ(trouble.losses, 2u);
  EXPECT_EQ(trouble.source_failures, 1u);
  EXPECT_THAT(trouble.failed_on, ElementsAre(kA));
}

TEST(JobRunTest, StartsCountingAnewWithoutTheRecordSetAside) {
  JobRun run({kRun, MapOnly("run", 1)});
  const RecordPosition record{"shard", 7};
  for (const std::uint32_t number : {1u, 2u}) {
    Start(run, Map(0, number), kA);
    Fail(run, Map(0, number), kA, Blame::kTask, CrashAt(record), /*sets_record_aside=*/number == 2);
  }
  const TaskTrouble& trouble = *run.FindTask(Map(0).task)->trouble;
  EXPECT_EQ(trouble.failures, 0u);
  EXPECT_THAT(trouble.failed_on, IsEmpty());
  EXPECT_THAT(trouble.set_aside, ElementsAre(record));
  EXPECT_EQ(run.set_aside_count(), 1u);
}

TEST(JobRunTest, IsReadyToPublishWhenAllPartsAreCommitted) {
  JobRun run({kRun, MapReduce("run", 1, 2)});
  Execute(run, Map(0), kA);
  run.Apply(BordersFixed{{kRun, 1}, {"m"}});
  Execute(run, Reduce(1), kA);
  EXPECT_FALSE(run.IsReadyToPublish());
  Execute(run, Reduce(0), kA);
  EXPECT_TRUE(run.IsReadyToPublish());
}

// The attempt that left it may be gone with its folder, and the next one has its own.
TEST(JobRunTest, WaitsForTasksWhoseRejectsAreInFiles) {
  for (const bool has_file : {false, true}) {
    JobRun run({kRun, MapReduce("run", 2, 1)});
    Execute(run, Map(0), kA);
    Start(run, Map(1), kA);
    TaskOutput output;
    if (has_file) output.reject_file = RejectFile{{{7, {}}}};
    run.Apply(TaskCommitted{Map(1), kA, output});
    run.Apply(BordersFixed{{kRun, 1}, {}});
    Start(run, Reduce(0), kB);
    run.LoseOutput(*run.FindPhase(0), 1);
    Start(run, Map(1, 2), kB);
    Commit(run, Reduce(0), kB);
    EXPECT_EQ(run.IsReadyToPublish(), !has_file);
    run.Apply(TaskCommitted{Map(1, 2), kB, output});
    EXPECT_TRUE(run.IsReadyToPublish());
  }
}

// Each kind of thing that a snapshot holds, and back.
TEST(JobRunTest, IsMadeAnewByItsSnapshot) {
  JobRun run({kRun, MapReduce("run", 6, 2)});
  const RecordPosition record{"shard", 7};
  Start(run, Map(0), kA);
  Commit(run, Map(0), kA, {"a", "m", "z"});
  Execute(run, Map(1), kB);
  run.LoseOutput(run.phases()[0], 1);
  Start(run, Map(2), kA);
  Start(run, Map(2, 2), kB, /*is_backup=*/true);
  Start(run, Map(3), kA);
  Fail(run, Map(3), kA, Blame::kTask, CrashAt(record), /*sets_record_aside=*/true);
  Start(run, Map(5), kB);
  Fail(run, Map(5), kB, Blame::kWorker);
  run.Apply(BordersFixed{{kRun, 1}, {"m"}});

  std::vector<JournalRecord> snapshot;
  run.AppendTo(snapshot);
  JobRun copy(std::get<RunSubmitted>(snapshot.at(0)));
  for (std::size_t i = 1; i < snapshot.size(); ++i) {
    if (const auto* phase = std::get_if<SavedPhase>(&snapshot[i])) copy.Apply(*phase);
    if (const auto* task = std::get_if<SavedTask>(&snapshot[i])) copy.Apply(*task);
  }
  std::vector<JournalRecord> again;
  copy.AppendTo(again);
  EXPECT_TRUE(again == snapshot);
  copy.RequeueAll();
  EXPECT_THAT(Ready(copy.phases()[0]), ElementsAre(1, 3, 4, 5));
  EXPECT_EQ(copy.set_aside_count(), 1u);
}

TEST(JobRunTest, KeepsOnlyItsNameAndEndWhenItIsOver) {
  JobRun run({kRun, MapReduce("run", 2, 1)});
  run.Apply(RunEnded{kRun, StatusCode::kCancelled, "cancelled"});
  EXPECT_EQ(run.state(), RunState::kFailed);
  EXPECT_TRUE(run.is_over());
  std::vector<JournalRecord> snapshot;
  run.AppendTo(snapshot);
  ASSERT_EQ(snapshot.size(), 1u);  // Its end comes behind all runs.
  EXPECT_EQ(std::get<RunSubmitted>(snapshot[0]).spec.name, "run");
  EXPECT_THAT(std::get<RunSubmitted>(snapshot[0]).spec.phases, IsEmpty());
  EXPECT_EQ(run.end().message, "cancelled");
}

}  // namespace
}  // namespace millrace
