// SPDX-License-Identifier: Apache-2.0
#include "worker/task_spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "mapreduce/io/descriptor.h"

extern char** environ;

namespace millrace {
namespace {

constexpr rlim_t kOpenFilesMax = 4096;  // A merge has some 64 open; the rest is for the job.

// What the new process needs, ready: between vfork and exec it shares our memory, and may only make
// system calls.
struct Start {
  const char* program;
  char** argv;
  char** envp;
  const int* descriptors;  // All above those they become.
  int descriptor_count;
  int announce_fd;
  bool dies_with_us;
  pid_t parent;
  rlimit core, files, data;
  volatile int error = 0;  // Of the step that failed; the parent reads it.
};

[[noreturn]] void Fail(Start& start) {
  start.error = errno;
  _exit(127);
}

[[noreturn]] void RunChild(Start& start) {
  if (setpgid(0, 0) != 0) Fail(start);
  if (start.dies_with_us) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) Fail(start);
    if (getppid() != start.parent) _exit(127);  // It was gone before we could be told.
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &standard, nullptr);
  if (start.announce_fd >= 0) {
    const pid_t self = getpid();
    if (write(start.announce_fd, &self, sizeof self) != sizeof self) Fail(start);
  }
  for (int i = 0; i < start.descriptor_count; ++i) {
    if (dup2(start.descriptors[i], i) < 0) Fail(start);
  }
  if (close_range(static_cast<unsigned>(start.descriptor_count), UINT_MAX, 0) != 0) Fail(start);
  setrlimit(RLIMIT_CORE, &start.core);
  setrlimit(RLIMIT_NOFILE, &start.files);
  setrlimit(RLIMIT_DATA, &start.data);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(start.program, start.argv, start.envp);
  Fail(start);
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

rlimit LimitAt(int resource, rlim_t most) {
  rlimit limit{};
  getrlimit(static_cast<__rlimit_resource>(resource), &limit);
  limit.rlim_cur = limit.rlim_max = std::min(limit.rlim_max, most);
  return limit;
}

// Apart, so that nothing of the caller's lives in registers while the child runs on its stack.
[[gnu::noinline]] pid_t Fork(Start& start) {
  const pid_t pid = vfork();
  if (pid == 0) RunChild(start);
  return pid;
}

}  // namespace

Result<pid_t> Spawn(const SpawnSpec& spec) {
  std::vector<std::string> arguments = spec.arguments;
  std::vector<std::string> environment = spec.environment;
  std::vector<char*> argv = Pointers(arguments);
  std::vector<char*> envp = Pointers(environment);
  const auto count = static_cast<int>(spec.descriptors.size());
  // Copies above the numbers they are going to have: dup2 in order then overwrites none of them.
  std::vector<Descriptor> copies;
  std::vector<int> numbers;
  for (const int fd : spec.descriptors) {
    copies.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, count));
    if (copies.back().get() < 0)
      return Status::ResourceLimit("no descriptor for a child: ", std::strerror(errno));
    numbers.push_back(copies.back().get());
  }
  Start start{.program = spec.program.c_str(),
              .argv = argv.data(),
              .envp = envp.data(),
              .descriptors = numbers.data(),
              .descriptor_count = count,
              .announce_fd = spec.announce_fd,
              .dies_with_us = spec.dies_with_us,
              .parent = getpid(),
              .core = LimitAt(RLIMIT_CORE, 0),
              .files = LimitAt(RLIMIT_NOFILE, kOpenFilesMax),
              .data = LimitAt(RLIMIT_DATA, spec.data_bytes_max)};
  // A handler of ours must not run in the child, in our memory.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = Fork(start);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Status::ResourceLimit("cannot start a child: ", std::strerror(fork_error));
  if (start.error == 0) return pid;
  // Taken back before another process can have the id.
  const pid_t gone = -pid;
  while (spec.announce_fd >= 0 && write(spec.announce_fd, &gone, sizeof gone) < 0 &&
         errno == EINTR) {
  }
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
  // Its reader is gone, and nothing is wrong with the program.
  if (start.error == EPIPE) return Status::Unavailable("cannot start a child: no keeper is left");
  return Status::Internal("cannot start ", spec.program, ": ", std::strerror(start.error));
}

std::vector<std::string> ChildEnvironment() {
  constexpr std::string_view kNames[] = {"PATH",         "HOME",          "TMPDIR",
                                         "TZ",           "ASAN_OPTIONS",  "LSAN_OPTIONS",
                                         "TSAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH"};
  std::vector<std::string> kept = {"LANG=C.UTF-8"};
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view entry = *at;
    const std::string_view name = entry.substr(0, entry.find('='));
    if (name.starts_with("MILLRACE_") ||
        std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames)) {
      kept.emplace_back(entry);
    }
  }
  return kept;
}

}  // namespace millrace
