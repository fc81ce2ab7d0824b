// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

using namespace millrace;

constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};

struct Play {
  std::string_view track, country;
  std::int64_t ms_played = 0;
  MR_FIELDS(Play, track, country, ms_played)
};

using CountryTrack = std::tuple<std::string_view, std::string_view>;

struct LongPlays {
  void Map(const Play& play, Emitter<CountryTrack, Unit>& emit, Context& context) {
    if (play.country.size() != 2) return context.Reject("not a country");  // Set aside, counted.
    if (play.ms_played >= 30'000) emit({play.country, play.track});
  }
};

void TrackPlays(Job& job) {
  job.Read<Play>("plays", kPlays).Map<LongPlays>().Reduce<Count>().Write<Tsv>("counts");
}

MR_JOB(track_plays, TrackPlays, "plays of 30 seconds and more, per country and track")
