// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_HASH_H_
#define MAPREDUCE_BASE_HASH_H_

// XXH3, the one hash of Millrace: 64 bits inside (tables, blocks of run files), 128 bits where a
// person can check it with `xxh128sum` (inputs, outputs, fingerprints). Inlined, because most
// hashed things are short keys; but for what comes in pieces, which is long, and which g++ -Og
// can't inline. Not cryptographic: it finds damage, not forgery.

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// XXH3-64 of `bytes`.
inline std::uint64_t Hash64(std::string_view bytes, std::uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

/// XXH3-64 of bytes that come in pieces; how they are cut does not matter. One thread at a time.
class Hasher64 {
 public:
  explicit Hasher64(std::uint64_t seed);

  void Update(std::string_view bytes);
  /// The hash of all bytes so far; more may follow.
  std::uint64_t Digest() const;

 private:
  XXH3_state_t state_;
};

/// An XXH3-128 value.
struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend bool operator==(const Hash128&, const Hash128&) = default;

  /// 32 lower-case hex digits, high half first: as xxh128sum prints it.
  std::string Hex() const;
  /// The inverse of Hex(); nullopt unless exactly 32 hex digits (of either case).
  static std::optional<Hash128> FromHex(std::string_view hex);
};

/// XXH3-128 of `bytes`.
inline Hash128 HashOf128(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {.high = hash.high64, .low = hash.low64};
}

/// XXH3-128 of bytes that come in pieces; how they are cut does not matter. One thread at a time.
class Hasher128 {
 public:
  Hasher128();

  void Update(std::string_view bytes);
  /// The hash of all bytes so far; more may follow.
  Hash128 Digest() const;

 private:
  XXH3_state_t state_;
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_HASH_H_
