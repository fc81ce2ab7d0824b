// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/shard.h"

#include <sys/stat.h>

#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

class ShardTest : public IoTest {
 protected:
  Result<Shard> Inspect(std::string_view name, std::string_view content) {
    return InspectShard(files_, *files_.Stat(Write(name, content)));
  }
};

TEST_F(ShardTest, ContentDecidesTheCompression) {
  EXPECT_EQ(Inspect("a.gz", ZstdFrame("x"))->compression, Compression::kZstd);
  EXPECT_EQ(Inspect("a.zst", GzipMember("x"))->compression, Compression::kGzip);
  EXPECT_EQ(Inspect("a", ZstdFrame("x"))->compression, Compression::kZstd);
  EXPECT_EQ(Inspect("b.zst", "just text\n")->compression, Compression::kNone);
  EXPECT_EQ(Inspect("b.gz", "just text\n")->compression, Compression::kNone);
  EXPECT_EQ(Inspect("c", "")->compression, Compression::kNone);
}

TEST_F(ShardTest, WhatIsNamedCompressedAndLooksDamagedIsCorrupt) {
  const std::string zstd = ZstdFrame("some text"), gzip = GzipMember("some text");
  for (std::size_t n = 0; n < 4; ++n) {
    EXPECT_EQ(Inspect("a.zst", zstd.substr(0, n)).error().code(), StatusCode::kCorrupt) << n;
  }
  for (std::size_t n = 0; n < 2; ++n) {
    EXPECT_EQ(Inspect("a.gz", gzip.substr(0, n)).error().code(), StatusCode::kCorrupt) << n;
  }
  std::string far = zstd;
  far[0] ^= 0x0f;  // Distance 4.
  EXPECT_EQ(Inspect("a.zst", far).error().code(), StatusCode::kCorrupt);
  std::string gzip_far = gzip.substr(0, 2) + "rest without a zero byte";
  gzip_far[1] ^= 0x03;
  EXPECT_EQ(Inspect("a.gz", gzip_far).error().code(), StatusCode::kCorrupt);
  EXPECT_EQ(Inspect("a.gz", std::string("te\0xt", 5)).error().code(), StatusCode::kCorrupt);
  EXPECT_TRUE(Inspect("plain", std::string("te\0xt", 5)).has_value());
}

std::string ForeignSeekable(bool with_checksums, int wrong_bytes = 0) {
  const std::string frames[] = {ZstdFrame(SomeText(5000, 1)), ZstdFrame(SomeText(7000, 2))};
  std::string entries;
  std::string file;
  for (const std::string& frame : frames) {
    file += frame;
    entries += Little32(static_cast<std::uint32_t>(frame.size()) + wrong_bytes);
    entries += Little32(file.size() == frame.size() ? 5000 : 7000);
    if (with_checksums) entries += Little32(123);
  }
  file += Little32(kSeekTableMagic) + Little32(static_cast<std::uint32_t>(entries.size()) + 9);
  return file + entries + Little32(2) + (with_checksums ? '\x80' : '\0') +
         Little32(kSeekTableFooterMagic);
}

TEST_F(ShardTest, ForeignSeekTablesAreUsedAndDistrusted) {
  for (const bool with_checksums : {false, true}) {
    const Result<Shard> shard = Inspect("a.zst", ForeignSeekable(with_checksums));
    ASSERT_TRUE(shard.has_value());
    EXPECT_EQ(CutShard(*shard, 1).size(), 2u);
    EXPECT_EQ(CutShard(*shard, 1)[1].begin, 5000u);
    std::string joined;
    for (const ShardRange& range : CutShard(*shard, 1)) {
      joined += *ReadRange(files_, *shard, range);
    }
    EXPECT_EQ(joined, SomeText(5000, 1) + SomeText(7000, 2));
  }
  // Sums that do not fit: the file is read as any other.
  const Result<Shard> wrong = Inspect("a.zst", ForeignSeekable(false, 1));
  ASSERT_TRUE(wrong.has_value());
  EXPECT_TRUE(wrong->frames.empty());
  EXPECT_EQ(*ReadWhole(files_, Path("a.zst")), SomeText(5000, 1) + SomeText(7000, 2));
}

TEST_F(ShardTest, RangesFollowEachOtherAndHaveTheSizeAskedFor) {
  const Shard plain = *Inspect("plain", std::string(1000, 'x'));
  for (std::uint64_t split_bytes = 1; split_bytes <= 1100; ++split_bytes) {
    const std::vector<ShardRange> ranges = CutShard(plain, split_bytes);
    EXPECT_EQ(ranges.size(), (1000 + split_bytes - 1) / split_bytes);
    std::uint64_t at = 0;
    for (const ShardRange& range : ranges) {
      EXPECT_EQ(range.begin, at);
      EXPECT_EQ(range.stored_begin, at);
      at = range.stored_end;
    }
    EXPECT_EQ(at, 1000u);
    EXPECT_EQ(ranges.back().end, UINT64_MAX);
  }
  const Shard gzip = *Inspect("g", GzipMember("text"));
  EXPECT_EQ(CutShard(gzip, 1).size(), 1u);
}

TEST_F(ShardTest, PipesAndDirectoriesAreNoShards) {
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(InspectShard(files_, *files_.Stat(Path("pipe"))).error().code(), StatusCode::kBadData);
  EXPECT_EQ(InspectShard(files_, *files_.Stat(root_)).error().code(), StatusCode::kBadData);
}

}  // namespace
}  // namespace millrace
