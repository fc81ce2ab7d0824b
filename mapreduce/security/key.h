// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SECURITY_KEY_H_
#define MAPREDUCE_SECURITY_KEY_H_

// Keys of Curve25519, as CURVE of ZeroMQ has them: 32 bytes, written as 64 hex digits. Thread-safe
// as values are.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

inline constexpr std::size_t kKeyBytes = 32;

/// Who somebody is: no secret.
struct PublicKey {
  std::array<std::uint8_t, kKeyBytes> bytes = {};

  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;

  /// 64 lower-case hex digits.
  std::string Hex() const;
  /// nullopt unless exactly 64 hex digits (of either case).
  static std::optional<PublicKey> FromHex(std::string_view hex);
};

/// Wiped from memory at its end. Has no way to a stream, so that it can't get into a message.
class SecretKey {
 public:
  SecretKey() = default;
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ~SecretKey();

  /// As PublicKey's.
  static std::optional<SecretKey> FromHex(std::string_view hex);

  const std::uint8_t* data() const { return bytes_.data(); }
  std::uint8_t* data() { return bytes_.data(); }

 private:
  std::array<std::uint8_t, kKeyBytes> bytes_ = {};
};

/// What one process proves itself with.
struct KeyPair {
  PublicKey public_key;
  SecretKey secret_key;

  /// From the kernel's random numbers.
  static KeyPair Make();
  /// The pair whose secret half this is.
  static KeyPair Of(const SecretKey& secret_key);
};

}  // namespace millrace

#endif  // MAPREDUCE_SECURITY_KEY_H_
