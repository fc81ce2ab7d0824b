// SPDX-License-Identifier: Apache-2.0
// The job toplist: plays of at least 30 seconds by country and track, the hundred best of each.
//
// Knows: each field's place in a row (plays.h); tracks are t0000000 to t0999999; the 60 countries.
// So a track is a place in an array of counters. One such array for each country would be 240 MB,
// far out of the caches; instead
//
//   1. each thread appends the tracks of its rows to one bucket per country (4 bytes per play);
//   2. one bucket after the other is counted in an array of 4 MB, which the caches hold, and the
//      array is added to the world's.

#include <algorithm>
#include <atomic>

#include "tests/benchmarks/bounds/plays.h"

namespace millrace::bounds {
namespace {

using Counts = Reserved<std::int32_t>;  // By track.

void AppendTracks(const char* row, const char* end, const CountryIndex& countries,
                  std::uint32_t** ends) {
  while (row < end) {
    const PlayTail tail(row);
    std::uint32_t*& place = ends[countries.Of(row)];
    *place = TrackOf(row);
    place += tail.is_long;  // A short play's place is written again by the next.
    row += tail.row_bytes;
  }
}

void OfferAll(const Counts& counts, Best& best) {
  for (std::uint32_t track = 0; track < kTracks; ++track) {
    if (counts[track] >= best.least()) best.Offer(counts[track], track);
  }
}

// Leaves the counts at zero.
void CountCountry(const std::vector<std::span<const std::uint32_t>>& tracks, const Counts& counts,
                  const Counts& world, Best& best) {
  for (const auto part : tracks) {
    for (const std::uint32_t track : part) ++counts[track];
  }
  OfferAll(counts, best);
  std::int32_t* const sum = world.data();
  std::int32_t* const add = counts.data();
  for (std::uint32_t track = 0; track < kTracks; ++track) {
    sum[track] += add[track];
    add[track] = 0;
  }
}

}  // namespace

void TopList(const Task& task) {
  const CountryIndex countries;
  Buckets buckets(task.threads, kScopes);
  ForEachPiece(task, "plays-", [&](unsigned thread, const char* begin, const char* end) {
    AppendTracks(begin, end, countries,
                 buckets.Ends(thread, static_cast<std::size_t>(end - begin)));
  });

  const std::vector<std::size_t> order = buckets.BySize();
  std::vector<Counts> worlds;
  for (unsigned thread = 0; thread < task.threads; ++thread) {
    worlds.emplace_back(kTracks, Counts::Pages::kHuge);
  }
  std::vector<Bests> bests(task.threads);
  std::atomic<std::size_t> next = 0;
  OnEachThread(task.threads, [&](unsigned thread) {
    const Counts counts(kTracks, Counts::Pages::kHuge);
    while (true) {
      const std::size_t index = next++;
      if (index >= order.size()) return;
      const std::size_t scope = order[index];
      CountCountry(buckets.Parts(scope), counts, worlds[thread], bests[thread][scope]);
    }
  });
  for (unsigned thread = 1; thread < task.threads; ++thread) {
    for (std::uint32_t track = 0; track < kTracks; ++track) {
      worlds[0][track] += worlds[thread][track];
    }
  }
  OfferAll(worlds[0], bests[0][0]);
  WriteTopList(task, countries, bests);
}

}  // namespace millrace::bounds
