// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_BYTE_MASKS_H_
#define MAPREDUCE_FORMATS_BYTE_MASKS_H_

// Searches 64 bytes at once: Match('\t', '\n') has bit i set where byte i is one of the two. A
// splitter then walks the set bits instead of the bytes:
//
//   const Bytes64 bytes(line);
//   for (std::uint64_t tabs = bytes.Match('\t'); tabs != 0; tabs &= tabs - 1) Use(FirstBit(tabs));
//
// Sse2Bytes64 needs what every x86-64 has, so nothing is chosen at run time (AVX2 was measured: no
// gain). PortableBytes64 works on words of 8 bytes and gives the same masks everywhere. Both read
// 64 bytes at `at`, whether the text goes on so far or not: the caller has them readable.

#include <bit>
#include <cstddef>
#include <cstdint>

#include "mapreduce/base/bytes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace {

/// Index of the lowest set bit. Requires: mask != 0.
inline std::size_t FirstBit(std::uint64_t mask) {
  return static_cast<std::size_t>(__builtin_ctzll(mask));
}

#if defined(__SSE2__)
class Sse2Bytes64 {
 public:
  explicit Sse2Bytes64(const char* at)
      : bytes_{Load(at), Load(at + 16), Load(at + 32), Load(at + 48)} {}

  /// Bit i is set where byte i equals one of `wanted`.
  template <class... Chars>
  std::uint64_t Match(Chars... wanted) const {
    return Bits<0>(wanted...) | Bits<1>(wanted...) << 16 | Bits<2>(wanted...) << 32 |
           Bits<3>(wanted...) << 48;
  }

  /// Whether `wanted` occurs at all; cheaper than Match.
  bool Contains(char wanted) const {
    const __m128i pattern = _mm_set1_epi8(wanted);
    const __m128i low =
        _mm_or_si128(_mm_cmpeq_epi8(bytes_[0], pattern), _mm_cmpeq_epi8(bytes_[1], pattern));
    const __m128i high =
        _mm_or_si128(_mm_cmpeq_epi8(bytes_[2], pattern), _mm_cmpeq_epi8(bytes_[3], pattern));
    return _mm_movemask_epi8(_mm_or_si128(low, high)) != 0;
  }

 private:
  static __m128i Load(const char* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
  template <int kVector, class... Chars>
  std::uint64_t Bits(Chars... wanted) const {
    __m128i found = _mm_setzero_si128();
    ((found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes_[kVector], _mm_set1_epi8(wanted)))), ...);
    return static_cast<std::uint32_t>(_mm_movemask_epi8(found));
  }

  __m128i bytes_[4];
};
#endif

class PortableBytes64 {
 public:
  explicit PortableBytes64(const char* at) : at_(at) {}

  template <class... Chars>
  std::uint64_t Match(Chars... wanted) const {
    std::uint64_t mask = 0;
    for (int word = 0; word < 8; ++word) {
      const std::uint64_t bytes = LoadLittle64(at_ + 8 * word);
      const std::uint64_t tops = (EqualBytes(bytes, wanted) | ...);
      // Gathers the top bits of the 8 bytes: bit 8i + 7 moves to bit 56 + i.
      mask |= ((tops >> 7) * 0x0102040810204080u >> 56) << (8 * word);
    }
    return mask;
  }

  bool Contains(char wanted) const {
    std::uint64_t tops = 0;
    for (int word = 0; word < 8; ++word) tops |= EqualBytes(LoadLittle64(at_ + 8 * word), wanted);
    return tops != 0;
  }

 private:
  // The top bit of each byte that equals `wanted`. Exact: the sum never carries between bytes,
  // unlike in the shorter (x - 0x01..) & ~x & 0x80.. form.
  static std::uint64_t EqualBytes(std::uint64_t bytes, char wanted) {
    constexpr std::uint64_t kLow7 = 0x7F7F7F7F7F7F7F7Fu;
    const std::uint64_t x = bytes ^ (0x0101010101010101u * static_cast<unsigned char>(wanted));
    return ~(((x & kLow7) + kLow7) | x | kLow7);
  }

  const char* at_;
};

#if defined(__SSE2__)
using Bytes64 = Sse2Bytes64;
#else
using Bytes64 = PortableBytes64;
#endif

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_BYTE_MASKS_H_
