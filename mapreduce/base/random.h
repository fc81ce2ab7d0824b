// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_RANDOM_H_
#define MAPREDUCE_BASE_RANDOM_H_

// Random numbers that are the same on every platform and for ever: what a job or a test makes of
// a seed is part of its result. (The distributions of <random> differ between libraries.)
// xoshiro256** by Blackman and Vigna, https://prng.di.unimi.it/, seeded by their SplitMix64.

#include <bit>
#include <cstdint>

namespace millrace {

/// One thread at a time.
class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      std::uint64_t z = seed;
      z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
      z = (z ^ z >> 27) * 0x94d049bb133111eb;
      word = z ^ z >> 31;
    }
  }

  /// 64 random bits.
  std::uint64_t Next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// 0 .. n-1, each equally likely: Lemire, "Fast Random Integer Generation in an Interval"
  /// (2019). Requires: n > 0.
  std::uint64_t Uniform(std::uint64_t n) {
    using Wide = unsigned __int128;
    Wide product = Wide{Next()} * n;
    if (static_cast<std::uint64_t>(product) < n) {
      const std::uint64_t unfair = (0 - n) % n;
      while (static_cast<std::uint64_t>(product) < unfair) product = Wide{Next()} * n;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  /// In [0, 1), a multiple of 2^-53.
  double Real() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_[4];
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_RANDOM_H_
