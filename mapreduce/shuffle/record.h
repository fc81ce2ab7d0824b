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

/// CompareKeys for keys whose prefixes are equal. Negative, zero, positive. By words, without a
/// call: keys of a job often share more than the 8 bytes of the prefix (a merge of 15 M of 20 bytes
/// spent a tenth of its time in memcmp).
inline int CompareKeysBehindPrefix(const RecordView& a, const RecordView& b) {
  const std::uint32_t shorter = a.key_bytes < b.key_bytes ? a.key_bytes : b.key_bytes;
  for (std::uint32_t i = 8; i < shorter; i += 8) {
    // The last word may begin among bytes that are known to be equal.
    const std::uint32_t at = i + 8 <= shorter ? i : shorter - 8;
    const std::uint64_t left = LoadBig64(a.key + at), right = LoadBig64(b.key + at);
    if (left != right) return left < right ? -1 : 1;
  }
  return (a.key_bytes > b.key_bytes) - (a.key_bytes < b.key_bytes);
}

/// Whether bytes [8, n) are equal; the first 8 are.
inline bool EqualBehindPrefix(const char* a, const char* b, std::size_t n) {
  for (std::size_t i = 8; i < n; i += 8) {
    const std::size_t at = i + 8 <= n ? i : n - 8;
    if (LoadBig64(a + at) != LoadBig64(b + at)) return false;
  }
  return true;
}

/// Whether the key begins with `start`, of which `prefix` is the KeyPrefix or that of a longer key.
inline bool KeyStartsWith(const RecordView& record, std::string_view start, std::uint64_t prefix) {
  if (record.key_bytes < start.size()) return false;
  if (start.size() < 8) return ((record.prefix ^ prefix) >> 1) >> (63 - 8 * start.size()) == 0;
  return record.prefix == prefix && EqualBehindPrefix(record.key, start.data(), start.size());
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
  return EqualBehindPrefix(a.key, b.key, a.key_bytes);
}

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RECORD_H_
