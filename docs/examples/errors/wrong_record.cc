// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/job.h"

using namespace millrace;

struct Play {
  std::string_view track;
  MR_FIELDS(Play, track)
};

struct PerTrack {
  void Map(const Play& play, Emitter<std::string_view, Unit>& emit) { emit(play.track); }
};

void CountPlays(Job& job) {
  job.ReadLines("plays").Map<PerTrack>().Reduce<Count>().Write<Tsv>("counts");
}
