// SPDX-License-Identifier: Apache-2.0
// The real `millrace worker`, driven by a scripted master and scripted peers.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/run_slice.h"
#include "mapreduce/transport/connection.h"
#include "tests/integration/millrace_process.h"
#include "tests/integration/scripted_master.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr AttemptId kMap{{{{1}, 0}, 0}, 1}, kReduce{{{{1}, 1}, 0}, 1};

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class WorkerProcessTest : public MillraceTest {
 protected:
  // wordcount over `lines`; the probes have the same shape.
  void MakePlan(const std::string& lines, const std::string& job = "wordcount",
                const ClusterPlanOptions& options = {}) {
    Write("in.txt", lines);
    PlanRequest request;
    request.job = "wordcount";
    request.parts = 1;
    Result<PlannedJob> planned =
        PlanJob(LocalFileSystem(), request, {(root_ / "in.txt").string()}, 1);
    ASSERT_TRUE(planned.ok()) << planned.error().message();
    planned->plan.set_code("");  // This program isn't the worker's.
    planned->plan.set_job(job);
    ClusterPlanOptions with = options;
    with.split_bytes = std::uint64_t{1} << 20;
    with.typed_output = "out";
    const Result<ClusterPlan> plan = MakeClusterPlan(*planned, with);
    ASSERT_TRUE(plan.ok()) << plan.error().message();
    const Result<std::string> bytes = EncodeClusterPlan(*plan);
    ASSERT_TRUE(bytes.ok()) << bytes.error().message();
    master_.plan.run = {1};
    master_.plan.name = "run";
    master_.plan.output = (root_ / "out").string();
    master_.plan.plan = *bytes;
    fs::create_directories(root_ / ".out.run/attempts");
  }
  ClusterPlanOptions WithProbes() {
    master_.module = Slurp(MILLRACE_PROBES);
    ClusterPlanOptions options;
    options.modules = {{"probes.so", HashOf128(master_.module), master_.module.size()}};
    return options;
  }
  // Its tasks may leave notes in the test's folder.
  std::vector<std::string> WorkerWords(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words =
        Command({"worker", "--master", master_.endpoint(), "--spool", Spool().string(), "--slots",
                 "2", "--allow-write", root_.string()});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::unique_ptr<Process> StartWorker(const std::vector<std::string>& more = {}) {
    return std::make_unique<Process>(WorkerWords(more), root_);
  }
  void StartMap(WorkerId worker) {
    StartTask start;
    start.order = ++order_;
    start.attempt = kMap;
    master_.Order(worker, start);
  }
  // Executed and committed.
  TaskOutput DoMap(WorkerId worker) {
    StartMap(worker);
    const std::optional<TaskDone> done = master_.Await<TaskDone>(worker);
    if (!done) return {};
    EXPECT_EQ(done->attempt, kMap);
    master_.Order(worker, TaskAnswer{kMap, true});
    return done->output;
  }
  void StartReduce(WorkerId worker, WorkerId holder, const AttemptId& attempt = kReduce) {
    StartTask start;
    start.order = ++order_;
    start.attempt = attempt;
    start.kind = TaskKind::kReduce;
    start.sources = {{{0, 0}, holder, master_.hellos[holder].endpoint, 1, OutputHash(kMap)}};
    master_.Order(worker, start);
  }
  fs::path Spool() const { return root_ / "spool"; }
  std::vector<fs::path> WorkerFolders() const {
    std::vector<fs::path> folders;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(Spool(), error)) {
      if (entry.path().filename().string().starts_with("worker-")) folders.push_back(entry.path());
    }
    return folders;
  }
  // Files and folders below, at any depth.
  static std::size_t CountBelow(const fs::path& path) {
    std::size_t count = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator at(path, error), end; at != end; at.increment(error))
      ++count;
    return count;
  }
  // Processes whose working directory is the test's: workers and their children.
  int CountProcesses() const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::error_code error;
      count += fs::read_symlink(entry.path() / "cwd", error) == root_ && !error ? 1 : 0;
    }
    return count;
  }

  ScriptedMaster master_;
  std::uint64_t order_ = 0;
};

// Reads a stream as another worker does, 100 bytes of credit at a time.
std::string FetchAll(ScriptedMaster& master, WorkerId holder, const std::string& endpoint,
                     std::vector<FetchSlice>* slices, int* pieces) {
  auto peer = Connection::Connect(master.transport(), *Endpoint::Parse(endpoint), WorkerId{77},
                                  kDataLimits);
  if (!peer.ok()) return "";
  FetchRequest request;
  request.reader = kReduce;
  request.holder = holder;
  request.output_count = 1;
  request.outputs_hash = OutputHash(kMap);
  request.credit_bytes = 100;
  std::string bytes;
  std::uint64_t size = UINT64_MAX;
  std::string unsent = EncodeMessage({Epoch(), 1, request});
  EXPECT_TRUE(master.AwaitThat([&] {
    if (!unsent.empty() && (*peer)->Send(std::move(unsent)).ok()) unsent.clear();
    while (const std::optional<Frame> frame = (*peer)->Receive()) {
      const Result<Message> message = DecodeMessage(frame->view());
      const auto* data = message.ok() ? std::get_if<FetchData>(&message->body) : nullptr;
      if (data == nullptr) {  // Its own commit has not come yet.
        unsent = EncodeMessage({Epoch(), 1, request});
        continue;
      }
      EXPECT_EQ(data->offset, bytes.size());
      if (data->offset == 0) *slices = data->slices;
      bytes += data->bytes;
      size = data->stream_bytes;
      ++*pieces;
      unsent = EncodeMessage({Epoch(), 1, FetchCredit{kReduce, {}, bytes.size() + 100}});
    }
    return bytes.size() == size;
  }));
  return bytes;
}

TEST_F(WorkerProcessTest, ExecutesHoldsServesAndDrops) {
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "word" + std::to_string(i) + "\n";
  MakePlan(lines);
  const auto worker = StartWorker({"--memory", "256M"});
  const WorkerId id = master_.AwaitWorker();
  const Hello hello = master_.hellos[id];
  EXPECT_EQ(hello.slots, 2u);
  EXPECT_EQ(hello.slot_memory_bytes, std::uint64_t{128} << 20);
  EXPECT_TRUE(hello.takes_tasks);
  EXPECT_FALSE(hello.build.empty());
  const TaskOutput output = DoMap(id);
  EXPECT_EQ(output.records_in, 200u);
  EXPECT_GT(output.run_bytes, 0u);

  std::vector<FetchSlice> slices;
  int pieces = 0;
  const std::string bytes = FetchAll(master_, id, hello.endpoint, &slices, &pieces);
  EXPECT_GE(pieces, 5);
  ASSERT_THAT(slices, SizeIs(1));
  EXPECT_EQ(slices[0].output, kMap);
  Write("slice", bytes);
  const Status status = CheckRunSlice(LocalFileSystem(), {(root_ / "slice").string(),
                                                          0,
                                                          slices[0].file_id,
                                                          {slices[0].begin, slices[0].end},
                                                          slices[0].block_bytes_max});
  EXPECT_TRUE(status.ok()) << status.message();

  ASSERT_THAT(WorkerFolders(), SizeIs(1));
  EXPECT_GT(CountBelow(WorkerFolders()[0] / "attempts"), 0u);
  master_.Order(id, EndRun{{1}});
  EXPECT_TRUE(master_.AwaitThat([&] {
    return CountBelow(WorkerFolders()[0] / "attempts") == 0 &&
           CountBelow(WorkerFolders()[0] / "trash") == 0;
  }));
  EXPECT_TRUE(master_.AwaitThat([&] { return master_.heartbeats > 2; }));
}

// By the other's files, or by bytes: the same result.
TEST_F(WorkerProcessTest, ReducesWhatAnotherWorkerHolds) {
  MakePlan("b a\na c a\n");
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{}, std::vector<std::string>{"--no-direct-reads"}}) {
    const auto holder = StartWorker();
    const WorkerId holder_id = master_.AwaitWorker();
    DoMap(holder_id);
    const auto reader = StartWorker(flags);
    const WorkerId reader_id = master_.AwaitWorker();
    StartReduce(reader_id, holder_id);
    const std::optional<TaskDone> done = master_.Await<TaskDone>(reader_id);
    ASSERT_TRUE(done);
    ASSERT_THAT(done->output.parts, SizeIs(1));
    const std::string folder = AttemptDirectory(master_.plan.output, kReduce);
    EXPECT_EQ(Slurp(fs::path(folder) / done->output.parts[0].path), "a\t3\nb\t1\nc\t1\n");
    // Not committed: what it wrote goes.
    master_.Order(reader_id, TaskAnswer{kReduce, false});
    EXPECT_TRUE(master_.AwaitThat([&] { return !fs::exists(folder); }));
  }
}

TEST_F(WorkerProcessTest, BlamesTheSourceForAFileThatIsGoneAndThenWantsBytes) {
  MakePlan("a\n");
  const auto holder = StartWorker();
  const WorkerId holder_id = master_.AwaitWorker();
  DoMap(holder_id);
  fs::remove(WorkerFolders()[0] / "attempts/1-0-0-1/run-0");
  const auto reader = StartWorker();
  const WorkerId reader_id = master_.AwaitWorker();
  StartReduce(reader_id, holder_id);
  const std::optional<TaskFailed> failed = master_.Await<TaskFailed>(reader_id);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->failure.code, StatusCode::kUnavailable) << failed->failure.message;
  EXPECT_EQ(failed->failure.source, holder_id);
  EXPECT_EQ(failed->failure.damaged, std::nullopt);
  master_.Order(reader_id, TaskAnswer{kReduce, false});
  AttemptId second = kReduce;
  second.number = 2;
  StartReduce(reader_id, holder_id, second);
  const std::optional<TaskFailed> again = master_.Await<TaskFailed>(reader_id);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->failure.source, holder_id) << again->failure.message;
  EXPECT_EQ(again->failure.damaged, kMap);
}

TEST_F(WorkerProcessTest, BlamesTheSourceForAFileThatCannotBeRead) {
  MakePlan("a\n");
  const auto holder = StartWorker();
  const WorkerId holder_id = master_.AwaitWorker();
  DoMap(holder_id);
  const fs::path run = WorkerFolders()[0] / "attempts/1-0-0-1/run-0";
  fs::remove(run);
  fs::create_directory(run);
  const auto reader = StartWorker();
  const WorkerId reader_id = master_.AwaitWorker();
  StartReduce(reader_id, holder_id);
  const std::optional<TaskFailed> failed = master_.Await<TaskFailed>(reader_id);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->failure.code, StatusCode::kUnavailable) << failed->failure.message;
  EXPECT_EQ(failed->failure.source, holder_id);
  EXPECT_EQ(failed->failure.damaged, std::nullopt);
}

TEST_F(WorkerProcessTest, DrainsOnSigterm) {
  MakePlan("a\n");
  const auto worker = StartWorker();
  const WorkerId id = master_.AwaitWorker();
  DoMap(id);
  worker->Kill(SIGTERM);
  // It goes on serving what it holds.
  EXPECT_TRUE(master_.AwaitThat(
      [&, before = master_.heartbeats] { return master_.heartbeats > before + 2; }));
  EXPECT_THAT(WorkerFolders(), SizeIs(1));
  master_.Order(id, EndRun{{1}});
  EXPECT_TRUE(master_.Await<Goodbye>(id));
  EXPECT_EQ(worker->Wait().exit_code, 0);
  EXPECT_THAT(WorkerFolders(), IsEmpty());
}

TEST_F(WorkerProcessTest, EndsAtOnceOnASecondSignalAndWithItsTasks) {
  MakePlan("hang\n", "probe", WithProbes());
  const auto worker = StartWorker();
  StartMap(master_.AwaitWorker());
  ASSERT_TRUE(master_.AwaitThat([&] { return Exists("hanging"); }));
  worker->Kill(SIGTERM);
  EXPECT_TRUE(
      master_.AwaitThat([&, before = master_.heartbeats] { return master_.heartbeats > before; }));
  worker->Kill(SIGTERM);
  EXPECT_EQ(worker->Wait().exit_code, 143);
  EXPECT_TRUE(master_.AwaitThat([&] { return CountProcesses() == 0; }));
  EXPECT_THAT(WorkerFolders(), IsEmpty());
}

TEST_F(WorkerProcessTest, EndsWithItsKeeper) {
  MakePlan("hang\n", "probe", WithProbes());
  const auto worker = StartWorker();
  StartMap(master_.AwaitWorker());
  ASSERT_TRUE(master_.AwaitThat([&] { return Exists("hanging"); }));
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code error;
    if (fs::read_symlink(entry.path() / "cwd", error) == root_ && !error &&
        Slurp(entry.path() / "comm") == "millrace-keeper\n")
      kill(std::stoi(entry.path().filename().string()), SIGKILL);
  }
  const ProcessResult result = worker->Wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("millrace-keeper"));
  EXPECT_TRUE(master_.AwaitThat([&] { return CountProcesses() == 0; }));
  EXPECT_THAT(WorkerFolders(), IsEmpty());
}

TEST_F(WorkerProcessTest, EndsWithItsStandardInput) {
  MakePlan("hang\n", "probe", WithProbes());
  const std::string fifo = (root_ / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::string line = "exec";
  for (const std::string& word : WorkerWords({"--exit-on-stdin-eof"})) line += " '" + word + "'";
  Process worker({"/bin/sh", "-c", line + " < " + fifo}, root_);
  const int fd = open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  StartMap(master_.AwaitWorker());
  ASSERT_TRUE(master_.AwaitThat([&] { return Exists("hanging"); }));
  close(fd);
  EXPECT_EQ(worker.Wait().exit_code, 0);
  EXPECT_TRUE(master_.AwaitThat([&] { return CountProcesses() == 0; }));
  EXPECT_THAT(WorkerFolders(), IsEmpty());
}

TEST_F(WorkerProcessTest, DoesNotWaitForTheEndOfAFile) {
  Process worker(WorkerWords({"--exit-on-stdin-eof"}), root_);  // Its standard input is /dev/null.
  const ProcessResult result = worker.Wait();
  EXPECT_EQ(result.exit_code, 64);
  EXPECT_THAT(result.err, HasSubstr("give it a pipe"));
}

TEST_F(WorkerProcessTest, LeavesAFolderWhenItIsKilledWhichTheNextOneClears) {
  MakePlan("hang\n", "probe", WithProbes());
  const auto worker = StartWorker();
  StartMap(master_.AwaitWorker());
  ASSERT_TRUE(master_.AwaitThat([&] { return Exists("hanging"); }));
  worker->Kill(SIGKILL);
  worker->Wait();
  EXPECT_TRUE(master_.AwaitThat([&] { return CountProcesses() == 0; }));
  ASSERT_THAT(WorkerFolders(), SizeIs(1));
  const fs::path left = WorkerFolders()[0];
  const auto next = StartWorker();
  master_.AwaitWorker();
  EXPECT_FALSE(fs::exists(left));
  EXPECT_THAT(WorkerFolders(), SizeIs(1));
}

TEST_F(WorkerProcessTest, FetchesModulesOnce) {
  MakePlan("a\n", "probe", WithProbes());
  {
    const auto worker = StartWorker();
    DoMap(master_.AwaitWorker());
    EXPECT_EQ(master_.files_wanted,
              static_cast<int>((master_.module.size() - 1) / kFilePieceBytesMax + 1));
  }
  master_.files_wanted = 0;
  const auto next = StartWorker();
  DoMap(master_.AwaitWorker());
  EXPECT_EQ(master_.files_wanted, 0);
}

TEST_F(WorkerProcessTest, SaysWhenTheMasterHasLostAModule) {
  MakePlan("a\n", "probe", WithProbes());
  master_.module.clear();
  const auto worker = StartWorker();
  const WorkerId id = master_.AwaitWorker();
  StartMap(id);
  const std::optional<TaskFailed> failed = master_.Await<TaskFailed>(id);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->failure.code, StatusCode::kUnavailable);
  EXPECT_THAT(failed->failure.message, HasSubstr("probes.so"));
}

TEST_F(WorkerProcessTest, FindsTasksThatDiverge) {
  ClusterPlanOptions options = WithProbes();
  options.checks_determinism = true;
  MakePlan("a b\n", "clock", options);
  const auto worker = StartWorker();
  const WorkerId id = master_.AwaitWorker();
  StartMap(id);
  const std::optional<TaskFailed> failed = master_.Await<TaskFailed>(id);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->failure.code, StatusCode::kDiverged) << failed->failure.message;
  master_.Order(id, TaskAnswer{kMap, false});
  options.modules.clear();
  MakePlan("a b\n", "wordcount", options);
  master_.plan.run = {2};
  StartTask start;
  start.order = ++order_;
  start.attempt = {{{{2}, 0}, 0}, 1};
  master_.Order(id, start);
  EXPECT_TRUE(master_.Await<TaskDone>(id));
}

TEST_F(WorkerProcessTest, WorksOnUnderAFloodOfGarbage) {
  MakePlan("a\n");
  const auto worker = StartWorker();
  const WorkerId id = master_.AwaitWorker();
  auto peer =
      Connection::Connect(master_.transport(), *Endpoint::Parse(master_.hellos[id].endpoint),
                          WorkerId{77}, kDataLimits);
  ASSERT_TRUE(peer.ok());
  const std::string foreign = EncodeMessage({Epoch{9}, 1, RunPlan{{1}, "run", "/o", "no plan"}});
  std::string damaged = foreign;
  damaged.back() ^= 1;
  for (int i = 0; i < 3'000; ++i) {
    std::string frame = i % 3 == 0 ? foreign : i % 3 == 1 ? damaged : std::string(1000, 'x');
    master_.SendFrame(id, i % 2 == 0 ? damaged : std::string(1000, 'y'));
    static_cast<void>((*peer)->Send(std::move(frame)));
    int turns = 0;
    if (i % 100 == 0) master_.AwaitThat([&turns] { return ++turns == 2; });
  }
  DoMap(id);
}

TEST_F(WorkerProcessTest, LeavesWhenItIsRefused) {
  master_.refuses = true;
  const auto worker = StartWorker();
  bool has_left = false;
  EXPECT_TRUE(
      master_.AwaitThat([&] { return has_left = WorkerFolders().size() == 1 || has_left; }));
  EXPECT_TRUE(master_.AwaitThat([&] { return WorkerFolders().empty(); }));
  const ProcessResult result = worker->Wait();
  EXPECT_EQ(result.exit_code, 69);
  EXPECT_THAT(result.err, HasSubstr("it is another build"));
}

TEST_F(WorkerProcessTest, RefusesFlagsThatMakeNoSense) {
  EXPECT_EQ(Run({"worker", "--spool", "s"}).exit_code, 64);
  EXPECT_EQ(Run({"worker", "--master", master_.endpoint()}).exit_code, 64);
  const ProcessResult open = Run(
      {"worker", "--master", master_.endpoint(), "--spool", "s", "--listen", "tcp://0.0.0.0:*"});
  EXPECT_EQ(open.exit_code, 64);
  EXPECT_FALSE(Exists("s"));
  Write("file", "");
  EXPECT_EQ(Run({"worker", "--master", master_.endpoint(), "--spool", "file"}).exit_code, 73);
  const ProcessResult missing =
      Run({"worker", "--master", master_.endpoint(), "--spool", "s", "--allow-read", "not/there"});
  EXPECT_EQ(missing.exit_code, 64);
  EXPECT_THAT(missing.err, HasSubstr("--allow-read not/there"));
}

TEST_F(WorkerProcessTest, SaysWhetherTasksHaveASandbox) {
  for (const bool has_one : {true, false}) {
    const auto worker = StartWorker(has_one ? std::vector<std::string>()
                                            : std::vector<std::string>{"--no-sandbox"});
    master_.AwaitWorker();
    worker->Kill(SIGINT);
    EXPECT_THAT(worker->Wait().err,
                HasSubstr(has_one ? "tasks run with" : "tasks run without a sandbox"));
  }
}

}  // namespace
}  // namespace millrace
