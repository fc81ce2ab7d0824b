// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "tests/benchmarks/datagen/dataset.h"
#include "tests/benchmarks/datagen/zipf.h"

namespace millrace {
namespace {

constexpr std::uint32_t kUsers = 500'000;
constexpr std::uint32_t kTracks = 1'000'000;

struct Tables {
  Zipf users, tracks;
  std::vector<std::uint8_t> country_of_user;
};

}  // namespace

std::vector<DataFile> PlanPlays(const DatasetOptions& options) {
  const auto tables = std::make_shared<const Tables>(
      Tables{Zipf(kUsers, 0.6, Zipf::Ids::kShuffled, SeedFor(options, "plays.users")),
             Zipf(kTracks, 1.05, Zipf::Ids::kShuffled, SeedFor(options, "plays.tracks")),
             CountryOfUsers(options, kUsers)});
  return Shards(
      options, "plays", ".tsv",
      [tables, date = options.date](std::uint64_t begin, std::uint64_t end, Random& random,
                                    RowText& row) {
        for (std::uint64_t i = begin; i < end; ++i) {
          const std::uint32_t user = tables->users.Draw(random);
          const std::uint32_t track = tables->tracks.Draw(random);
          const bool is_short = random.Uniform(4) == 0;
          const std::uint64_t ms_played =
              is_short ? 1'000 + random.Uniform(29'000) : 30'000 + random.Uniform(270'000);
          // A shard is one server's log of the day: in order.
          row.Timestamp(date, static_cast<std::uint32_t>((i - begin) * 86'400 / (end - begin)));
          row.Char('\t');
          row.Id('u', user, 7);
          row.Char('\t');
          row.Id('t', track, 7);
          row.Char('\t');
          row.Text(kCountries[tables->country_of_user[user]]);
          row.Char('\t');
          row.Number(ms_played);
          row.EndRow();
        }
      });
}

}  // namespace millrace
