// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/job.h"

using namespace millrace;

struct Song {
  std::string artist, title;
};

struct PerSong {
  void Map(const Line& line, Emitter<Song, Unit>& emit) { emit({"?", std::string(line.text)}); }
};

void CountSongs(Job& job) {
  job.ReadLines("plays").Map<PerSong>().Reduce<Count>().Write<Tsv>("counts");
}
