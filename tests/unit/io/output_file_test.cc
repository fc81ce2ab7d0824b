// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/output_file.h"

#include <cstdlib>

#include "tests/unit/io/io_test_tools.h"

namespace millrace {
namespace {

class OutputFileTest : public IoTest {};

constexpr Compression kAll[] = {Compression::kNone, Compression::kZstd, Compression::kGzip};

TEST_F(OutputFileTest, ReadsBackWhateverTheSize) {
  for (const Compression compression : kAll) {
    for (const std::size_t bytes : {0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3'500'000}) {
      const std::string name = std::to_string(bytes) + std::string(CompressionName(compression));
      const std::string content = SomeText(bytes, bytes);
      const auto info = WriteOutput(files_, Path(name), compression, content);
      ASSERT_TRUE(info.has_value()) << info.error().message();
      EXPECT_TRUE(*ReadWhole(files_, Path(name)) == content) << name;
      EXPECT_EQ(info->xxh128, HashOf128(Contents(Path(name))));
      EXPECT_EQ(info->bytes, Contents(Path(name)).size());
    }
  }
}

TEST_F(OutputFileTest, BytesDoNotDependOnTheSlices) {
  const std::string content = SomeText(2'500'000, 1);
  for (const Compression compression : kAll) {
    const std::string name(CompressionName(compression));
    const Hash128 whole = WriteOutput(files_, Path(name), compression, content)->xxh128;
    for (const std::size_t slice_bytes : {17, 65'536, 1 << 20, (1 << 20) + 1}) {
      const std::string other = name + std::to_string(slice_bytes);
      EXPECT_EQ(WriteOutput(files_, Path(other), compression, content, slice_bytes)->xxh128, whole)
          << other;
    }
  }
}

TEST_F(OutputFileTest, ZstdIsOneMebibyteFramesBetweenMarkerAndTable) {
  const std::string content = SomeText((2 << 20) + 7, 2);
  ASSERT_TRUE(WriteOutput(files_, Path("o.zst"), Compression::kZstd, content).has_value());
  const std::string stored = Contents(Path("o.zst"));
  EXPECT_EQ(stored.substr(0, 16), Little32(kMarkerMagic) + Little32(8) + "MILLRACE");
  const Shard shard = *InspectShard(files_, *files_.Stat(Path("o.zst")));
  ASSERT_EQ(shard.frames.size(), 5u);
  EXPECT_EQ(shard.frames[1].bytes, 1u << 20);
  EXPECT_EQ(shard.frames[3].bytes, 7u);
  // zstd's own one-call decoder agrees: skippable frames included.
  std::string decoded(content.size(), '\0');
  EXPECT_EQ(ZSTD_decompress(decoded.data(), decoded.size(), stored.data(), stored.size()),
            content.size());
  EXPECT_TRUE(decoded == content);
}

TEST_F(OutputFileTest, GzipHasNoNameAndNoTime) {
  ASSERT_TRUE(WriteOutput(files_, Path("o.gz"), Compression::kGzip, "text").has_value());
  EXPECT_EQ(Contents(Path("o.gz")).substr(0, 8), std::string("\x1f\x8b\x08\0\0\0\0\0", 8));
}

TEST_F(OutputFileTest, RefusesATakenNameAndAMissingFolder) {
  Write("taken", "old");
  EXPECT_EQ(OutputFile::Create(files_, Path("taken"), Compression::kNone).error().code(),
            StatusCode::kCannotCreate);
  EXPECT_EQ(Contents(Path("taken")), "old");
  EXPECT_EQ(OutputFile::Create(files_, Path("no/such"), Compression::kNone).error().code(),
            StatusCode::kCannotCreate);
}

TEST_F(OutputFileTest, UnclosedFilesGoAway) {
  {
    auto file = *OutputFile::Create(files_, Path("f"), Compression::kNone);
    file->Append("text");
  }
  EXPECT_FALSE(std::filesystem::exists(Path("f")));
}

// Whichever system call fails: either the whole file is there, or an error and no file.
TEST_F(OutputFileTest, EveryFailingSystemCallIsReportedAndLeavesNothing) {
  const std::string content = SomeText(2'500'000, 3);
  for (const Compression compression : kAll) {
    for (std::uint64_t nth = 1;; ++nth) {
      ASSERT_LT(nth, 100u);
      const std::string path = Path("f");
      failpoint::Arm("io", FailpointAction::kError, nth);
      const Result<OutputFileInfo> info = WriteOutput(files_, path, compression, content);
      const bool was_hit = failpoint::HitCount("io") >= nth;
      failpoint::DisarmAll();
      if (!was_hit) {
        EXPECT_GE(nth, 5u);  // At least open, write, fsync, close.
        EXPECT_TRUE(info.has_value());
        std::filesystem::remove(path);
        break;
      }
      ASSERT_FALSE(info.has_value()) << nth;
      EXPECT_EQ(info.error().code(), StatusCode::kResourceLimit) << info.error().message();
      EXPECT_FALSE(std::filesystem::exists(path)) << nth;
    }
  }
}

}  // namespace
}  // namespace millrace
