// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCHMARKS_BOUNDS_PLAYS_H_
#define TESTS_BENCHMARKS_BOUNDS_PLAYS_H_

// A row of `plays`, by byte: all fields but the last have one width, the last has 4 to 6 digits.
//
//   2026-11-21T00:00:00Z u0113954 t0705747 TR 189739
//   0                    21       30       39 42

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "tests/benchmarks/bounds/bound.h"
#include "tests/benchmarks/datagen/dataset.h"

namespace millrace::bounds {

inline constexpr std::size_t kPlayBytesMin = 47;
inline constexpr std::uint32_t kTracks = 1'000'000;
inline constexpr std::uint32_t kUsers = 500'000;

/// A letter and seven digits: the number. Eight digits at once, the letter as a zero.
inline std::uint32_t ParseId(const char* at) {
  std::uint64_t x = LoadLittle64(at) & 0x0F0F0F0F0F0F0F00u;
  x = (x * 2561 >> 8) & 0x00FF00FF00FF00FFu;
  x = (x * 6553601 >> 16) & 0x0000FFFF0000FFFFu;
  return static_cast<std::uint32_t>(x * 42949672960001u >> 32);
}
inline std::uint32_t UserOf(const char* row) { return ParseId(row + 21); }
inline std::uint32_t TrackOf(const char* row) { return ParseId(row + 30); }

/// The last digit's place says both whether the play was long and where the next row begins; no
/// branch, as no processor could guess it.
struct PlayTail {
  explicit PlayTail(const char* row) {
    const unsigned has_5 = row[46] != '\n';
    const unsigned has_6 = has_5 & static_cast<unsigned>(row[47] != '\n');
    row_bytes = kPlayBytesMin + has_5 + has_6;
    is_long = has_6 | (has_5 & static_cast<unsigned>(row[42] >= '3'));
  }
  std::size_t row_bytes;
  unsigned is_long;  ///< 1 or 0.
};

/// 1 to 60 for a row's country, in the order of their names.
class CountryIndex {
 public:
  CountryIndex() : names_(std::begin(kCountries), std::end(kCountries)) {
    std::sort(names_.begin(), names_.end());
    for (std::size_t i = 0; i < names_.size(); ++i) {
      index_[Slot(names_[i].data())] = static_cast<std::uint8_t>(i + 1);
    }
  }
  std::size_t Of(const char* row) const { return index_[Slot(row + 39)]; }
  const std::string& Name(std::size_t index) const { return names_[index - 1]; }

 private:
  static std::size_t Slot(const char* letters) {
    return static_cast<std::size_t>((letters[0] & 31) << 5 | (letters[1] & 31));
  }
  std::vector<std::string> names_;
  std::array<std::uint8_t, 1024> index_{};
};

inline constexpr std::size_t kScopes = kCountryCount + 1;  // 0 is the world.

/// Numbers in buckets. A thread appends to buckets of its own, without looking for room: each has
/// place for all the rows that a thread may see.
class Buckets {
 public:
  Buckets(unsigned threads, std::size_t buckets)
      : buckets_(buckets), memory_(threads * buckets * kIdsMax), rows_(threads) {
    for (unsigned thread = 0; thread < threads; ++thread) {
      auto& ends = ends_.emplace_back();
      for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
        ends.push_back(Begin(thread, bucket));
      }
    }
  }

  /// Where the thread appends next, by bucket, for up to `bytes` of rows.
  std::uint32_t** Ends(unsigned thread, std::size_t bytes) {
    rows_[thread] += bytes / kPlayBytesMin;
    if (rows_[thread] >= kIdsMax) Die("more rows than these programs are made for");
    return ends_[thread].data();
  }

  /// What all threads appended to a bucket: one span each.
  std::vector<std::span<const std::uint32_t>> Parts(std::size_t bucket) const {
    std::vector<std::span<const std::uint32_t>> parts;
    for (unsigned thread = 0; thread < ends_.size(); ++thread) {
      parts.emplace_back(Begin(thread, bucket), ends_[thread][bucket]);
    }
    return parts;
  }

  /// The buckets by size, the fullest first: so threads that take one after the other end together.
  std::vector<std::size_t> BySize() const;

 private:
  static constexpr std::size_t kIdsMax = 1 << 26;
  std::uint32_t* Begin(unsigned thread, std::size_t bucket) const {
    return memory_.data() + (thread * buckets_ + bucket) * kIdsMax;
  }

  std::size_t buckets_;
  Reserved<std::uint32_t> memory_;
  std::vector<std::size_t> rows_;                  // By thread.
  std::vector<std::vector<std::uint32_t*>> ends_;  // By thread and bucket.
};

/// The hundred best tracks of one scope: the highest n, ties by track.
class Best {
 public:
  static constexpr std::size_t kRanks = 100;

  /// What is lower than this is not among them. At least 1.
  std::int32_t least() const {
    return packed_.size() < kRanks ? 1 : static_cast<std::int32_t>(packed_.front() >> kTrackBits);
  }
  void Offer(std::int32_t n, std::uint32_t track);
  void Merge(const Best& other);
  /// Appends the rows "SCOPE rank track n".
  void AppendRows(const std::string& scope, std::string& text) const;

 private:
  static constexpr int kTrackBits = 20;
  static constexpr std::uint32_t kTrackMask = (1 << kTrackBits) - 1;
  void Add(std::uint64_t packed);

  std::vector<std::uint64_t> packed_;  // n, then the complement of the track; a min-heap.
};

/// The best of one thread or of all, by scope.
using Bests = std::array<Best, kScopes>;

/// Merges the threads' bests and writes the job's output.
void WriteTopList(const Task& task, const CountryIndex& countries,
                  std::span<const Bests> of_thread);

}  // namespace millrace::bounds

#endif  // TESTS_BENCHMARKS_BOUNDS_PLAYS_H_
