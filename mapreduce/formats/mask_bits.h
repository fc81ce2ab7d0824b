// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_MASK_BITS_H_
#define MAPREDUCE_FORMATS_MASK_BITS_H_

// What is asked of the masks of byte_masks.h: bit i stands for byte i of a block of 64.

#include <cstddef>
#include <cstdint>

namespace millrace {

/// std::popcount is a call where the processor is not known to have the instruction.
inline std::size_t CountBits(std::uint64_t bits) {
  bits -= (bits >> 1) & 0x5555555555555555u;
  bits = (bits & 0x3333333333333333u) + ((bits >> 2) & 0x3333333333333333u);
  bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
  return static_cast<std::size_t>((bits * 0x0101010101010101u) >> 56);
}

/// Bit i is set where an odd number of bits up to i is.
inline std::uint64_t PrefixParity(std::uint64_t bits) {
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

/// Bit i is set where a backslash before byte i takes its meaning, seen from the block's begin.
/// `ends_in_escape`: the last byte is such a backslash; kept where there is none. Backslashes are
/// few: a step for each.
inline std::uint64_t EscapedBytes(std::uint64_t backslashes, bool* ends_in_escape) {
  std::uint64_t escaped = 0;
  while (backslashes != 0) {
    const std::uint64_t first = backslashes & (~backslashes + 1);
    escaped |= first << 1;
    *ends_in_escape = first >> 63 != 0;
    backslashes &= ~(first | first << 1);
  }
  return escaped;
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_MASK_BITS_H_
