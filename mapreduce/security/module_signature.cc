// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/module_signature.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "mapreduce/security/key_file.h"

namespace millrace {
namespace {

static_assert(kKeyBytes == crypto_sign_PUBLICKEYBYTES && kKeyBytes == crypto_sign_SEEDBYTES);
static_assert(kSignatureBytes == crypto_sign_BYTES);
static_assert(sizeof(ModuleDigest) == crypto_generichash_BYTES_MAX);

constexpr char kPurpose[] = "millrace job module v1";  // Its zero byte belongs to it.

std::string SignedBytes(const ModuleDigest& module, std::uint64_t abi_version) {
  std::string bytes(kPurpose, sizeof kPurpose);
  for (int shift = 0; shift < 64; shift += 8)
    bytes.push_back(static_cast<char>(abi_version >> shift & 0xff));
  bytes.append(reinterpret_cast<const char*>(module.data()), module.size());
  return bytes;
}

const unsigned char* Raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// Both halves, as libsodium wants them. Wiped at the end.
struct WholeKey {
  WholeKey(const SecretKey& seed, PublicKey& public_key) {
    crypto_sign_seed_keypair(public_key.bytes.data(), bytes, seed.data());
  }
  WholeKey(const WholeKey&) = delete;
  WholeKey& operator=(const WholeKey&) = delete;
  ~WholeKey() { sodium_memzero(bytes, sizeof bytes); }
  unsigned char bytes[crypto_sign_SECRETKEYBYTES];
};

std::optional<PublicKey> KeyOf(std::string_view signer) {
  if (signer.size() != kKeyBytes) return std::nullopt;
  PublicKey key;
  std::memcpy(key.bytes.data(), signer.data(), kKeyBytes);
  return key;
}

}  // namespace

SigningKey SigningKey::Make() {
  SecretKey seed;
  randombytes_buf(seed.data(), kKeyBytes);
  return Of(seed);
}

SigningKey SigningKey::Of(const SecretKey& seed) {
  SigningKey key;
  key.seed = seed;
  const WholeKey whole(seed, key.public_key);
  return key;
}

Result<SigningKey> ReadSigningKey(const std::string& path) {
  MR_ASSIGN_OR_RETURN(const SecretKey seed, ReadSecretKey(path));
  return SigningKey::Of(seed);
}

ModuleDigest DigestModule(std::string_view module) {
  ModuleDigest digest;
  crypto_generichash(digest.data(), digest.size(), Raw(module), module.size(), nullptr, 0);
  return digest;
}

ModuleSignature SignModule(const SigningKey& key, const ModuleDigest& module,
                           std::uint64_t abi_version) {
  ModuleSignature signature;
  const WholeKey whole(key.seed, signature.signer);
  const std::string bytes = SignedBytes(module, abi_version);
  crypto_sign_detached(signature.bytes.data(), nullptr, Raw(bytes), bytes.size(), whole.bytes);
  return signature;
}

Status CheckModuleSigner(std::string_view signer, const std::vector<PublicKey>& allowed) {
  if (signer.empty()) {
    return Status::InvalidArgument(
        "is not signed, and this worker executes only modules that are; "
        "run it with --keys DIR, where DIR has a signing.key");
  }
  const std::optional<PublicKey> key = KeyOf(signer);
  if (!key) return Status::InvalidArgument("has a signature of odd size");
  if (std::find(allowed.begin(), allowed.end(), *key) != allowed.end()) return Status::Ok();
  return Status::InvalidArgument("is signed by ", key->Hex(),
                                 ", whom this worker does not know; add a line \"signer NAME ",
                                 key->Hex(), "\" to its allowed.keys if it shall");
}

Status CheckModuleSignature(const ModuleDigest& module, std::uint64_t abi_version,
                            std::string_view signer, std::string_view signature,
                            const std::vector<PublicKey>& allowed) {
  MR_RETURN_IF_ERROR(CheckModuleSigner(signer, allowed));
  const std::string bytes = SignedBytes(module, abi_version);
  if (signature.size() == kSignatureBytes &&
      crypto_sign_verify_detached(Raw(signature), Raw(bytes), bytes.size(), Raw(signer)) == 0)
    return Status::Ok();
  return Status::InvalidArgument(
      "has a signature of other bytes than its own: it was changed after "
      "it was signed, or signed for another version of Millrace; submit "
      "the run anew");
}

}  // namespace millrace
