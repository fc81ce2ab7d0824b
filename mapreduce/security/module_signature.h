// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SECURITY_MODULE_SIGNATURE_H_
#define MAPREDUCE_SECURITY_MODULE_SIGNATURE_H_

// Who answers for the code of a job module: Ed25519 over
//
//   "millrace job module v1" 0:u8 abi_version:u64 (little-endian) BLAKE2b-512 of the file
//
// so that a signature is of no use for anything else, nor for a module of another version.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/security/key.h"

namespace millrace {

inline constexpr std::size_t kSignatureBytes = 64;

/// What a submitter signs with. The secret half is the seed of Ed25519.
struct SigningKey {
  PublicKey public_key;  ///< The KEY of a line "signer NAME KEY" (allow_list.h).
  SecretKey seed;

  /// From the kernel's random numbers.
  static SigningKey Make();
  /// The pair whose secret half this is.
  static SigningKey Of(const SecretKey& seed);
};

/// The signing.key of a folder of keys. Errors are ReadSecretKey's.
Result<SigningKey> ReadSigningKey(const std::string& path);

struct ModuleSignature {
  PublicKey signer;
  std::array<std::uint8_t, kSignatureBytes> bytes = {};
};

/// BLAKE2b-512 of a module's bytes. Cost: some 1 ms for a MiB.
using ModuleDigest = std::array<std::uint8_t, 64>;
ModuleDigest DigestModule(std::string_view module);

ModuleSignature SignModule(const SigningKey& key, const ModuleDigest& module,
                           std::uint64_t abi_version);

/// kInvalidArgument, with a clause about the module, unless `signature` is that of one of
/// `allowed`, and of this module. Both strings are raw bytes as a plan has them; "" is none.
Status CheckModuleSigner(std::string_view signer, const std::vector<PublicKey>& allowed);
Status CheckModuleSignature(const ModuleDigest& module, std::uint64_t abi_version,
                            std::string_view signer, std::string_view signature,
                            const std::vector<PublicKey>& allowed);

}  // namespace millrace

#endif  // MAPREDUCE_SECURITY_MODULE_SIGNATURE_H_
