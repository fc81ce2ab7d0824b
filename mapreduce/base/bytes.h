// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_BYTES_H_
#define MAPREDUCE_BASE_BYTES_H_

// Integers in memory, varints, and the copying of short strings without a call.
//
// CopyShort and KeyPrefix may load whole words that reach beyond the string. That is safe as long
// as the load stays in the page of the string's first byte: memory is mapped by pages. Sanitizers
// and valgrind rightly dislike it, so under a sanitizer exactly the string is read.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MR_EXACT_LOADS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define MR_EXACT_LOADS 1
#endif
#endif
#ifndef MR_EXACT_LOADS
#define MR_EXACT_LOADS 0
#endif

namespace millrace {

static_assert(std::endian::native == std::endian::little ||
              std::endian::native == std::endian::big);

namespace bytes_internal {
template <class T>
inline T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline std::uint32_t Swap(std::uint32_t value) { return __builtin_bswap32(value); }
inline std::uint64_t Swap(std::uint64_t value) { return __builtin_bswap64(value); }
template <std::endian kOrder, class T>
inline T Ordered(T value) {
  return std::endian::native == kOrder ? value : Swap(value);
}
template <class T>
inline void Store(char* to, T value) {
  std::memcpy(to, &value, sizeof(value));
}
}  // namespace bytes_internal

inline std::uint32_t LoadLittle32(const char* from) {
  return bytes_internal::Ordered<std::endian::little>(bytes_internal::Load<std::uint32_t>(from));
}
inline std::uint64_t LoadLittle64(const char* from) {
  return bytes_internal::Ordered<std::endian::little>(bytes_internal::Load<std::uint64_t>(from));
}
inline std::uint64_t LoadBig64(const char* from) {
  return bytes_internal::Ordered<std::endian::big>(bytes_internal::Load<std::uint64_t>(from));
}
inline void StoreLittle32(char* to, std::uint32_t value) {
  bytes_internal::Store(to, bytes_internal::Ordered<std::endian::little>(value));
}
inline void StoreLittle64(char* to, std::uint64_t value) {
  bytes_internal::Store(to, bytes_internal::Ordered<std::endian::little>(value));
}
inline void StoreBig64(char* to, std::uint64_t value) {
  bytes_internal::Store(to, bytes_internal::Ordered<std::endian::big>(value));
}

/// The longest varint.
inline constexpr std::size_t kVarintBytesMax = 10;

/// Writes `value` as LEB128 (7 bits a byte, low bits first) and returns where it ends. Requires:
/// room for kVarintBytesMax.
inline char* PutVarint(char* to, std::uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

/// Reads a varint that must end before `end`; returns where it ends. nullptr where it is cut off,
/// longer than kVarintBytesMax, beyond 64 bits, or longer than need be (so a value has one form).
inline const char* GetVarint(const char* from, const char* end, std::uint64_t* value) {
  if (from < end && static_cast<unsigned char>(*from) < 0x80) {  // The usual case: one byte.
    *value = static_cast<unsigned char>(*from);
    return from + 1;
  }
  std::uint64_t result = 0;
  for (int shift = 0; shift < 64 && from < end; shift += 7) {
    const std::uint64_t byte = static_cast<unsigned char>(*from++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (byte == 0 && shift > 0) return nullptr;
      *value = result;
      return from;
    }
  }
  return nullptr;
}

namespace bytes_internal {
/// Hides where a pointer comes from: the compiler must not reason about a load beyond the object.
inline const char* Opaque(const char* from) {
  asm("" : "+r"(from));
  return from;
}
/// True if `n` bytes at `from` lie in one page (4 KiB: the smallest there is), n <= 4096.
inline bool InOnePage(const char* from, std::size_t n) {
  return (reinterpret_cast<std::uintptr_t>(from) & 4095) <= 4096 - n;
}
}  // namespace bytes_internal

/// What CopyShort may write behind its bytes: the room that its callers have there.
inline constexpr std::size_t kCopyShortSlack = 16;

/// Copies n bytes. Writes up to 16 bytes to `to` whatever n is: the caller has the room. The
/// source is never read beyond its last byte's page. The ranges do not overlap.
inline void CopyShort(char* to, const char* from, std::size_t n) {
#if !MR_EXACT_LOADS
  // n - 1: an empty string may lie at the end of a page, so not a byte of it may be read.
  if (n - 1 < 16 && bytes_internal::InOnePage(from, 16)) [[likely]] {
    from = bytes_internal::Opaque(from);
#if defined(__SSE2__)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
    const std::uint64_t first = bytes_internal::Load<std::uint64_t>(from);
    const std::uint64_t second = bytes_internal::Load<std::uint64_t>(from + 8);
    bytes_internal::Store(to, first);
    bytes_internal::Store(to + 8, second);
#endif
    return;
  }
#endif
  if (n != 0) std::memcpy(to, from, n);
}

/// The first n <= 8 bytes, the first one lowest, zero above them.
inline std::uint64_t LoadShortLittle(const char* from, std::size_t n) {
  if (n == 0) return 0;
#if !MR_EXACT_LOADS
  if (bytes_internal::InOnePage(from, 8)) [[likely]] {
    return LoadLittle64(bytes_internal::Opaque(from)) & (~std::uint64_t{0} >> (64 - 8 * n));
  }
#endif
  char word[8] = {};
  std::memcpy(word, from, n);
  return LoadLittle64(word);
}

/// The first 8 bytes of a key as a big-endian integer, padded with zeros: comparing prefixes
/// compares the first 8 bytes as memcmp does. ("a" and "a\0" have the same prefix.)
inline std::uint64_t KeyPrefix(const char* key, std::size_t n) {
  if (n >= 8) return LoadBig64(key);
  return __builtin_bswap64(LoadShortLittle(key, n));
}

}  // namespace millrace

#endif  // MAPREDUCE_BASE_BYTES_H_
