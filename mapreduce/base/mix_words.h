// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_MIX_WORDS_H_
#define MAPREDUCE_BASE_MIX_WORDS_H_

#include <cstdint>

namespace millrace {

/// A hash of two words, a few cycles long: the halves of their product. For tables in memory alone:
/// what anything outside a process sees is XXH3 (hash.h).
inline std::uint64_t MixWords(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace millrace

#endif  // MAPREDUCE_BASE_MIX_WORDS_H_
