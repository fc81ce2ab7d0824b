// SPDX-License-Identifier: Apache-2.0
// Jobs that misbehave, as a module: each line of the input says what the map does with it.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
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

// What is in run files below the working directory, cut in half.
void HalveRuns() {
  namespace fs = std::filesystem;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(".")) {
    if (entry.path().extension() == ".run") fs::resize_file(entry.path(), entry.file_size() / 2);
  }
}

/// Those that sleep are user code that takes long: a run has to be caught in the middle of it.
struct Misbehave {
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit, Context& context) {
    const std::string what(line.text);
    if (what == "segv") std::raise(SIGSEGV);
    if (what == "abort") std::abort();
    if (what == "exit") std::exit(0);
    if (what == "stack") emit(std::to_string(Recurse(0)), 1);
    if (what == "throw") throw std::runtime_error("a bad day");
    if (what == "reject") return context.Reject("as it says");
    if (what == "count") context.Count("counted");
    if (what == "sleep") std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (what == "halve runs") HalveRuns();
    if (what == "hang") {
      std::ofstream("hanging") << "now";  // Tells the test.
      while (true) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (what == "slow") {
      std::ofstream("slow") << "now";
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    emit(what, 1);
  }
};

void Probe(Job& job) { job.ReadLines("lines").Map<Misbehave>().Reduce<Sum>().Write<Tsv>("counts"); }

// Another value each run: what rerun is there to find.
struct Addresses {
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit) {
    static const auto start = std::chrono::steady_clock::now().time_since_epoch().count();
    emit(std::string(line.text), start);
  }
};

void Clock(Job& job) { job.ReadLines("lines").Map<Addresses>().Reduce<Sum>().Write<Tsv>("sums"); }

struct Both {
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit) {
    emit(std::string(line.text), 1);
  }
};

void TwoOutputs(Job& job) {
  auto counts = job.ReadLines("lines").Map<Both>().Reduce<Sum>();
  counts.Write<Tsv>("one");
  job.ReadLines("lines").Map<Both>().Reduce<Max>().Write<Tsv>("two");
}

struct TwoFields {
  std::optional<std::string_view> first, second;
  MR_FIELDS(TwoFields, first, second)
};

struct AsItIs {
  void Map(const TwoFields& row, Emitter<TwoFields, Unit>& emit) { emit(row); }
};
struct SecondAlone {
  void Map(const TwoFields& row, Emitter<std::string_view, Unit>& emit) {
    emit(row.second.value_or(""));
  }
};

// One output of rows, in the order of the input, and one of lines.
void Rows(Job& job) {
  auto rows = job.Read<TwoFields>("rows");
  rows.Map<AsItIs>().Write<Tsv>("rows");
  rows.Map<SecondAlone>().Write<Text>("seconds");
}

/// The same in a column.
struct Told {
  std::string_view what;
  MR_FIELDS(Told, what)
};
struct MisbehaveAsTold {
  void Map(const Told& told, Emitter<std::string, std::int64_t>& emit, Context& context) {
    Misbehave().Map(Line{told.what}, emit, context);
  }
};
void ProbeRows(Job& job) {
  job.Read<Told>("rows").Map<MisbehaveAsTold>().Reduce<Sum>().Write<Tsv>("counts");
}

MR_JOB(probe, Probe, "does what each line says")
MR_JOB(probe_rows, ProbeRows, "does what the column says")
MR_JOB(clock, Clock, "another result each run")
MR_JOB(rows, Rows, "rows and lines as they are")
MR_JOB(two_outputs, TwoOutputs, "two outputs")

}  // namespace
