// SPDX-License-Identifier: Apache-2.0
// The lines of the input in bytewise order, duplicates kept. See docs/jobs/sort.md.
#include <string_view>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

namespace {

using millrace::Emitter;
using millrace::Unit;

struct WholeLine {
  void Map(const millrace::Line& line, Emitter<std::string_view, Unit>& emit) { emit(line.text); }
};

struct EachOnce {
  void Reduce(const std::string_view& line, millrace::Values<Unit>& occurrences,
              Emitter<std::string_view, Unit>& emit) {
    for ([[maybe_unused]] const Unit& occurrence : occurrences) emit(line);
  }
};

void Sort(millrace::Job& job) {
  job.ReadLines("lines").Map<WholeLine>().Reduce<EachOnce>().Write<millrace::Text>("sorted");
}

MR_JOB(sort, Sort, "the lines of the input in bytewise order")

}  // namespace
