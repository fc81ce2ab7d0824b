// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/hyper_log_log.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace {

void HyperLogLog::Add(State& state, std::uint64_t hash) {
  const std::size_t index = hash >> (64 - kRegisterBits);
  const std::uint64_t rest = hash << kRegisterBits | std::uint64_t{1} << (kRegisterBits - 1);
  const auto rank = static_cast<std::uint8_t>(std::countl_zero(rest) + 1);
  state.registers[index] = std::max(state.registers[index], rank);
}

void HyperLogLog::Merge(State& state, const State& other) {
  for (std::size_t i = 0; i < kRegisters; ++i) {
    state.registers[i] = std::max(state.registers[i], other.registers[i]);
  }
}

std::int64_t HyperLogLog::Estimate(const State& state) {
  // Powers of two up to 2^-56, added in one order: the same sum on every machine.
  double sum = 0;
  int zeros = 0;
  for (const std::uint8_t rank : state.registers) {
    sum += std::ldexp(1.0, -rank);
    if (rank == 0) ++zeros;
  }
  constexpr double kCount = kRegisters;
  const double alpha = 0.7213 / (1 + 1.079 / kCount);
  const double raw = alpha * kCount * kCount / sum;
  if (raw > 2.5 * kCount || zeros == 0) return std::llround(raw);
  // Linear counting, -m ln(zeros / m), as a sum of rationals: libm's log may differ by machine.
  double estimate = 0;
  for (int k = zeros + 1; k <= static_cast<int>(kRegisters); ++k) estimate += kCount / (k - 0.5);
  return std::llround(estimate);
}

}  // namespace millrace
