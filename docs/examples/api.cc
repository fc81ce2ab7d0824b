// SPDX-License-Identifier: Apache-2.0
// The code of docs/reference/api.md: each block of the page stands here word for word, in jobs
// that compile and run.
#include "mapreduce/api/job.h"
#include "mapreduce/api/json_lines.h"
#include "mapreduce/api/math.h"
#include "mapreduce/api/quantiles.h"
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

// Side inputs.
struct PlanByUser {
  void Map(const User& user, Emitter<std::string_view, Sourced<std::string_view>>& emit,
           Context& context) {
    if (user.plan.empty())
      return context.Fail("user " + std::string(user.user) + " has no plan; correct the users");
    emit(user.user, {user.plan, context.origin()});
  }
};

struct PlanOfPlay {
  Table<std::string_view, std::string_view> plans;
  void Prefetch(const Play& play) { plans.Prefetch(play.user); }
  void Map(const Play& play, Emitter<std::string_view, Unit>& emit) {
    emit(plans.Find(play.user).value_or("?"));
  }
};

void PlaysByPlan(Job& job) {
  auto plans = job.Read<User>("users").Map<PlanByUser>().AsTable();
  job.Read<Play>("plays", kPlays).Map<PlanOfPlay>(plans).Reduce<Count>().Write<Tsv>("by_plan");
}
MR_JOB(plays_by_plan, PlaysByPlan, "plays of each plan's users")

// What a stage made as a side input; an input that is mapped twice.
struct PlayOfUser {
  void Map(const Play& play, Emitter<std::string_view, Unit>& emit) { emit(play.user); }
};

struct TrackOfFan {
  std::int64_t plays_min;
  Table<std::string_view, std::int64_t> plays_of_user;
  void Map(const Play& play, Emitter<std::string_view, Unit>& emit) {
    if (plays_of_user.Find(play.user).value_or(0) >= plays_min) emit(play.track);
  }
};

void TracksOfFans(Job& job) {
  auto plays = job.Read<Play>("plays", kPlays);
  auto plays_of_user = plays.Map<PlayOfUser>().Reduce<Count>().AsTable();
  plays.Map<TrackOfFan>(2, plays_of_user).Reduce<Count>().Write<Tsv>("tracks");
}
MR_JOB(tracks_of_fans, TracksOfFans, "plays of each track by users with two plays or more")

// A Reduce that sets records aside.
struct ByUserAndTime {
  void Map(const Play& play, Emitter<UserTime, Sourced<std::string_view>>& emit, Context& context) {
    emit({play.user, play.timestamp.text}, {play.track, context.origin()});
  }
};

struct OneADay {
  void Reduce(const UserTime& day, Values<Sourced<std::string_view>>& tracks,
              Emitter<UserTime, std::string_view>& emit, Context& context) {
    bool is_first = true;
    for (const auto& [track, origin] : tracks) {
      if (is_first) {
        emit(day, track);
      } else {
        context.Reject(origin, "not the user's first play of the day");
      }
      is_first = false;
    }
  }
};

void FirstOfDay(Job& job) {
  job.Read<Play>("plays", kPlays).Map<ByUserAndTime>().Reduce<OneADay>().Write<Tsv>("first");
}
MR_JOB(first_of_day, FirstOfDay, "each user's first play of a day; the others are rejects")

// Rows of any columns.
struct NullOfColumn {
  void Map(const AnyRow& row, Emitter<std::uint32_t, Unit>& emit) {
    for (std::uint32_t i = 0; i < row.fields.size(); ++i) {
      if (!row.fields[i]) emit(i + 1);
    }
  }
};

void CountNulls(Job& job) {
  job.ReadRows("rows").Map<NullOfColumn>().Reduce<Count>().Write<Tsv>("nulls");
}
MR_JOB(count_nulls, CountNulls, "how often each column of a dump is NULL")

// Documents.
struct DocumentOfLine {
  void Map(const Line&, Emitter<std::string, Unit>& emit, Context& context) {
    emit(std::string(context.file_name()));
  }
};

void CountLines(Job& job) {
  job.ReadDocuments("documents").Map<DocumentOfLine>().Reduce<Count>().Write<Tsv>("lines");
}
MR_JOB(count_lines, CountLines, "lines of each document")

// The date.
struct TrackOfDay {
  std::string day;
  void Map(const Play& play, Emitter<std::string_view, Unit>& emit) {
    if (play.timestamp.text == day) emit(play.track);
  }
};

void TracksOfDay(Job& job) {
  const std::string day = job.NeedDate();
  job.Read<Play>("plays", kPlays).Map<TrackOfDay>(day).Reduce<Count>().Write<Tsv>("tracks");
}
MR_JOB(tracks_of_day, TracksOfDay, "plays of each track on the run's date")

// All joins in two ways: docs/how-to/join.md.
struct JoinInMap {
  std::string join;
  Table<std::string_view, std::string_view> plans;
  void Map(const Play& play, Emitter<std::string_view, std::string_view>& emit) {
    const std::optional<std::string_view> plan = plans.Find(play.user);
    if (join == "inner" && plan) emit(*plan, play.track);
    if (join == "left") emit(plan.value_or("?"), play.track);
    if (join == "semi" && plan) emit(play.user, play.track);
    if (join == "anti" && !plan) emit(play.user, play.track);
  }
};

std::string WhichJoin(Job& job) {
  return job.Choice("join", "inner", {"inner", "left", "semi", "anti"}, "which join");
}

void JoinByTable(Job& job) {
  auto plans = job.Read<User>("users").Map<PlanByUser>().AsTable();
  job.Read<Play>("plays", kPlays).Map<JoinInMap>(WhichJoin(job), plans).Write<Tsv>("joined");
}
MR_JOB(join_by_table, JoinByTable, "plays joined with users that are looked up")

struct JoinInReduce {
  std::string join;
  void Reduce(const std::string_view& user, Values<Side>& sides,
              Emitter<std::string_view, std::string_view>& emit) {
    std::optional<std::string> plan;
    for (const auto& [kind, text] : sides) {
      if (kind == 0) {
        if (!plan) plan = text;  // The first row of the user; a copy of what lives until the next.
        continue;
      }
      if (join == "inner" && plan) emit(*plan, text);
      if (join == "left") emit(plan ? *plan : "?", text);
      if (join == "semi" && plan) emit(user, text);
      if (join == "anti" && !plan) emit(user, text);
    }
  }
};

void JoinByShuffle(Job& job) {
  job.Read<User>("users")
      .Map<PlanOfUser>()
      .And(job.Read<Play>("plays", kPlays).Map<TrackOfUser>())
      .Reduce<JoinInReduce>(WhichJoin(job))
      .Write<Tsv>("joined");
}
MR_JOB(join_by_shuffle, JoinByShuffle, "plays joined with users in the shuffle")

// Parameters, complaints.
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

// Quantiles.
struct LengthByCountry {
  void Map(const Play& play, Emitter<std::string_view, DdSketch>& emit) {
    emit(play.country.value_or("?"), DdSketch::Of(play.ms_played));
  }
};

void PlayLengths(Job& job) {
  job.Read<Play>("plays", kPlays)
      .Map<LengthByCountry>()
      .Combine<MergeSketches<std::string_view>>()
      .Reduce<Quantiles<std::string_view, 3>>(0.5, 0.9, 0.99)
      .Write<Tsv>("lengths");  // The country, and three columns.
}
MR_JOB(play_lengths, PlayLengths, "how long a country's plays are: median, p90 and p99")

// JSON Lines.
struct Mail {
  std::string template_;  // As a member "template": a word of C++ can't be a name.
  std::string_view user;
  std::vector<std::string> tracks;
  MR_FIELDS(Mail, template_, user, tracks)
};

struct TrackForMail {
  void Map(const Play& play, Emitter<std::string_view, std::string_view>& emit, Context& context) {
    if (!IsWellFormedUtf8(play.user)) return context.Reject("user is not UTF-8");
    if (!IsWellFormedUtf8(play.track)) return context.Reject("track is not UTF-8");
    emit(play.user, play.track);
  }
};

struct MakeMail {
  void Reduce(const std::string_view& user, Values<std::string_view>& tracks,
              Emitter<std::string_view, Mail>& emit) {
    Mail mail{.template_ = "weekly", .user = user, .tracks = {}};
    for (const std::string_view track : tracks) mail.tracks.emplace_back(track);
    emit(user, mail);
  }
};

void Mails(Job& job) {
  job.Read<Play>("plays", kPlays).Map<TrackForMail>().Reduce<MakeMail>().Write<JsonLines>("mails");
}
MR_JOB(mails, Mails, "a mail to each user with what they played")

// Functions with the same bits everywhere.
struct LogOfCount {
  void Map(const KeyValue<Date, std::int64_t>& day, Emitter<Date, double>& emit) {
    emit(day.key, Log(1.0 + static_cast<double>(day.value)));
  }
};

void LogDays(Job& job) {
  auto days = job.Read<Play>("plays", kPlays).Map<PlaysPerDay>(0).Reduce<Count>();
  days.Map<LogOfCount>().Reduce<Sum>().Write<Tsv>("log");
}
MR_JOB(log_days, LogDays, "ln(1 + plays) of each day")

// Several stages and outputs, descending keys.
struct CountFirst {
  void Map(const KeyValue<Date, std::int64_t>& day,
           Emitter<std::tuple<Descending<std::int64_t>, Date>, Unit>& emit) {
    emit({Descending{day.value}, day.key});
  }
};

void BusyDays(Job& job) {
  auto days = job.Read<Play>("plays", kPlays).Map<PlaysPerDay>(0).Reduce<Count>();
  days.Write<Tsv>("by_day", {"day", "plays"});                       // OUT/by_day/part-00000.tsv
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
