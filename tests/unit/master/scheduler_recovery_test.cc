// SPDX-License-Identifier: Apache-2.0
// A new master knows what the old one told anybody.
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/base/random.h"
#include "master/scheduler.h"
#include "tests/unit/master/scheduler_tools.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TaskId Map(JobRunId run, std::uint32_t task) { return {{run, 0}, task}; }

// Takes what workers still hold to be gone: a journal doesn't say when an output was lost, nor
// which were given up because they couldn't be fetched.
std::vector<JournalRecord> WithoutHolders(std::vector<JournalRecord> records) {
  for (JournalRecord& record : records) {
    if (auto* task = std::get_if<SavedTask>(&record)) {
      task->holder = WorkerId();
      task->given_up = 0;
    }
  }
  return records;
}

std::vector<JournalRecord> SnapshotAfter(const std::vector<JournalRecord>& records) {
  Scheduler scheduler({}, Epoch{99});
  for (const JournalRecord& record : records) {
    const Status status = scheduler.Recover(record);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  return scheduler.Snapshot();
}

// Where two lists differ first; -1: nowhere.
std::ptrdiff_t FirstDifference(const std::vector<JournalRecord>& a,
                               const std::vector<JournalRecord>& b) {
  if (a == b) return -1;
  std::ptrdiff_t index = 0;
  while (index < std::ssize(a) && index < std::ssize(b) &&
         a[static_cast<std::size_t>(index)] == b[static_cast<std::size_t>(index)])
    ++index;
  return index;
}

TEST(SchedulerRecoveryTest, GoesOnWithWhatIsAtWork) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 2, 1));
  master.Finish(Map(run, 0));
  const AttemptId attempt = master.RunningOf(Map(run, 1));
  master.Restart();
  master.Forget();
  master.SayHello(kA);
  EXPECT_THAT(master.Told<StartTask>(kA), IsEmpty());
  const std::vector<Welcome> welcomes = master.Told<Welcome>(kA);
  ASSERT_THAT(welcomes, SizeIs(1));
  EXPECT_THAT(welcomes[0].kill, IsEmpty());
  EXPECT_THAT(welcomes[0].drop, IsEmpty());
  master.Done(attempt);
  master.FinishAll();
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

TEST(SchedulerRecoveryTest, StartsAnewWhatWasDecidedButNotDurable) {
  TestMaster master;
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.holds_journal = true;
  master.Join(kA);
  EXPECT_THAT(master.Records<AttemptStarted>(), SizeIs(1));
  master.Restart();
  master.holds_journal = false;
  master.Join(kA);
  EXPECT_THAT(master.Running(kA), ElementsAre(AttemptId{Map(run, 0), 1}));
}

TEST(SchedulerRecoveryTest, SendsAgainAStartThatTheWorkerNeverSaw) {
  TestMaster master;
  master.Join(kA);
  master.Silence(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.worker(kA).is_silent = false;
  master.Restart();
  master.Join(kA);
  EXPECT_THAT(master.Running(kA), ElementsAre(AttemptId{Map(run, 0), 1}));
}

TEST(SchedulerRecoveryTest, WaitsForAWorkerBeforeItGivesItsTasksToOthers) {
  SchedulerOptions options;
  TestMaster master(options);
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.Silence(kA);
  master.Restart();
  master.Join(kB);
  master.Advance(options.rejoin_ms - 1);
  EXPECT_THAT(master.Running(kB), IsEmpty());
  master.Advance(1);
  EXPECT_THAT(master.Running(kB), ElementsAre(AttemptId{Map(run, 0), 2}));
}

TEST(SchedulerRecoveryTest, ComparesDigestsOverEpochs) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 2, 1));
  master.Finish(Map(run, 0));
  master.ExpectLost(kA);
  master.RestartFrom(master.scheduler().Snapshot());
  master.Join(kB);
  const AttemptId second = master.RunningOf(Map(run, 0));
  TaskOutput other = master.OutputOf(second);
  other.digest = {77, 77};
  master.Done(second, other);
  EXPECT_EQ(master.StatusOf("run").code, StatusCode::kDiverged);
}

TEST(SchedulerRecoveryTest, GoesOnPublishing) {
  TestMaster master;
  master.holds_publish = true;
  master.Join(kA);
  const JobRunId run = master.Submit(MapOnly("run", 1));
  master.FinishAll();
  for (const bool is_snapshot : {false, true}) {
    master.Forget();
    master.RestartFrom(is_snapshot ? master.scheduler().Snapshot() : master.Durable());
    EXPECT_THAT(master.Take<PublishRun>(), SizeIs(1));
    EXPECT_THAT(master.Take<PrepareRun>(), IsEmpty());
  }
  master.Published(run, Status::Ok());
  EXPECT_EQ(master.StatusOf("run").state, RunState::kDone);
}

TEST(SchedulerRecoveryTest, PreparesAndCleansAgain) {
  TestMaster master;
  master.Submit(MapOnly("open", 1));
  master.Submit(MapOnly("over", 1));
  master.Ask(CancelRun{"over"});
  for (const bool is_snapshot : {false, true}) {
    master.Forget();
    master.RestartFrom(is_snapshot ? master.scheduler().Snapshot() : master.Durable());
    EXPECT_THAT(master.Take<PrepareRun>(), SizeIs(1));
    const std::vector<CleanRun> cleans = master.Take<CleanRun>();
    ASSERT_THAT(cleans, SizeIs(1));
    EXPECT_EQ(cleans[0].output, "/out/over");
    EXPECT_EQ(master.StatusOf("over").code, StatusCode::kCancelled);
  }
}

TEST(SchedulerRecoveryTest, KeepsBordersOverEpochs) {
  TestMaster master;
  master.Join(kA);
  const JobRunId run = master.Submit(MapReduce("run", 1, 2));
  TaskOutput output = master.OutputOf(master.RunningOf(Map(run, 0)));
  output.samples = {{"a", "b", "c", "d"}};
  master.Done(master.RunningOf(Map(run, 0)), output);
  const auto borders = master.run(run).phases()[1].borders;
  ASSERT_TRUE(borders && borders->size() == 1);
  master.RestartFrom(master.scheduler().Snapshot());
  EXPECT_EQ(master.run(run).phases()[1].borders, borders);
  EXPECT_THAT(master.Records<BordersFixed>(), IsEmpty());
}

TEST(SchedulerRecoveryTest, RefusesRecordsThatNoJournalOfOursHolds) {
  const RunSubmitted submitted{JobRunId{1}, MapOnly("run", 1)};
  RunSubmitted bad = submitted;
  bad.spec.phases[0].sample_capacity = 0;
  const AttemptId no_run{{{JobRunId{2}, 0}, 0}, 1}, no_phase{{{JobRunId{1}, 1}, 0}, 1},
      no_task{{{JobRunId{1}, 0}, 1}, 1}, no_number{{{JobRunId{1}, 0}, 0}, 0};
  const auto recover = [&](const JournalRecord& record) {
    Scheduler scheduler({}, Epoch{1});
    EXPECT_TRUE(scheduler.Recover(submitted).ok());
    return scheduler.Recover(record).code();
  };
  EXPECT_EQ(recover(submitted), StatusCode::kCorrupt);
  EXPECT_EQ(recover(bad), StatusCode::kCorrupt);
  for (const AttemptId& attempt : {no_run, no_phase, no_task, no_number}) {
    EXPECT_EQ(recover(AttemptStarted{attempt, kA, false}), StatusCode::kCorrupt) << attempt;
    EXPECT_EQ(recover(TaskCommitted{attempt, kA, {}}), StatusCode::kCorrupt) << attempt;
    EXPECT_EQ(recover(AttemptFailed{attempt, kA, Blame::kTask, {}, false}), StatusCode::kCorrupt);
  }
  EXPECT_EQ(recover(BordersFixed{{JobRunId{1}, 1}, {}}), StatusCode::kCorrupt);
  EXPECT_EQ(recover(RunPublishing{JobRunId{2}}), StatusCode::kCorrupt);
  EXPECT_EQ(recover(RunEnded{JobRunId{2}, StatusCode::kOk, ""}), StatusCode::kCorrupt);
}

// ---- Random histories

RunSpec RandomSpec(Random& random, std::uint64_t number) {
  const auto small = [&](std::uint64_t n) { return static_cast<std::uint32_t>(random.Uniform(n)); };
  RunSpec spec = random.Uniform(3) == 0 ? MapOnly("", 1 + small(4))
                                        : MapReduce("", 1 + small(4), 1 + small(3));
  if (spec.phases.size() == 2 && random.Uniform(2) == 0) {  // Another reduce reads the first.
    spec.phases.push_back(spec.phases[1]);
    spec.phases[1].channels = 1;
    spec.phases[2].sources = {{1, 0}};
  }
  if (spec.phases.size() > 1 && random.Uniform(2) == 0) {  // Others look up in what it makes.
    spec.phases[1].makes_table = true;
    spec.phases.push_back(MapOnly("", 1 + small(3)).phases[0]);
    spec.phases.back().tables = {1};
  }
  spec.name = "run " + std::to_string(number);
  spec.output = "/out/" + spec.name;
  spec.user = random.Uniform(2) == 0 ? "ann" : "bob";
  spec.crashed_records_max = random.Uniform(2);
  return spec;
}

// What can happen, one thing at a time.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) { Join(); }

  void Happen() {
    switch (random_.Uniform(16)) {
      case 0:
        if (worker_count_ < 40) Join();
        break;
      case 1:
        master_.Submit(RandomSpec(random_, ++run_count_));
        break;
      case 2:
        if (random_.Uniform(4) == 0) LoseOne();
        break;
      case 3:
        if (random_.Uniform(8) == 0)
          master_.Ask(CancelRun{"run " + std::to_string(1 + random_.Uniform(run_count_ + 1))});
        break;
      case 4:
        if (random_.Uniform(4) == 0) master_.Restart();
        break;
      case 5:
        master_.Advance(random_.Uniform(30'000));
        break;
      case 6:
        master_.holds_journal = !master_.holds_journal;
        break;
      case 7:
      case 8:
        FailOne();
        break;
      default:
        FinishOne();
    }
  }
  /// Nothing fails any more, until all is over.
  void Settle() {
    master_.holds_journal = false;
    master_.Sync();
    Join();
    for (int round = 0; round < 200 && master_.scheduler().open_run_count() > 0; ++round) {
      master_.Advance(30'000);
      master_.FinishAll();
    }
  }
  TestMaster& master() { return master_; }

 private:
  void Join() { master_.Join(WorkerId{++worker_count_}, 2); }
  std::vector<AttemptId> AtWork() const {
    std::vector<AttemptId> attempts;
    for (std::uint64_t id = 1; id <= worker_count_; ++id) {
      for (const AttemptId& attempt : master_.Running(WorkerId{id})) attempts.push_back(attempt);
    }
    return attempts;
  }
  void LoseOne() {
    const WorkerId id{1 + random_.Uniform(worker_count_)};
    if (!master_.worker(id).is_silent && master_.worker(id).sequence > 0) {
      master_.Silence(id);
      master_.worker(id).present.clear();
    }
  }
  void FinishOne() {
    const std::vector<AttemptId> attempts = AtWork();
    if (attempts.empty()) return;
    const AttemptId attempt = attempts[random_.Uniform(attempts.size())];
    TaskOutput output = master_.OutputOf(attempt);
    output.samples = {{std::to_string(attempt.task.index), "key"}};
    output.counters = {{"records", attempt.number}};
    master_.Done(attempt, output);
  }
  void FailOne() {
    const std::vector<AttemptId> attempts = AtWork();
    if (attempts.empty()) return;
    const AttemptId attempt = attempts[random_.Uniform(attempts.size())];
    TaskFailure failure = Crash("boom");
    if (random_.Uniform(2) == 0) failure = CrashAt({"shard", random_.Uniform(2)});
    if (attempt.task.phase.index == 1 && random_.Uniform(2) == 0) failure = CrashAt({"", 0, "key"});
    if (attempt.task.phase.index > 0 && random_.Uniform(2) == 0)
      failure = {StatusCode::kUnavailable, "no answer", {}, WorkerId{1}, {}};
    master_.Fail(attempt, failure);
  }

  Random random_;
  TestMaster master_;
  std::uint64_t worker_count_ = 0;
  std::uint64_t run_count_ = 0;
};

// A master that reads the journal, one that reads a snapshot, and the one that wrote them agree.
TEST(SchedulerRecoveryTest, MakesTheSameStateOfRecordsAndOfSnapshots) {
  int committed = 0, failed = 0, ended = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed);
    TestMaster& master = history.master();
    for (int round = 0; round < 12; ++round) {
      for (int step = 0; step < 25; ++step) history.Happen();
      const bool was_held = std::exchange(master.holds_journal, false);
      master.Sync();
      const std::vector<JournalRecord> live = master.scheduler().Snapshot();
      ASSERT_EQ(FirstDifference(SnapshotAfter(live), live), -1);
      ASSERT_EQ(
          FirstDifference(WithoutHolders(SnapshotAfter(master.Durable())), WithoutHolders(live)),
          -1);
      master.holds_journal = was_held;
    }
    committed += static_cast<int>(master.Records<TaskCommitted>().size());
    failed += static_cast<int>(master.Records<AttemptFailed>().size());
    ended += static_cast<int>(master.Records<RunEnded>().size());
    if (HasFailure()) break;
  }
  EXPECT_GT(committed, 1'000);
  EXPECT_GT(failed, 500);
  EXPECT_GT(ended, 100);
}

// Whatever has happened, runs end when it stops.
TEST(SchedulerRecoveryTest, EndsAllRunsOnceNothingFailsAnyMore) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed);
    for (int step = 0; step < 200; ++step) history.Happen();
    history.Settle();
    ASSERT_EQ(history.master().scheduler().open_run_count(), 0u);
    for (const auto& [id, worker] : history.master().scheduler().workers())
      EXPECT_THAT(worker.attempts, IsEmpty()) << id;
  }
}

}  // namespace
}  // namespace millrace
