// SPDX-License-Identifier: Apache-2.0
// The `millrace` command when things go wrong: crashes and hangs of a job's code, signals, places
// that can't be written to, runs in each other's way. Nothing of ours may stay behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/millrace_process.h"

namespace millrace {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

class CliBadDaysTest : public MillraceTest {
 protected:
  std::vector<std::string> ProbeCommand(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"run",           "probe",    "--module",
                                      MILLRACE_PROBES, "--input",  "lines.txt",
                                      "--output",      "deep/out", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  ProcessResult Probe(const std::string& lines, std::vector<std::string> more = {}) {
    Write("lines.txt", lines);
    return Run(ProbeCommand(more));
  }
  // A failed run: this exit code in both places, and only the input left.
  void ExpectFailed(const ProcessResult& run, int exit_code) {
    EXPECT_EQ(run.exit_code, exit_code) << run.err;
    const auto json = nlohmann::json::parse(run.out, nullptr, false);
    ASSERT_TRUE(json.is_object()) << run.out;
    EXPECT_EQ(json["status"], "failed");
    EXPECT_EQ(json["exit"], exit_code);
    EXPECT_FALSE(Exists("deep/out"));
    EXPECT_THAT(HiddenNames(), IsEmpty());
  }
};

// It must not look like a run that has ended well.
TEST_F(CliBadDaysTest, ExitInTheJobsCodeIsNoSuccess) {
  Write("in/a.txt", "fine\nexit\n");
  const ProcessResult result =
      Run({"run", "probe", "--module", MILLRACE_PROBES, "--input", "in", "--output", "out"});
  EXPECT_EQ(result.exit_code, 70);
  EXPECT_THAT(result.err, HasSubstr("exit() in task map-00000 at byte 5 of in/a.txt"));
  EXPECT_FALSE(Exists("out"));
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliBadDaysTest, CrashThatMayBeSetAsideBeginsAgainWithTasksInProcesses) {
  Write("in/a.txt", "fine\nsegv\nalso fine\n");
  const ProcessResult result = Run({"run", "probe", "--module", MILLRACE_PROBES, "--input", "in",
                                    "--output", "out", "--max-rejects", "1", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("beginning again with --isolate"));
  EXPECT_THAT(result.out, HasSubstr("\"rejects\":1"));
  EXPECT_THAT(Read("out/_rejects.tsv"), HasSubstr("in/a.txt\t5\tcrashed the job's code\tsegv"));
  EXPECT_EQ(Read("out/part-00000.tsv"), "also fine\t1\nfine\t1\n");
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliBadDaysTest, CrashNamesShardAndOffset) {
  for (const std::string what : {"segv", "abort", "stack"}) {
    const ProcessResult run = Probe("fine\nalso fine\n" + what + "\n");
    ExpectFailed(run, 70);
    EXPECT_THAT(run.err, HasSubstr(what == "abort" ? "SIGABRT" : "SIGSEGV"));
    EXPECT_THAT(run.err, HasSubstr("at byte 15 of lines.txt")) << what;
    EXPECT_THAT(run.err, HasSubstr("task map-00000"));
    std::filesystem::remove_all(root_ / "deep");  // A parent may stay behind a crash.
  }
}

TEST_F(CliBadDaysTest, ExceptionIsARejectOfItsRecord) {
  const ProcessResult run = Probe("fine\nthrow\n");
  ExpectFailed(run, 65);
  EXPECT_THAT(run.err, HasSubstr("a bad day"));
  EXPECT_FALSE(Exists("deep"));
  EXPECT_EQ(Probe("fine\nthrow\n", {"--max-rejects", "50%"}).exit_code, 0);
}

// A file whose checksum comes last gives bad records first; the damage is what must be told.
TEST_F(CliBadDaysTest, DamageIsNoReject) {
  std::string plays;
  for (int i = 0; i < 3000; ++i) plays += "2026-11-21\tann\tsong\tSE\t40000\n";
  for (const int bad : {2, 20}) {
    Write("plays.tsv", plays + (bad == 2 ? "x\nx\n" : std::string(40, '\n')) + plays);
    ASSERT_EQ(Run({"run", "sort", "--input", "plays.tsv", "--output", "stored", "--compress",
                   "gzip", "--force"})
                  .exit_code,
              0);
    const ProcessResult whole =
        Run({"run", "toplist", "--input", "stored/part-00000.tsv.gz", "--output", "out"});
    EXPECT_EQ(whole.exit_code, 65);
    EXPECT_THAT(whole.err, HasSubstr("records were rejected"));
    std::string damaged = Read("stored/part-00000.tsv.gz");
    damaged[damaged.size() - 8] ^= 1;  // Of the checksum behind the data.
    Write("damaged.tsv.gz", damaged);
    for (const char* limit : {"0", "10", "100%"}) {
      const ProcessResult run = Run({"run", "toplist", "--input", "damaged.tsv.gz", "--output",
                                     "out", "--max-rejects", limit});
      EXPECT_EQ(run.exit_code, 65);
      EXPECT_THAT(run.err, HasSubstr("damaged.tsv.gz: damaged gzip data")) << limit;
      EXPECT_THAT(run.err, Not(HasSubstr("rejected"))) << limit;
      EXPECT_FALSE(Exists("out"));
    }
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // They hold freed memory back.
// Rejects of a reduce come in no order: all of them are sorted at the end.
TEST_F(CliBadDaysTest, ManyLateRejectsStayWithinTheMemory) {
  std::string lines;
  for (int i = 0; i < 900'000; ++i)
    lines += "same\tuser\tproduct\t" + std::to_string(i) + "\t2026-11-21\n";
  Write("transactions.tsv", lines);
  const ProcessResult run =
      Run({"run", "accounting_import", "--input", "transactions.tsv", "--output", "out",
           "--max-rejects", "100%", "--memory", "16M", "--parallel", "2"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::size_t end = run.err.find(" MiB peak memory");
  ASSERT_NE(end, std::string::npos) << run.err;
  const std::size_t begin = run.err.rfind(' ', end - 1) + 1;
  EXPECT_LT(std::stod(run.err.substr(begin, end - begin)), 16 + 64) << run.err;
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // They take terabytes.
// Tables and buffers reserve what --memory would let them be; the limit has the last word.
TEST_F(CliBadDaysTest, AddressSpaceMayBeLimited) {
  std::string plays;
  for (int i = 0; i < 20'000; ++i)
    plays += "2026-11-21\tann\t" + std::to_string(i) + "\tSE\t40000\n";
  Write("plays.tsv", plays);
  for (const std::string job : {"sort", "toplist"}) {
    const std::vector<std::string> words = {"run", job,          "--input", "plays.tsv", "--memory",
                                            "8G",  "--parallel", "2",       "--output",  job};
    std::vector<std::string> limited = {"/bin/sh", "-c", "ulimit -v 1000000; exec \"$@\"", "sh"};
    for (const std::string& word : Command(words)) limited.push_back(word);
    const ProcessResult run = Process(limited, root_).Wait();
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(Exists(job + "/part-00000.tsv"));
  }
}
#endif

TEST_F(CliBadDaysTest, InterruptEndsTheRunAndClearsUp) {
  Write("lines.txt", [] {
    std::string lines;
    for (int i = 0; i < 5000; ++i) lines += "slow\n";
    return lines;
  }());
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Process run(Command(ProbeCommand()), root_);
    ASSERT_TRUE(Await("slow"));
    run.Kill(signal);
    const ProcessResult result = run.Wait();
    ExpectFailed(result, signal == SIGINT ? 130 : 143);
    EXPECT_THAT(result.err, EndsWith(signal == SIGINT ? "interrupted\n" : "terminated\n"));
    EXPECT_LT(result.elapsed.count(), 20'000);
    std::filesystem::remove(root_ / "slow");
    std::filesystem::remove_all(root_ / "deep");
  }
}

TEST_F(CliBadDaysTest, CodeThatDoesNotReturnIsEndedAfterAWhileOrASecondSignal) {
  Write("lines.txt", "hang\n");
  for (const bool twice : {false, true}) {
    Process run(Command(ProbeCommand({"--scratch", "spills"})), root_);
    ASSERT_TRUE(Await("hanging"));
    const auto start = std::chrono::steady_clock::now();
    run.Kill(SIGINT);
    if (twice) {
      // Two of a kind that wait together are one to the kernel: the first has to be taken before
      // the second comes, and it leaves nothing that a test could wait for.
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // Until it is taken.
      run.Kill(SIGINT);
    }
    const ProcessResult result = run.Wait();
    const auto took = std::chrono::steady_clock::now() - start;
    ExpectFailed(result, 130);
    EXPECT_GT(took, std::chrono::milliseconds(twice ? 50 : 1400));
    EXPECT_LT(took, std::chrono::milliseconds(twice ? 1400 : 10'000));
    std::filesystem::remove(root_ / "hanging");
  }
}

TEST_F(CliBadDaysTest, KilledRunIsClearedByTheNext) {
  Write("lines.txt", "hang\n");
  {
    Process run(Command(ProbeCommand({"--scratch", "spills"})), root_);
    ASSERT_TRUE(Await("hanging"));
    run.Kill(SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 137);
  }
  EXPECT_FALSE(HiddenNames().empty());
  EXPECT_FALSE(Exists("deep/out"));
  const ProcessResult again = Probe("fine\n", {"--scratch", "spills"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(HiddenNames(), IsEmpty());
  EXPECT_EQ(Read("deep/out/part-00000.tsv"), "fine\t1\n");
}

// At every system call of io/ in turn: the run fails or is killed, with an output in the way that
// it replaces or with none. Then OUT is whole (the old one or the new one) or absent, and running
// again ends well and leaves nothing else.
class CliFaultSweep : public CliBadDaysTest {
 protected:
  // Hundreds of runs that sync: in memory, where there is such a place.
  std::filesystem::path Base() override {
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : CliBadDaysTest::Base();
  }
  void Sweep(const std::string& action, bool has_output) {
    Write("lines.txt", "b\na\nb\nc\n");
    const std::vector<std::string> words = {"run",       "wordcount", "--input",      "lines.txt",
                                            "--output",  "deep/out",  "--split-size", "3",
                                            "--scratch", "spills",    "--quiet",      "--force"};
    // Some failures don't matter, so the end is where many in a row don't.
    int calls_ok = 0;
    for (int n = 1; calls_ok < 15; ++n) {
      ASSERT_LT(n, 2000);
      std::filesystem::remove_all(root_ / "deep");
      if (has_output) {
        ASSERT_EQ(Run(words).exit_code, 0);
      }
      const std::string failpoint = "MILLRACE_FAILPOINTS=io=" + action + "@" + std::to_string(n);
      std::vector<std::string> armed = {"/usr/bin/env", failpoint, MILLRACE_BINARY};
      armed.insert(armed.end(), words.begin(), words.end());
      const ProcessResult run = Process(armed, root_).Wait();
      calls_ok = run.exit_code == 0 ? calls_ok + 1 : 0;
      if (has_output || run.exit_code == 0) {
        const ProcessResult verify = Run({"verify", "deep/out"});
        EXPECT_TRUE(verify.exit_code == 0 || !Exists("deep/out")) << n << ": " << verify.err;
        EXPECT_TRUE(Exists("deep/out") || action == "kill") << n;
      }
      const ProcessResult again = Run(words);
      ASSERT_EQ(again.exit_code, 0) << n << ": " << again.err << " after " << run.err;
      ASSERT_EQ(Read("deep/out/part-00000.tsv"), "a\t1\nb\t2\nc\t1\n") << n;
      ASSERT_THAT(HiddenNames(), IsEmpty()) << n;
    }
  }
};

TEST_F(CliFaultSweep, FailureOfAnyCall) { Sweep("error", false); }
TEST_F(CliFaultSweep, FailureOfAnyCallWhileReplacing) { Sweep("error", true); }
TEST_F(CliFaultSweep, KillAtAnyCall) { Sweep("kill", false); }
TEST_F(CliFaultSweep, KillAtAnyCallWhileReplacing) { Sweep("kill", true); }

TEST_F(CliBadDaysTest, TwoRunsOfOneOutputDoNotMix) {
  Write("lines.txt", "hang\n");
  Process first(Command(ProbeCommand()), root_);
  ASSERT_TRUE(Await("hanging"));
  const ProcessResult second = Run(ProbeCommand());
  EXPECT_EQ(second.exit_code, 75) << second.err;
  EXPECT_THAT(second.err, HasSubstr("another run"));
  first.Kill(SIGTERM);
  ExpectFailed(first.Wait(), 143);
}

TEST_F(CliBadDaysTest, OutputPlacesThatCannotBe) {
  Write("lines.txt", "fine\n");
  Write("file", "x");
  const auto run = [this](const std::string& output) {
    return Run(
        {"run", "probe", "--module", MILLRACE_PROBES, "--input", "lines.txt", "--output", output});
  };
  EXPECT_EQ(run("file").exit_code, 73);
  EXPECT_EQ(run("file/out").exit_code, 73);
  EXPECT_EQ(run("lines.txt").exit_code, 73);
  EXPECT_EQ(run("/proc/out").exit_code, 73);
  std::filesystem::create_symlink("nowhere", root_ / "dangling");
  EXPECT_EQ(run("dangling").exit_code, 73);
  EXPECT_EQ(run(std::string(300, 'x')).exit_code, 73);
  if (geteuid() != 0) {
    std::filesystem::create_directory(root_ / "locked");
    std::filesystem::permissions(
        root_ / "locked", std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    EXPECT_EQ(run("locked/out").exit_code, 73);
  }
  EXPECT_EQ(Read("file"), "x");
  EXPECT_EQ(Read("lines.txt"), "fine\n");
  EXPECT_THAT(HiddenNames(), IsEmpty());
}

TEST_F(CliBadDaysTest, OutputAmongTheInputsHarmsNone) {
  Write("in/lines.txt", "fine\n");
  const auto run = [this](const std::string& input, const std::string& output) {
    return Run({"run", "probe", "--module", MILLRACE_PROBES, "--input", input, "--output", output,
                "--force"});
  };
  EXPECT_EQ(run("in", "in").exit_code, 73);
  EXPECT_EQ(run("in", "in/out").exit_code, 73);
  EXPECT_EQ(run("in/lines.txt", "in").exit_code, 73);
  EXPECT_EQ(run("in/lines.txt", ".").exit_code, 73);
  EXPECT_EQ(Read("in/lines.txt"), "fine\n");
  EXPECT_EQ(run("in/*.txt", "in/out").exit_code, 0);
  EXPECT_EQ(run("in/*.txt", "in/out").exit_code, 0);
}

TEST_F(CliBadDaysTest, NamesThatJsonCannotHoldAreRefused) {
  Write("caf\xE9.txt", "fine\n");
  const ProcessResult run = Run({"run", "probe", "--module", MILLRACE_PROBES, "--input",
                                 "caf\xE9.txt", "--output", "out", "--json"});
  EXPECT_EQ(run.exit_code, 64);
  EXPECT_THAT(run.err, HasSubstr("caf\\xE9.txt"));
}

TEST_F(CliBadDaysTest, OddNamesWork) {
  Write("a\nb\t\"c\" -d.txt", "fine\n");
  const ProcessResult run = Run({"run", "probe", "--module", MILLRACE_PROBES,
                                 "--input=a\nb\t\"c\" -d.txt", "--output=-o u t", "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(Run({"verify", "./-o u t"}).exit_code, 0);
  EXPECT_EQ(Run({"rerun", "./-o u t", "--module", MILLRACE_PROBES}).out, "identical\n");
}

}  // namespace
}  // namespace millrace
