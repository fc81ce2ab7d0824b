// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/line_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "mapreduce/io/file_system.h"
#include "mapreduce/io/output_file.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A shard in memory that gives at most `piece_bytes` at once.
class FakeReader : public ShardReader {
 public:
  FakeReader(std::string_view text, std::uint64_t begin, std::size_t piece_bytes)
      : text_(text), at_(begin), piece_bytes_(piece_bytes) {}
  std::size_t NextReadBytes() override { return std::min(piece_bytes_, text_.size() - at_); }
  Result<std::size_t> Read(char* into, std::size_t room) override {
    if (fail_at_ <= at_) return Status::Corrupt("damaged");
    const std::size_t bytes = NextReadBytes();
    EXPECT_LE(bytes, room);
    text_.copy(into, bytes, at_);
    at_ += bytes;
    return bytes;
  }
  std::uint64_t offset() const override { return at_; }
  Status Finish() override { return Status::Ok(); }
  void FailAt(std::uint64_t offset) { fail_at_ = offset; }

 private:
  std::string_view text_;
  std::uint64_t at_;
  std::size_t piece_bytes_;
  std::uint64_t fail_at_ = UINT64_MAX;
};

// Appends the lines of one range with their offsets; checks what each block promises.
Status ReadLines(ShardReader& reader, const ShardRange& range, std::size_t record_bytes_max,
                 std::vector<std::pair<std::uint64_t, std::string>>* lines,
                 LineBuffer* shared = nullptr) {
  LineBlockReader blocks(reader, range, record_bytes_max, "x.tsv", shared);
  LineBlock block;
  bool has_unfinished_line = false;
  while (true) {
    MR_ASSIGN_OR_RETURN(const bool has_block, blocks.Next(&block));
    if (!has_block) break;
    EXPECT_FALSE(has_unfinished_line);
    EXPECT_LT(block.begin, block.end);
    char padding[kLineBlockPadding];
    std::memcpy(padding, block.end, sizeof padding);  // Readable, says the address sanitizer.
    const std::string_view text(block.begin, static_cast<std::size_t>(block.end - block.begin));
    std::uint64_t offset = block.offset;
    for (const std::string& line : ReferenceLines(text)) {
      lines->emplace_back(offset, line);
      offset += line.size() + 1;
    }
    has_unfinished_line = text.back() != '\n';
  }
  const Result<bool> again = blocks.Next(&block);
  EXPECT_TRUE(again.ok() && !*again);
  return Status::Ok();
}

std::vector<std::pair<std::uint64_t, std::string>> ReferenceWithOffsets(std::string_view text) {
  std::vector<std::pair<std::uint64_t, std::string>> lines;
  std::uint64_t offset = 0;
  for (const std::string& line : ReferenceLines(text)) {
    lines.emplace_back(offset, line);
    offset += line.size() + 1;
  }
  return lines;
}

ShardRange Range(std::uint64_t begin, std::uint64_t end) {
  return ShardRange{.stored_begin = begin, .stored_end = end, .begin = begin, .end = end};
}

Result<std::vector<std::string>> LinesOf(std::string_view text, const ShardRange& range,
                                         std::size_t piece_bytes = 3,
                                         std::size_t record_bytes_max = 1 << 20) {
  FakeReader reader(text, range.begin, piece_bytes);
  std::vector<std::pair<std::uint64_t, std::string>> lines;
  MR_RETURN_IF_ERROR(ReadLines(reader, range, record_bytes_max, &lines));
  std::vector<std::string> texts;
  for (const auto& [offset, line] : lines) texts.push_back(line);
  return texts;
}

TEST(LineBlockReaderTest, GivesARangeTheLinesThatStartBehindItsBeginUpToItsEnd) {
  const std::string_view text = "aa\nbbbb\nc\n";
  EXPECT_THAT(*LinesOf(text, Range(0, 4)), ElementsAre("aa", "bbbb"));
  EXPECT_THAT(*LinesOf(text, Range(4, 8)), ElementsAre("c"));
  EXPECT_THAT(*LinesOf(text, Range(8, 10)), IsEmpty());
  EXPECT_THAT(*LinesOf(text, Range(0, 2)), ElementsAre("aa"));
  EXPECT_THAT(*LinesOf(text, Range(0, 3)), ElementsAre("aa", "bbbb"));
  EXPECT_THAT(*LinesOf(text, Range(3, 7)), IsEmpty());
}

TEST(LineBlockReaderTest, ReadsOddShards) {
  const ShardRange whole = Range(0, UINT64_MAX);
  EXPECT_THAT(*LinesOf("", whole), IsEmpty());
  EXPECT_THAT(*LinesOf("", Range(0, 0)), IsEmpty());
  EXPECT_THAT(*LinesOf("\n\n\n", whole), ElementsAre("", "", ""));
  EXPECT_THAT(*LinesOf("a\nb", whole), ElementsAre("a", "b"));
  EXPECT_THAT(*LinesOf("a", whole), ElementsAre("a"));
  EXPECT_THAT(*LinesOf("a\r\n", whole), ElementsAre("a\r"));
}

TEST(LineBlockReaderTest, AnyCutGivesEachLineToOneRange) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = RandomText(random, 120);
    const std::size_t piece_bytes = 1 + random.Uniform(40);
    std::vector<std::pair<std::uint64_t, std::string>> lines;
    std::uint64_t begin = 0;
    do {
      std::uint64_t end = std::min<std::uint64_t>(begin + 1 + random.Uniform(30), text.size());
      if (end == text.size() && random.Uniform(2) == 0) end = UINT64_MAX;
      FakeReader reader(text, begin, piece_bytes);
      ASSERT_TRUE(ReadLines(reader, Range(begin, end), 1000, &lines).ok());
      begin = end;
    } while (begin < text.size());
    ASSERT_EQ(lines, ReferenceWithOffsets(text)) << testing::PrintToString(text);
  }
}

TEST(LineBlockReaderTest, ReadsLinesLongerThanItsBuffer) {
  const std::string text = "short\n" + std::string(3 << 20, 'x') + "\nend";
  const auto lines = LinesOf(text, Range(0, UINT64_MAX), 1 << 16, 4 << 20);
  ASSERT_TRUE(lines.ok());
  EXPECT_THAT(*lines, ElementsAre("short", std::string(3 << 20, 'x'), "end"));
}

TEST(LineBlockReaderTest, BoundsItsBuffer) {
  const std::string text = std::string(1 << 20, 'x') + "\n" + std::string(1 << 20, 'y');
  FakeReader reader(text, 0, 1 << 16);
  LineBlockReader blocks(reader, Range(0, UINT64_MAX), 1 << 20, "x.tsv");
  LineBlock block;
  while (*blocks.Next(&block)) {
  }
  EXPECT_GE(blocks.buffer_bytes(), std::size_t{1} << 20);
  EXPECT_LE(blocks.buffer_bytes(), (std::size_t{1} << 20) + (1 << 16) + kLineBlockPadding);
}

TEST(LineBlockReaderTest, ReadsIntoWhatTheLastOneReadInto) {
  const std::string usual = "a\nbb\n\nccc\n" + std::string(1000, 'd') + "\ne";
  const std::string long_line = "f\n" + std::string(2 << 20, 'g') + "\nh\n";
  LineBuffer shared;
  const auto read = [&shared](std::string_view text, std::size_t piece_bytes) {
    FakeReader reader(text, 0, piece_bytes);
    std::vector<std::pair<std::uint64_t, std::string>> lines;
    const Status status =
        ReadLines(reader, Range(0, UINT64_MAX), std::size_t{4} << 20, &lines, &shared);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(lines, ReferenceWithOffsets(text));
  };
  read(usual, 300);
  const char* const first = shared.bytes.get();
  ASSERT_NE(first, nullptr);
  read(usual, 300);
  read("", 300);
  read(usual, 7);
  EXPECT_EQ(shared.bytes.get(), first);
  read(long_line, 300);
  EXPECT_EQ(shared.bytes, nullptr) << "a large one is given back";
  read(usual, 300);
  EXPECT_NE(shared.bytes, nullptr);
}

#if defined(__SANITIZE_ADDRESS__)
// The buffer lives on, so without help the sanitizer would find nothing wrong.
TEST(LineBlockReaderDeathTest, AViewThatIsKeptPastTheReaderIsFound) {
  LineBuffer shared;
  const char* kept = nullptr;
  {
    FakeReader reader("a\n", 0, 300);
    LineBlockReader blocks(reader, Range(0, UINT64_MAX), 100, "x.tsv", &shared);
    LineBlock block;
    const Result<bool> has_block = blocks.Next(&block);
    ASSERT_TRUE(has_block.ok() && *has_block);
    kept = block.begin;
    EXPECT_EQ(*kept, 'a');
  }
  ASSERT_EQ(shared.bytes.get(), kept);
  EXPECT_DEATH(static_cast<void>(*static_cast<const volatile char*>(kept)), "use-after-poison");
}
#endif

// The error does not depend on where reads and ranges fall.
TEST(LineBlockReaderTest, ReportsBadDataForALineOverTheLimit) {
  const std::string text = "12345\n1234567890\n123456789012\n1\n";
  for (std::size_t piece_bytes = 1; piece_bytes < 40; ++piece_bytes) {
    const auto lines = LinesOf(text, Range(0, UINT64_MAX), piece_bytes, 11);
    ASSERT_FALSE(lines.ok());
    EXPECT_EQ(lines.error().code(), StatusCode::kBadData);
    EXPECT_THAT(lines.error().message(), AllOf(HasSubstr("x.tsv"), HasSubstr("at byte 17 "),
                                               HasSubstr("11 bytes"), HasSubstr("--memory")));
    EXPECT_TRUE(LinesOf(text, Range(0, UINT64_MAX), piece_bytes, 12).ok());
    EXPECT_FALSE(LinesOf(text, Range(7, 17), piece_bytes, 11).ok());
    EXPECT_TRUE(LinesOf(text, Range(18, UINT64_MAX), piece_bytes, 11).ok());
    EXPECT_TRUE(LinesOf(text, Range(0, 16), piece_bytes, 11).ok());
  }
  EXPECT_FALSE(LinesOf("1\n22", Range(0, UINT64_MAX), 40, 1).ok());
  EXPECT_TRUE(LinesOf("1\n\n\n2", Range(0, UINT64_MAX), 40, 1).ok());
}

TEST(LineBlockReaderTest, KeepsTheReadersError) {
  FakeReader reader("aa\nbb\ncc\n", 0, 4);
  reader.FailAt(4);
  LineBlockReader blocks(reader, Range(0, UINT64_MAX), 100, "x.tsv");
  LineBlock block;
  EXPECT_TRUE(*blocks.Next(&block));
  for (int i = 0; i < 2; ++i) {
    const Result<bool> next = blocks.Next(&block);
    ASSERT_FALSE(next.ok());
    EXPECT_EQ(next.error().code(), StatusCode::kCorrupt);
  }
}

// Real files: every way to cut them gives each line to exactly one range.
class LineBlockReaderFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "line_blocks_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void ExpectEachLineOnce(const std::string& path, std::uint64_t split_bytes, std::string_view text,
                          std::size_t ranges_min) {
    FileSystem& files = LocalFileSystem();
    const Result<FileInfo> info = files.Stat(path);
    ASSERT_TRUE(info.ok()) << info.error().message();
    const Result<Shard> shard = InspectShard(files, *info);
    ASSERT_TRUE(shard.ok()) << shard.error().message();
    const std::vector<ShardRange> ranges = CutShard(*shard, split_bytes);
    EXPECT_GE(ranges.size(), ranges_min);
    std::vector<std::pair<std::uint64_t, std::string>> lines;
    for (const ShardRange& range : ranges) {
      auto reader = ShardReader::Open(files, *shard, range, nullptr, nullptr);
      ASSERT_TRUE(reader.ok()) << reader.error().message();
      const Status status = ReadLines(**reader, range, 1 << 20, &lines);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_TRUE((*reader)->Finish().ok());
    }
    EXPECT_TRUE(lines == ReferenceWithOffsets(text)) << path << " split " << split_bytes;
  }

  std::string directory_;
};

TEST_F(LineBlockReaderFileTest, PlainFileInRangesOfEverySize) {
  const std::string texts[] = {
      "", "\n", "\n\n\n\n", "no end", "a\n", "a\nbb\n\n" + std::string(90, 'c') + "\r\n\td\\\ne"};
  int number = 0;
  for (const std::string& text : texts) {
    const std::string path = directory_ + "/" + std::to_string(number++) + ".tsv";
    std::ofstream(path, std::ios::binary) << text;
    for (std::size_t split = 1; split <= text.size() + 2; ++split) {
      ExpectEachLineOnce(path, split, text, 1);
    }
  }
}

TEST_F(LineBlockReaderFileTest, SeekableZstdAndGzip) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  std::string text;
  while (text.size() < (std::size_t{5} << 20)) {
    const std::size_t bytes_max = random.Uniform(200) == 0 ? 100000 : 80;
    const std::size_t bytes = random.Uniform(bytes_max);
    for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>('a' + random.Uniform(20));
    text += '\n';
  }
  text += "no end";
  for (const Compression compression :
       {Compression::kNone, Compression::kZstd, Compression::kGzip}) {
    const std::string path = directory_ + "/" + std::string(CompressionName(compression));
    auto file = OutputFile::Create(LocalFileSystem(), path, compression);
    ASSERT_TRUE(file.ok()) << file.error().message();
    (*file)->Append(text);
    ASSERT_TRUE((*file)->Close().ok());
    for (const std::uint64_t split : {std::uint64_t{1} << 18, std::uint64_t{1} << 20, UINT64_MAX}) {
      const bool is_cut = split == std::uint64_t{1} << 18 && compression != Compression::kGzip;
      ExpectEachLineOnce(path, split, text, is_cut ? 3 : 1);
    }
  }
}

}  // namespace
}  // namespace millrace
