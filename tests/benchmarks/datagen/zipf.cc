// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/datagen/zipf.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace millrace {
namespace {

constexpr double kLn2 = 0.693147180559945309417232;

// ln(m 2^e) = e ln 2 + 2 atanh((m - 1) / (m + 1)); frexp and ldexp are exact.
double PortableLog(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < 0.70710678) {
    mantissa *= 2;
    --exponent;
  }
  const double f = (mantissa - 1) / (mantissa + 1);
  const double f2 = f * f;
  double sum = 0;
  for (int i = 21; i >= 1; i -= 2) sum = sum * f2 + 1.0 / i;
  return exponent * kLn2 + 2 * f * sum;
}

double PortableExp(double x) {
  const int k = static_cast<int>(x / kLn2 + (x < 0 ? -0.5 : 0.5));
  const double rest = x - k * kLn2;
  double sum = 1;
  for (int i = 14; i >= 1; --i) sum = 1 + sum * rest / i;
  return std::ldexp(sum, k);
}

}  // namespace

double PortablePower(double base, double exponent) {
  return PortableExp(exponent * PortableLog(base));
}

Zipf::Zipf(std::uint32_t count, double exponent, Ids ids, std::uint64_t seed) : slots_(count) {
  std::vector<std::uint32_t> id_of_rank(count);
  std::iota(id_of_rank.begin(), id_of_rank.end(), 0U);
  if (ids == Ids::kShuffled) {
    Random random(seed);
    for (std::uint32_t i = count; i > 1; --i) {
      std::swap(id_of_rank[i - 1], id_of_rank[random.Uniform(i)]);
    }
  }

  std::vector<double> share(count);  // 1 = what one slot holds.
  double total = 0;
  for (std::uint32_t rank = count; rank-- > 0;) {  // Small ones first: the sum loses less.
    share[rank] = PortablePower(rank + 1.0, -exponent);
    total += share[rank];
  }
  for (double& one : share) one = one / total * count;

  // Each slot too small is filled up by a rank that has too much.
  std::vector<std::uint32_t> small, large;
  for (std::uint32_t rank = 0; rank < count; ++rank) {
    (share[rank] < 1 ? small : large).push_back(rank);
  }
  const auto set = [&](std::uint32_t rank, double part, std::uint32_t other) {
    const double scaled = std::min(part * 4294967296.0, 4294967295.0);
    slots_[rank] = {static_cast<std::uint32_t>(scaled), id_of_rank[rank], id_of_rank[other]};
  };
  while (!small.empty() && !large.empty()) {
    const std::uint32_t taker = small.back();
    const std::uint32_t giver = large.back();
    small.pop_back();
    set(taker, share[taker], giver);
    share[giver] = share[giver] + share[taker] - 1;
    if (share[giver] < 1) {
      large.pop_back();
      small.push_back(giver);
    }
  }
  for (const std::uint32_t rank : small) set(rank, 1, rank);  // Rounding left these a hair off 1.
  for (const std::uint32_t rank : large) set(rank, 1, rank);
}

}  // namespace millrace
