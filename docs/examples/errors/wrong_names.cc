// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/job.h"

using namespace millrace;

struct Words {
  void Map(const Line& line, Emitter<std::string_view, Unit>& emit) { emit(line.text); }
};

void CountTheWords(Job& job) {
  job.ReadLines("text").Map<Words>().Reduce<Count>().Write<Tsv>("words", {"word"});
}
