// SPDX-License-Identifier: Apache-2.0
#include "master/event_log.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/base/random.h"
#include "tests/unit/master/event_sequence.h"
#include "tests/unit/master/scheduler_tools.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kCanary[] = "CANARY-7f3a";

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// A master, and an event log that hears of what becomes durable.
class EventLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "millrace_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    Open();
  }
  void TearDown() override {
    log_.reset();
    fs::remove_all(root_);
  }
  void Open() {
    Result<std::unique_ptr<EventLog>> log = EventLog::Open(Folder(), limits_);
    ASSERT_TRUE(log.ok()) << log.error().message();
    log_ = *std::move(log);
  }
  std::string Folder() const { return (root_ / "events").string(); }
  std::string PathOf(const std::string& run) const {
    return Folder() + "/" + EventFiles::NameOf(run);
  }

  EventTime Now() const {
    return {1'764'107'000'000 + static_cast<std::int64_t>(master_.now_ms()), master_.now_ms()};
  }
  // What the shell does after each sync.
  Status Tell() {
    for (const WorkerLeft& left : master_.Take<WorkerLeft>()) log_->Add(left, Now());
    const std::vector<JournalRecord> durable = master_.Durable();
    for (; told_ < durable.size(); ++told_) log_->Add(durable[told_], master_.scheduler(), Now());
    log_->AddEnds(master_.scheduler(), Now());
    return log_->Flush();
  }
  // The master is killed; the next one reads the journal.
  void Restart() {
    master_.Restart();
    Open();
    for (const JournalRecord& record : master_.Durable()) {
      const auto* submitted = std::get_if<RunSubmitted>(&record);
      const JobRun* const run =
          submitted == nullptr ? nullptr : master_.scheduler().FindRun(submitted->run);
      if (run != nullptr) log_->Recover(*run, master_.scheduler().epoch(), Now());
    }
    told_ = master_.Durable().size();
    ASSERT_TRUE(log_->Flush().ok());
    master_.Advance(2'000);  // Workers come back.
  }
  Events Read(const std::string& run = "run") {
    Events events = ReadEvents(PathOf(run));
    ExpectDocumented(events);
    return events;
  }
  // All that any of these tests sees stands in the page.
  static void ExpectDocumented(const Events& events) {
    static const std::string kPage =
        Slurp(fs::path(MILLRACE_SOURCE_DIR) / "docs/formats/event-log.md");
    for (const nlohmann::json& event : events) {
      EXPECT_THAT(kPage, HasSubstr("`" + event.value("event", "") + "`"));
      if (event.contains("class")) {
        EXPECT_THAT(kPage, HasSubstr("`" + event.value("class", "") + "`"));
      }
      for (const auto& [member, value] : event.items())
        EXPECT_THAT(kPage, HasSubstr("`" + member + "`"));
    }
  }
  void FinishAllAndTell() {
    master_.FinishAll();
    ASSERT_TRUE(Tell().ok());
  }

  fs::path root_;
  EventFiles::Limits limits_;
  TestMaster master_;
  std::unique_ptr<EventLog> log_;
  std::size_t told_ = 0;
};

class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  sighandler_t old_handler_;
};

TEST_F(EventLogTest, TellsARunFromItsSubmissionToItsEnd) {
  master_.Join(kA);
  log_->SetJob("run", "toplist");
  const JobRunId run = master_.Submit(MapReduce("run", /*maps=*/1, /*parts=*/1));
  ASSERT_TRUE(Tell().ok());
  master_.Advance(1'500);
  TaskOutput output = master_.OutputOf({{{run, 0}, 0}, 1});
  output.records_in = 70;
  output.records_out = 60;
  output.reject_count = 3;
  master_.Done({{{run, 0}, 0}, 1}, output);
  FinishAllAndTell();

  const Events events = Read();
  ExpectGoodSequence(events);
  EXPECT_THAT(
      NamesOf(events),
      ElementsAre("submitted", "started", "worker_joined", "attempt_started", "attempt_succeeded",
                  "attempt_started", "attempt_succeeded", "publishing", "done"));
  EXPECT_EQ(events[0], nlohmann::json::parse(R"({"time": "2025-11-25T22:00:00.000Z",
      "event": "submitted", "run": "run", "version": 1, "epoch": 1, "job": "toplist",
      "user": "user", "output": "/out/run", "tasks": 2,
      "phases": [{"phase": "map", "kind": "map", "tasks": 1},
                 {"phase": "reduce", "kind": "reduce", "tasks": 1}]})"));
  EXPECT_EQ(events[3], nlohmann::json::parse(R"({"time": "2025-11-25T22:00:00.000Z",
      "event": "attempt_started", "run": "run", "phase": "map", "task": 0, "attempt": 1,
      "worker": "1", "host": "host", "backup": false})"));
  EXPECT_EQ(events[4], nlohmann::json::parse(R"({"time": "2025-11-25T22:00:01.500Z",
      "event": "attempt_succeeded", "run": "run", "phase": "map", "task": 0, "attempt": 1,
      "worker": "1", "host": "host", "duration_ms": 1500, "records_in": 70, "bytes_in": 1000000,
      "records_out": 60, "rejects": 3, "spilled_bytes": 0, "run_bytes": 100})"));
  EXPECT_EQ(events.back()["duration_ms"], 1500);
  EXPECT_EQ(events.back()["rejects"], 3);
  EXPECT_EQ(events.back()["attempts"], 2);
}

TEST_F(EventLogTest, FileIsForItsOwnerAlone) {
  const mode_t mask = ::umask(0);
  master_.Submit(MapOnly("run", 1));
  EXPECT_TRUE(Tell().ok());
  ::umask(mask);
  struct stat status {};
  ASSERT_EQ(::stat(PathOf("run").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ASSERT_EQ(::stat(Folder().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0777U & ~mask & 0700U);
}

// ---- Failures -----------------------------------------------------------------------------------

TEST_F(EventLogTest, SaysWhereAnAttemptFailedAndNotOnWhat) {
  master_.Join(kA);
  const JobRunId run = master_.Submit(MapReduce("run", 1, 1));
  TaskFailure failure = CrashAt({"in/7.tsv", 4096, ""});
  failure.message = std::string("the job's code crashed with SIGSEGV in task 0: ") + kCanary;
  failure.log = kCanary;
  master_.FailTask({{run, 0}, 0}, failure);
  master_.Advance(5'000);
  master_.Finish({{run, 0}, 0});
  master_.FailTask({{run, 1}, 0}, {StatusCode::kUserCode,
                                   std::string("no sum for the key ") + kCanary,
                                   RecordPosition{"", 0, kCanary},
                                   {},
                                   {},
                                   ""});
  ASSERT_TRUE(Tell().ok());

  const Events failed = Select(Read(), "attempt_failed");
  ASSERT_EQ(failed.size(), 2U);
  EXPECT_EQ(failed[0]["class"], "user_code");
  EXPECT_EQ(failed[0]["blame"], "task");
  EXPECT_EQ(failed[0]["reason"], "the job's code crashed with SIGSEGV");
  EXPECT_EQ(failed[0]["shard"], "in/7.tsv");
  EXPECT_EQ(failed[0]["offset"], 4096);
  EXPECT_EQ(failed[1]["reason"], "the job's code failed");
  EXPECT_EQ(failed[1]["in_group"], true);
  EXPECT_THAT(Slurp(PathOf("run")), Not(HasSubstr(kCanary)));
}

TEST_F(EventLogTest, ReasonOfAFailedRunQuotesNoRecord) {
  master_.Join(kA);
  const JobRunId run = master_.Submit(MapOnly("run", 2));
  master_.FailTask({{run, 0}, 0},
                   {StatusCode::kBadData, std::string("bad row: ") + kCanary, {}, {}, {}, ""});
  ASSERT_TRUE(Tell().ok());
  const Events events = Read();
  ExpectGoodSequence(events);
  EXPECT_EQ(events.back()["event"], "failed");
  EXPECT_EQ(events.back()["class"], "bad_data");
  EXPECT_THAT(Slurp(PathOf("run")), Not(HasSubstr(kCanary)));
  for (const Note& note : master_.Take<Note>()) EXPECT_THAT(note.text, Not(HasSubstr(kCanary)));
}

TEST_F(EventLogTest, TellsOfALostWorkerAndWhatItTakesAlong) {
  master_.Join(kA);
  master_.Join(kB);
  master_.Submit(MapOnly("run", 2));
  ASSERT_TRUE(Tell().ok());
  master_.ExpectLost(kA);
  ASSERT_TRUE(Tell().ok());
  FinishAllAndTell();
  const Events events = Read();
  ExpectGoodSequence(events);
  const Events lost = Select(events, "worker_lost");
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0]["worker"], "1");
  EXPECT_EQ(lost[0]["host"], "host");
  EXPECT_EQ(lost[0]["attempts_at_work"], 1);
  EXPECT_EQ(lost[0]["reason"], "its lease is over");
  const Events failed = Select(events, "attempt_failed");
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0]["blame"], "worker");
  EXPECT_EQ(events.back()["event"], "done");
}

TEST_F(EventLogTest, AttemptBesideTheOneThatSucceedsIsStopped) {
  const JobRunId run{1};
  const TaskId task{{run, 0}, 0};
  for (const JournalRecord& record : std::vector<JournalRecord>{
           RunSubmitted{run, MapOnly("run", 1)}, AttemptStarted{{task, 1}, kA, false},
           AttemptStarted{{task, 2}, kB, true}, TaskCommitted{{task, 2}, kB, {}},
           AttemptFailed{{task, 1}, kA, Blame::kWorker, {}, false}}) {
    log_->Add(record, master_.scheduler(), Now());
  }
  ASSERT_TRUE(log_->Flush().ok());
  const Events events = Read();
  ExpectGoodSequence(events);
  EXPECT_THAT(NamesOf(events),
              ElementsAre("submitted", "started", "attempt_started", "attempt_started",
                          "attempt_succeeded", "attempt_stopped"));
  EXPECT_EQ(events[3]["backup"], true);
  EXPECT_EQ(events[5]["attempt"], 1);
}

TEST_F(EventLogTest, CancelledRunStopsItsAttempts) {
  master_.Join(kA);
  master_.Submit(MapOnly("run", 2));
  master_.Ask(CancelRun{"run"});
  ASSERT_TRUE(Tell().ok());
  const Events events = Read();
  ExpectGoodSequence(events);
  EXPECT_THAT(NamesOf(events), ElementsAre("submitted", "started", "worker_joined",
                                           "attempt_started", "attempt_stopped", "cancelled"));
}

// Whatever happens, in whatever order: what has started ends once.
TEST_F(EventLogTest, EveryAttemptEndsOnceWhateverHappens) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Random random(seed);
    const std::string name = "run-" + std::to_string(seed);
    for (const WorkerId id : {kA, kB, kC}) master_.Join(id, 2);
    const JobRunId run = master_.Submit(MapReduce(name, 6, 2));
    bool has_restarted = false;
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(Tell().ok());
      const WorkerId worker{1 + random.Uniform(3)};
      const std::vector<AttemptId> running = master_.Running(worker);
      switch (random.Uniform(10)) {
        case 0:
          master_.ExpectLost(worker);
          ASSERT_TRUE(Tell().ok());
          master_.Join(worker, 2);
          break;
        case 1:
          if (!running.empty()) master_.Fail(running[0], Crash(kCanary));
          break;
        case 2:
          has_restarted = has_restarted || !master_.run(run).is_over();
          Restart();
          break;
        default:
          if (!running.empty()) master_.Done(running[0]);
          master_.Advance(random.Uniform(2'000));
      }
    }
    FinishAllAndTell();
    master_.Advance(120'000);
    FinishAllAndTell();
    const Events events = Read(name);
    ExpectGoodSequence(events);
    EXPECT_EQ(master_.run(run).is_over(), IsEndOfRun(events.back()));
    EXPECT_EQ(has_restarted, !Select(events, "recovered").empty());
    EXPECT_THAT(Slurp(PathOf(name)), Not(HasSubstr(kCanary)));
  }
}

// ---- Names from elsewhere -----------------------------------------------------------------------

TEST_F(EventLogTest, HostileNamesBreakNoLine) {
  const std::string hostile =
      "a\n{\"event\":\"done\"}\x1B[2J\"\\\u202E\u2028\xC2\x9B\xFF/../\r\x7F";
  Hello hello;
  hello.worker = kA;
  hello.host = hostile;
  hello.slots = 1;
  hello.slot_memory_bytes = 1 << 30;
  master_.worker(kA);
  master_.Say(kA, hello);
  RunSpec spec = MapOnly(hostile, 1);
  spec.user = hostile;
  spec.output = "/out/" + hostile;
  spec.phases[0].name = hostile;
  log_->SetJob(hostile, hostile);
  const JobRunId run = master_.Submit(spec);
  ASSERT_TRUE(Tell().ok());
  master_.FailTask(
      {{run, 0}, 0},
      {StatusCode::kNotFound, hostile, RecordPosition{hostile, 0, ""}, {}, {}, hostile});
  ASSERT_TRUE(Tell().ok());
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(Folder()))
    files.push_back(entry.path().filename());
  ASSERT_EQ(files.size(), 1U);
  EXPECT_TRUE(EventFiles::IsOurs(files[0])) << files[0];
  const Events events = Read(hostile);
  ExpectGoodSequence(events);
  EXPECT_EQ(NamesOf(events).back(), "failed");
  EXPECT_THAT(NamesOf(events), Not(Contains("done")));
}

TEST_F(EventLogTest, LongNamesAreCut) {
  const std::string longest(1'000, 'x');
  RunSpec spec = MapOnly(longest, 1);
  spec.user = longest;
  master_.Submit(spec);
  ASSERT_TRUE(Tell().ok());
  const Events events = Read(longest);
  EXPECT_EQ(events[0]["user"], std::string(512, 'x') + "…");
  EXPECT_LE(EventFiles::NameOf(longest).size(), 255U);
}

TEST(EventFilesTest, NamesAreSafeAndDifferent) {
  EXPECT_EQ(EventFiles::NameOf("toplist-8c2f90ab"), "toplist-8c2f90ab.jsonl");
  EXPECT_EQ(EventFiles::NameOf("../x"), "%2E.%2Fx.jsonl");
  EXPECT_EQ(EventFiles::NameOf("%2E"), "%252E.jsonl");
  EXPECT_NE(EventFiles::NameOf(std::string(500, 'x')), EventFiles::NameOf(std::string(501, 'x')));
  for (const char* const name : {"lock", "id", "x.jsonl.1", ".x.jsonl", "a b.jsonl", ".jsonl", ""})
    EXPECT_FALSE(EventFiles::IsOurs(name)) << name;
}

// ---- Restarts -----------------------------------------------------------------------------------

TEST_F(EventLogTest, GoesOnAfterARestart) {
  master_.Join(kA);
  const JobRunId run = master_.Submit(MapOnly("run", 2));
  master_.Finish({{run, 0}, 0});
  ASSERT_TRUE(Tell().ok());
  Restart();
  FinishAllAndTell();
  const Events events = Read();
  ExpectGoodSequence(events);
  const Events recovered = Select(events, "recovered");
  ASSERT_EQ(recovered.size(), 1U);
  EXPECT_EQ(recovered[0]["epoch"], 2);
  EXPECT_EQ(recovered[0]["version"], 1);
  EXPECT_EQ(recovered[0]["tasks_done"], 1);
  EXPECT_EQ(recovered[0]["attempts_at_work"], 1);
  EXPECT_EQ(events.back()["event"], "done");
  EXPECT_FALSE(events.back().contains("duration_ms")) << "nobody knows";
}

TEST_F(EventLogTest, HalfALineOfACrashIsCutOff) {
  master_.Join(kA);
  master_.Submit(MapOnly("run", 1));
  ASSERT_TRUE(Tell().ok());
  std::ofstream(PathOf("run"), std::ios::app) << R"({"time": "2026-)";
  Restart();
  FinishAllAndTell();
  ExpectGoodSequence(Read());
  EXPECT_EQ(Read().back()["event"], "done");
}

TEST_F(EventLogTest, EndThatACrashTookIsToldByTheNextMaster) {
  master_.Join(kA);
  const JobRunId run = master_.Submit(MapOnly("run", 1));
  ASSERT_TRUE(Tell().ok());
  master_.Finish({{run, 0}, 0});  // And the master dies before it has written that down.
  Restart();
  EXPECT_THAT(NamesOf(Read()), ElementsAre("submitted", "started", "worker_joined",
                                           "attempt_started", "recovered", "done"));
  const std::string before = Slurp(PathOf("run"));
  Restart();
  EXPECT_EQ(Slurp(PathOf("run")), before) << "told once";
}

// ---- Limits -------------------------------------------------------------------------------------

TEST_F(EventLogTest, EndsAtItsLimitButForTheEnd) {
  limits_.file_bytes_max = 2'000;
  Open();
  master_.Join(kA);
  master_.Submit(MapOnly("run", 50));
  FinishAllAndTell();
  const Events events = Read();
  EXPECT_LT(Slurp(PathOf("run")).size(), 3'000U);
  EXPECT_EQ(Select(events, "log_full").size(), 1U);
  EXPECT_EQ(events.back()["event"], "done");
  EXPECT_EQ(events.back().value("events_left_out", std::size_t{0}) + events.size() - 1,
            2 + 1 + 2 * 50 + 1 + 1U);
}

TEST_F(EventLogTest, FullDiskCostsEventsThatAreCountedAndNoHalfLine) {
  master_.Join(kA);
  const JobRunId run = master_.Submit(MapOnly("run", 3));
  ASSERT_TRUE(Tell().ok());
  const std::string before = Slurp(PathOf("run"));
  {
    const FileSizeLimit limit(before.size() + 10);
    master_.Finish({{run, 0}, 0});
    const Status status = Tell();
    EXPECT_EQ(status.code(), StatusCode::kResourceLimit);
    EXPECT_THAT(status.message(), HasSubstr("2 events of the run run"));
    EXPECT_EQ(Slurp(PathOf("run")), before);
  }
  FinishAllAndTell();
  const Events events = Read();
  const Events lost = Select(events, "events_lost");
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0]["count"], 2);
  EXPECT_EQ(lost[0]["reason"], "File too large");
  EXPECT_EQ(events.back()["event"], "done");
}

TEST_F(EventLogTest, OldLogsMakeRoomAndForeignFilesStay) {
  limits_.files_max = 3;
  Open();
  for (const char* const name : {"notes.txt", ".hidden.jsonl", "run-x.jsonl.gz", "a b.jsonl"})
    std::ofstream(Folder() + "/" + name) << "mine";
  fs::create_directory(Folder() + "/folder.jsonl");
  master_.Submit(MapOnly("open", 1));  // No worker: it stays open.
  ASSERT_TRUE(Tell().ok());
  const auto set_age = [&](const std::string& run, int hours) {
    fs::last_write_time(PathOf(run), fs::file_time_type::clock::now() - std::chrono::hours(hours));
  };
  set_age("open", 1'000);
  for (int i = 0; i < 9; ++i) {
    const std::string name = "run-" + std::to_string(i);
    master_.Submit(MapOnly(name, 1));
    master_.Ask(CancelRun{name});
    ASSERT_TRUE(Tell().ok());
    set_age(name, 100 - i);
  }
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(Folder()))
    files.push_back(entry.path().filename());
  EXPECT_THAT(files, ::testing::UnorderedElementsAre("notes.txt", ".hidden.jsonl", "run-x.jsonl.gz",
                                                     "a b.jsonl", "folder.jsonl", "open.jsonl",
                                                     "run-7.jsonl", "run-8.jsonl"));
}

TEST_F(EventLogTest, FollowsNoLink) {
  std::ofstream(root_ / "victim") << "precious";
  fs::create_symlink(root_ / "victim", PathOf("run"));
  master_.Submit(MapOnly("run", 1));
  EXPECT_FALSE(Tell().ok());
  EXPECT_EQ(Slurp(root_ / "victim"), "precious");
  fs::remove_all(Folder());
  fs::create_symlink(root_, Folder());
  EXPECT_EQ(EventLog::Open(Folder()).error().code(), StatusCode::kCannotCreate);
}

}  // namespace
}  // namespace millrace
