// SPDX-License-Identifier: Apache-2.0
// Jobs for task_child_test.cc, as a module: each line of the input, or key of a group, says how the
// process shall be mistreated.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>

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
