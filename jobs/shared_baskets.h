// SPDX-License-Identifier: Apache-2.0
#ifndef JOBS_SHARED_BASKETS_H_
#define JOBS_SHARED_BASKETS_H_

// With which tracks one track shares baskets. Counters in an array by number, met in no order: so
// they are small, and whether a track is new decides no branch, which would be a coin toss
// (together a seventh of the job's CPU time).

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace millrace {

/// Of the baskets with one track: how many have each other track, and what these weigh. Tracks are
/// numbers below `track_count`. One thread at a time.
class SharedBaskets {
 public:
  /// `has_weights`: else a basket weighs 1. Memory: 8 bytes a track, 16 with weights.
  SharedBaskets(std::size_t track_count, bool has_weights)
      : counts_(track_count), weights_(has_weights ? track_count : 0), seen_(track_count + 1) {}

  /// Begins with another track.
  void Clear() {
    for (const std::uint32_t other : seen()) {
      counts_[other] = 0;
      if (!weights_.empty()) weights_[other] = 0;
    }
    seen_count_ = 0;
  }
  /// False where a sum would be too large. Requires: `track` is in every basket, and in each once:
  /// so no sum is larger than its own.
  bool Add(std::uint32_t track, const std::vector<std::uint32_t>& basket, std::uint64_t weight) {
    if (counts_[track] == std::numeric_limits<std::uint32_t>::max()) return false;
    for (const std::uint32_t other : basket) {
      seen_[seen_count_] = other;
      seen_count_ += counts_[other]++ == 0;
    }
    if (weights_.empty()) return true;
    if (weights_[track] + weight < weight) return false;
    for (const std::uint32_t other : basket) weights_[other] += weight;
    return true;
  }

  /// The tracks that are in some basket, in no order.
  std::span<const std::uint32_t> seen() const { return {seen_.data(), seen_count_}; }
  std::int64_t count(std::uint32_t other) const { return counts_[other]; }
  std::uint64_t weight(std::uint32_t other) const {
    return weights_.empty() ? counts_[other] : weights_[other];
  }

 private:
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint64_t> weights_;
  std::vector<std::uint32_t> seen_;  // The first seen_count_.
  std::size_t seen_count_ = 0;
};

}  // namespace millrace

#endif  // JOBS_SHARED_BASKETS_H_
