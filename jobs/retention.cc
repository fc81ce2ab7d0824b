// SPDX-License-Identifier: Apache-2.0
// How many users come back: `cohort, n, users`. A user's cohort is the first day they were active;
// n days later they are counted if they were active on that day.
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};

struct Play {
  Date timestamp;
  Name user;
  MR_FIELDS(Play, timestamp, user)
};

using UserDay = std::tuple<Name, Date>;
struct ActiveDay {
  void Map(const Play& play, Emitter<UserDay, Unit>& emit) { emit({play.user, play.timestamp}); }
};

using CohortDay = std::tuple<Name, std::int64_t>;

// A user's active days come in order, maybe several times each.
struct DaysSinceFirst {
  std::size_t days_max;
  void Reduce(const Name&, Values<KeyValue<UserDay, Unit>>& active,
              Emitter<CohortDay, Unit>& emit) {
    std::string cohort;
    std::int64_t first_day = 0, last_n = -1;
    for (const auto& [key, unit] : active) {
      const Date date = std::get<1>(key);
      if (cohort.empty()) cohort = date.text, first_day = date.day_number();
      const std::int64_t n = date.day_number() - first_day;
      if (static_cast<std::size_t>(n) > days_max) continue;  // Never negative: in order.
      if (n != last_n) emit({cohort, n});
      last_n = n;
    }
  }
};

struct SameCohortDay {
  void Map(const KeyValue<CohortDay, Unit>& row, Emitter<CohortDay, Unit>& emit) { emit(row.key); }
};

void Retention(Job& job) {
  const auto days = job.Param<std::size_t>("days", 30, "the last day after the first that counts");
  job.Read<Play>("plays", kPlays)
      .Map<ActiveDay>()
      .Combine<Distinct>()
      .GroupBy<1>()
      .Reduce<DaysSinceFirst>(days)
      .Map<SameCohortDay>()
      .Reduce<Count>()
      .Write<Tsv>("retention", {"cohort", "n", "users"});
}
MR_JOB(retention, Retention, "how many users of each first day are active n days later")
}  // namespace
