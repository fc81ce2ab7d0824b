// SPDX-License-Identifier: Apache-2.0
// A task attempt in a child process, and each way in which a job's code may end it.
#include "worker/task_child.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/envelope.h"
#include "tests/integration/millrace_process.h"
#include "worker/task_codec.h"
#include "worker/task_orphans.h"
#include "worker/task_spawn.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using Ended = std::variant<TaskSuccess, FailedTask>;

constexpr std::chrono::seconds kPatience{60};

class TaskChildTest : public MillraceTest {
 protected:
  void SetUp() override {
    MillraceTest::SetUp();
    ASSERT_TRUE(AdoptOrphans().ok());
    options_.program = MILLRACE_BINARY;
  }
  // Nothing may outlive its test: who is left is our child by now.
  void TearDown() override {
    int status = 0;
    EXPECT_EQ(waitpid(-1, &status, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    MillraceTest::TearDown();
  }

  TaskAssignment MapOf(const std::string& lines) {
    Write("lines.txt", lines);
    return MapOfFile("lines.txt");
  }
  // As told to a worker whose plan has the file as its 7th shard, by a path below its directory.
  TaskAssignment MapOfFile(const std::string& path) {
    TaskAssignment map = Assign(TaskKind::kMap);
    map.directory = root_.string();
    Result<FileInfo> info = LocalFileSystem().Stat((root_ / path).string());
    EXPECT_TRUE(info.ok());
    info->path = path;
    TaskPiece piece{7, {*info}, {0, info->bytes, 0, UINT64_MAX}};
    map.stored_bytes = info->bytes;
    map.pieces = {piece};
    map.runs = {{Place("run"), ++last_file_id_}};
    return map;
  }
  TaskAssignment ReduceOf(const std::vector<ReduceInput>& inputs) {
    TaskAssignment reduce = Assign(TaskKind::kReduce);
    reduce.part = 3;
    reduce.inputs = inputs;
    reduce.output_directory = Place("out");
    return reduce;
  }
  TaskAssignment Assign(TaskKind kind) {
    TaskAssignment task;
    task.attempt = {{{{1}, 0}, 3}, ++last_attempt_};
    task.kind = kind;
    task.job = "mistreat";
    task.modules = {MILLRACE_CHILD_PROBES};  // Which Start() reads.
    task.scratch_directory = Place("scratch");
    task.memory_bytes = std::uint64_t{64} << 20;
    std::filesystem::create_directories(task.scratch_directory);
    return task;
  }
  std::string Place(const std::string& name) {
    return (root_ / (name + "-" + std::to_string(last_attempt_))).string();
  }

  std::unique_ptr<TaskChild> Start(const TaskAssignment& task) {
    Result<std::unique_ptr<TaskChild>> child = TaskChild::Start(task, With(task.modules));
    EXPECT_TRUE(child.ok()) << child.error().message();
    return child.ok() ? *std::move(child) : nullptr;
  }
  TaskChildOptions With(const std::vector<std::string>& modules) const {
    TaskChildOptions options = options_;
    for (const std::string& path : modules) {
      auto image = ModuleImage::Read(path);
      EXPECT_TRUE(image.ok()) << image.error().message();
      if (image.ok()) options.modules.push_back(*std::move(image));
    }
    return options;
  }
  // What a worker's loop does until the child has ended, or `until` says so; asked often.
  static bool Attend(TaskChild& child, const std::function<bool()>& until = nullptr) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      pollfd fds[] = {{child.end_fd(), POLLIN, 0}, {child.output_fd(), POLLIN, 0}};
      poll(fds, 2, 5);
      child.DrainOutput();
      child.CheckMemory();
      if (until != nullptr && until()) return true;
      if (fds[0].revents != 0) return until == nullptr;
    }
    return false;
  }
  Ended Run(const TaskAssignment& task) {
    const std::unique_ptr<TaskChild> child = Start(task);
    if (child == nullptr) return FailedTask{};
    EXPECT_TRUE(Attend(*child));
    return child->Finish();
  }
  TaskSuccess Succeed(const TaskAssignment& task) {
    Ended ended = Run(task);
    if (auto* const success = std::get_if<TaskSuccess>(&ended)) return std::move(*success);
    ADD_FAILURE() << std::get<FailedTask>(ended).failure.message;
    return {};
  }
  TaskFailure Fail(const TaskAssignment& task) {
    Ended ended = Run(task);
    if (auto* const failed = std::get_if<FailedTask>(&ended)) return failed->failure;
    ADD_FAILURE() << "it succeeded";
    return {};
  }

  TaskChildOptions options_;
  std::uint32_t last_attempt_ = 0;
  std::uint64_t last_file_id_ = 0;
};

// ---- Good days ----------------------------------------------------------------------------------

TEST_F(TaskChildTest, MapAndReduceGiveFilesAndNumbers) {
  const TaskSuccess map = Succeed(MapOf("b\na\ncount\nb\nthrow\n"));
  ASSERT_THAT(map.runs, SizeIs(1));
  EXPECT_EQ(map.output.records_in, 5);
  EXPECT_EQ(map.output.reject_count, 1);  // What throws is set aside.
  EXPECT_EQ(map.output.counters.at("counted"), 1);
  ASSERT_THAT(map.output.input_blocks, SizeIs(1));
  EXPECT_EQ(map.output.input_blocks[0].shard, 7);

  const TaskAssignment task = ReduceOf({map.runs[0]});
  const TaskSuccess reduce = Succeed(task);
  ASSERT_THAT(reduce.output.parts, SizeIs(1));
  EXPECT_EQ(reduce.output.parts[0].path, "part-00003.tsv");
  EXPECT_EQ(Read("out-2/part-00003.tsv"), "a\t1\nb\t2\ncount\t1\n");
  EXPECT_GT(reduce.output.bytes_in, 0);
  // The same attempt again, in a later life of the worker: over what it left.
  EXPECT_EQ(Succeed(task).output.digest, reduce.output.digest);
}

TEST_F(TaskChildTest, MapsAloneWriteParts) {
  TaskAssignment task = MapOf("x\ny\n");
  task.job = "mistreat_maps";
  task.runs.clear();
  task.part = 2;
  task.output_directory = Place("out");
  EXPECT_THAT(Succeed(task).output.parts, SizeIs(1));
  EXPECT_EQ(Read("out-1/part-00002.tsv"), "x\t1\ny\t1\n");
}

TEST_F(TaskChildTest, NothingOfTheWorkerIsInIt) {
  setenv("SECRET", "key", 1);
  setenv("MILLRACE_SHOWN", "1", 1);
  const std::unique_ptr<TaskChild> child = Start(MapOf("loop\n"));
  ASSERT_TRUE(Attend(*child, [&] { return child->progress().position.has_value(); }));
  const std::string proc = "/proc/" + std::to_string(child->pid());
  std::ifstream file(proc + "/environ");
  const std::string environment((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(environment, Not(HasSubstr("SECRET")));
  EXPECT_THAT(environment, HasSubstr("MILLRACE_SHOWN=1"));
  EXPECT_THAT(environment, HasSubstr("LANG=C.UTF-8"));
  for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd")) {
    const int fd = std::stoi(entry.path().filename().string());
    const std::string target = std::filesystem::read_symlink(entry.path()).string();
    EXPECT_TRUE(fd <= 6 || target.ends_with("lines.txt")) << fd << " " << target;
  }
  EXPECT_EQ(getpgid(child->pid()), child->pid());
  unsetenv("SECRET");
  unsetenv("MILLRACE_SHOWN");
}

// ---- Each way to die ----------------------------------------------------------------------------

TEST_F(TaskChildTest, EachWayToDieNamesCauseAndRecord) {
  const struct {
    const char* how;
    const char* why;
    StatusCode code;
  } ways[] = {
      {"segv", "crashed with SIGSEGV", StatusCode::kUserCode},
      {"abort", "crashed with SIGABRT", StatusCode::kUserCode},
      {"terminate", "crashed with SIGABRT", StatusCode::kUserCode},
      {"stack", "crashed with SIGSEGV", StatusCode::kUserCode},
      {"exit 0", "ended its process with exit(0) before the task was done", StatusCode::kUserCode},
      {"exit 1", "ended its process with exit(1) before the task was done", StatusCode::kUserCode},
      {"_exit 0", "ended its process with exit(0)", StatusCode::kUserCode},
      {"kill", "killed from outside (SIGKILL)", StatusCode::kResourceLimit},
      {"garbage", "left a bad answer", StatusCode::kUserCode},
      {"fork, segv", "crashed with SIGSEGV", StatusCode::kUserCode},
      {"fork, exit 0", "exit(0)", StatusCode::kUserCode},
  };
  for (const auto& way : ways) {
    SCOPED_TRACE(way.how);
    // Not in the first block: blocks are of a MiB.
    std::string lines;
    while (lines.size() < (std::size_t{3} << 20)) lines += "fine, and a line of some length\n";
    const std::uint64_t offset = lines.size();
    const TaskFailure failure = Fail(MapOf("print\n" + lines + way.how + "\nmore\n"));
    EXPECT_EQ(failure.code, way.code);
    EXPECT_THAT(failure.message, HasSubstr(way.why));
    EXPECT_THAT(failure.message, HasSubstr("in task map-00003 at byte " +
                                           std::to_string(offset + 6) + " of lines.txt"));
    ASSERT_TRUE(failure.position);
    EXPECT_EQ(failure.position->shard, "lines.txt");
    EXPECT_EQ(failure.position->offset, offset + 6);
    EXPECT_THAT(failure.log, HasSubstr("printed\n"));
    if (std::string(way.why).starts_with("crashed")) {
      EXPECT_THAT(failure.log, HasSubstr(way.why));
    }
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // Nobody is left.
  }
}

TEST_F(TaskChildTest, ACrashInAReduceNamesTheGroup) {
  const TaskSuccess map = Succeed(MapOf("a\nreduce segv\nreduce exit 0\n"));
  for (const char* const begin : {"reduce segv", "reduce exit 0"}) {
    TaskAssignment task = ReduceOf({map.runs[0]});
    if (begin == std::string("reduce segv")) task.range.begin = "reduce f";
    const TaskFailure failure = Fail(task);
    EXPECT_EQ(failure.code, StatusCode::kUserCode);
    EXPECT_THAT(failure.message,
                HasSubstr("in task reduce-00003 in the group of key '" + std::string(begin)));
    ASSERT_TRUE(failure.position);
    EXPECT_EQ(*failure.position, (RecordPosition{"", 0, begin}));
  }
}

TEST_F(TaskChildTest, GroupsThatCrashedItAreSetAside) {
  const TaskSuccess map = Succeed(MapOf("a\nreduce segv\nreduce segv\nz\n"));
  TaskAssignment task = ReduceOf({map.runs[0]});
  task.set_aside = {*Fail(task).position};
  const TaskSuccess success = Succeed(task);
  EXPECT_EQ(success.output.records_out, 2);
  EXPECT_EQ(success.output.reject_count, 1);
  EXPECT_EQ(success.output.rejects[0], "stage-1\t\t0\tcrashed the job's code\treduce segv\n");
}

TEST_F(TaskChildTest, GroupsWithoutNameAreNotBlamed) {
  for (const std::size_t bytes : {255, 256, 257}) {
    const std::string line = "reduce segv" + std::string(bytes - 11, ' ');
    const TaskSuccess map = Succeed(MapOf(line + "\n"));
    const TaskFailure failure = Fail(ReduceOf({map.runs[0]}));
    EXPECT_EQ(failure.position.has_value(), bytes <= 256) << bytes;
  }
}

// A map behind gets what several groups have emitted. Only where they go one by one it is known
// whose record it was.
TEST_F(TaskChildTest, ACrashBehindAReduceIsBlamedOnTheGroupOrOnNone) {
  constexpr int kOthers = 200;  // More than one batch.
  std::string lines = "behind segv\n";
  for (int i = 0; i < kOthers; ++i) lines += "line " + std::to_string(i) + "\n";
  const TaskSuccess map = Succeed(MapOf(lines));
  for (const bool goes_one_by_one : {false, true}) {
    TaskAssignment task = ReduceOf({map.runs[0]});
    task.job = "mistreat_behind";
    task.runs = {{Place("run"), ++last_file_id_}};
    task.goes_one_by_one = goes_one_by_one;
    const TaskFailure failure = Fail(task);
    EXPECT_EQ(failure.code, StatusCode::kUserCode);
    EXPECT_EQ(failure.position.has_value(), goes_one_by_one);
    if (!goes_one_by_one) continue;
    EXPECT_EQ(failure.position->key, "behind segv");
    std::filesystem::remove_all(task.output_directory);
    task.set_aside = {*failure.position};
    const TaskSuccess success = Succeed(task);
    EXPECT_EQ(success.output.records_out, kOthers);
    EXPECT_EQ(success.output.reject_count, 1);
  }
}

TEST_F(TaskChildTest, RecordsThatCrashedItAreSetAside) {
  TaskAssignment task = MapOf("a\nsegv\nb\n");
  const TaskFailure failure = Fail(task);
  ASSERT_TRUE(failure.position);
  std::filesystem::remove(task.runs[0].path);
  task.set_aside = {*failure.position};
  const TaskSuccess success = Succeed(task);
  EXPECT_EQ(success.output.records_in, 3);
  EXPECT_EQ(success.output.reject_count, 1);
}

TEST_F(TaskChildTest, IsWaitedForAlsoWhereSigchldWasIgnored) {
  signal(SIGCHLD, SIG_IGN);  // As inherited.
  ASSERT_TRUE(AdoptOrphans().ok());
  EXPECT_EQ(Fail(MapOf("kill\n")).code, StatusCode::kResourceLimit);
  signal(SIGCHLD, SIG_IGN);  // Behind our back.
  EXPECT_EQ(Fail(MapOf("kill\n")).code, StatusCode::kInternal);
  signal(SIGCHLD, SIG_DFL);
}

TEST_F(TaskChildTest, WhatCannotStartIsTakenBack) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  SpawnSpec spec;
  spec.program = "/nowhere";
  spec.arguments = {"nowhere"};
  spec.announce_fd = ends[1];
  EXPECT_EQ(Spawn(spec).error().code(), StatusCode::kInternal);
  pid_t told[2] = {};
  ASSERT_EQ(read(ends[0], told, sizeof told), sizeof told);
  EXPECT_GT(told[0], 0);
  EXPECT_EQ(told[1], -told[0]);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(Spawn(spec).error().code(), StatusCode::kUnavailable);
  signal(SIGPIPE, SIG_DFL);
  close(ends[1]);
}

// ---- Hangs --------------------------------------------------------------------------------------

TEST_F(TaskChildTest, TerminateEndsAnEndlessLoop) {
  const std::unique_ptr<TaskChild> child = Start(MapOf("a\nloop\n"));
  ASSERT_TRUE(Attend(*child, [&] {
    const auto position = child->progress().position;
    return position && position->offset == 2;
  }));
  const std::uint64_t moves = child->progress().moves;
  EXPECT_EQ(child->progress().moves, moves);
  child->Terminate();
  ASSERT_TRUE(Attend(*child));
  const TaskFailure failure = std::get<FailedTask>(child->Finish()).failure;
  EXPECT_EQ(failure.code, StatusCode::kCancelled);
  ASSERT_TRUE(failure.position);
  EXPECT_EQ(failure.position->offset, 2);
}

TEST_F(TaskChildTest, MovesWhileItReadsFilesAndNotWhileItPrints) {
  for (const bool reads : {true, false}) {
    const std::unique_ptr<TaskChild> child = Start(MapOf(reads ? "read loop\n" : "print loop\n"));
    ASSERT_TRUE(Attend(*child, [&] { return child->progress().position.has_value(); }));
    for (int i = 0; i < 20; ++i) Attend(*child, [] { return true; });
    const std::uint64_t before = child->progress().moves;
    for (int i = 0; i < 200; ++i) {
      Attend(*child, [] { return true; });
      child->progress();
    }
    const std::uint64_t moves = child->progress().moves - before;
    EXPECT_EQ(moves > 1, reads) << moves;
  }
}

TEST_F(TaskChildTest, KillEndsWhatIsDeafToSigterm) {
  const std::unique_ptr<TaskChild> child = Start(MapOf("deaf loop\n"));
  ASSERT_TRUE(Await("deaf"));
  child->Terminate();
  pollfd end{child->end_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 100), 0);
  child->Kill();
  ASSERT_TRUE(Attend(*child));
  EXPECT_TRUE(std::holds_alternative<FailedTask>(child->Finish()));
}

TEST_F(TaskChildTest, DroppingItEndsIt) {
  const std::unique_ptr<TaskChild> child = Start(MapOf("fork, loop\n"));
  ASSERT_TRUE(Await("forked"));
}

TEST_F(TaskChildTest, TwoAtOnceDontEndEachOther) {
  const std::unique_ptr<TaskChild> one = Start(MapOf("fork, loop\n"));
  ASSERT_TRUE(Await("forked"));
  EXPECT_TRUE(std::holds_alternative<TaskSuccess>(Run(MapOf("a\n"))));
  pollfd end{one->end_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 0), 0);
}

// ---- Floods -------------------------------------------------------------------------------------

TEST_F(TaskChildTest, AFloodOfOutputIsDrainedAndCut) {
  const std::unique_ptr<TaskChild> child = Start(MapOf("flood\nsegv\n"));
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  ASSERT_TRUE(Attend(*child));
  const TaskFailure failure = std::get<FailedTask>(child->Finish()).failure;
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 8 << 10);
  EXPECT_LE(failure.log.size(), kLogBytesMax);
  EXPECT_THAT(failure.log, HasSubstr("bytes; the last of them:]"));
  EXPECT_THAT(failure.log, HasSubstr("crashed with SIGSEGV"));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(TaskChildTest, AMemoryHogIsStopped) {
  options_.memory_bytes = std::uint64_t{128} << 20;
  // Watched: killed for it. Unwatched: malloc fails, and the code throws.
  const TaskFailure watched = Fail(MapOf("a\nhog\n"));
  EXPECT_EQ(watched.code, StatusCode::kResourceLimit);
  EXPECT_THAT(watched.message, HasSubstr("it may have 128.0 MiB, its share of --memory"));
  ASSERT_TRUE(watched.position);
  EXPECT_EQ(watched.position->offset, 2);
  const std::unique_ptr<TaskChild> unwatched = Start(MapOf("a\nhog\n"));
  pollfd end{unwatched->end_fd(), POLLIN, 0};
  ASSERT_EQ(poll(&end, 1, 60'000), 1);
  EXPECT_EQ(std::get<FailedTask>(unwatched->Finish()).failure.code, StatusCode::kResourceLimit);
}
#endif

// ---- What the process was --------------------------------------------------------------------

TEST_F(TaskChildTest, ClosedDescriptorsAreAFailure) {
  const TaskFailure failure = Fail(MapOf("a\nclose all\nb\n"));
  EXPECT_EQ(failure.code, StatusCode::kUserCode);
  EXPECT_THAT(failure.message, HasSubstr("could not say what it did"));
}

TEST_F(TaskChildTest, AnotherDirectoryHarmsNoOtherAttempt) {
  EXPECT_THAT(Succeed(MapOf("chdir\n")).runs, SizeIs(1));
  EXPECT_THAT(Succeed(MapOf("a\n")).runs, SizeIs(1));
}

TEST_F(TaskChildTest, ErrorsAreTheInputsOrTheWorkers) {
  TaskAssignment task = MapOf("a\n");
  std::filesystem::remove(root_ / "lines.txt");
  EXPECT_EQ(Fail(task).code, StatusCode::kNotFound);

  task = MapOf("a\n");
  task.runs[0].path = Place("missing") + "/run";
  EXPECT_EQ(Fail(task).code, StatusCode::kUnavailable);

  task = MapOf("a\n");
  task.directory = "/nowhere";
  const TaskFailure failure = Fail(task);
  EXPECT_EQ(failure.code, StatusCode::kNotFound);
  EXPECT_THAT(failure.message, HasSubstr("the same path must exist on every host"));

  std::filesystem::create_symlink("loop", root_ / "loop");
  task.directory = (root_ / "loop").string();
  EXPECT_EQ(Fail(task).code, StatusCode::kUnavailable);

  task = MapOf("a\n");
  task.modules = {(root_ / "lines.txt").string()};
  const TaskFailure no_module = Fail(task);
  EXPECT_EQ(no_module.code, StatusCode::kInvalidArgument);
  EXPECT_THAT(no_module.message, HasSubstr("lines.txt: it is no ELF file"));

  task = ReduceOf({});
  task.output_directory = Place("missing") + "/out";
  EXPECT_EQ(Fail(task).code, StatusCode::kUnavailable);

  task = MapOf("a\n");
  task.code = "another";
  const TaskFailure other = Fail(task);
  EXPECT_EQ(other.code, StatusCode::kInvalidArgument);
  EXPECT_THAT(other.message, HasSubstr("planned with the code another, and this worker has"));
}

TEST_F(TaskChildTest, ADamagedInputOfAReduceIsNamed) {
  const TaskSuccess one = Succeed(MapOf("a\n"));
  const TaskSuccess two = Succeed(MapOf("b\n"));
  std::string bytes = Read(std::filesystem::path(two.runs[0].path).filename().string());
  bytes[50] = static_cast<char>(bytes[50] ^ 1);
  Write(std::filesystem::path(two.runs[0].path).filename().string(), bytes);
  const Ended ended = Run(ReduceOf({one.runs[0], two.runs[0]}));
  const FailedTask& failed = std::get<FailedTask>(ended);
  EXPECT_EQ(failed.failure.code, StatusCode::kCorrupt);
  EXPECT_EQ(failed.damaged_input, 1);
}

// ---- Determinism --------------------------------------------------------------------------------

TEST_F(TaskChildTest, AReferenceIsCompared) {
  for (const bool is_deterministic : {true, false}) {
    TaskAssignment task = MapOf(is_deterministic ? "a\nb\n" : "a\npid\nz\n");
    const TaskSuccess first = Succeed(task);
    task.reference = TaskReference{first.output.digest, first.runs, "", first.output.parts};
    task.runs[0] = {Place("again"), ++last_file_id_};
    if (is_deterministic) {
      EXPECT_EQ(Succeed(task).output.digest, first.output.digest);
      continue;
    }
    const TaskFailure failure = Fail(task);
    EXPECT_EQ(failure.code, StatusCode::kDiverged);
    EXPECT_THAT(failure.message, HasSubstr("task map-00003 gave other records when it ran again: "
                                           "first differing key 'pid"));
  }
}

TEST_F(TaskChildTest, PartsOfAReferenceAreCompared) {
  TaskAssignment task = MapOf("a\npid\n");
  task.job = "mistreat_maps";
  task.runs.clear();
  task.output_directory = Place("out");
  const TaskSuccess first = Succeed(task);
  task.reference =
      TaskReference{first.output.digest, {}, task.output_directory, first.output.parts};
  task.output_directory = Place("again");
  const TaskFailure failure = Fail(task);
  EXPECT_EQ(failure.code, StatusCode::kDiverged);
  EXPECT_THAT(failure.message, HasSubstr("part-00000.tsv, row 2: was 'pid"));
}

TEST_F(TaskChildTest, TablesOfAReferenceAreCompared) {
  const TaskSuccess before = Succeed(MapOf("a\nb\npid\nz\n"));
  TaskAssignment task = ReduceOf({before.runs[0]});
  task.job = "mistreat_table";
  const TaskSuccess first = Succeed(task);
  ASSERT_TRUE(first.output.table);
  task.reference =
      TaskReference{first.output.digest, {}, task.output_directory, {}, first.output.table};
  task.output_directory = Place("again");
  EXPECT_EQ(Succeed(task).output.digest, first.output.digest);
  const TaskSuccess after = Succeed(MapOf("a\nb\npid\nz\n"));  // Of another process.
  task.inputs = {after.runs[0]};
  const TaskFailure failure = Fail(task);
  EXPECT_EQ(failure.code, StatusCode::kDiverged);
  EXPECT_THAT(failure.message, HasSubstr("in its table, first differing key 'pid'"));
}

// ---- Tables -------------------------------------------------------------------------------------

TEST_F(TaskChildTest, TablesAreOpenedWhereTheyLie) {
  TaskAssignment task = MapOf("a\nb\na\n");
  task.job = "look_up";
  TaskAssignment maker = ReduceOf({Succeed(task).runs[0]});
  maker.job = "look_up";
  const TaskSuccess made = Succeed(maker);
  ASSERT_TRUE(made.output.table);
  const std::string path = maker.output_directory + "/.table";
  EXPECT_EQ(std::filesystem::file_size(path), made.output.table->bytes);
  TaskAssignment reader = MapOf("a\nc\n");
  reader.job = "look_up";
  reader.stage = 1;
  reader.runs.clear();
  reader.output_directory = Place("out");
  reader.tables = {{0, {{path, made.output.table->bytes}}}};
  ASSERT_EQ(Succeed(reader).output.parts.size(), 1);
  EXPECT_EQ(Read(std::filesystem::relative(reader.output_directory, root_) / "part-00000.tsv"),
            "a\t2\nc\t-1\n");
  // Whatever is wrong with it, another attempt, or another host, may find it sound.
  const auto fail = [&](const std::string& why) {
    reader.output_directory = Place("out-" + why);
    const TaskFailure failure = Fail(reader);
    EXPECT_EQ(failure.code, StatusCode::kUnavailable) << failure.message;
    EXPECT_THAT(failure.message, HasSubstr(path));
  };
  ++reader.tables[0].files[0].bytes;
  fail("size");
  --reader.tables[0].files[0].bytes;
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(20).put('\x7f');
  fail("page");
  std::filesystem::resize_file(path, 100);
  fail("footer");
  std::filesystem::remove(path);
  fail("name");
  reader.tables.clear();
  EXPECT_EQ(Fail(reader).code, StatusCode::kInvalidArgument);
  reader.tables = {{1, {}}};
  EXPECT_EQ(Fail(reader).code, StatusCode::kInvalidArgument);
}

// ---- Foreign answers ----------------------------------------------------------------------------

TEST_F(TaskChildTest, DamagedAnswersAreRefused) {
  TaskSuccess success;
  success.runs = {{"/run", 1, 2, 3, 4, 5, 6}};
  success.output.counters = {{"counter", 7}};
  success.output.samples = {{"key", "other key"}};
  const Result<std::string> frame = EncodeAnswer(success);
  ASSERT_TRUE(frame.ok());
  ASSERT_TRUE(DecodeAnswer(*frame).ok());
  for (std::size_t bytes = 0; bytes < frame->size(); ++bytes)
    EXPECT_FALSE(DecodeAnswer(frame->substr(0, bytes)).ok());
  for (std::size_t bit = 0; bit < frame->size() * 8; ++bit) {
    std::string damaged = *frame;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(DecodeAnswer(damaged).ok());
    // Sealed again, as by code that means it: decoded or refused.
    Result<Envelope> envelope = DecodeEnvelope(*frame);
    ASSERT_TRUE(envelope.ok());
    SealEnvelope({.type = envelope->type}, &damaged);
    static_cast<void>(DecodeAnswer(damaged).ok());
  }
  EXPECT_EQ(
      EncodeAnswer(TaskFault{StatusCode::kUserCode, std::string(1 << 20, 'x'), {}})->size() >> 10,
      16);
}

TEST_F(TaskChildTest, AnswersThatAreNotToTheQuestionAreRefused) {
  AnswerExpected expected;
  expected.runs = {{"/run", 1}};
  expected.shard_numbers = {7};
  TaskSuccess success;
  success.runs = {{"/run", 1, 2, 3, 4, 5, 6}};
  success.output.parts = {{"below/part", 1, 1, {}}};
  success.output.input_blocks = {{0, 7, 0, {}}};
  EXPECT_TRUE(CheckAnswer(success, expected).ok());
  TaskSuccess other = success;
  other.runs[0].path = "/etc/passwd";
  EXPECT_FALSE(CheckAnswer(other, expected).ok());
  other = success;
  other.output.input_blocks[0].shard = 8;
  EXPECT_FALSE(CheckAnswer(other, expected).ok());
  for (const char* const path : {"", "/part", "../part", "a/../../b", "a//b", "./a"}) {
    other = success;
    other.output.parts[0].path = path;
    EXPECT_FALSE(CheckAnswer(other, expected).ok()) << path;
  }
  other = success;
  other.output.table = PartRecord{"../table", 1, 1, {}};
  EXPECT_FALSE(CheckAnswer(other, expected).ok());
  other.output.table->path = ".table";
  EXPECT_TRUE(CheckAnswer(other, expected).ok());
  EXPECT_FALSE(CheckAnswer(TaskFault{StatusCode::kCorrupt, "", 0}, expected).ok());
}

TEST_F(TaskChildTest, AssignmentsAreReadAsTheyWereWritten) {
  TaskAssignment task = MapOf("a\n");
  task.pieces[0].range = {100, 200, 1000, 2000};
  task.pieces[0].file.compression = Compression::kZstd;
  task.pieces[0].file.layout =
      std::make_shared<ShardLayout>(ShardLayout{{"a", "b"}, "c", {{5, 9}, {9, UINT64_MAX}}});
  task.input_format = {"csv", {{"delimiter", ";"}}};
  task.pieces[0].file.frames = {{0, 100, 0, 1000}, {100, 100, 1000, 1000}, {200, 50, 2000, 500}};
  task.params = {{"k", "v"}};
  task.set_aside = {{"lines.txt", 3, ""}, {"", 0, "key"}};
  task.goes_one_by_one = true;
  task.is_sandboxed = true;
  task.also_reads = {"/a", "/b"};
  task.also_writes = {"/c"};
  task.hidden = {"/d"};
  task.output_format = OutputFormat::kJsonLines;
  task.tables = {{4, {{"/a", 5}, {"/b", 6}}}, {7, {}}};
  task.reference = TaskReference{{1, 2}, {}, "", {}, PartRecord{".table", 1, 2, {3, 4}}};
  const Result<std::string> frame = EncodeAssignment(task);
  ASSERT_TRUE(frame.ok());
  const Result<TaskAssignment> read = DecodeAssignment(*frame);
  ASSERT_TRUE(read.ok()) << read.error().message();
  ASSERT_THAT(read->pieces[0].file.frames, SizeIs(2));  // Those before it are nobody's.
  EXPECT_EQ(read->pieces[0].file.frames[1].stored_offset, 200);
  EXPECT_EQ(read->pieces[0].file.frames[1].offset, 2000);
  EXPECT_EQ(read->pieces[0].shard, 7);
  ASSERT_NE(read->pieces[0].file.layout, nullptr);
  EXPECT_EQ(*read->pieces[0].file.layout, *task.pieces[0].file.layout);
  EXPECT_EQ(read->input_format, task.input_format);
  EXPECT_EQ(read->params, task.params);
  EXPECT_EQ(read->set_aside, task.set_aside);
  EXPECT_TRUE(read->goes_one_by_one);
  EXPECT_TRUE(read->is_sandboxed);
  EXPECT_EQ(read->also_reads, task.also_reads);
  EXPECT_EQ(read->also_writes, task.also_writes);
  EXPECT_EQ(read->hidden, task.hidden);
  EXPECT_EQ(read->output_format, OutputFormat::kJsonLines);
  ASSERT_THAT(read->tables, SizeIs(2));
  EXPECT_EQ(read->tables[0].stage, 4);
  EXPECT_EQ(read->tables[0].files[1].path, "/b");
  EXPECT_EQ(read->tables[0].files[1].bytes, 6);
  EXPECT_EQ(read->reference->table, task.reference->table);
  EXPECT_EQ(*EncodeAssignment(*read), *frame);
}

// ---- The worker's end ---------------------------------------------------------------------------

TEST_F(TaskChildTest, NothingOutlivesAKilledWorker) {
  const TaskAssignment task = MapOf("fork within, loop\n");
  const pid_t worker = fork();
  if (worker == 0) {
    Result<std::unique_ptr<TaskKeeper>> keeper = TaskKeeper::Start(MILLRACE_BINARY);
    if (!keeper.ok()) _exit(1);
    options_.keeper = keeper->get();
    const auto child = TaskChild::Start(task, With(task.modules));
    while (child.ok()) pause();
    _exit(1);
  }
  ASSERT_TRUE(Await("forked"));
  kill(worker, SIGKILL);
  // All that it had started is our children now, and dies.
  int ended = 0;
  for (const auto deadline = std::chrono::steady_clock::now() + kPatience;
       std::chrono::steady_clock::now() < deadline; std::this_thread::yield()) {
    const int pid = waitpid(-1, nullptr, WNOHANG);
    if (pid < 0) break;
    ended += pid > 0 ? 1 : 0;
  }
  EXPECT_EQ(ended, 1 + 1 + 1 + 5);  // Worker, keeper, child and what it had started.
}

TEST_F(TaskChildTest, TheKeeperEndsWithItsOwner) {
  const auto keeper = TaskKeeper::Start(MILLRACE_BINARY);
  ASSERT_TRUE(keeper.ok());
  options_.keeper = keeper->get();
  EXPECT_THAT(Succeed(MapOf("a\n")).runs, SizeIs(1));
}

TEST_F(TaskChildTest, ThePlainCommandRefuses) {
  const ProcessResult run = MillraceTest::Run({"task-child"});
  EXPECT_EQ(run.exit_code, 64);
  EXPECT_THAT(run.err, HasSubstr("a worker's own command"));
  EXPECT_EQ(MillraceTest::Run({"task-keeper"}).exit_code, 64);
}

TEST_F(TaskChildTest, AProgramThatIsNoneIsAnError) {
  options_.program = "/nowhere/millrace";
  const TaskAssignment task = MapOf("a\n");
  const auto child = TaskChild::Start(task, With(task.modules));
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.error().code(), StatusCode::kInternal);
  EXPECT_THAT(child.error().message(), HasSubstr("/nowhere/millrace"));
}

// A child is started for each attempt, however short.
TEST_F(TaskChildTest, ReportsWhatAnAttemptCosts) {
  constexpr int kCount = 50;
  const auto start = std::chrono::steady_clock::now();
  std::chrono::nanoseconds in_start{0};
  for (int i = 0; i < kCount; ++i) {
    const TaskAssignment task = MapOf("a\n");
    const auto before = std::chrono::steady_clock::now();
    const std::unique_ptr<TaskChild> child = Start(task);
    in_start += std::chrono::steady_clock::now() - before;
    ASSERT_TRUE(Attend(*child));
    EXPECT_TRUE(std::holds_alternative<TaskSuccess>(child->Finish()));
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  RecordProperty("attempt_us", static_cast<int>(took.count() * 1000 / kCount));
  std::printf("an attempt: %.2f ms, of which Start %.2f ms\n", took.count() / kCount,
              std::chrono::duration<double, std::milli>(in_start).count() / kCount);
}

}  // namespace
}  // namespace millrace
