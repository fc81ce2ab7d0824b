// SPDX-License-Identifier: Apache-2.0
// What a cluster leaves to read: each run's event log, and the lines of master and workers. Both
// whole whatever happens, neither with contents of records.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "mapreduce/proto/wire_codec.h"
#include "mapreduce/transport/connection.h"
#include "tests/cluster/test_cluster.h"
#include "tests/unit/master/event_sequence.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class LogsTest : public ClusterTest {
 protected:
  static constexpr char kCanary[] = "CANARY-7f3a";

  std::vector<fs::path> EventFiles() {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(Place("state") / "events"))
      files.push_back(entry.path());
    return files;
  }
  /// Of the only run.
  Events OnlyEvents() {
    const std::vector<fs::path> files = EventFiles();
    EXPECT_EQ(files.size(), 1U);
    return files.empty() ? Events() : ReadEvents(files[0]);
  }
  /// What master and workers have said, and the event logs, one behind the other.
  std::string AllThatIsLogged() {
    std::string all = master().err();
    for (std::size_t i = 0; i < worker_count(); ++i) all += worker(i).err();
    for (const fs::path& file : EventFiles()) all += Read(file);
    return all;
  }
  std::string Path(const std::string& name) const { return (root_ / name).string(); }
};

TEST_F(LogsTest, EventsTellOfACrashAtARecordAndNotWhatStandsInIt) {
  Write("in/a.txt", std::string(kCanary) + "\ngood\n");
  Write("in/b.txt", "count\nsegv\n" + std::string(kCanary) + "\n");
  StartCluster(2);
  AwaitWorkers(2);
  const ProcessResult result =
      RunAtMaster({"run", "mistreat", "--module", MILLRACE_CHILD_PROBES, "--input", "in",
                   "--output", "out", "--max-rejects", "1", "--split-size", "1k"});
  ASSERT_EQ(result.exit_code, 0) << result.err;

  const Events events = OnlyEvents();
  ExpectGoodSequence(events);
  EXPECT_EQ(events[0]["job"], "mistreat");
  EXPECT_THAT(events[0]["output"], EndsWith("/out"));
  const Events failed = Select(events, "attempt_failed");
  ASSERT_GE(failed.size(), 2U);
  for (const nlohmann::json& event : failed) {
    EXPECT_EQ(event["reason"], "the job's code crashed with SIGSEGV");
    EXPECT_EQ(event["class"], "user_code");
    EXPECT_EQ(event["shard"], "in/b.txt");
    EXPECT_EQ(event["offset"], 6);
    EXPECT_TRUE(event.contains("duration_ms"));
  }
  EXPECT_EQ(failed.back()["sets_aside"], true);
  EXPECT_EQ(events.back()["event"], "done");
  EXPECT_EQ(events.back()["rejects"], 1);
  EXPECT_EQ(events.back()["attempts"], Select(events, "attempt_started").size());
  EXPECT_EQ(events.back()["failures"], failed.size());
  EXPECT_THAT(AllThatIsLogged(), Not(HasSubstr(kCanary)));
}

TEST_F(LogsTest, EventsTellOfARunThatFailsByItsData) {
  Write("in/a.txt", "good\nthrow " + std::string(kCanary) + "\n");
  StartCluster(1);
  const ProcessResult result = RunAtMaster(
      {"run", "obey", "--module", MILLRACE_CLUSTER_PROBES, "--input", "in", "--output", "out"});
  EXPECT_EQ(result.exit_code, 65);
  const Events events = OnlyEvents();
  ExpectGoodSequence(events);
  EXPECT_EQ(events.back()["event"], "failed");
  EXPECT_EQ(events.back()["class"], "bad_data");
  EXPECT_THAT(AllThatIsLogged(), Not(HasSubstr(kCanary)));
}

TEST_F(LogsTest, EventsTellOfAKilledWorker) {
  WriteShard("in/a", "wait " + Path("go") + "\n");
  WriteShard("in/b", "word\n");
  StartCluster(2);
  AwaitWorkers(2);
  const auto client = StartAtMaster({"run", "obey", "--module", MILLRACE_CLUSTER_PROBES, "--input",
                                     "in", "--output", "out", "--split-size", "1k"});
  AwaitFile("go.begun");
  // Of the two tasks the one that waits, once the other has ended.
  Events events;
  AwaitThat("both starts and an end are in the log", [&] {
    events = OnlyEvents();
    return Select(events, "attempt_started").size() >= 2 &&
           !Select(events, "attempt_succeeded").empty();
  });
  const nlohmann::json ended = Select(events, "attempt_succeeded")[0]["task"];
  std::string waiting;
  for (const nlohmann::json& event : Select(events, "attempt_started")) {
    if (event["task"] != ended) waiting = event["worker"];
  }
  ASSERT_FALSE(waiting.empty());
  // The ids stand in the workers' first lines, "starts as w<ID> at".
  const std::size_t victim =
      worker(0).err().find("starts as w" + waiting + " ") != std::string::npos ? 0 : 1;
  KillWorker(victim);
  AwaitThat("the loss is in the log", [&] { return !Select(OnlyEvents(), "worker_lost").empty(); });
  Write("go", "");
  ASSERT_EQ(client->Wait().exit_code, 0) << client->err();

  events = OnlyEvents();
  ExpectGoodSequence(events);
  EXPECT_EQ(Select(events, "worker_lost")[0]["worker"], waiting);
  const Events failed = Select(events, "attempt_failed");
  ASSERT_FALSE(failed.empty());
  EXPECT_EQ(failed[0]["worker"], waiting);
  EXPECT_EQ(failed[0]["blame"], "worker");
  EXPECT_EQ(failed[0]["class"], "unavailable");
  EXPECT_EQ(events.back()["event"], "done");
}

TEST_F(LogsTest, EventsGoOnWithTheNextMaster) {
  WriteShard("in/a", "wait " + Path("go") + "\n");
  for (int i = 0; i < 5; ++i) WriteShard("in/b" + std::to_string(i), "word\n");
  StartCluster(2);
  const auto client = StartAtMaster({"run", "obey", "--module", MILLRACE_CLUSTER_PROBES, "--input",
                                     "in", "--output", "out", "--split-size", "1k"});
  AwaitTasksDone(5);
  KillMaster();
  StartMaster();
  Write("go", "");
  ASSERT_EQ(client->Wait().exit_code, 0) << client->err();
  const Events events = OnlyEvents();
  ExpectGoodSequence(events, /*has_gaps=*/true);
  const Events recovered = Select(events, "recovered");
  ASSERT_EQ(recovered.size(), 1U);
  EXPECT_EQ(recovered[0]["epoch"], 2);
  EXPECT_GE(recovered[0]["tasks_done"], 5);
  EXPECT_EQ(events.back()["event"], "done");
}

// Whoever chooses names chooses no lines, and nothing that a terminal would obey.
TEST_F(LogsTest, HostileNamesBreakNoLine) {
  const std::string output =
      "out\n2026-01-01T00:00:00Z master: all is well\x1B[2J\u202E\u2028\xC2\x9B\"";
  Write("in/a.txt", "word\n");
  StartCluster(1);
  const ProcessResult result = RunAtMaster(
      {"run", "obey", "--module", MILLRACE_CLUSTER_PROBES, "--input", "in", "--output", output});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(OnlyRun()["output"], (root_ / output).string()) << "valid JSON that says what is";
  const Events events = OnlyEvents();
  ExpectGoodSequence(events);
  EXPECT_EQ(events[0]["output"], (root_ / output).string());
  // A name that nobody has: what it holds comes back in a message.
  const ProcessResult unknown = RunAtMaster({"cancel", "x\x1B[2J\nmillrace: done"});
  EXPECT_THAT(unknown.err, Not(HasSubstr("\x1B")));
  const std::string shown = RunAtMaster({"status"}).out;
  for (const std::string& text : {AllThatIsLogged(), result.err, shown, unknown.err}) {
    for (const char* const trick : {"\x1B", "\u202E", "\u2028", "\xC2\x9B", "\n2026-01-01"})
      EXPECT_THAT(text, Not(HasSubstr(trick)));
  }
}

// As often as one sends it: some lines, and the master answers all the same.
TEST_F(LogsTest, GarbageFillsNoLog) {
  StartCluster(0);
  const Result<Endpoint> at = Endpoint::Parse(endpoint());
  ASSERT_TRUE(at.ok());
  Transport transport;
  const auto connection = Connection::Connect(transport, *at, ClientId{77}, kControlLimits);
  ASSERT_TRUE(connection.ok()) << connection.error().message();
  const auto send = [&](const std::string& frame) {
    AwaitThat("room for a frame", [&] { return (*connection)->Send(std::string(frame)).ok(); });
  };
  for (int i = 0; i < 500; ++i) send("garbage " + std::to_string(i) + "\n\x1B[2J");
  send(EncodeMessage({Epoch(), 1, AskCluster{}}));
  AwaitThat("an answer", [&] { return (*connection)->Receive().has_value(); });
  const std::string said = master().err();
  int lines = 0;
  for (std::size_t i = 0; (i = said.find("ignored what c77 sent: ", i)) != said.npos; ++i) ++lines;
  EXPECT_EQ(lines, 5) << said;
}

// logrotate's way: the file gets another name, and nobody is told.
TEST_F(LogsTest, ServicesWriteToAFileThatMayBeRenamed) {
  const std::string log = Path("worker.log");
  StartCluster(0);
  const auto worker = Start({"worker", "--master", endpoint(), "--spool", Place("spool"), "--slots",
                             "1", "--memory", "128M", "--exit-on-stdin-eof", "--log", log},
                            "worker");
  AwaitWorkers(1);
  EXPECT_THAT(Read("worker.log"), AllOf(HasSubstr(" worker: starts as w"), EndsWith("\n")));
  struct stat status {};
  ASSERT_EQ(::stat(log.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  fs::rename(log, log + ".1");
  worker->Signal(SIGTERM);
  EXPECT_EQ(worker->Wait().exit_code, 0);
  EXPECT_THAT(Read("worker.log"), HasSubstr(" worker: drains"));
  EXPECT_THAT(Read("worker.log.1"), Not(HasSubstr("drains")));
  EXPECT_EQ(worker->err(), "");
}

TEST_F(LogsTest, FileThatCannotBeALogEndsTheStart) {
  fs::create_symlink(Path("elsewhere"), Path("link"));
  for (const std::string name : {"link", ".", "missing/log"}) {
    const ProcessResult result = Run({"master", "--listen", "tcp://127.0.0.1:*", "--state",
                                      Path("state"), "--exit-on-stdin-eof", "--log", Path(name)});
    EXPECT_EQ(result.exit_code, 73) << result.err;
    EXPECT_THAT(result.err, HasSubstr(Path(name)));
  }
  EXPECT_FALSE(Exists("elsewhere"));
  EXPECT_FALSE(Exists("state"));
}

}  // namespace
}  // namespace millrace
