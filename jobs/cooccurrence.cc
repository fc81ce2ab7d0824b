// SPDX-License-Identifier: Apache-2.0
// Which tracks are played by the same users: `track, rank, other, count, score`. Item-item
// similarity (Sarwar et al. 2001). Tracks become numbers in their own order, so that baskets are
// small and a track's neighbours are counted in arrays.
#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "jobs/shared_baskets.h"
#include "jobs/similarity.h"
#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"
#include "mapreduce/api/top_k.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
using Number = std::uint32_t;  // Of a track: where it stands among all tracks in order.
constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};

struct Play {
  Name user, track;
  MR_FIELDS(Play, user, track)
};

struct TrackAlone {
  void Map(const Play& play, Emitter<Name, Unit>& emit) { emit(play.track); }
};

using UserTrack = std::tuple<Name, Name>;
struct ByUser {
  void Map(const Play& play, Emitter<UserTrack, Unit>& emit) { emit({play.user, play.track}); }
};

// Sorts the larger number first, then the smaller track.
using Ranked = std::tuple<std::int64_t, Number>;
Ranked Rank(std::int64_t n, Number track) { return {-n, track}; }

// A user's plays come sorted by track. The basket is in the order of the tracks.
class FillBasket {
 public:
  FillBasket(std::size_t basket, Table<Name, Unit> tracks)
      : tracks_(std::move(tracks)), most_played_(basket, std::less<>()) {}
  void Reduce(const Name& user, Values<KeyValue<UserTrack, Unit>>& plays,
              Emitter<Name, std::vector<Number>>& emit) {
    most_played_.Clear();
    for (const auto& [key, unit] : plays) {
      const Name track = std::get<1>(key);
      if (played_.empty() || track != played_.back().track) {
        if (played_bytes_ >= kAheadBytes) LookUp();
        played_.push_back({std::string(track), 0});
        played_bytes_ += sizeof(Played) + track.size();
      }
      ++played_.back().count;
    }
    LookUp();
    basket_.clear();
    for (const auto& [rank, track] : most_played_.Sorted()) basket_.push_back(track);
    std::sort(basket_.begin(), basket_.end());
    emit(user, basket_);
  }

 private:
  static constexpr std::size_t kAheadBytes = 3072;  // Of 64 tracks with short names.
  struct Played {
    std::string track;
    std::int64_t count = 0;
  };
  void LookUp() {
    for (const auto& [track, count] : played_) tracks_.Prefetch(track);
    for (const auto& [track, count] : played_)
      most_played_.Offer(Rank(count, static_cast<Number>(tracks_.RowOf(track).value_or(0))));
    played_.clear();
    played_bytes_ = 0;
  }
  const Table<Name, Unit> tracks_;
  TopK<Ranked, std::less<>> most_played_;
  std::vector<Played> played_;  // Not looked up yet: some at once cost fewer waits for memory.
  std::size_t played_bytes_ = 0;
  std::vector<Number> basket_;
};

using Basket = KeyValue<Name, std::vector<Number>>;

// The sizes of the baskets with each track, where they matter: a basket's weight is by its size.
using NumberSize = std::tuple<Number, std::uint32_t>;
struct TrackSizes {
  bool by_size;
  void Map(const Basket& basket, Emitter<NumberSize, Unit>& emit) {
    const auto size = by_size ? static_cast<std::uint32_t>(basket.value.size()) : 0;
    for (const Number track : basket.value) emit({track, size});
  }
};
struct SizeCount {
  std::uint32_t size = 0;
  std::int64_t baskets = 0;
  MR_FIELDS(SizeCount, size, baskets)
};
struct BySize {
  void Map(const KeyValue<NumberSize, std::int64_t>& count, Emitter<Number, SizeCount>& emit) {
    emit(std::get<0>(count.key), {std::get<1>(count.key), count.value});
  }
};

struct WithEachTrack {
  void Map(const Basket& basket, Emitter<Number, std::vector<Number>>& emit) {
    for (const Number track : basket.value) emit(track, basket.value);
  }
};

struct Row {
  Name other;
  std::int64_t count = 0, score = 0;
  MR_FIELDS(Row, other, count, score)
};

// All baskets with a track make its neighbours.
class RankNeighbours {
 public:
  using Sizes = Table<Number, std::vector<SizeCount>>;
  RankNeighbours(std::size_t k, bool by_score, bool is_tfidf, Similarity similarity,
                 Table<Name, Unit> tracks, Sizes sizes)
      : by_score_(by_score),
        similarity_(std::move(similarity)),
        weights_(is_tfidf, sizes.size()),
        tracks_(std::move(tracks)),
        sizes_(std::move(sizes)),
        shared_(tracks_.size(), is_tfidf),
        total_(tracks_.size(), -1),
        best_(k, std::less<>()) {}

  void Reduce(const Number& track, Values<std::vector<Number>>& baskets,
              Emitter<std::tuple<Name, std::int64_t>, Row>& emit, Context& context) {
    shared_.Clear();
    for (const std::vector<Number>& basket : baskets) {
      if (!shared_.Add(track, basket, weights_.Of(basket.size())))
        return context.Fail("the baskets with a track are too many, or weigh too much, to add up");
    }
    best_.Clear();
    for (const Number other : shared_.seen()) {
      if (other == track) continue;
      best_.Offer(Rank(by_score_ ? Score(track, other, context) : shared_.count(other), other));
    }
    std::int64_t rank = 0;
    for (const auto& [n, other] : best_.Sorted()) {
      emit({tracks_.Row(track).key, ++rank},
           {tracks_.Row(other).key, shared_.count(other), Score(track, other, context)});
    }
  }

 private:
  // The weight of all baskets with a track.
  double TotalOf(Number track) {
    if (total_[track] >= 0) return total_[track];
    unsigned __int128 sum = 0;
    for (const SizeCount& each : sizes_.Find(track).value_or(std::vector<SizeCount>()))
      sum += weights_.Of(each.size) * static_cast<unsigned __int128>(each.baskets);
    return total_[track] = static_cast<double>(sum) * weights_.unit();
  }
  std::int64_t Score(Number track, Number other, Context& context) {
    const double both = static_cast<double>(shared_.weight(other)) * weights_.unit();
    const auto score = similarity_.Score(TotalOf(track), TotalOf(other), both);
    if (!score) {
      context.Fail("the score of the tracks " + std::string(tracks_.Row(track).key) + " and " +
                   std::string(tracks_.Row(other).key) + " is beyond int64; choose another shrink");
    }
    return score.value_or(0);
  }

  const bool by_score_;
  const Similarity similarity_;
  BasketWeights weights_;
  const Table<Name, Unit> tracks_;
  const Sizes sizes_;
  SharedBaskets shared_;       // With the current track.
  std::vector<double> total_;  // By number; -1: not looked up yet.
  TopK<Ranked, std::less<>> best_;
};

void Cooccurrence(Job& job) {
  const auto k = job.Param<std::size_t>("k", 20, "neighbours per track; 0: all");
  const auto basket =
      job.Param<std::size_t>("basket", 50, "a user's most played tracks that count; 0: all");
  const auto by = job.Choice("by", "count", {"count", "score"}, "what ranks neighbours");
  const auto weight =
      job.Choice("weight", "1", {"1", "tfidf"}, "a basket's weight: 1, or less the larger it is");
  Similarity similarity;
  similarity.kind =
      job.Choice("similarity", "cosine", {"cosine", "dice", "jaccard"}, "what score measures");
  similarity.shrink = job.Param<double>("shrink", 0, "added to the score's divisor");
  auto plays = job.Read<Play>("plays", kPlays);
  auto tracks = plays.Map<TrackAlone>().Reduce<Distinct>().AsTable();
  auto baskets = plays.Map<ByUser>().GroupBy<1>().Reduce<FillBasket>(basket, tracks);
  auto sizes = baskets.Map<TrackSizes>(weight == "tfidf")
                   .Reduce<Count>()
                   .Map<BySize>()
                   .Reduce<Collect<Number, SizeCount>>()
                   .AsTable();
  baskets.Map<WithEachTrack>()
      .Reduce<RankNeighbours>(k, by == "score", weight == "tfidf", similarity, tracks, sizes)
      .Write<Tsv>("cooccurrence", {"track", "rank", "other", "count", "score"});
}
MR_JOB(cooccurrence, Cooccurrence, "tracks that the same users play, with their similarity")
}  // namespace
