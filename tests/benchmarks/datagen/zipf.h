// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCHMARKS_DATAGEN_ZIPF_H_
#define TESTS_BENCHMARKS_DATAGEN_ZIPF_H_

// Draws ids 0 .. count-1 where the r-th most frequent has weight 1 / r^exponent, in constant time
// (alias method: Walker 1977, built as by Vose 1991). The table comes from additions,
// multiplications and divisions alone, which IEEE 754 fixes to the bit, so every machine draws the
// same ids; `pow` of the C library would not do.

#include <cstdint>
#include <vector>

#include "mapreduce/base/random.h"

namespace millrace {

class Zipf {
 public:
  /// Which id is frequent: the small ones (id = rank), or any, by a permutation drawn from `seed`.
  enum class Ids { kByRank, kShuffled };

  /// Requires: 0 < count < 2^32.
  Zipf(std::uint32_t count, double exponent, Ids ids, std::uint64_t seed);

  std::uint32_t Draw(Random& random) const {
    const std::uint64_t bits = random.Next();
    // The high half picks the slot, the low half one of its two ids.
    const Slot& slot = slots_[((bits >> 32) * slots_.size()) >> 32];
    return static_cast<std::uint32_t>(bits) < slot.threshold ? slot.own : slot.other;
  }

 private:
  struct Slot {
    std::uint32_t threshold, own, other;
  };
  std::vector<Slot> slots_;
};

/// base^exponent for base >= 1, the same bits on every machine; good to about 1e-14.
double PortablePower(double base, double exponent);

}  // namespace millrace

#endif  // TESTS_BENCHMARKS_DATAGEN_ZIPF_H_
