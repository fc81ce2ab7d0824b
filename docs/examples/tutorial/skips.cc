// SPDX-License-Identifier: Apache-2.0
#include "skips.h"

#include "mapreduce/api/registry.h"

namespace {

using namespace millrace;

// The columns of a file of plays. A job names those it wants; the others are not looked at.
constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};

struct Play {
  std::string_view track;
  std::int64_t ms_played = 0;
  MR_FIELDS(Play, track, ms_played)
};

struct Tally {
  std::int64_t plays = 0, skipped = 0;
  MR_FIELDS(Tally, plays, skipped)
};

// Called for each play.
struct MarkSkips {
  std::int64_t skip_ms;
  void Map(const Play& play, Emitter<std::string_view, Tally>& emit, Context& context) {
    if (play.ms_played < 0) return context.Reject("negative ms_played");
    const bool is_skipped = play.ms_played < skip_ms;
    if (is_skipped) context.Count("skipped");
    emit(play.track, {1, is_skipped ? 1 : 0});
  }
};

// Called with all tallies of a track. Sums of sums are sums, so it is the combiner, too.
struct AddUp {
  void Reduce(const std::string_view& track, Values<Tally>& tallies,
              Emitter<std::string_view, Tally>& emit) {
    Tally sum;
    for (const Tally& tally : tallies) {
      sum.plays += tally.plays;
      sum.skipped += tally.skipped;
    }
    emit(track, sum);
  }
};

}  // namespace

void Skips(Job& job) {
  const auto skip_ms = job.Param<std::int64_t>("skip_ms", 30000, "a shorter play is a skip");
  job.Read<Play>("plays", kPlays)
      .Map<MarkSkips>(skip_ms)
      .Combine<AddUp>()
      .Reduce<AddUp>()
      .Write<Tsv>("skips", {"track", "plays", "skipped"});
}

MR_JOB(skips, Skips, "how often each track is skipped")
