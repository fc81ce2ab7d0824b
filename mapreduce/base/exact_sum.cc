// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/exact_sum.h"

#include <bit>
#include <limits>

namespace millrace {
namespace {

constexpr std::uint64_t kPlusInfinity = 1, kMinusInfinity = 2, kNan = 4;
constexpr int kMantissaBits = 52;

bool GetBit(const std::array<std::uint64_t, ExactSum::kLimbs>& limbs, int bit) {
  return (limbs[static_cast<std::size_t>(bit / 64)] >> (bit % 64) & 1) != 0;
}

}  // namespace

void ExactSum::Add(State& state, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const bool is_negative = bits >> 63 != 0;
  const int exponent = static_cast<int>(bits >> kMantissaBits & 0x7ff);
  std::uint64_t mantissa = bits & ((std::uint64_t{1} << kMantissaBits) - 1);
  if (exponent == 0x7ff) {
    state.specials |= mantissa != 0 ? kNan : is_negative ? kMinusInfinity : kPlusInfinity;
    return;
  }
  if (exponent != 0) mantissa |= std::uint64_t{1} << kMantissaBits;
  const int shift = exponent == 0 ? 0 : exponent - 1;  // Of the least bit above 2^-1074.
  auto limb = static_cast<std::size_t>(shift / 64);
  const unsigned __int128 wide = static_cast<unsigned __int128>(mantissa) << (shift % 64);
  const auto low = static_cast<std::uint64_t>(wide), high = static_cast<std::uint64_t>(wide >> 64);
  if (!is_negative) {
    std::uint64_t carry = __builtin_add_overflow(state.limbs[limb], low, &state.limbs[limb]);
    ++limb;
    std::uint64_t more = high;
    for (; limb < kLimbs && (more | carry) != 0; ++limb, more = 0) {
      const std::uint64_t with_carry = more + carry;  // high is far from the limit.
      carry = __builtin_add_overflow(state.limbs[limb], with_carry, &state.limbs[limb]);
    }
  } else {
    std::uint64_t borrow = __builtin_sub_overflow(state.limbs[limb], low, &state.limbs[limb]);
    ++limb;
    std::uint64_t more = high;
    for (; limb < kLimbs && (more | borrow) != 0; ++limb, more = 0) {
      const std::uint64_t with_borrow = more + borrow;
      borrow = __builtin_sub_overflow(state.limbs[limb], with_borrow, &state.limbs[limb]);
    }
  }
}

void ExactSum::Merge(State& state, const State& other) {
  state.specials |= other.specials;
  std::uint64_t carry = 0;
  for (std::size_t limb = 0; limb < kLimbs; ++limb) {
    std::uint64_t sum;
    const bool first = __builtin_add_overflow(state.limbs[limb], other.limbs[limb], &sum);
    const bool second = __builtin_add_overflow(sum, carry, &state.limbs[limb]);
    carry = first || second ? 1 : 0;
  }
}

double ExactSum::Rounded(const State& state) {
  if ((state.specials & kNan) != 0 || (state.specials & 3) == 3)
    return std::numeric_limits<double>::quiet_NaN();
  if (state.specials != 0) {
    const double infinity = std::numeric_limits<double>::infinity();
    return state.specials == kPlusInfinity ? infinity : -infinity;
  }
  auto limbs = state.limbs;
  const bool is_negative = limbs[kLimbs - 1] >> 63 != 0;
  if (is_negative) {
    std::uint64_t carry = 1;
    for (std::uint64_t& limb : limbs) {
      limb = ~limb + carry;
      carry = carry != 0 && limb == 0 ? 1 : 0;
    }
  }
  int top = kLimbs - 1;
  while (top >= 0 && limbs[static_cast<std::size_t>(top)] == 0) --top;
  if (top < 0) return 0.0;
  const int highest = top * 64 + 63 - std::countl_zero(limbs[static_cast<std::size_t>(top)]);
  if (highest <= kMantissaBits) {  // Subnormal, or the least normal ones: exact.
    return std::bit_cast<double>(limbs[0] | (is_negative ? std::uint64_t{1} << 63 : 0));
  }
  const int lowest = highest - kMantissaBits;
  std::uint64_t mantissa = 0;
  for (int bit = highest; bit >= lowest; --bit)
    mantissa = mantissa << 1 | (GetBit(limbs, bit) ? 1 : 0);
  bool rest = false;
  for (int bit = 0; bit < lowest - 1 && !rest; ++bit) rest = GetBit(limbs, bit);
  if (GetBit(limbs, lowest - 1) && (rest || (mantissa & 1) != 0)) ++mantissa;
  // Adding the mantissa with its hidden bit carries into the exponent by itself.
  const std::uint64_t exponent = static_cast<std::uint64_t>(lowest) + 1;
  if (exponent > 0x7fe)
    return is_negative ? -std::numeric_limits<double>::infinity()
                       : std::numeric_limits<double>::infinity();
  const std::uint64_t magnitude =
      (exponent << kMantissaBits) + (mantissa - (std::uint64_t{1} << kMantissaBits));
  return std::bit_cast<double>(magnitude | (is_negative ? std::uint64_t{1} << 63 : 0));
}

}  // namespace millrace
