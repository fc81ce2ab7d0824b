// SPDX-License-Identifier: Apache-2.0
// What the code of a task may do, and not do, in its sandbox: each thing is tried with and without
// one, in a real child.
#include "worker/sandbox.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "mapreduce/io/file_system.h"
#include "tests/integration/millrace_process.h"
#include "worker/task_child.h"
#include "worker/task_orphans.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A port of this machine where somebody listens.
class ListeningPort {
 public:
  ListeningPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_.get(), 8), 0);
    EXPECT_EQ(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  std::string text() const { return std::to_string(port_); }

 private:
  const Descriptor fd_;
  int port_ = 0;
};

class SandboxTest : public MillraceTest {
 protected:
  void SetUp() override {
    MillraceTest::SetUp();
    ASSERT_TRUE(AdoptOrphans().ok());
    if (FindSandboxSupport().landlock < 6 || !FindSandboxSupport().has_seccomp)
      GTEST_SKIP() << "this kernel lacks Landlock 6 or seccomp";
    for (const char* const folder : {"spool/mine/scratch", "spool/other", "keys"})
      std::filesystem::create_directories(root_ / folder);
    Write("spool/other/run-0", "another attempt's");
    Write("keys/secret.key", "secret");
  }
  std::string At(const std::string& path) const { return (root_ / path).string(); }

  TaskAssignment MapOf(const std::string& lines, bool is_sandboxed) {
    Write("lines.txt", lines);
    TaskAssignment map;
    map.attempt = {{{{1}, 0}, 0}, 1};
    map.job = "mistreat";
    map.modules = {"child_probes.so"};
    map.directory = root_.string();
    const Result<FileInfo> info = LocalFileSystem().Stat(At("lines.txt"));
    EXPECT_TRUE(info.ok());
    FileInfo file = *info;
    file.path = "lines.txt";
    map.pieces = {{0, {file}, {0, info->bytes, 0, UINT64_MAX}}};
    map.stored_bytes = info->bytes;
    map.scratch_directory = At("spool/mine/scratch");
    map.runs = {{At("spool/mine/run-" + std::to_string(++runs_)), 7}};
    map.is_sandboxed = is_sandboxed;
    return map;
  }
  std::variant<TaskSuccess, FailedTask> Run(const TaskAssignment& task) {
    TaskChildOptions options;
    options.program = MILLRACE_BINARY;
    const auto module = ModuleImage::Read(MILLRACE_CHILD_PROBES);
    EXPECT_TRUE(module.ok()) << module.error().message();
    options.modules = {*module};
    const auto child = TaskChild::Start(task, options);
    EXPECT_TRUE(child.ok()) << child.error().message();
    if (!child.ok()) return FailedTask{};
    pollfd end{(*child)->end_fd(), POLLIN, 0};
    EXPECT_EQ(poll(&end, 1, 60'000), 1);
    return (*child)->Finish();
  }
  /// What came of each line.
  std::string Try(const std::string& line, bool is_sandboxed) {
    const auto ended = Run(MapOf("try " + line + "\n", is_sandboxed));
    if (const auto* failed = std::get_if<FailedTask>(&ended)) return failed->failure.message;
    const auto& counters = std::get<TaskSuccess>(ended).output.counters;
    EXPECT_EQ(counters.size(), 1) << line;
    const std::string& text = counters.begin()->first;
    return text.substr(text.rfind(' ') + 1);
  }
  void Expect(const std::string& line, const std::string& in_sandbox, const std::string& without) {
    EXPECT_EQ(Try(line, true), in_sandbox) << line;
    EXPECT_EQ(Try(line, false), without) << line << ", without a sandbox";
  }

  int runs_ = 0;
};

// ---- What a task needs --------------------------------------------------------------------------

TEST_F(SandboxTest, AllowsWhatTasksNeed) {
  for (const char* const line :
       {"do thread", "do process", "do pair", "do temporary", "do own-limit", "read null /dev/null",
        "write null /dev/null", "read random /dev/urandom", "read zone /etc/localtime",
        "read self /proc/self/maps", "read input lines.txt",
        "shell pipe test \"$(printf 'b\\na\\n' | sort | head -n 1)\" = a",
        "shell temporary echo a > $TMPDIR/file && grep -q a < $TMPDIR/file && rm $TMPDIR/file",
        "shell names id -un > /dev/null && date > /dev/null"}) {
    EXPECT_EQ(Try(line, true), "OK") << line;
  }
}

TEST_F(SandboxTest, AMapAndAReduceRunInIt) {
  const auto map = Run(MapOf("b\na\nb\n", true));
  ASSERT_TRUE(std::holds_alternative<TaskSuccess>(map))
      << std::get<FailedTask>(map).failure.message;
  TaskAssignment reduce = MapOf("", true);
  reduce.kind = TaskKind::kReduce;
  reduce.pieces.clear();
  reduce.runs.clear();
  reduce.inputs = {std::get<TaskSuccess>(map).runs[0]};
  reduce.output_directory = At("out");
  const auto ended = Run(reduce);
  ASSERT_TRUE(std::holds_alternative<TaskSuccess>(ended))
      << std::get<FailedTask>(ended).failure.message;
  EXPECT_EQ(Read("out/part-00000.tsv"), "a\t1\nb\t2\n");
}

TEST_F(SandboxTest, AlsoAllowsWhatTheWorkerSays) {
  TaskAssignment task = MapOf("try read also " + At("keys/secret.key") + "\n", true);
  task.also_reads = {At("keys")};
  const auto reads = Run(task);
  EXPECT_TRUE(std::get<TaskSuccess>(reads).output.counters.contains("read also: OK"));
  const std::string write = "try write also " + At("keys/secret.key") + "\n";
  task = MapOf(write, true);
  task.also_reads = {At("keys")};
  const auto only_reads = Run(task);
  EXPECT_TRUE(std::get<TaskSuccess>(only_reads).output.counters.contains("write also: EACCES"));
  task = MapOf(write, true);
  task.also_writes = {At("keys")};
  const auto writes = Run(task);
  EXPECT_TRUE(std::get<TaskSuccess>(writes).output.counters.contains("write also: OK"));
}

// ---- What it must not do ------------------------------------------------------------------------

TEST_F(SandboxTest, DeniesFilesThatAreNotTheTasks) {
  Expect("read key " + At("keys/secret.key"), "EACCES", "OK");
  Expect("list keys " + At("keys"), "EACCES", "OK");
  Expect("read other " + At("spool/other/run-0"), "EACCES", "OK");
  Expect("list spool " + At("spool"), "EACCES", "OK");
  Expect("read shadow /etc/shadow", "EACCES", "OK");
  Expect("write beside " + At("spool/other/new"), "EACCES", "OK");
  Expect("write working-directory new", "EACCES", "OK");
  Expect("write input lines.txt", "EACCES", "OK");
  Expect("cut other " + At("spool/other/run-0"), "EACCES", "OK");
  Expect("remove other " + At("spool/other/run-0"), "EACCES", "OK");
  Expect("shell copy cat " + At("keys/secret.key") + " > /dev/null", "ENOEXEC", "OK");
}

// A link that another task has left where this one's input should lie opens nothing.
TEST_F(SandboxTest, FollowsNoLinksButInputs) {
  std::filesystem::create_symlink(At("keys/secret.key"), root_ / "spool/other/link");
  TaskAssignment task = MapOf("try read link " + At("spool/other/link") + "\n", true);
  task.also_reads = {At("spool/other/link")};
  const auto linked = Run(task);
  EXPECT_TRUE(std::get<TaskSuccess>(linked).output.counters.contains("read link: EACCES"));

  task = MapOf("", true);
  std::filesystem::rename(root_ / "lines.txt", root_ / "elsewhere.txt");
  std::filesystem::create_symlink("elsewhere.txt", root_ / "lines.txt");
  EXPECT_TRUE(std::holds_alternative<TaskSuccess>(Run(task)));
}

TEST_F(SandboxTest, HiddenFilesAreNoInputs) {
  const auto run = [&](const std::string& path, const std::vector<std::string>& hidden) {
    TaskAssignment task = MapOf("", true);
    const Result<FileInfo> info = LocalFileSystem().Stat(path);
    task.pieces = {{0, {*info}, {0, info->bytes, 0, UINT64_MAX}}};
    task.hidden = hidden;
    return std::holds_alternative<TaskSuccess>(Run(task));
  };
  std::filesystem::create_symlink(At("keys"), root_ / "way");
  for (const char* const path : {"keys/secret.key", "way/secret.key"}) {
    EXPECT_TRUE(run(At(path), {}));
    EXPECT_TRUE(run(At(path), {At("key"), At("keys/secret")}));  // Only names that begin so.
    EXPECT_FALSE(run(At(path), {At("keys")}));
  }
}

TEST_F(SandboxTest, DeniesSockets) {
  const ListeningPort port;
  Expect("connect there " + port.text(), "EPERM", "OK");
  Expect("do socket", "EPERM", "OK");
  Expect("do local-socket", "EPERM", "OK");
  Expect("do netlink", "EPERM", "OK");
  Expect("do datagram-pair", "EPERM", "OK");
}

TEST_F(SandboxTest, DeniesOtherProcesses) {
  Expect("do signal", "EPERM", "OK");
  Expect("do limit", "EPERM", "OK");
  Expect("do memory", "EACCES", "OK");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_EQ(Try("do trace", true), "EPERM");
  EXPECT_THAT(Try("do trace", false), HasSubstr("exit(9)"));
#endif
}

TEST_F(SandboxTest, DeniesTheKernelsWideDoors) {
  Expect("do namespace", "EPERM", "OK");
  EXPECT_EQ(Try("do keyring", true), "EPERM");
  EXPECT_EQ(Try("do uring", true), "EPERM");
  EXPECT_NE(Try("do uring", false), "EPERM");
  EXPECT_EQ(Try("do mount", true), "EPERM");
  EXPECT_NE(Try("do mount", false), "EPERM");
  if (geteuid() == 0) Expect("do priority", "EACCES", "OK");
}

// Also without a sandbox.
TEST_F(SandboxTest, NoPrivilegesAndNoCoresAreLeft) {
  Expect("do privileges", "EPERM", "EPERM");
  Expect("do core", "EPERM", "EPERM");
}

// ---- What people see ----------------------------------------------------------------------------

TEST_F(SandboxTest, AFailureThatSoundsLikeItSaysSo) {
  const auto failed = Run(MapOf("denied, exit 1\n", true));
  EXPECT_THAT(std::get<FailedTask>(failed).failure.message, HasSubstr("--no-sandbox"));
  const auto other = Run(MapOf("exit 1\n", true));
  EXPECT_THAT(std::get<FailedTask>(other).failure.message, Not(HasSubstr("--no-sandbox")));
}

TEST_F(SandboxTest, AFolderThatIsGoneIsTheWorkers) {
  TaskAssignment task = MapOf("a\n", true);
  task.runs[0].path = At("gone/run");
  const auto ended = Run(task);
  EXPECT_EQ(std::get<FailedTask>(ended).failure.code, StatusCode::kUnavailable);
}

// For each attempt, however short.
TEST_F(SandboxTest, ReportsWhatItCosts) {
  constexpr int kCount = 50;
  double took_ms[2] = {};
  for (const bool is_sandboxed : {false, true}) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kCount; ++i)
      EXPECT_TRUE(std::holds_alternative<TaskSuccess>(Run(MapOf("a\n", is_sandboxed))));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    took_ms[is_sandboxed ? 1 : 0] = took.count() / kCount;
  }
  std::printf("an attempt: %.2f ms, in a sandbox %.2f ms\n", took_ms[0], took_ms[1]);
}

TEST(SandboxTextTest, KnowsWhatAllTasksMayRead) {
  EXPECT_EQ(ReadableSystemFolder("/opt/millrace/keys"), "/opt");
  EXPECT_EQ(ReadableSystemFolder("/usr"), "/usr");
  EXPECT_EQ(ReadableSystemFolder("/usrlocal/keys"), "");
  EXPECT_EQ(ReadableSystemFolder("/etc/millrace/worker"), "");
}

TEST(SandboxTextTest, SaysWhatIsOn) {
  EXPECT_EQ(DescribeSandbox(true, {7, true}), "tasks run with Landlock 7 and seccomp");
  EXPECT_EQ(DescribeSandbox(true, {0, false}),
            "tasks run without Landlock and seccomp: the kernel has none");
  EXPECT_EQ(DescribeSandbox(true, {0, true}),
            "tasks run with seccomp, without Landlock: the kernel has none");
  EXPECT_EQ(DescribeSandbox(false, {7, true}), "tasks run without a sandbox: --no-sandbox");
}

}  // namespace
}  // namespace millrace
