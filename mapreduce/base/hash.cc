// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/hash.h"

namespace millrace {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Hasher64::Hasher64(std::uint64_t seed) {
  XXH3_64bits_reset(&state_);  // The next call looks at what was there.
  XXH3_64bits_reset_withSeed(&state_, seed);
}

void Hasher64::Update(std::string_view bytes) {
  XXH3_64bits_update(&state_, bytes.data(), bytes.size());
}

std::uint64_t Hasher64::Digest() const { return XXH3_64bits_digest(&state_); }

std::string Hash128::Hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex(32, '0');
  for (int i = 0; i < 16; ++i) {
    hex[static_cast<std::size_t>(15 - i)] = kDigits[high >> (4 * i) & 15];
    hex[static_cast<std::size_t>(31 - i)] = kDigits[low >> (4 * i) & 15];
  }
  return hex;
}

std::optional<Hash128> Hash128::FromHex(std::string_view hex) {
  if (hex.size() != 32) return std::nullopt;
  Hash128 hash;
  for (std::size_t i = 0; i < 32; ++i) {
    const int digit = HexDigit(hex[i]);
    if (digit < 0) return std::nullopt;
    std::uint64_t& half = i < 16 ? hash.high : hash.low;
    half = half << 4 | static_cast<std::uint64_t>(digit);
  }
  return hash;
}

Hasher128::Hasher128() { XXH3_128bits_reset(&state_); }

void Hasher128::Update(std::string_view bytes) {
  XXH3_128bits_update(&state_, bytes.data(), bytes.size());
}

Hash128 Hasher128::Digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_);
  return {.high = hash.high64, .low = hash.low64};
}

}  // namespace millrace
