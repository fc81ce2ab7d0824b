// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/key.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace millrace {
namespace {

SecretKey Secret(const std::string& hex) {
  const std::optional<SecretKey> key = SecretKey::FromHex(hex);
  EXPECT_TRUE(key.has_value());
  return key.value_or(SecretKey());
}

// RFC 7748, section 6.1: Bob's keys.
TEST(KeyTest, DerivesThePublicHalf) {
  EXPECT_EQ(KeyPair::Of(Secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
                .public_key.Hex(),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

TEST(KeyTest, HexIsExact) {
  const KeyPair pair = KeyPair::Make();
  const std::string hex = pair.public_key.Hex();
  ASSERT_EQ(hex.size(), 64u);
  EXPECT_EQ(PublicKey::FromHex(hex), pair.public_key);
  std::string upper = hex;
  std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
  EXPECT_EQ(PublicKey::FromHex(upper), pair.public_key);
  for (const std::string& wrong :
       {std::string(), hex.substr(1), hex + "0", " " + hex.substr(1), hex.substr(1) + "g",
        hex.substr(1) + "\n", std::string(64, 'x')}) {
    EXPECT_FALSE(PublicKey::FromHex(wrong).has_value()) << wrong;
    EXPECT_FALSE(SecretKey::FromHex(wrong).has_value()) << wrong;
  }
}

TEST(KeyTest, EachPairIsAnother) {
  EXPECT_NE(KeyPair::Make().public_key, KeyPair::Make().public_key);
}

}  // namespace
}  // namespace millrace
