// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_STORE_VIEW_H_
#define MAPREDUCE_BASE_STORE_VIEW_H_

// A string_view written to memory by one store. Compilers write its two halves one by one and copy
// it as a whole; a load that spans two stores that are still under way waits for both to reach the
// cache, some 15 cycles. Fields and keys are decoded into memory and copied at once: of a reduce
// over 15 M keys of three parts a fifth was such waiting, of a job that looks up two keys per row
// a fifth, too.

#include <cstddef>
#include <string_view>

#if defined(__x86_64__) && defined(__GLIBCXX__)
#include <emmintrin.h>
#endif

namespace millrace {

/// *to = {data, size}.
inline void StoreView(std::string_view* to, const char* data, std::size_t size) {
#if defined(__x86_64__) && defined(__GLIBCXX__)
  static_assert(sizeof(std::string_view) == 16 && sizeof(std::size_t) == 8);
  // This library's views are the size, then the address; a test compares.
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_set_epi64x(reinterpret_cast<long long>(data), static_cast<long long>(size)));
#else
  *to = {data, size};
#endif
}

}  // namespace millrace

#endif  // MAPREDUCE_BASE_STORE_VIEW_H_
