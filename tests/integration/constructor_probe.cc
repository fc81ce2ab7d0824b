// SPDX-License-Identifier: Apache-2.0
// A job whose module leaves a file as soon as any of its code runs: the one that
// MILLRACE_PROBE_FILE names.
#include <cstdlib>
#include <fstream>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

namespace {

using namespace millrace;  // NOLINT: a job speaks little else.

const struct Tell {
  Tell() {
    if (const char* const path = std::getenv("MILLRACE_PROBE_FILE"); path != nullptr)
      std::ofstream(path) << "I have run";
  }
} kTell;

struct One {
  void Map(const Line& line, Emitter<std::string, std::int64_t>& emit) {
    emit(std::string(line.text), 1);
  }
};

void Constructed(Job& job) { job.ReadLines("lines").Map<One>().Reduce<Sum>().Write<Tsv>("counts"); }
MR_JOB(constructed, Constructed, "counts lines; its module has a constructor")

void Second(Job& job) { job.ReadLines("lines").Map<One>().Write<Tsv>("counts"); }
MR_JOB(constructed_twice, Second, "a second note in the module")

}  // namespace
