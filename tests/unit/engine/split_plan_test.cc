// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/split_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace millrace {
namespace {

Shard PlainShard(const std::string& path, std::uint64_t bytes) {
  Shard shard;
  shard.file.path = path;
  shard.file.bytes = bytes;
  return shard;
}

ExecutionInput SmallFiles(int count, std::uint64_t bytes, const std::string& prefix = "f") {
  ExecutionInput input{.name = "lines"};
  for (int i = 0; i < count; ++i) {
    input.shards.push_back(PlainShard("in/" + prefix + std::to_string(1000 + i) + ".tsv", bytes));
  }
  return input;
}

// Checks that the splits cover every byte of every shard once and in order.
void ExpectCovers(const std::vector<Split>& splits, const std::vector<ExecutionInput>& inputs) {
  int input = 0;
  int shard = 0;
  std::uint64_t offset = 0;
  for (const Split& split : splits) {
    std::uint64_t bytes = 0;
    ASSERT_FALSE(split.pieces.empty());
    for (const SplitPiece& piece : split.pieces) {
      ASSERT_EQ(piece.input, split.pieces[0].input);
      ASSERT_EQ(piece.input, input);
      ASSERT_EQ(piece.shard, shard);
      ASSERT_EQ(piece.range.stored_begin, offset);
      bytes += piece.range.stored_end - piece.range.stored_begin;
      offset = piece.range.stored_end;
      const auto& shards = inputs[static_cast<std::size_t>(input)].shards;
      if (offset < shards[static_cast<std::size_t>(shard)].file.bytes) continue;
      offset = 0;
      if (++shard == static_cast<int>(shards.size())) {
        shard = 0;
        ++input;
      }
    }
    ASSERT_EQ(split.stored_bytes, bytes);
  }
  EXPECT_EQ(input, static_cast<int>(inputs.size()));
}

TEST(SplitPlanTest, CutsALargeFile) {
  const std::vector<ExecutionInput> inputs = {{.name = "x", .shards = {PlainShard("a", 250)}}};
  const std::vector<Split> splits = PlanSplits(inputs, 100);
  ASSERT_EQ(splits.size(), 3u);
  ExpectCovers(splits, inputs);
  EXPECT_EQ(splits[2].stored_bytes, 50u);
}

// Its phase would else keep one slot busy while the others wait.
TEST(SplitPlanTest, CutsASmallInputAllTheSame) {
  constexpr std::uint64_t kMebibyte = 1 << 20;
  const auto splits_of = [&](std::uint64_t bytes, std::uint64_t split_bytes) {
    const std::vector<ExecutionInput> inputs = {{.name = "x", .shards = {PlainShard("a", bytes)}},
                                                {.name = "y", .shards = {PlainShard("b", 100)}}};
    const std::vector<Split> splits = PlanSplits(inputs, split_bytes, SmallInputs::kFiner);
    ExpectCovers(splits, inputs);
    return splits.size() - 1;
  };
  EXPECT_EQ(splits_of(2 * kMebibyte, 64 * kMebibyte), 1u);
  EXPECT_EQ(splits_of(9 * kMebibyte, 64 * kMebibyte), 4u);
  EXPECT_EQ(splits_of(40 * kMebibyte, 64 * kMebibyte), 8u);
  EXPECT_EQ(splits_of(1024 * kMebibyte, 64 * kMebibyte), 16u);
  EXPECT_EQ(splits_of(9 * kMebibyte, kMebibyte), 9u);
  const std::vector<ExecutionInput> as_others = {
      {.name = "x", .shards = {PlainShard("a", 9 * kMebibyte)}}};
  EXPECT_EQ(PlanSplits(as_others, 64 * kMebibyte).size(), 1u);
}

TEST(SplitPlanTest, PacksSmallFilesUpToTheLimit) {
  const std::vector<ExecutionInput> inputs = {SmallFiles(1000, 1 << 10)};
  const std::vector<Split> splits = PlanSplits(inputs, 64 << 10);
  ExpectCovers(splits, inputs);
  EXPECT_LT(splits.size(), 80u);
  for (const Split& split : splits) EXPECT_LE(split.stored_bytes, (64u << 10) + 1024);
}

TEST(SplitPlanTest, NeverPacksFilesOfTwoInputsOrAroundALargeFile) {
  std::vector<ExecutionInput> inputs = {SmallFiles(3, 10), SmallFiles(3, 10)};
  inputs[1].shards.insert(inputs[1].shards.begin() + 1, PlainShard("in/f1000a.tsv", 10'000));
  const std::vector<Split> splits = PlanSplits(inputs, 4000);
  ExpectCovers(splits, inputs);
  for (const Split& split : splits) {
    EXPECT_TRUE(split.pieces.size() == 1 || split.stored_bytes <= 40) << split.stored_bytes;
  }
}

TEST(SplitPlanTest, ManyEmptyFilesAreSeveralSplits) {
  const std::vector<ExecutionInput> inputs = {SmallFiles(20'000, 0)};
  const std::vector<Split> splits = PlanSplits(inputs, 32 << 20);
  ExpectCovers(splits, inputs);
  EXPECT_GT(splits.size(), 5u);
  EXPECT_LT(splits.size(), 200u);
}

TEST(SplitPlanTest, AnAddedFileDisturbsFewPacks) {
  const std::vector<ExecutionInput> before = {SmallFiles(2000, 1000)};
  std::vector<ExecutionInput> after = before;
  after[0].shards.insert(after[0].shards.begin() + 700, PlainShard("in/f1699x.tsv", 1000));
  const auto packs = [](const std::vector<ExecutionInput>& inputs) {
    std::set<std::string> names;
    for (const Split& split : PlanSplits(inputs, 64 << 10)) {
      std::string name;
      for (const SplitPiece& piece : split.pieces) {
        name += inputs[0].shards[static_cast<std::size_t>(piece.shard)].file.path + " ";
      }
      names.insert(name);
    }
    return names;
  };
  const std::set<std::string> old_packs = packs(before);
  std::size_t disturbed = 0;
  for (const std::string& pack : packs(after)) disturbed += old_packs.contains(pack) ? 0 : 1;
  EXPECT_GE(disturbed, 1u);
  EXPECT_LE(disturbed, 3u);
}

TEST(SplitPlanTest, CompressionOfAFileDoesNotMoveItsPack) {
  std::vector<ExecutionInput> plain = {SmallFiles(500, 1000)};
  std::vector<ExecutionInput> named = plain;
  for (Shard& shard : named[0].shards) shard.file.path += ".zst";
  const auto sizes = [](const std::vector<ExecutionInput>& inputs) {
    std::vector<std::size_t> counts;
    for (const Split& split : PlanSplits(inputs, 64 << 10)) counts.push_back(split.pieces.size());
    return counts;
  };
  EXPECT_EQ(sizes(plain), sizes(named));
}

TEST(SplitPlanTest, DefaultFollowsInputAndSlots) {
  EXPECT_EQ(DefaultSplitBytes(0, 4), std::uint64_t{1} << 20);
  EXPECT_EQ(DefaultSplitBytes(std::uint64_t{256} << 20, 4), std::uint64_t{4} << 20);
  EXPECT_EQ(DefaultSplitBytes(std::uint64_t{1} << 40, 4), std::uint64_t{64} << 20);
  EXPECT_EQ(DefaultSplitBytes(std::uint64_t{257} << 20, 4), std::uint64_t{5} << 20)
      << "a range that ends within a block of the digest reads it to its end";
}

TEST(SplitPlanTest, RefusesMillionsOfSplits) {
  EXPECT_TRUE(CheckSplitBytes(1000, 1).ok());
  const Status status = CheckSplitBytes(std::uint64_t{1} << 30, 1);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), testing::HasSubstr("--split-size"));
}

TEST(PlanPartsTest, GivesWholeShardsToPartsByTheirBytes) {
  std::vector<ExecutionInput> inputs = {SmallFiles(2, 10), SmallFiles(4, 100)};
  inputs[1].shards.push_back(PlainShard("in/last.tsv", 0));
  const auto shards_of = [&](int parts) {
    std::vector<std::vector<int>> shards;
    for (const Split& split : PlanParts(inputs, 1, parts)) {
      auto& list = shards.emplace_back();
      std::uint64_t bytes = 0;
      for (const SplitPiece& piece : split.pieces) {
        EXPECT_EQ(piece.input, 1);
        list.push_back(piece.shard);
        bytes += piece.range.stored_end - piece.range.stored_begin;
      }
      EXPECT_EQ(split.stored_bytes, bytes);
    }
    return shards;
  };
  using Shards = std::vector<std::vector<int>>;
  EXPECT_EQ(shards_of(1), (Shards{{0, 1, 2, 3, 4}}));
  EXPECT_EQ(shards_of(2), (Shards{{0, 1}, {2, 3, 4}}));
  EXPECT_EQ(shards_of(8), (Shards{{0}, {}, {1}, {}, {2}, {}, {3}, {4}}));
  EXPECT_EQ(PartsOfShards({}, 3), std::vector<std::size_t>());
}

}  // namespace
}  // namespace millrace
