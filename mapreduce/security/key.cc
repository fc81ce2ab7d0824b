// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/key.h"

#include <sodium.h>

namespace millrace {
namespace {

static_assert(kKeyBytes == crypto_box_PUBLICKEYBYTES && kKeyBytes == crypto_box_SECRETKEYBYTES);

bool DecodeHex(std::string_view hex, std::uint8_t* bytes) {
  std::size_t size = 0;
  const char* end = nullptr;
  return hex.size() == 2 * kKeyBytes &&
         sodium_hex2bin(bytes, kKeyBytes, hex.data(), hex.size(), nullptr, &size, &end) == 0 &&
         size == kKeyBytes && end == hex.data() + hex.size();
}

}  // namespace

std::string PublicKey::Hex() const {
  char hex[2 * kKeyBytes + 1];
  return sodium_bin2hex(hex, sizeof hex, bytes.data(), bytes.size());
}

std::optional<PublicKey> PublicKey::FromHex(std::string_view hex) {
  PublicKey key;
  if (!DecodeHex(hex, key.bytes.data())) return std::nullopt;
  return key;
}

SecretKey::~SecretKey() { sodium_memzero(bytes_.data(), bytes_.size()); }

std::optional<SecretKey> SecretKey::FromHex(std::string_view hex) {
  SecretKey key;
  if (!DecodeHex(hex, key.data())) return std::nullopt;
  return key;
}

KeyPair KeyPair::Make() {
  SecretKey secret;
  PublicKey unused;
  crypto_box_keypair(unused.bytes.data(), secret.data());
  return Of(secret);
}

KeyPair KeyPair::Of(const SecretKey& secret_key) {
  KeyPair pair;
  pair.secret_key = secret_key;
  crypto_scalarmult_base(pair.public_key.bytes.data(), secret_key.data());
  return pair;
}

}  // namespace millrace
