// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_EXACT_SUM_H_
#define MAPREDUCE_BASE_EXACT_SUM_H_

// An exact sum of doubles, so that it does not depend on the order of additions: a fixed-point
// number wide enough for every double and 2^63 of them (a "long accumulator": Kulisch, "Advanced
// Arithmetic for the Digital Computer", 2002). Two's complement, 2240 bits, least bit 2^-1074;
// rounded to the nearest double (ties to even) once, at the end.

#include <array>
#include <cstdint>

namespace millrace {

struct ExactSum {
  static constexpr int kLimbs = 35;
  /// All zero: the sum of nothing.
  struct State {
    std::array<std::uint64_t, kLimbs> limbs;
    std::uint64_t specials;  // Bit 0: +infinity was added, 1: -infinity, 2: NaN.
  };

  static void Add(State& state, double value);
  static void Merge(State& state, const State& other);
  /// NaN if a NaN or both infinities were added. An exact zero is +0.
  static double Rounded(const State& state);
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_EXACT_SUM_H_
