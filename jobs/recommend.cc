// SPDX-License-Identifier: Apache-2.0
// What each user may like next: `user, rank, track, score`. A track scores by how similar it is to
// those of the user's basket: `neighbours` is what cooccurrence wrote.
#include <utility>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"
#include "mapreduce/api/top_k.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
using Number = std::uint32_t;  // Of a candidate: where it stands among all of them in order.
constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};
constexpr TsvLayout kNeighbours{"track", "rank", "other", "count", "score"};

struct Play {
  Name user, track;
  MR_FIELDS(Play, user, track)
};
struct Neighbour {
  Name track, other;
  std::int64_t score = 0;
  MR_FIELDS(Neighbour, track, other, score)
};

struct Candidate {
  void Map(const Neighbour& row, Emitter<Name, Unit>& emit) { emit(row.track); }
};

// A candidate among whose neighbours a track stands, and with which score.
struct Similar {
  Number candidate = 0;
  std::int64_t score = 0;
  MR_FIELDS(Similar, candidate, score)
};

struct ByOther {
  Table<Name, Unit> candidates;
  void Map(const Neighbour& row, Emitter<Name, Similar>& emit) {
    emit(row.other, {static_cast<Number>(candidates.RowOf(row.track).value_or(0)), row.score});
  }
};

using UserTrack = std::tuple<Name, Name>;
struct ByUser {
  void Map(const Play& play, Emitter<UserTrack, Unit>& emit) { emit({play.user, play.track}); }
};

struct TrackPlays {
  std::string track;
  std::int64_t plays = 0;
};
bool MorePlayed(const TrackPlays& a, const TrackPlays& b) {
  return a.plays != b.plays ? a.plays > b.plays : a.track < b.track;
}
bool LargerScore(const Similar& a, const Similar& b) {
  return a.score != b.score ? a.score > b.score : a.candidate < b.candidate;
}

struct Row {
  Name track;
  std::int64_t score = 0;
  MR_FIELDS(Row, track, score)
};

// A user's plays come sorted by track.
class Recommend {
 public:
  Recommend(std::size_t k, std::size_t basket, Table<Name, Unit> candidates,
            Table<Name, std::vector<Similar>> similar)
      : candidates_(std::move(candidates)),
        similar_(std::move(similar)),
        scores_(candidates_.size()),
        basket_(basket, MorePlayed),
        best_(k, LargerScore) {}

  void Reduce(const Name& user, Values<KeyValue<UserTrack, Unit>>& plays,
              Emitter<std::tuple<Name, std::int64_t>, Row>& emit, Context& context) {
    basket_.Clear();
    best_.Clear();
    known_.clear();
    TrackPlays current;
    for (const auto& [key, unit] : plays) {
      const Name track = std::get<1>(key);
      if (current.plays > 0 && track != current.track)
        Played(std::exchange(current.plays, 0), current);
      if (current.plays++ == 0) current.track = track;
    }
    Played(current.plays, current);
    AddScores();
    for (const Number candidate : known_) scores_[candidate] = {};
    for (const Number candidate : seen_) {
      Score& score = scores_[candidate];
      if (score.is_set) best_.Offer({candidate, score.sum});
      if (score.carries != 0) {
        context.Fail("the scores of the track " + std::string(candidates_.Row(candidate).key) +
                     " for the user " + std::string(user) +
                     " add up beyond int64; look for one that is too large in neighbours");
      }
      score = {};
    }
    seen_.clear();
    std::int64_t rank = 0;
    for (const Similar& best : best_.Sorted())
      emit({user, ++rank}, {candidates_.Row(best.candidate).key, best.score});
  }

 private:
  struct Score {
    std::int64_t sum = 0;      // Modulo 2^64:
    std::int32_t carries = 0;  // 0 if that is the sum.
    bool is_set = false;
  };

  void Played(std::int64_t plays, const TrackPlays& track) {
    basket_.Offer({track.track, plays});
    if (const auto candidate = candidates_.RowOf(track.track))
      known_.push_back(static_cast<Number>(*candidate));
  }
  void AddScores() {
    for (const TrackPlays& mine : basket_.Sorted()) {
      const auto similar = similar_.Find(mine.track);
      if (!similar) continue;
      for (const Similar& each : *similar) {
        Score& score = scores_[each.candidate];
        if (!score.is_set) seen_.push_back(each.candidate);
        score.is_set = true;
        if (__builtin_add_overflow(score.sum, each.score, &score.sum))
          score.carries += each.score > 0 ? 1 : -1;
      }
    }
  }

  const Table<Name, Unit> candidates_;
  const Table<Name, std::vector<Similar>> similar_;
  std::vector<Score> scores_;  // By number of the candidate.
  std::vector<Number> seen_;   // Those with a score.
  std::vector<Number> known_;  // Candidates that the user has played.
  TopK<TrackPlays, decltype(&MorePlayed)> basket_;
  TopK<Similar, decltype(&LargerScore)> best_;
};

constexpr std::uint64_t kSimilarBytesMax = std::uint64_t{1} << 30;

void Recommendations(Job& job) {
  const auto k = job.Param<std::size_t>("k", 10, "recommendations per user; 0: all");
  const auto basket =
      job.Param<std::size_t>("basket", 50, "a user's most played tracks that count; 0: all");
  auto plays = job.Read<Play>("plays", kPlays);
  auto neighbours = job.Read<Neighbour>("neighbours", kNeighbours);
  auto candidates = neighbours.Map<Candidate>().Reduce<Distinct>().AsTable();
  auto similar = neighbours.Map<ByOther>(candidates)
                     .Reduce<Collect<Name, Similar>>(kSimilarBytesMax)
                     .AsTable();
  plays.Map<ByUser>()
      .GroupBy<1>()
      .Reduce<Recommend>(k, basket, candidates, similar)
      .Write<Tsv>("recommend", {"user", "rank", "track", "score"});
}
MR_JOB(recommend, Recommendations, "tracks for each user, by what is played together")
}  // namespace
