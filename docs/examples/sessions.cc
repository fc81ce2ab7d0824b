// SPDX-License-Identifier: Apache-2.0
// Sessions per user: a session ends where the next play comes more than `gap_s` seconds later.
#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

namespace {

using namespace millrace;

constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};

struct Play {
  std::string_view timestamp, user;
  std::int64_t ms_played = 0;
  MR_FIELDS(Play, timestamp, user, ms_played)
};

// Columns of the output, behind the user.
struct Listening {
  std::int64_t sessions = 0, ms_played = 0, longest_gap_s = 0;
  MR_FIELDS(Listening, sessions, ms_played, longest_gap_s)
};

// The number in the two digits at `at`; 99, which is no hour, minute or second, if they aren't.
int TwoDigits(std::string_view text, std::size_t at) {
  const int tens = text[at] - '0', ones = text[at + 1] - '0';
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? 99 : 10 * tens + ones;
}

// Seconds since 1970 of a time like 2026-11-21T10:11:12Z.
std::optional<std::int64_t> SecondsOf(std::string_view text) {
  const std::optional<Date> date = Date::AtStartOf(text);
  if (!date || text.size() != 20 || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
      text[19] != 'Z') {
    return std::nullopt;
  }
  const int hour = TwoDigits(text, 11), minute = TwoDigits(text, 14), second = TwoDigits(text, 17);
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return ((date->day_number() * 24 + hour) * 60 + minute) * 60 + second;
}

using UserTime = std::tuple<std::string_view, std::int64_t>;

struct ByUserAndTime {
  void Map(const Play& play, Emitter<UserTime, std::int64_t>& emit, Context& context) {
    const std::optional<std::int64_t> seconds = SecondsOf(play.timestamp);
    if (!seconds) return context.Reject("not a time like 2026-11-21T10:11:12Z");
    if (play.ms_played < 0) return context.Reject("negative ms_played");
    emit({play.user, *seconds}, play.ms_played);
  }
};

// Walks a user's plays in order of time.
struct CutAtGaps {
  std::int64_t gap_s;
  void Reduce(const std::string_view& user, Values<KeyValue<UserTime, std::int64_t>>& plays,
              Emitter<std::string_view, Listening>& emit) {
    Listening sum;
    std::int64_t last = 0;
    for (const auto& [key, ms_played] : plays) {
      const std::int64_t now = std::get<1>(key);
      const std::int64_t gap = sum.sessions == 0 ? 0 : now - last;
      if (sum.sessions == 0 || gap > gap_s) ++sum.sessions;
      sum.longest_gap_s = std::max(sum.longest_gap_s, gap);
      sum.ms_played += ms_played;
      last = now;
    }
    emit(user, sum);
  }
};

void Sessions(Job& job) {
  const auto gap_s = job.Param<std::int64_t>("gap_s", 1800, "a longer gap ends a session");
  if (gap_s < 0) job.Fail("gap_s must be 0 or more");
  job.Read<Play>("plays", kPlays)
      .Map<ByUserAndTime>()
      .GroupBy<1>()
      .Reduce<CutAtGaps>(gap_s)
      .Write<Tsv>("sessions");
}
MR_JOB(sessions, Sessions, "sessions, listening and the longest gap of each user")

}  // namespace
