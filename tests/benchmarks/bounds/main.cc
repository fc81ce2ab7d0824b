// SPDX-License-Identifier: Apache-2.0
// millrace-bounds: the benchmark's jobs as single-purpose programs: how fast it could be done by
// code that does nothing else and knows the data. A bound to compare Millrace with, not a peer.
//
//   millrace-bounds JOB FOLDER OUTPUT      or: millrace-bounds --version
//
// As tests/benchmarks/peers/duckdb/query.mjs is called: FOLDER holds the job's shards, OUTPUT is
// the file to write, the bytes that `millrace cat` prints. The environment says the rest:
// BENCH_THREADS; BENCH_SUFFIX, ".zst" or nothing, of the shards' names; BENCH_TEMP, a folder for
// spills; BENCH_MEMORY_MIB, a limit for `sort`.

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/benchmarks/bounds/bound.h"

namespace millrace::bounds {
namespace {

constexpr unsigned kThreadsMax = 1024;

std::string Environment(const char* name, const std::string& otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

unsigned long Number(const char* name, const char* otherwise) {
  return std::strtoul(Environment(name, otherwise).c_str(), nullptr, 10);
}

int Main(int argc, char** argv) {
  const std::map<std::string, void (*)(const Task&)> jobs = {
      {"wordcount", WordCount}, {"toplist", TopList}, {"listeners", Listeners}, {"sort", Sort}};
  if (argc == 2 && std::string(argv[1]) == "--version") {
    std::puts("single-purpose C++ of this tree");
    return 0;
  }
  if (argc != 4) Die("usage: millrace-bounds JOB FOLDER OUTPUT");
  const auto job = jobs.find(argv[1]);
  if (job == jobs.end()) Die(std::string("no program for the job ") + argv[1]);
  Task task;
  task.folder = argv[2];
  task.output = argv[3];
  task.suffix = Environment("BENCH_SUFFIX", "");
  task.temp = Environment("BENCH_TEMP", "/tmp");
  const unsigned long threads = Number("BENCH_THREADS", "2");
  if (threads < 1 || threads > kThreadsMax) Die("BENCH_THREADS must be 1 to 1024");
  task.threads = static_cast<unsigned>(threads);
  task.memory_bytes = Number("BENCH_MEMORY_MIB", "256") << 20;
  job->second(task);
  return 0;
}

}  // namespace
}  // namespace millrace::bounds

int main(int argc, char** argv) { return millrace::bounds::Main(argc, argv); }
