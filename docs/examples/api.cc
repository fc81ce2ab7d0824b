// SPDX-License-Identifier: Apache-2.0
// The code of docs/reference/api.md: each block of the page stands here word for word, in jobs
// that compile and run.
#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"
#include "mapreduce/api/top_k.h"

namespace api_examples {
struct Money {
  std::string currency;
  std::int64_t cents = 0;
  friend bool operator==(const Money&, const Money&) = default;
};
}  // namespace api_examples

template <>
struct millrace::Codec<api_examples::Money> {
  using Fields = std::tuple<std::string, std::int64_t>;
  static Fields ToFields(const api_examples::Money& m) { return {m.currency, m.cents}; }
  static api_examples::Money FromFields(const Fields& f) {
    return {std::get<0>(f), std::get<1>(f)};
  }
};

namespace api_examples {
using namespace millrace;  // NOLINT: examples speak little else.

constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};

struct Play {
  Date timestamp;
  std::string_view user, track;
  std::optional<std::string_view> country;
  std::int64_t ms_played = 0;
  MR_FIELDS(Play, timestamp, user, track, country, ms_played)
};

// A mapper.
class PlaysPerDay {
 public:
  explicit PlaysPerDay(std::int64_t min_ms) : min_ms_(min_ms) {}
  void SetUp(Context& context) { context.Count("map_tasks"); }
  void Map(const Play& play, Emitter<Date, Unit>& emit, Context& context) {
    if (play.ms_played < 0) return context.Reject("negative ms_played");
    if (play.ms_played >= min_ms_) emit(play.timestamp);
  }

 private:
  const std::int64_t min_ms_;
};

// An aggregator.
struct Range {
  struct State {
    std::int64_t lowest, highest;
    std::uint64_t count;  // 0 where all bytes are zero.
  };
  static void Add(State& state, std::int64_t value) { Merge(state, {value, value, 1}); }
  static void Merge(State& state, const State& other) {
    if (other.count == 0) return;
    if (state.count == 0 || other.lowest < state.lowest) state.lowest = other.lowest;
    if (state.count == 0 || other.highest > state.highest) state.highest = other.highest;
    state.count += other.count;
  }
  static std::tuple<std::int64_t, std::int64_t> Result(const State& state) {
    return {state.lowest, state.highest};
  }
};

struct UserMs {
  void Map(const Play& play, Emitter<std::string_view, std::int64_t>& emit) {
    emit(play.user, play.ms_played);
  }
};

void PlayRange(Job& job) {
  job.Read<Play>("plays", kPlays).Map<UserMs>().Reduce<Range>().Write<Tsv>("ranges");
}
MR_JOB(play_range, PlayRange, "the shortest and the longest play of each user")

// Secondary sort.
using UserTime = std::tuple<std::string_view, std::string_view>;

struct ByUserAndDay {
  void Map(const Play& play, Emitter<UserTime, std::string_view>& emit) {
    emit({play.user, play.timestamp.text}, play.track);
  }
};

struct FirstTrack {
  void Reduce(const std::string_view& user, Values<KeyValue<UserTime, std::string_view>>& plays,
              Emitter<std::string_view, std::string_view>& emit) {
    emit(user, plays.begin()->value);  // The earliest; the rest is skipped.
  }
};

void FirstTracks(Job& job) {
  job.Read<Play>("plays", kPlays)
      .Map<ByUserAndDay>()
      .GroupBy<1>()
      .Reduce<FirstTrack>()
      .Write<Tsv>("first");
}
MR_JOB(first_tracks, FirstTracks, "what each user played first")

// A join.
struct User {
  std::string_view user, plan;
  MR_FIELDS(User, user, plan)
};

using Side = std::tuple<std::int32_t, std::string_view>;  // 0: the user's plan; 1: a track.

struct PlanOfUser {
  void Map(const User& user, Emitter<std::string_view, Side>& emit) {
    emit(user.user, {0, user.plan});
  }
};

struct TrackOfUser {
  void Map(const Play& play, Emitter<std::string_view, Side>& emit) {
    emit(play.user, {1, play.track});
  }
};

struct JoinPlan {
  void Reduce(const std::string_view&, Values<Side>& sides,
              Emitter<std::tuple<std::string, std::string_view>, Unit>& emit) {
    std::string plan = "?";
    for (const auto& [kind, text] : sides) {
      if (kind == 0) {
        plan = text;  // A copy: `text` lives until the next value.
      } else {
        emit({plan, text});
      }
    }
  }
};

void PlanTracks(Job& job) {
  job.Read<User>("users")
      .Map<PlanOfUser>()
      .And(job.Read<Play>("plays", kPlays).Map<TrackOfUser>())
      .Reduce<JoinPlan>()
      .Write<Tsv>("plan_tracks");
}
MR_JOB(plan_tracks, PlanTracks, "each play's track with its user's plan")

// Parameters, the date, complaints.
struct Sample {
  std::int64_t percent;
  void Map(const Line& line, Emitter<std::string_view, Unit>& emit, Context& context) {
    if (context.random().Uniform(100) < static_cast<std::uint64_t>(percent)) emit(line.text);
  }
};

void SampleLines(Job& job) {
  const auto percent = job.Param<std::int64_t>("percent", 1, "share of lines kept, in percent");
  const std::string order = job.Choice("order", "input", {"input", "bytes"}, "of the output");
  if (percent < 0 || percent > 100) job.Fail("percent must be from 0 to 100");
  auto sample = job.ReadLines("lines").Map<Sample>(percent);
  if (order == "input") {
    sample.Write<Text>("sample");
  } else {
    sample.Reduce<Distinct>().Write<Text>("sample");
  }
}
MR_JOB(sample_lines, SampleLines, "a random sample of lines, the same in each run")

// Top-k, ready-made.
struct TrackTime {
  std::string track;
  std::int64_t ms = 0;
  MR_FIELDS(TrackTime, track, ms)
};

bool Longer(const TrackTime& a, const TrackTime& b) {
  return a.ms != b.ms ? a.ms > b.ms : a.track < b.track;  // Never leaves two different ones open.
}

struct ByCountry {
  void Map(const Play& play, Emitter<std::string_view, TrackTime>& emit) {
    emit(play.country.value_or("?"), {std::string(play.track), play.ms_played});
  }
};

void LongestPlays(Job& job) {
  const auto k = job.Param<std::size_t>("k", 3, "plays per country; 0: all");
  job.Read<Play>("plays", kPlays)
      .Map<ByCountry>()
      .Combine<KeepTop<std::string_view, TrackTime, &Longer>>(k)
      .Reduce<RankTop<std::string_view, TrackTime, &Longer>>(k)
      .Write<Tsv>("longest");
}
MR_JOB(longest_by_country, LongestPlays, "the longest plays of each country")

// Several stages and outputs, descending keys.
struct CountFirst {
  void Map(const KeyValue<Date, std::int64_t>& day,
           Emitter<std::tuple<Descending<std::int64_t>, Date>, Unit>& emit) {
    emit({Descending{day.value}, day.key});
  }
};

void BusyDays(Job& job) {
  auto days = job.Read<Play>("plays", kPlays).Map<PlaysPerDay>(0).Reduce<Count>();
  days.Write<Tsv>("by_day");                                         // OUT/by_day/part-00000.tsv
  days.Map<CountFirst>().Reduce<Distinct>().Write<Tsv>("by_count");  // OUT/by_count/part-00000.tsv
}
MR_JOB(busy_days, BusyDays, "plays per day, by day and by number")

// A codec.
struct PricePerTrack {
  void Map(const Play& play, Emitter<Money, std::string_view>& emit) {
    emit(Money{"EUR", play.ms_played / 1000}, play.track);
  }
};

void Prices(Job& job) {
  job.Read<Play>("plays", kPlays).Map<PricePerTrack>().Reduce<Count>().Write<Tsv>("prices");
}
MR_JOB(prices, Prices, "plays by price: currency, cents, plays")

}  // namespace api_examples
