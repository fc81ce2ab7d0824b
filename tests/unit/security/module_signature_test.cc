// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/module_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sodium.h>

#include <string>
#include <vector>

#include "mapreduce/security/key_folder.h"
#include "tests/unit/security/keys_folder.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kAbi = 0x0123456789abcdef;

template <class Bytes>
std::string Raw(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

std::string Hex(std::string_view bytes) {
  std::string hex(2 * bytes.size() + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                 bytes.size());
  hex.pop_back();
  return hex;
}

// By OpenSSL and Python's hashlib: another program can make and check signatures, too.
TEST(ModuleSignatureTest, IsEd25519OverPurposeVersionAndDigest) {
  const SigningKey key = SigningKey::Of(*SecretKey::FromHex(Hex(std::string(32, '\1'))));
  EXPECT_EQ(key.public_key.Hex(),
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
  const ModuleSignature signature = SignModule(key, DigestModule("a job module"), kAbi);
  EXPECT_EQ(signature.signer, key.public_key);
  EXPECT_EQ(Hex(Raw(signature.bytes)),
            "63022d5c0419d2c9e33d026de6ee9a3588017206f2e03dd8ea035a934e1e6435"
            "c1d15ab5e315f73c5ed1624252cfd0cb32ea9aef611bd46baec8bca1c88ef90c");
}

TEST(ModuleSignatureTest, HoldsForItsModuleVersionAndSignerAlone) {
  const SigningKey key = SigningKey::Make(), other = SigningKey::Make();
  const std::vector<PublicKey> allowed = {other.public_key, key.public_key};
  const ModuleDigest module = DigestModule("module");
  const ModuleSignature signature = SignModule(key, module, kAbi);
  const std::string signer = Raw(key.public_key.bytes), bytes = Raw(signature.bytes);
  const auto check = [&](const ModuleDigest& of, std::uint64_t abi, const std::string& by,
                         const std::string& with, const std::vector<PublicKey>& known) {
    return CheckModuleSignature(of, abi, by, with, known).message();
  };
  EXPECT_EQ(check(module, kAbi, signer, bytes, allowed), "");
  EXPECT_THAT(check(module, kAbi, "", "", allowed), HasSubstr("is not signed"));
  EXPECT_THAT(check(module, kAbi, signer, bytes, {other.public_key}),
              HasSubstr("\"signer NAME " + key.public_key.Hex() + "\""));
  EXPECT_THAT(check(module, kAbi, signer, bytes, {}), HasSubstr("does not know"));
  EXPECT_THAT(check(module, kAbi, signer.substr(1), bytes, allowed), HasSubstr("odd size"));
  const auto changed = HasSubstr("changed after it was signed");
  EXPECT_THAT(check(DigestModule("modulE"), kAbi, signer, bytes, allowed), changed);
  EXPECT_THAT(check(module, kAbi + 1, signer, bytes, allowed), changed);
  EXPECT_THAT(check(module, kAbi, Raw(other.public_key.bytes), bytes, allowed), changed);
  EXPECT_THAT(check(module, kAbi, signer, "", allowed), changed);
  EXPECT_THAT(check(module, kAbi, signer, bytes + "x", allowed), changed);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_THAT(check(module, kAbi, signer, damaged, allowed), changed) << bit;
  }
}

TEST(ModuleSignatureTest, ComesFromTheKeysThatKeygenMakes) {
  const KeysFolder folder;
  const std::string keys = folder.File("keys");
  ASSERT_TRUE(MakeKeys(keys).ok());
  const auto submitter = ReadKeyFolder(keys, KeyHolder::kSubmitter);
  const auto worker = ReadKeyFolder(keys, KeyHolder::kWorker);
  ASSERT_TRUE(submitter.ok() && worker.ok());
  const auto key = ReadSigningKey(submitter->signing_key_path);
  ASSERT_TRUE(key.ok()) << key.error().message();
  EXPECT_THAT(worker->allowed->Signers(), ElementsAre(key->public_key));
}

TEST(ModuleSignatureTest, KeysThatOthersMayReadAreRefused) {
  const KeysFolder folder;
  const std::string hex = std::string(64, 'a') + "\n";
  EXPECT_TRUE(ReadSigningKey(folder.Write("signing.key", hex, 0600)).ok());
  EXPECT_FALSE(ReadSigningKey(folder.Write("signing.key", hex, 0604)).ok());
  EXPECT_FALSE(ReadSigningKey(folder.Write("signing.key", "no key\n", 0600)).ok());
  EXPECT_EQ(ReadSigningKey(folder.File("none")).error().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace millrace
