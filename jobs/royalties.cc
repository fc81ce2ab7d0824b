// SPDX-License-Identifier: Apache-2.0
// Who gets what of each country's pool: `holder, track, country, streams, amount_micros`. A row's
// weight is its streams times the holder's basis points; what rounding down leaves of a pool goes
// micro by micro to the largest remainders, so that the whole pool is paid out.
//
//   pool 100, weights 1 1 1 of 3: each gets 33, remainder 1; the one micro left goes to the first.
#include <utility>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
using Wide = unsigned __int128;
constexpr std::int64_t kWhole = 10000;  // Basis points.
constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};
constexpr TsvLayout kRights{"track", "holder", "basis_points"};
constexpr TsvLayout kPools{"country", "amount_micros"};

struct Play {
  Name track, country;
  std::int64_t ms_played = 0;
  MR_FIELDS(Play, track, country, ms_played)
};
struct Right {
  Name track, holder;
  std::int64_t basis_points = 0;
  MR_FIELDS(Right, track, holder, basis_points)
};
struct Pool {
  Name country;
  std::int64_t amount_micros = 0;
  MR_FIELDS(Pool, country, amount_micros)
};

using TrackCountry = std::tuple<Name, Name>;
struct Streams {
  std::int64_t min_ms;
  void Map(const Play& play, Emitter<TrackCountry, Unit>& emit) {
    if (play.ms_played >= min_ms) emit({play.track, play.country});
  }
};
struct StreamsOfCountry {
  std::int64_t min_ms;
  void Map(const Play& play, Emitter<Name, Unit>& emit) {
    if (play.ms_played >= min_ms) emit(play.country);
  }
};

using TrackHolder = std::tuple<Name, Name>;
struct ByTrack {
  void Map(const Right& right, Emitter<TrackHolder, std::int64_t>& emit, Context& context) {
    if (right.basis_points < 0) return context.Reject("basis_points is negative");
    emit({right.track, right.holder}, right.basis_points);
  }
};

struct Share {
  std::string holder;
  std::int64_t basis_points = 0;
  MR_FIELDS(Share, holder, basis_points)
};

// The rights of a track come sorted by holder.
struct CheckRights {
  void Reduce(const Name& track, Values<KeyValue<TrackHolder, std::int64_t>>& rights,
              Emitter<Name, std::vector<Share>>& emit, Context& context) {
    std::vector<Share> shares;
    std::int64_t sum = 0;
    for (const auto& [key, basis_points] : rights) {
      const Name holder = std::get<1>(key);
      if (!shares.empty() && shares.back().holder == holder) {
        return context.Fail("track " + std::string(track) + " has two rights of the holder " +
                            std::string(holder) + "; leave one of them");
      }
      shares.push_back({std::string(holder), basis_points});
      if (__builtin_add_overflow(sum, basis_points, &sum)) sum = -1;
      if (sum < 0) break;
    }
    if (sum != kWhole) {
      return context.Fail("the rights of track " + std::string(track) + " sum to " +
                          (sum < 0 ? "more than int64" : std::to_string(sum)) +
                          " basis points, not to 10000; correct them");
    }
    emit(track, shares);
  }
};

struct PoolAmount {
  void Map(const Pool& pool, Emitter<Name, Sourced<std::int64_t>>& emit, Context& context) {
    if (pool.amount_micros < 0) return context.Reject("amount_micros is negative");
    emit(pool.country, {pool.amount_micros, context.origin()});
  }
};

// Sorts a country's rows by remainder, behind one that sums what is paid already, less the pool.
using PayoutKey = std::tuple<Name, bool, Descending<std::uint64_t>, Name, Name>;
struct Payout {
  std::int64_t streams = 0, amount_micros = 0;
  MR_FIELDS(Payout, streams, amount_micros)
};

struct OpenPool {
  void Map(const KeyValue<Name, std::int64_t>& pool, Emitter<PayoutKey, Payout>& emit) {
    emit({pool.key, false, {}, "", ""}, {0, -pool.value});
  }
};

struct ShareOut {
  Table<Name, std::vector<Share>> rights;
  Table<Name, std::int64_t> pools, streams_of_country;
  void Map(const KeyValue<TrackCountry, std::int64_t>& row, Emitter<PayoutKey, Payout>& emit,
           Context& context) {
    const auto& [track, country] = row.key;
    const std::optional<std::int64_t> pool = pools.Find(country);
    if (!pool) return context.Count("plays_without_pool", static_cast<std::uint64_t>(row.value));
    const Wide all = Wide{kWhole} * static_cast<Wide>(streams_of_country.Find(country).value_or(1));
    static const std::vector<Share> kUnknown = {{"?", kWhole}};
    std::int64_t paid = 0;
    for (const Share& share : rights.Find(track).value_or(kUnknown)) {
      const Wide weight = static_cast<Wide>(row.value) * static_cast<Wide>(share.basis_points);
      const Wide due = static_cast<Wide>(*pool) * weight;
      const auto amount = static_cast<std::int64_t>(due / all);
      const auto remainder = static_cast<std::uint64_t>(due % all);
      emit({country, true, {remainder}, share.holder, track}, {row.value, amount});
      paid += amount;
    }
    emit({country, false, {}, "", ""}, {0, paid});
  }
};

struct AddPaid {
  void Reduce(const PayoutKey& key, Values<Payout>& payouts, Emitter<PayoutKey, Payout>& emit) {
    Payout sum;
    for (const Payout& each : payouts)
      sum.streams = each.streams, sum.amount_micros += each.amount_micros;
    emit(key, sum);
  }
};

using HolderTrackCountry = std::tuple<Name, Name, Name>;
struct PayRemainders {
  void Reduce(const Name& country, Values<KeyValue<PayoutKey, Payout>>& rows,
              Emitter<HolderTrackCountry, Payout>& emit, Context& context) {
    std::int64_t left = 0;
    bool has_rows = false;
    for (const auto& [key, payout] : rows) {
      const auto& [also_country, is_row, remainder, holder, track] = key;
      if (!is_row) {
        left -= payout.amount_micros;
        continue;
      }
      has_rows = true;
      const std::int64_t extra = left > 0 ? 1 : 0;
      left -= extra;
      emit({holder, track, country}, {payout.streams, payout.amount_micros + extra});
    }
    if (!has_rows) context.Count("pools_without_plays");
  }
};

struct ByHolder {
  void Map(const KeyValue<HolderTrackCountry, Payout>& row,
           Emitter<HolderTrackCountry, Payout>& emit) {
    emit(row.key, row.value);
  }
};

void Royalties(Job& job) {
  const auto min_ms = job.Param<std::int64_t>("min_ms", 30000, "the shortest play that counts");
  auto plays = job.Read<Play>("plays", kPlays);
  auto rights = job.Read<Right>("rights", kRights)
                    .Map<ByTrack>()
                    .GroupBy<1>()
                    .Reduce<CheckRights>()
                    .AsTable();
  auto streams_of_country = plays.Map<StreamsOfCountry>(min_ms).Reduce<Count>().AsTable();
  auto pools =
      job.Read<Pool>("pools", kPools).Map<PoolAmount>().Reduce<KeepFirst<Name, std::int64_t>>();
  plays.Map<Streams>(min_ms)
      .Reduce<Count>()
      .Map<ShareOut>(rights, pools.AsTable(), streams_of_country)
      .And(pools.Map<OpenPool>())
      .Combine<AddPaid>()
      .GroupBy<1>()
      .Reduce<PayRemainders>()
      .Map<ByHolder>()
      .Reduce<First<HolderTrackCountry, Payout>>()
      .Write<Tsv>("royalties", {"holder", "track", "country", "streams", "amount_micros"});
}
MR_JOB(royalties, Royalties, "each country's pool, shared among holders to the last micro")
}  // namespace
