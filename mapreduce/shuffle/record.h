// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RECORD_H_
#define MAPREDUCE_SHUFFLE_RECORD_H_

// A record as the shuffle sees it: two byte strings, and the first eight key bytes as an integer.
//
// Order of keys: unsigned bytes, a prefix before what it is a prefix of (memcmp, then length).
// The cached prefix decides most comparisons without touching the key. It is zero padded, so
// equal prefixes don't mean equal keys, but they do mean that the first min(8, lengths) bytes are
// equal: once one key ends within eight bytes, the shorter key comes first.
//
//   "ab"      prefix 6162000000000000  \ equal prefix, both within eight bytes:
//   "ab\0"    prefix 6162000000000000  / the shorter one first
//   "ab\0c"   prefix 6162006300000000    a larger prefix

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/status.h"

namespace millrace {

/// The longest key and the longest value, in bytes.
inline constexpr std::size_t kKeyBytesMax = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::size_t kValueBytesMax = std::numeric_limits<std::uint32_t>::max();

/// Key and value of one record, owned by somebody else. Trivially copyable, 32 bytes.
/// Invariant: prefix == KeyPrefix(key, key_bytes).
struct RecordView {
  std::uint64_t prefix = 0;
  const char* key = nullptr;
  const char* value = nullptr;
  std::uint32_t key_bytes = 0;
  std::uint32_t value_bytes = 0;

  std::string_view key_view() const { return {key, key_bytes}; }
  std::string_view value_view() const { return {value, value_bytes}; }
};

/// Requires: lengths within kKeyBytesMax and kValueBytesMax.
inline RecordView MakeRecordView(std::string_view key, std::string_view value) {
  MR_CHECK(key.size() <= kKeyBytesMax && value.size() <= kValueBytesMax);
  return {KeyPrefix(key.data(), key.size()), key.data(), value.data(),
          static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(value.size())};
}

/// CompareKeys for keys whose prefixes are equal. Negative, zero, positive.
inline int CompareKeysBehindPrefix(const RecordView& a, const RecordView& b) {
  const std::uint32_t shorter = a.key_bytes < b.key_bytes ? a.key_bytes : b.key_bytes;
  if (shorter >= 16) {  // The next 8 bytes tell most keys apart, without a call.
    const std::uint64_t left = LoadBig64(a.key + 8), right = LoadBig64(b.key + 8);
    if (left != right) return left < right ? -1 : 1;
  }
  if (shorter > 8) {
    const int order = std::memcmp(a.key + 8, b.key + 8, shorter - 8);
    if (order != 0) return order;
  }
  return (a.key_bytes > b.key_bytes) - (a.key_bytes < b.key_bytes);
}

/// Negative, zero, positive: as memcmp of the keys, then their lengths. Values don't matter.
inline int CompareKeys(const RecordView& a, const RecordView& b) {
  if (a.prefix != b.prefix) return a.prefix < b.prefix ? -1 : 1;
  return CompareKeysBehindPrefix(a, b);
}

inline bool KeyLess(const RecordView& a, const RecordView& b) {
  return a.prefix != b.prefix ? a.prefix < b.prefix : CompareKeysBehindPrefix(a, b) < 0;
}

inline bool KeyEqual(const RecordView& a, const RecordView& b) {
  if (a.prefix != b.prefix || a.key_bytes != b.key_bytes) return false;
  return a.key_bytes <= 8 || std::memcmp(a.key + 8, b.key + 8, a.key_bytes - 8) == 0;
}

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RECORD_H_
