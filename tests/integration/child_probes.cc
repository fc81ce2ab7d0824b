// SPDX-License-Identifier: Apache-2.0
// Jobs for task_child_test.cc, as a module: each line of the input, or key of a group, says how the
// process shall be mistreated.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

namespace {

using namespace millrace;  // NOLINT: a job speaks little else.

// Not to be optimized into a loop: uses up the stack.
int Recurse(int depth) {
  volatile char room[4096];
  room[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : Recurse(depth + 1) + room[0];
}

[[noreturn]] void Loop() {
  volatile std::uint64_t count = 0;
  while (true) count = count + 1;
}

// Processes in our group; and one that has left it and has no parent.
void Fork(int count, bool leaves_group) {
  for (int i = 0; i < count; ++i) {
    if (fork() == 0) {
      while (true) pause();
    }
  }
  if (leaves_group && fork() == 0) {
    setsid();
    if (fork() > 0) _exit(0);
    while (true) pause();
  }
  std::ofstream("forked") << "now";
}

void Flood(std::uint64_t bytes) {
  const std::string line(1023, 'x');
  for (std::uint64_t done = 0; done < bytes; done += 1024) {
    std::fputs(line.c_str(), stdout);
    std::fputc('\n', stdout);
  }
  std::fputs("the end\n", stdout);
}

// All but what can't be limited otherwise: touched, so that it is really there.
void Hog(std::uint64_t bytes) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  for (std::uint64_t done = 0; done < bytes; done += kPiece) {
    void* const piece = std::malloc(kPiece);
    if (piece == nullptr) throw std::bad_alloc();
    std::memset(piece, 1, kPiece);
  }
  Loop();
}

// As a merge does, which moves no records.
[[noreturn]] void ReadFiles() {
  while (true) {
    std::ifstream file("/proc/self/exe");
    char piece[4096];
    file.read(piece, sizeof piece);
  }
}

[[noreturn]] void PrintForEver() {
  while (true) static_cast<void>(!write(1, "again and again\n", 16));
}

void CloseAll() {
  for (int fd = 0; fd < 1024; ++fd) close(fd);
}

// ---- What a sandbox allows ----------------------------------------------------------------------

int ErrorOf(long result) { return result < 0 ? errno : 0; }

int TryOpen(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
  const int error = ErrorOf(fd);
  if (fd >= 0) close(fd);
  return error;
}

int TrySocket(int family, int type) { return ErrorOf(socket(family, type, 0)); }

int TryPair(int type) {
  int pair[2];
  return ErrorOf(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair));
}

int TryConnect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int error = ErrorOf(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
  close(fd);
  return error;
}

// A process of its own, should it succeed: who is in another namespace is in it for good.
int TryCloneInto(unsigned long flags) {
  const long pid = syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return ErrorOf(pid);
}

int TryTrace(pid_t pid) {
  const long seized = ptrace(PTRACE_SEIZE, pid, nullptr, nullptr);
  const int error = ErrorOf(seized);
  if (seized == 0) _exit(9);  // Lets go of it, and shows.
  return error;
}

int TryLimit(pid_t pid) {
  rlimit limit{};
  return ErrorOf(prlimit(pid, RLIMIT_NOFILE, nullptr, &limit));
}

// Exit code 0, or it didn't work.
int TryShell(const std::string& command) { return std::system(command.c_str()) == 0 ? 0 : ENOEXEC; }

int TryThread() {
  int value = 0;
  std::thread([&value] { value = 1; }).join();
  return value == 1 ? 0 : EAGAIN;
}

int TryTemporary() {
  std::string path = std::string(std::getenv("TMPDIR")) + "/probe-XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0) return errno;
  const bool is_written = write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0;
  const std::string other = path + "-renamed";
  const int error = ErrorOf(is_written ? rename(path.c_str(), other.c_str()) : -1);
  unlink(other.c_str());
  close(fd);
  return error;
}

// "VERB WHAT [ARGUMENT]": what came of it.
int Try(const std::string& verb, const std::string& what, const std::string& argument) {
  if (verb == "read") return TryOpen(argument, O_RDONLY);
  if (verb == "list") return TryOpen(argument, O_RDONLY | O_DIRECTORY);
  if (verb == "write") return TryOpen(argument, O_WRONLY | O_CREAT);
  if (verb == "cut") return ErrorOf(truncate(argument.c_str(), 0));
  if (verb == "remove") return ErrorOf(unlink(argument.c_str()));
  if (verb == "shell") return TryShell(argument);
  if (verb == "connect") return TryConnect(std::stoi(argument));
  if (what == "socket") return TrySocket(AF_INET, SOCK_STREAM);
  if (what == "local-socket") return TrySocket(AF_UNIX, SOCK_DGRAM);
  if (what == "netlink") return TrySocket(AF_NETLINK, SOCK_RAW);
  if (what == "pair") return TryPair(SOCK_STREAM);
  if (what == "datagram-pair") return TryPair(SOCK_DGRAM);
  if (what == "trace") return TryTrace(getppid());
  if (what == "signal") return ErrorOf(kill(getppid(), 0));
  if (what == "limit") return TryLimit(getppid());
  if (what == "own-limit") return TryLimit(0);
  if (what == "memory") return TryOpen("/proc/" + std::to_string(getppid()) + "/mem", O_RDONLY);
  if (what == "priority") return ErrorOf(setpriority(PRIO_PROCESS, 0, -5));  // root's right.
  if (what == "namespace") return TryCloneInto(CLONE_NEWUSER);
  if (what == "process") return TryCloneInto(0);
  if (what == "keyring") return ErrorOf(syscall(SYS_keyctl, 0, -3, 0));  // Of the session.
  if (what == "uring") return ErrorOf(syscall(SYS_io_uring_setup, 0, nullptr));
  if (what == "mount") return ErrorOf(mount("none", "/mnt/nowhere", "tmpfs", 0, nullptr));
  if (what == "thread") return TryThread();
  if (what == "temporary") return TryTemporary();
  if (what == "privileges") return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
  if (what == "core") {
    rlimit limit{};
    return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? EPERM : 0;
  }
  return EINVAL;
}

void WriteGarbage(int fd) {
  const std::string garbage(100'000, '\xA5');
  static_cast<void>(!pwrite(fd, garbage.data(), garbage.size(), 0));
}

void Die(const std::string& how) {
  if (how == "segv") std::raise(SIGSEGV);  // A bad access a sanitizer would catch first.
  if (how == "abort") std::abort();
  if (how == "exit 0") std::exit(0);
  if (how == "exit 1") std::exit(1);
  if (how == "_exit 0") _exit(0);
  if (how == "terminate") std::terminate();
  if (how == "stack") std::exit(Recurse(0));
  if (how == "kill") kill(getpid(), SIGKILL);
  if (how == "loop") Loop();
  if (how == "read loop") ReadFiles();
  if (how == "print loop") PrintForEver();
  if (how == "deaf loop") {
    signal(SIGTERM, SIG_IGN);
    std::ofstream("deaf") << "now";
    Loop();
  }
  if (how == "fork, segv" || how == "fork, exit 0" || how == "fork, loop") {
    Fork(50, true);
    Die(how.substr(6));
  }
  if (how == "fork within, loop") {
    Fork(5, false);
    Loop();
  }
  if (how == "garbage") {
    WriteGarbage(4);
    _exit(0);
  }
  if (how == "hog") Hog(std::uint64_t{4} << 30);
}

/// Does what the line says; what doesn't end the process is counted.
struct Mistreat {
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit, Context& context) {
    const std::string what(line.text);
    Die(what);
    if (what == "throw") throw std::runtime_error("a bad day");
    if (what == "flood") Flood(std::uint64_t{1} << 30);
    if (what == "print") std::fputs("printed\n", stderr);
    if (what == "close all") CloseAll();
    if (what == "chdir" && chdir("/") != 0) std::abort();
    if (what == "count") context.Count("counted");
    if (what.starts_with("try ")) {
      std::istringstream words(what.substr(4));
      std::string verb, object, argument;
      words >> verb >> object;
      std::getline(words >> std::ws, argument);
      const int error = Try(verb, object, argument);
      context.Count(verb + " " + object + ": " + (error == 0 ? "OK" : strerrorname_np(error)));
    }
    if (what == "denied")
      throw std::system_error(TrySocket(AF_INET, SOCK_STREAM), std::generic_category());
    if (what == "denied, exit 1") {
      std::perror(TrySocket(AF_INET, SOCK_STREAM) != 0 ? "probe: socket" : "");
      std::exit(1);
    }
    if (what == "pid") return emit(what, getpid());
    emit(what, 1);
  }
};

/// The same for keys: those that begin with "reduce ".
struct SumOrDie {
  void Reduce(const std::string& key, Values<std::int64_t>& values,
              Emitter<std::string, std::int64_t>& emit) {
    if (key.starts_with("reduce ")) Die(key.substr(7, key.find_last_not_of(' ') - 6));
    std::int64_t sum = 0;
    for (const std::int64_t value : values) sum += value;
    emit(key, sum);
  }
};

void Mistreated(Job& job) {
  job.ReadLines("lines").Map<Mistreat>().Reduce<SumOrDie>().Write<Tsv>("counts");
}

void MapsAlone(Job& job) { job.ReadLines("lines").Map<Mistreat>().Write<Tsv>("counts"); }

/// The same in a map behind the reduce: keys that begin with "behind ". What else there is goes
/// through.
struct DieBehind {
  void Map(const KeyValue<std::string, std::int64_t>& count,
           Emitter<std::string, std::int64_t>& emit) {
    if (count.key.starts_with("behind ")) Die(count.key.substr(7));
    emit("behind", count.value);
  }
};

void MistreatedBehind(Job& job) {
  auto counts = job.ReadLines("lines").Map<Mistreat>().Reduce<SumOrDie>();
  counts.Write<Tsv>("counts");
  counts.Map<DieBehind>().Reduce<Sum>().Write<Tsv>("sums");
}

/// The same for a table: nobody looks up in it.
void TableMistreated(Job& job) {
  job.ReadLines("lines").Map<Mistreat>().Reduce<SumOrDie>().AsTable();
  job.ReadLines("lines").Map<Mistreat>().Write<Tsv>("counts");
}

/// Every line with its count from a table, or -1.
struct CountOf {
  Table<std::string, std::int64_t> counts;
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit) {
    const std::string text(line.text);
    emit(text, counts.Find(text).value_or(-1));
  }
};
void LookUp(Job& job) {
  auto counts = job.ReadLines("lines").Map<Mistreat>().Reduce<Sum>().AsTable();
  job.ReadLines("lines").Map<CountOf>(counts).Write<Tsv>("counts");
}

MR_JOB(mistreat, Mistreated, "does what each line says")
MR_JOB(mistreat_maps, MapsAlone, "does what each line says, without a reduce")
MR_JOB(mistreat_behind, MistreatedBehind, "does what each line says, also behind the reduce")
MR_JOB(mistreat_table, TableMistreated, "does what each line says, and keeps a table")
MR_JOB(look_up, LookUp, "the count of each line")

}  // namespace
