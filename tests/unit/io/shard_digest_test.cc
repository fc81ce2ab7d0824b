// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/shard_digest.h"

#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

class ShardDigestTest : public IoTest {};

TEST_F(ShardDigestTest, IsTheHashOfTheBlocksHashes) {
  const std::string content = SomeText((2 << 20) + 5, 1);
  std::string canonical;
  for (std::size_t at = 0; at < content.size(); at += 1 << 20) {
    const std::string hex = HashOf128(content.substr(at, 1 << 20)).Hex();
    for (std::size_t i = 0; i < 32; i += 2) {
      canonical += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
  }
  EXPECT_EQ(*DigestFile(files_, Write("f", content), nullptr), HashOf128(canonical));
  EXPECT_EQ(*DigestFile(files_, Write("empty", ""), nullptr), HashOf128(""));
}

TEST_F(ShardDigestTest, IsCompleteWhenEachBlockWasSet) {
  ShardDigest digest((2 << 20) + 1);
  EXPECT_EQ(digest.block_count(), 3u);
  digest.SetBlock(2, {});
  digest.SetBlock(0, {});
  digest.SetBlock(0, {});
  EXPECT_FALSE(digest.complete());
  digest.SetBlock(1, {});
  EXPECT_TRUE(digest.complete());
}

TEST_F(ShardDigestTest, HoldsAPartOfAShard) {
  constexpr std::uint64_t kBlock = kDigestBlockBytes;
  const auto blocks = [](std::uint64_t begin, std::uint64_t end) {
    const DigestBlocks of = DigestBlocksOf(begin, end);
    return std::pair(of.begin, of.end);
  };
  EXPECT_EQ(blocks(0, 0), std::pair(std::uint64_t{0}, std::uint64_t{0}));
  EXPECT_EQ(blocks(0, 1), std::pair(std::uint64_t{0}, std::uint64_t{1}));
  EXPECT_EQ(blocks(1, kBlock), std::pair(std::uint64_t{1}, std::uint64_t{1}));
  EXPECT_EQ(blocks(kBlock, 2 * kBlock + 1), std::pair(std::uint64_t{1}, std::uint64_t{3}));
  ShardDigest part(DigestBlocksOf(kBlock, 3 * kBlock));
  part.SetBlock(2, {5, 6});
  EXPECT_FALSE(part.complete());
  part.SetBlock(1, {3, 4});
  EXPECT_TRUE(part.complete());
  EXPECT_EQ(part.first_block(), 1u);
  EXPECT_EQ(part.blocks(), (std::vector<Hash128>{{3, 4}, {5, 6}}));
  EXPECT_TRUE(ShardDigest(DigestBlocksOf(1, kBlock)).complete());
}

TEST_F(ShardDigestTest, CanBeCancelled) {
  CancelToken cancel;
  cancel.Cancel();
  EXPECT_EQ(DigestFile(files_, Write("f", "x"), &cancel).error().code(), StatusCode::kCancelled);
  EXPECT_EQ(DigestFile(files_, Path("none"), nullptr).error().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace millrace
