// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/job.h"

using namespace millrace;

struct Words {
  void Map(const Line& line, Emitter<std::string_view, std::int64_t>& emit) { emit(line.text, 1); }
};

struct Add {  // Its Reduce has forgotten the emitter.
  void Reduce(const std::string_view& word, Values<std::int64_t>& counts);
};

void CountAllTheWords(Job& job) {
  job.ReadLines("text").Map<Words>().Reduce<Add>().Write<Tsv>("words");
}
