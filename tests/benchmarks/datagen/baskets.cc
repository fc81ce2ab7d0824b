// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <utility>

#include "tests/benchmarks/datagen/dataset.h"
#include "tests/benchmarks/datagen/zipf.h"

namespace millrace {
namespace {

constexpr std::uint64_t kRowsPerUser = 13;
constexpr std::size_t kBasketMax = 50;
constexpr std::uint32_t kTracks = 50'000;

struct UserTrack {
  std::uint32_t user, track;
};

// 1 to 50, each size 61/66 as likely as the one before: 12.2 on average, 124 pairs.
std::size_t DrawBasketSize(Random& random) {
  while (true) {
    std::size_t size = 1;
    while (size <= kBasketMax && random.Uniform(66) >= 5) ++size;
    if (size <= kBasketMax) return size;
  }
}

// All rows at once, since a user's rows lie in many shards: 8 bytes a row.
std::vector<UserTrack> DrawRows(const DatasetOptions& options) {
  const Zipf tracks(kTracks, 0.9, Zipf::Ids::kShuffled, SeedFor(options, "baskets.tracks"));
  Random random(SeedFor(options, "baskets.rows"));
  const std::uint64_t users = std::max<std::uint64_t>(1, options.rows / kRowsPerUser);
  std::vector<UserTrack> rows;
  rows.reserve(options.rows);
  for (std::uint32_t user = 0; user < users && rows.size() < options.rows; ++user) {
    const std::size_t size =
        std::min<std::uint64_t>(DrawBasketSize(random), options.rows - rows.size());
    const std::size_t first = rows.size();
    while (rows.size() < first + size) {
      const std::uint32_t track = tracks.Draw(random);
      const bool is_new =  // Linear: a basket has at most 50.
          std::none_of(rows.begin() + static_cast<std::ptrdiff_t>(first), rows.end(),
                       [track](const UserTrack& row) { return row.track == track; });
      if (is_new) rows.push_back({user, track});
    }
  }
  const std::size_t distinct = rows.size();
  while (rows.size() < options.rows) rows.push_back(rows[random.Uniform(distinct)]);
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.Uniform(i)]);
  return rows;
}

}  // namespace

std::vector<DataFile> PlanBaskets(const DatasetOptions& options) {
  const auto rows = std::make_shared<const std::vector<UserTrack>>(DrawRows(options));
  return Shards(options, "baskets", ".tsv",
                [rows](std::uint64_t begin, std::uint64_t end, Random&, RowText& row) {
                  for (std::uint64_t i = begin; i < end; ++i) {
                    row.Id('u', (*rows)[i].user, 7);
                    row.Char('\t');
                    row.Id('t', (*rows)[i].track, 7);
                    row.EndRow();
                  }
                });
}

}  // namespace millrace
