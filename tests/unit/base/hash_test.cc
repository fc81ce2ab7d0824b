// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace {
namespace {

// Known values of XXH3, as `xxhsum -H3` and `xxh128sum` print them for an empty input.
TEST(HashTest, IsXxh3) {
  EXPECT_EQ(Hash64(""), 0x2d06800538d394c2u);
  EXPECT_EQ(HashOf128("").Hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_NE(Hash64("a"), Hash64("a", 1));
}

TEST(Hash128Test, HexReadsBackAndRefusesAllElse) {
  const Hash128 hash{.high = 0x0123456789abcdef, .low = 0xf0};
  EXPECT_EQ(hash.Hex(), "0123456789abcdef00000000000000f0");
  EXPECT_EQ(Hash128::FromHex(hash.Hex()), hash);
  EXPECT_EQ(Hash128::FromHex("0123456789ABCDEF00000000000000F0"), hash);
  EXPECT_FALSE(Hash128::FromHex("").has_value());
  EXPECT_FALSE(Hash128::FromHex(hash.Hex().substr(1)).has_value());
  EXPECT_FALSE(Hash128::FromHex(hash.Hex() + "0").has_value());
  EXPECT_FALSE(Hash128::FromHex("g123456789abcdef00000000000000f0").has_value());
}

TEST(Hasher128Test, DoesNotDependOnTheSlices) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7 % 251);
  for (const std::size_t slice_bytes : {1, 3, 64, 255, 256, 257, 1024, 4999}) {
    Hasher128 hasher;
    for (std::size_t at = 0; at < text.size(); at += slice_bytes) {
      hasher.Update(std::string_view(text).substr(at, slice_bytes));
    }
    EXPECT_EQ(hasher.Digest(), HashOf128(text)) << slice_bytes;
  }
}

}  // namespace
}  // namespace millrace
