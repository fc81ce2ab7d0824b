// SPDX-License-Identifier: Apache-2.0
// The job toplist with by=listeners: distinct users of at least one long play, by country and
// track.
//
// Knows: each field's place in a row (plays.h); users are u0000000 to u0499999, tracks t0000000 to
// t0999999; a user has one country, so a pair (track, user) counts once for that country and once
// for the world.
//
//   1. Each thread appends its rows' pairs to one bucket per 4096 tracks: 12 bits of the track and
//      19 of the user fit 4 bytes. The user's country goes to a table.
//   2. One bucket after the other is sorted by track (counting sort), and each track's users are
//      marked in a bitmap of 62 KB: who is marked already isn't counted again.

#include <algorithm>
#include <atomic>

#include "tests/benchmarks/bounds/plays.h"

namespace millrace::bounds {
namespace {

constexpr int kUserBits = 19;
constexpr std::uint32_t kUserMask = (1 << kUserBits) - 1;
constexpr int kLowTrackBits = 12;
constexpr std::uint32_t kTracksPerBucket = 1 << kLowTrackBits;
constexpr std::size_t kBuckets = (kTracks + kTracksPerBucket - 1) / kTracksPerBucket;

using CountryOfUser = std::vector<std::uint8_t>;  // 0: no play of theirs was seen.

void AppendPairs(const char* row, const char* end, const CountryIndex& countries,
                 CountryOfUser& country_of_user, std::uint32_t** ends) {
  while (row < end) {
    const PlayTail tail(row);
    const std::uint32_t user = UserOf(row);
    const std::uint32_t track = TrackOf(row);
    country_of_user[user] = static_cast<std::uint8_t>(countries.Of(row));
    std::uint32_t*& place = ends[track >> kLowTrackBits];
    *place = (track & (kTracksPerBucket - 1)) << kUserBits | user;
    place += tail.is_long;  // A short play's place is written again by the next.
    row += tail.row_bytes;
  }
}

// One per thread.
class BucketCounter {
 public:
  BucketCounter(const CountryOfUser& country_of_user, std::size_t pairs_max, Bests& bests)
      : country_of_user_(country_of_user),
        users_(pairs_max),
        marks_(kUsers / 64 + 1),
        bests_(bests) {
    least_.fill(1);
  }

  void Count(std::size_t bucket, const std::vector<std::span<const std::uint32_t>>& pairs) {
    std::array<std::uint32_t, kTracksPerBucket + 1> place{};
    for (const auto part : pairs) {
      for (const std::uint32_t pair : part) ++place[(pair >> kUserBits) + 1];
    }
    for (std::size_t i = 1; i <= kTracksPerBucket; ++i) place[i] += place[i - 1];
    for (const auto part : pairs) {
      for (const std::uint32_t pair : part) users_[place[pair >> kUserBits]++] = pair & kUserMask;
    }
    // Each place has moved to the end of its track, which is where the next begins.
    std::uint32_t begin = 0;
    for (std::uint32_t low = 0; low < kTracksPerBucket; ++low) {
      if (place[low] == begin) continue;
      CountTrack(static_cast<std::uint32_t>(bucket) << kLowTrackBits | low,
                 users_.all().subspan(begin, place[low] - begin));
      begin = place[low];
    }
  }

 private:
  void CountTrack(std::uint32_t track, std::span<const std::uint32_t> users) {
    std::array<std::int32_t, 64> n{};  // By scope.
    for (const std::uint32_t user : users) {
      std::uint64_t& word = marks_[user / 64];
      const std::uint64_t bit = std::uint64_t{1} << (user % 64);
      const std::int32_t is_new = (word & bit) == 0;
      word |= bit;
      n[country_of_user_[user]] += is_new;
      n[0] += is_new;
    }
    for (const std::uint32_t user : users) marks_[user / 64] = 0;

    std::int32_t is_better = 0;
    for (std::size_t scope = 0; scope < 64; ++scope) is_better |= n[scope] >= least_[scope];
    if (is_better == 0) return;
    for (std::size_t scope = 0; scope < kScopes; ++scope) {
      if (n[scope] < least_[scope]) continue;
      bests_[scope].Offer(n[scope], track);
      least_[scope] = bests_[scope].least();
    }
  }

  const CountryOfUser& country_of_user_;
  Reserved<std::uint32_t> users_;  // Of one bucket, by track.
  std::vector<std::uint64_t> marks_;
  std::array<std::int32_t, 64> least_;  // As the bests have it; 64 and not 61: whole vectors.
  Bests& bests_;
};

}  // namespace

void Listeners(const Task& task) {
  const CountryIndex countries;
  Buckets buckets(task.threads, kBuckets);
  std::vector<CountryOfUser> tables(task.threads, CountryOfUser(kUsers));
  ForEachPiece(task, "plays-", [&](unsigned thread, const char* begin, const char* end) {
    AppendPairs(begin, end, countries, tables[thread],
                buckets.Ends(thread, static_cast<std::size_t>(end - begin)));
  });
  for (unsigned thread = 1; thread < task.threads; ++thread) {
    for (std::uint32_t user = 0; user < kUsers; ++user) {
      tables[0][user] = std::max(tables[0][user], tables[thread][user]);
    }
  }

  const std::vector<std::size_t> order = buckets.BySize();
  std::size_t pairs_max = 1;
  for (const auto part : buckets.Parts(order.front())) pairs_max += part.size();
  std::vector<Bests> bests(task.threads);
  std::atomic<std::size_t> next = 0;
  OnEachThread(task.threads, [&](unsigned thread) {
    BucketCounter counter(tables[0], pairs_max, bests[thread]);
    while (true) {
      const std::size_t index = next++;
      if (index >= order.size()) return;
      counter.Count(order[index], buckets.Parts(order[index]));
    }
  });
  WriteTopList(task, countries, bests);
}

}  // namespace millrace::bounds
