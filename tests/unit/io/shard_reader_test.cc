// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/shard_reader.h"

#include <gmock/gmock.h>

#include <iostream>

#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class ShardReaderTest : public IoTest {};

// --- What comes out is what went in.

TEST_F(ShardReaderTest, ReadsZstdInAllItsForms) {
  const std::string a = SomeText(3'000'000, 1), b = SomeText(100'000, 2);
  const std::string large = SomeText(9'000'000, 3);  // Beyond what is decompressed by one call.
  const std::string skippable = Little32(0x184D2A53) + Little32(5) + "hello";
  const std::string with_size = ZstdFrame(a);
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  std::string streamed(ZSTD_compressBound(a.size()), '\0');  // A frame without its size.
  ZSTD_outBuffer out{streamed.data(), streamed.size(), 0};
  ZSTD_inBuffer in{a.data(), a.size(), 0};
  ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush);
  ASSERT_EQ(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end), 0u);
  streamed.resize(out.pos);
  ZSTD_freeCCtx(context);

  const std::map<std::string, std::pair<std::string, std::string>> cases = {
      {"single", {with_size, a}},
      {"many", {ZstdFrame(b) + with_size + ZstdFrame(b), b + a + b}},
      {"unknown size", {streamed, a}},
      {"large", {ZstdFrame(large), large}},
      {"mixed",
       {streamed + ZstdFrame(b) + streamed + ZstdFrame(large) + ZstdFrame("") + streamed,
        a + b + a + large + a}},
      {"skippable", {skippable + ZstdFrame(b) + skippable + streamed + skippable, b + a}},
      {"empty frame", {ZstdFrame(""), ""}},
      {"only skippable", {skippable, ""}},
  };
  for (const auto& [name, stored_and_content] : cases) {
    const std::string path = Write(name, stored_and_content.first);
    const Result<std::string> read = ReadWhole(files_, path);
    ASSERT_TRUE(read.has_value()) << name << ": " << read.error().message();
    EXPECT_TRUE(*read == stored_and_content.second) << name;
  }
}

TEST_F(ShardReaderTest, ReadsGzipMembersAndPadding) {
  const std::string a = SomeText(3'000'000, 1), b = SomeText(10, 2);
  const std::map<std::string, std::pair<std::string, std::string>> cases = {
      {"single", {GzipMember(a), a}},
      {"many", {GzipMember(b) + GzipMember("") + GzipMember(a), b + a}},
      {"padded", {GzipMember(b) + std::string(3 << 20, '\0'), b}},
      {"empty", {GzipMember(""), ""}},
  };
  for (const auto& [name, stored_and_content] : cases) {
    const Result<std::string> read = ReadWhole(files_, Write(name, stored_and_content.first));
    ASSERT_TRUE(read.has_value()) << name << ": " << read.error().message();
    EXPECT_TRUE(*read == stored_and_content.second) << name;
  }
}

// --- Damage.

TEST_F(ShardReaderTest, EveryTruncationOfAnOutputIsAnErrorAndSoIsEveryFlipOrItIsHarmless) {
  const std::string content = SomeText(500, 4);
  for (const Compression compression : {Compression::kZstd, Compression::kGzip}) {
    const std::string name = "out" + std::string(CompressionExtension(compression));
    ASSERT_TRUE(WriteOutput(files_, Path(name), compression, content).has_value());
    const std::string stored = Contents(Path(name));
    for (std::size_t bytes = 0; bytes < stored.size(); ++bytes) {
      const Result<std::string> read = ReadWhole(files_, Write(name, stored.substr(0, bytes)));
      ASSERT_FALSE(read.has_value()) << name << " cut at " << bytes;
      EXPECT_EQ(read.error().code(), StatusCode::kCorrupt) << bytes;
      EXPECT_THAT(read.error().message(), HasSubstr(name));
    }
    std::size_t error_count = 0;
    for (std::size_t bit = 0; bit < 8 * stored.size(); ++bit) {
      std::string flipped = stored;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      const Result<std::string> read = ReadWhole(files_, Write(name, flipped));
      if (read.has_value()) {
        ASSERT_EQ(*read, content) << name << ", bit " << bit;
      } else {
        ++error_count;
      }
    }
    // Only headers hold bits that do not matter (times, names of skippable frames).
    EXPECT_GT(error_count, 8 * stored.size() * 8 / 10) << name;
  }
}

TEST_F(ShardReaderTest, NoticesAFileCutBetweenTwoFrames) {
  const std::string content = SomeText(3 << 20, 5);
  ASSERT_TRUE(WriteOutput(files_, Path("o.zst"), Compression::kZstd, content).has_value());
  const FileInfo info = *files_.Stat(Path("o.zst"));
  const Shard shard = *InspectShard(files_, info);
  ASSERT_EQ(shard.frames.size(), 5u);  // Marker, three frames, the table.
  const std::string stored = Contents(Path("o.zst"));
  for (const ShardFrame& frame : shard.frames) {
    if (frame.stored_offset == 0) continue;
    const auto read = ReadWhole(files_, Write("cut.zst", stored.substr(0, frame.stored_offset)));
    EXPECT_EQ(read.error().code(), StatusCode::kCorrupt) << frame.stored_offset;
  }
}

TEST_F(ShardReaderTest, TruncatedForeignFilesAreCorruptAndNameTheFrame) {
  const std::string frame = ZstdFrame(SomeText(50'000, 6));
  const std::string member = GzipMember(SomeText(50'000, 6));
  const std::string cut_zstd = frame + frame.substr(0, frame.size() - 1);
  const Result<std::string> zstd = ReadWhole(files_, Write("a.zst", cut_zstd));
  EXPECT_EQ(zstd.error().code(), StatusCode::kCorrupt);
  EXPECT_THAT(zstd.error().message(), HasSubstr("a.zst"));
  EXPECT_THAT(zstd.error().message(), HasSubstr("byte " + std::to_string(frame.size())));
  const std::string cut_gzip = member + member.substr(0, member.size() - 1);
  const Result<std::string> gzip = ReadWhole(files_, Write("a.gz", cut_gzip));
  EXPECT_EQ(gzip.error().code(), StatusCode::kCorrupt);
  EXPECT_THAT(gzip.error().message(), HasSubstr("byte " + std::to_string(member.size())));
}

TEST_F(ShardReaderTest, TrailingBytesAreDamage) {
  for (const std::string& tail :
       {std::string("x"), std::string("trailing text"), std::string("\0\0\0x", 4)}) {
    EXPECT_EQ(ReadWhole(files_, Write("t.gz", GzipMember("text") + tail)).error().code(),
              StatusCode::kCorrupt)
        << tail;
    EXPECT_EQ(ReadWhole(files_, Write("t.zst", ZstdFrame("text") + tail)).error().code(),
              StatusCode::kCorrupt)
        << tail;
  }
}

TEST_F(ShardReaderTest, ASeekTableThatLiesIsCorrupt) {
  const std::string content = SomeText(3 << 20, 7);
  ASSERT_TRUE(WriteOutput(files_, Path("o.zst"), Compression::kZstd, content).has_value());
  std::string stored = Contents(Path("o.zst"));
  // The second frame's decompressed size, in the table: offsets behind it would be wrong.
  const std::size_t entries = stored.size() - kSeekTableFooterBytes - 4 * 8;
  stored[entries + 2 * 8 + 4] = static_cast<char>(stored[entries + 2 * 8 + 4] ^ 1);
  const FileInfo info = *files_.Stat(Write("o.zst", stored));
  const Shard shard = *InspectShard(files_, info);
  bool failed = false;
  for (const ShardRange& range : CutShard(shard, 1)) {
    failed |= !ReadRange(files_, shard, range).has_value();
  }
  EXPECT_TRUE(failed);
}

// --- Ranges.

TEST_F(ShardReaderTest, RangesOfAllSizesAddUpAndHashTheSame) {
  constexpr std::uint64_t kSeed = 23;
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  const std::string content = SomeText(4'700'000, 8);
  Write("plain", content);
  ASSERT_TRUE(WriteOutput(files_, Path("own.zst"), Compression::kZstd, content).has_value());
  Write("foreign.zst", ZstdFrame(content));
  Write("foreign.gz", GzipMember(content));
  Write("twice.zst", Contents(Path("own.zst")) + Contents(Path("own.zst")));
  for (const std::string name : {"plain", "own.zst", "foreign.zst", "foreign.gz", "twice.zst"}) {
    const std::string wanted = name == "twice.zst" ? content + content : content;
    const FileInfo info = *files_.Stat(Path(name));
    const Shard shard = *InspectShard(files_, info);
    const Hash128 root = *DigestFile(files_, info.path, nullptr);
    std::vector<std::uint64_t> sizes = {40'000,  1 << 20,    (1 << 20) + 1,  (1 << 20) - 1,
                                        3 << 20, info.bytes, info.bytes - 1, UINT64_MAX};
    for (int i = 0; i < 5; ++i) sizes.push_back(30'000 + random.Uniform(2'000'000));
    for (const std::uint64_t split_bytes : sizes) {
      std::string joined;
      ShardDigest digest(info.bytes);
      for (const ShardRange& range : CutShard(shard, split_bytes)) {
        // Some readers stop early, some go on into the next range: the digest must not care.
        const bool stops_early = random.Uniform(4) == 0;
        if (stops_early) {
          auto reader = ShardReader::Open(files_, shard, range, &digest, nullptr);
          ASSERT_TRUE(reader.has_value());
          for (std::uint64_t reads = random.Uniform(4); reads > 0; --reads) {
            std::string read((*reader)->NextReadBytes(), '\0');
            ASSERT_TRUE((*reader)->Read(read.data(), read.size()).has_value());
          }
          ASSERT_TRUE((*reader)->Finish().ok());
        }
        const Result<std::string> piece = ReadRange(
            files_, shard, range, stops_early ? nullptr : &digest, random.Uniform(2) * 500'000);
        ASSERT_TRUE(piece.has_value()) << piece.error().message();
        joined += *piece;
      }
      ASSERT_TRUE(joined == wanted) << name << ", split " << split_bytes;
      ASSERT_TRUE(digest.complete()) << name << ", split " << split_bytes;
      ASSERT_EQ(digest.Root(), root) << name << ", split " << split_bytes;
    }
  }
}

TEST_F(ShardReaderTest, ReadsOnBeyondItsRange) {
  const std::string content = SomeText(3'000'000, 9);
  Write("plain", content);
  const Shard shard = *InspectShard(files_, *files_.Stat(Path("plain")));
  const ShardRange first = CutShard(shard, 1000)[0];
  auto reader = *ShardReader::Open(files_, shard, first, nullptr, nullptr);
  std::string read;
  while (reader->NextReadBytes() != 0) {
    std::string piece(reader->NextReadBytes(), '\0');
    piece.resize(*reader->Read(piece.data(), piece.size()));
    read += piece;
  }
  EXPECT_TRUE(read == content);
}

// --- The file underneath.

TEST_F(ShardReaderTest, AChangedFileIsStale) {
  Write("plain", "one\ntwo\n");
  const Shard shard = *InspectShard(files_, *files_.Stat(Path("plain")));
  const ShardRange range = CutShard(shard, 100)[0];
  auto reader = *ShardReader::Open(files_, shard, range, nullptr, nullptr);
  std::filesystem::last_write_time(Path("plain"), std::filesystem::file_time_type());
  EXPECT_EQ(reader->Finish().code(), StatusCode::kStale);
  EXPECT_EQ(ShardReader::Open(files_, shard, range, nullptr, nullptr).error().code(),
            StatusCode::kStale);
  std::filesystem::resize_file(Path("plain"), 3);
  EXPECT_EQ(InspectShard(files_, shard.file).error().code(), StatusCode::kStale);
}

TEST_F(ShardReaderTest, AFailedReadIsBadDataAndStays) {
  Write("plain", SomeText(3'000'000, 1));
  const Shard shard = *InspectShard(files_, *files_.Stat(Path("plain")));
  auto reader = *ShardReader::Open(files_, shard, CutShard(shard, UINT64_MAX)[0], nullptr, nullptr);
  std::string into(reader->NextReadBytes(), '\0');
  ASSERT_TRUE(reader->Read(into.data(), into.size()).has_value());
  failpoint::Arm("io", FailpointAction::kError, 1);
  const Status status = reader->Read(into.data(), into.size()).error();
  EXPECT_EQ(status.code(), StatusCode::kBadData);
  EXPECT_THAT(status.message(), HasSubstr("byte " + std::to_string(into.size())));
  EXPECT_EQ(reader->Finish().code(), StatusCode::kBadData);
}

TEST_F(ShardReaderTest, EmptyFileIsOneEmptyRange) {
  Write("empty", "");
  const Shard shard = *InspectShard(files_, *files_.Stat(Path("empty")));
  const std::vector<ShardRange> ranges = CutShard(shard, 1);
  ASSERT_EQ(ranges.size(), 1u);
  ShardDigest digest(0);
  EXPECT_EQ(*ReadRange(files_, shard, ranges[0], &digest), "");
  EXPECT_EQ(digest.Root(), HashOf128(""));
}

}  // namespace
}  // namespace millrace
