// SPDX-License-Identifier: Apache-2.0
#include "longest_plays.h"

#include <cstdint>
#include <string_view>

#include "mapreduce/api/registry.h"

namespace {

using millrace::Context;
using millrace::Emitter;

struct Play {
  std::string_view user, track;
  std::int64_t seconds = 0;
  MR_FIELDS(Play, user, track, seconds)
};

struct SecondsOfTrack {
  void Map(const Play& play, Emitter<std::string_view, std::int64_t>& emit, Context& context) {
    context.Count("plays");
    emit(play.track, play.seconds);
  }
};

}  // namespace

void LongestPlays(millrace::Job& job) {
  job.Read<Play>("plays").Map<SecondsOfTrack>().Reduce<millrace::Max>().Write<millrace::Tsv>(
      "longest");
}
MR_JOB(longest_plays, LongestPlays, "the longest play of each track")
