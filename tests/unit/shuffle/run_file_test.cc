// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/run_format.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/run_writer.h"
#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

bool IsPrefix(const std::vector<Record>& part, const std::vector<Record>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

bool IsProperPrefix(const std::vector<Record>& part, const std::vector<Record>& whole) {
  return part.size() < whole.size() && IsPrefix(part, whole);
}

std::uint64_t IndexOffset(const std::string& file) {
  return LoadLittle64(file.data() + file.size() - kRunFooterBytes);
}

// Offsets of all blocks, and of the index.
std::vector<std::size_t> BlockOffsets(const std::string& file) {
  std::vector<std::size_t> offsets = {kRunHeaderBytes};
  while (offsets.back() < IndexOffset(file)) {
    offsets.push_back(offsets.back() + kBlockHeaderBytes +
                      LoadLittle32(file.data() + offsets.back()));
  }
  return offsets;
}

class RunFileTest : public ::testing::Test {
 protected:
  RunInfo Write(const std::vector<Record>& records, const RunOptions& options) {
    Result<RunInfo> info =
        WriteRun(folder_.Path("run" + std::to_string(++runs_)), records, options);
    EXPECT_TRUE(info.ok()) << info.error().message();
    return *info;
  }

  TestFolder folder_;
  int runs_ = 0;
};

TEST_F(RunFileTest, ReadsBackWhatWasWritten) {
  Random random(TestSeed());
  for (const std::size_t count : {1, 2, 255, 256, 257, 3000}) {
    for (const std::size_t block_bytes : {1, 64, 1000, 262'144}) {
      const std::vector<Record> records = NastyRecords(random, count, 40);
      const RunInfo info = Write(records, {.block_bytes = block_bytes, .file_id = 77});
      std::uint64_t key_bytes = 0, value_bytes = 0;
      for (const Record& record : records) {
        key_bytes += record.key.size();
        value_bytes += record.value.size();
      }
      EXPECT_EQ(info.record_count, count);
      EXPECT_EQ(info.key_bytes, key_bytes);
      EXPECT_EQ(info.value_bytes, value_bytes);
      EXPECT_EQ(info.file_bytes, FileBytes(info.path).size());
      for (const std::size_t read_bytes : {0, 3000, 1 << 30}) {
        std::vector<Record> read;
        const Status status = ReadRun(info, &read, {}, read_bytes);
        ASSERT_TRUE(status.ok()) << status.message();
        ASSERT_EQ(read, records);
      }
    }
  }
}

TEST_F(RunFileTest, HasTheBytesOfTheDocumentedFormat) {
  const RunInfo info = Write({{"apple", "1"}, {"apply", ""}}, {.file_id = 0x0102030405060708});
  const std::string file = FileBytes(info.path);
  ASSERT_EQ(file.size(), 16u + 24 + 9 + 5 + (8 + 1 + 5) + 32 - 1);
  EXPECT_EQ(file.substr(0, 16), std::string("MRRN\3\0\0\0\x08\7\6\5\4\3\2\1", 16));
  EXPECT_EQ(file.substr(16, 16), std::string("\x0D\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(file.substr(40, 13), std::string("\0\5\1apple1\x10\1\0y", 13));
  EXPECT_EQ(file.substr(53, 14), std::string("\x10\0\0\0\0\0\0\0\5apple", 14));
  EXPECT_EQ(file.substr(67, 16), std::string("\x35\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(file.substr(91), std::string("\3\0\0\0MRRN", 8));
}

TEST_F(RunFileTest, BlocksKeepToTheirSize) {
  Random random(TestSeed());
  const RunInfo info = Write(NastyRecords(random, 5000, 40), {.block_bytes = 1000});
  const std::string file = FileBytes(info.path);
  const std::vector<std::size_t> offsets = BlockOffsets(file);
  EXPECT_EQ(offsets.back(), IndexOffset(file));
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    EXPECT_LE(offsets[i] - offsets[i - 1], 1000u);
    if (i + 1 < offsets.size()) {  // The next record has 200 bytes at most, as a whole.
      EXPECT_GE(offsets[i] - offsets[i - 1], 800u);
    }
  }
}

// As those of Sourced records, which say where they were read.
TEST_F(RunFileTest, ValuesShareTheirHeads) {
  std::vector<Record> records;
  for (int i = 1000; i < 3000; ++i) {
    const std::string number = std::to_string(i);
    records.push_back({number, "/data/2026-11-01/users-00000-of-00016.tsv" + number + "\tname"});
  }
  const RunInfo info = Write(records, {});
  std::vector<Record> read;
  ASSERT_TRUE(ReadRun(info, &read).ok());
  EXPECT_EQ(read, records);
  EXPECT_LT(info.file_bytes, records.size() * (4 + 4 + 10));
  // A name that changes: each value shares the one before only as long as that stays.
  for (std::size_t i = 0; i < records.size(); ++i) records[i].value[i / 100] = '!';
  read.clear();
  ASSERT_TRUE(ReadRun(Write(records, {}), &read).ok());
  EXPECT_EQ(read, records);
}

TEST_F(RunFileTest, AnEmptyRunHasNoRecords) {
  const RunInfo info = Write({}, {.file_id = 5});
  EXPECT_EQ(info.file_bytes, kRunHeaderBytes + kRunFooterBytes);
  EXPECT_EQ(info.file_bytes, FileBytes(info.path).size());
  for (const KeyRange& range : {KeyRange{}, KeyRange{"a", "b"}, KeyRange{"", std::nullopt}}) {
    std::vector<Record> read;
    const Status status = ReadRun(info, &read, range);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(read.empty());
  }
}

TEST_F(RunFileTest, CarriesAValueOf20MiB) {
  std::vector<Record> records = {{"a", "1"},
                                 {"b", std::string(20 << 20, 'x')},
                                 {"b", "2"},
                                 {"c", std::string(3 << 20, 'y')},
                                 {"d", "3"}};
  const RunInfo info = Write(records, {});
  std::vector<Record> read;
  EXPECT_TRUE(ReadRun(info, &read).ok());
  EXPECT_TRUE(read == records);
}

// Keys whose kept beginnings are equal, between records of all sizes.
TEST_F(RunFileTest, CarriesKeysLargerThanWhatIsShared) {
  const std::string key(std::size_t{3} << 20, 'k');
  const std::vector<Record> records = {
      {key, "first"},   {key, "1"},   {key + "a", "2"},
      {key + "b", "3"}, {"l", ""},    {"l" + key, "4"},
      {"l" + key, "5"}, {"lm", "6"},  {"m", std::string(9000, 'v')},
      {"m" + key, key}, {"n", "last"}};
  for (const std::size_t block_bytes : {300, 100'000}) {
    const RunInfo info = Write(records, {.block_bytes = block_bytes});
    EXPECT_EQ(info.record_count, records.size());
    EXPECT_GT(info.block_bytes_max, 2 * key.size());
    std::vector<Record> read;
    const Status status = ReadRun(info, &read);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(read == records);
  }
}

TEST_F(RunFileTest, CarriesLargeKeysThatShareAlmostAll) {
  const std::string key(200 << 10, 'k');  // More than a batch has room for.
  std::vector<Record> records = {{"a", "1"}};
  for (int i = 0; i < 300; ++i) records.push_back({key, std::to_string(i)});
  records.push_back({key + "l", "x"});
  for (char c = 'a'; c < 'p'; ++c) records.push_back({key + "m" + c, "x"});
  records.push_back({key + "n" + std::string(100 << 10, 'k'), "x"});
  records.push_back({"l", "y"});
  const RunInfo info = Write(records, {.block_bytes = 1 << 20});
  EXPECT_LT(info.file_bytes, 10u << 20);  // Of 63 MiB: in the file the key is stored once a block.
  std::vector<Record> read;
  const Status status = ReadRun(info, &read);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(read == records);
}

TEST_F(RunFileTest, SlicesByRangeAsFilteringAllRecordsDoes) {
  Random random(TestSeed());
  for (int round = 0; round < 12; ++round) {
    // Few distinct keys, so that equal keys span blocks, and many.
    const std::vector<Record> records = NastyRecords(random, random.Uniform(700), 1 + round);
    const RunInfo info = Write(records, {.block_bytes = 100 + random.Uniform(400)});
    const Result<std::shared_ptr<const RunFile>> run = RunFile::Open(LocalFileSystem(), info);
    ASSERT_TRUE(run.ok());
    const auto border = [&]() -> std::optional<std::string> {
      switch (random.Uniform(4)) {
        case 0:
          return std::nullopt;
        case 1:
          return NastyKey(random, 12);
        case 2:
          return records.empty() ? "" : records[random.Uniform(records.size())].key;
        default:
          return records.empty() ? "" : records[random.Uniform(records.size())].key + '\0';
      }
    };
    for (int trial = 0; trial < 400; ++trial) {
      const KeyRange range{border(), border()};
      std::vector<Record> expected;
      for (const Record& record : records) {
        if (range.begin.has_value() && record.key < *range.begin) continue;
        if (range.end.has_value() && record.key >= *range.end) continue;
        expected.push_back(record);
      }
      Result<std::unique_ptr<RunCursor>> cursor = (*run)->Read(range, random.Uniform(2000));
      ASSERT_TRUE(cursor.ok());
      std::vector<Record> read;
      const Status status = ReadCursor(**cursor, &read);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_EQ(read, expected);
    }
  }
}

TEST_F(RunFileTest, ASliceReadsNoBlockOutsideIt) {
  std::vector<Record> records;
  for (int i = 100; i < 900; ++i) records.push_back({std::to_string(i), "value"});
  const RunInfo info = Write(records, {.block_bytes = 200});
  std::string file = FileBytes(info.path);
  const std::vector<std::size_t> offsets = BlockOffsets(file);
  file[offsets[0] + 30] ^= 1;
  file[offsets[offsets.size() - 2] + 30] ^= 1;
  SetFileBytes(info.path, file);
  std::vector<Record> read;
  const Status status = ReadRun(info, &read, {"300", "600"}, 1000);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(read.size(), 300u);
}

TEST_F(RunFileTest, ReportsCorruptAtTheFirstDamagedBlock) {
  Random random(TestSeed());
  const std::vector<Record> records = NastyRecords(random, 1000, 20);
  const RunInfo info = Write(records, {.block_bytes = 1000});
  std::string file = FileBytes(info.path);
  const std::vector<std::size_t> offsets = BlockOffsets(file);
  file[offsets[2] + 100] ^= 4;
  SetFileBytes(info.path, file);
  for (const std::size_t read_bytes : {0, 1 << 20}) {
    std::vector<Record> read;
    const Status status = ReadRun(info, &read, {}, read_bytes);
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_EQ(status.message(),
              info.path + ": block 2 at byte " + std::to_string(offsets[2]) + ": hash mismatch");
    EXPECT_TRUE(IsProperPrefix(read, records));
    EXPECT_FALSE(read.empty());
  }
}

TEST_F(RunFileTest, FindsEachFlippedBit) {
  Random random(TestSeed());
  const std::vector<Record> records = NastyRecords(random, 24, 10);
  const RunInfo info = Write(records, {.block_bytes = 150, .file_id = 9});
  const std::string file = FileBytes(info.path);
  const std::vector<std::size_t> offsets = BlockOffsets(file);
  ASSERT_GT(offsets.size(), 3u);
  std::string damaged = file;
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    const std::size_t byte = bit / 8;
    damaged[byte] = static_cast<char>(file[byte] ^ (1 << bit % 8));
    SetFileBytes(info.path, damaged);
    std::vector<Record> read;
    const Status status = ReadRun(info, &read, {}, random.Uniform(2) * 400);
    ASSERT_EQ(status.code(), StatusCode::kCorrupt) << "bit " << bit;
    ASSERT_THAT(status.message(), HasSubstr(info.path));
    ASSERT_TRUE(IsProperPrefix(read, records)) << "bit " << bit;
    // Blocks before the damage were read, none behind it.
    if (byte >= offsets[1] && byte < offsets.back()) {
      ASSERT_FALSE(read.empty()) << "bit " << bit;
    }
    damaged[byte] = file[byte];
  }
}

TEST_F(RunFileTest, FindsEachTruncation) {
  Random random(TestSeed());
  for (const bool is_size_known : {true, false}) {
    RunInfo info = Write(NastyRecords(random, 24, 10), {.block_bytes = 150});
    const std::string file = FileBytes(info.path);
    for (std::size_t bytes = 0; bytes < file.size(); ++bytes) {
      SetFileBytes(info.path, file.substr(0, bytes));
      if (!is_size_known) info.file_bytes = bytes;  // Even if nobody remembers the size.
      std::vector<Record> read;
      ASSERT_EQ(ReadRun(info, &read).code(), StatusCode::kCorrupt) << bytes;
      ASSERT_TRUE(read.empty());
    }
    SetFileBytes(info.path, file + "x");
    std::vector<Record> read;
    ASSERT_EQ(ReadRun(info, &read).code(), StatusCode::kCorrupt);
  }
}

TEST_F(RunFileTest, FindsATruncationWhileReading) {
  Random random(TestSeed());
  const std::vector<Record> records = NastyRecords(random, 200, 10);
  const RunInfo info = Write(records, {.block_bytes = 500});
  const std::string file = FileBytes(info.path);
  const std::vector<std::size_t> offsets = BlockOffsets(file);
  for (std::size_t bytes = offsets.back(); bytes-- > 0;) {
    SetFileBytes(info.path, file);
    const Result<std::shared_ptr<const RunFile>> run = RunFile::Open(LocalFileSystem(), info);
    ASSERT_TRUE(run.ok()) << run.error().message();
    std::filesystem::resize_file(info.path, bytes);
    Result<std::unique_ptr<RunCursor>> cursor = (*run)->Read({});
    std::vector<Record> read;
    ASSERT_EQ(ReadCursor(**cursor, &read).code(), StatusCode::kCorrupt);
    ASSERT_TRUE(IsProperPrefix(read, records));
    ASSERT_EQ(read.empty(), bytes < offsets[1]) << bytes;
  }
}

TEST_F(RunFileTest, FindsSwappedBlocks) {
  std::vector<Record> records;
  for (int i = 100; i < 400; ++i) records.push_back({std::to_string(i), "value"});
  const RunInfo info = Write(records, {.block_bytes = 200});
  const std::string file = FileBytes(info.path);
  const std::vector<std::size_t> offsets = BlockOffsets(file);
  const std::size_t bytes = offsets[2] - offsets[1];
  ASSERT_EQ(offsets[3] - offsets[2], bytes);  // Same size: only the place is wrong.
  SetFileBytes(info.path, file.substr(0, offsets[1]) + file.substr(offsets[2], bytes) +
                              file.substr(offsets[1], bytes) + file.substr(offsets[3]));
  std::vector<Record> read;
  const Status status = ReadRun(info, &read);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("block 1 at byte "));
  EXPECT_TRUE(IsProperPrefix(read, records));
}

TEST_F(RunFileTest, FindsBlocksAndFilesOfAnotherRun) {
  std::vector<Record> records;
  for (int i = 100; i < 200; ++i) records.push_back({std::to_string(i), "value"});
  const RunInfo ours = Write(records, {.block_bytes = 200, .file_id = 1});
  for (Record& record : records) record.value = "VALUE";
  const RunInfo theirs = Write(records, {.block_bytes = 200, .file_id = 2});
  std::vector<Record> read;

  RunInfo wrong_id = ours;
  wrong_id.path = theirs.path;
  EXPECT_EQ(ReadRun(wrong_id, &read).code(), StatusCode::kCorrupt);

  std::string file = FileBytes(ours.path);
  std::string other = FileBytes(theirs.path);
  const std::vector<std::size_t> offsets = BlockOffsets(file);
  ASSERT_EQ(offsets, BlockOffsets(other));
  file.replace(offsets[1], offsets[2] - offsets[1], other, offsets[1], offsets[2] - offsets[1]);
  SetFileBytes(ours.path, file);
  const Status status = ReadRun(ours, &read);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("block 1 at byte "));
}

TEST_F(RunFileTest, AMissingFileIsDamage) {
  std::vector<Record> read;
  RunInfo info = Write({{"a", "b"}}, {});
  info.path += ".missing";
  EXPECT_EQ(ReadRun(info, &read).code(), StatusCode::kCorrupt);
}

TEST_F(RunFileTest, CursorsOfOneFileAreIndependentAndKeepItOpen) {
  Random random(TestSeed());
  const std::vector<Record> records = NastyRecords(random, 500, 10);
  const RunInfo info = Write(records, {.block_bytes = 300});
  Result<std::shared_ptr<const RunFile>> run = RunFile::Open(LocalFileSystem(), info);
  ASSERT_TRUE(run.ok());
  Result<std::unique_ptr<RunCursor>> a = (*run)->Read({});
  Result<std::unique_ptr<RunCursor>> b = (*run)->Read({});
  run = Status::Internal("forgotten");
  std::filesystem::remove(info.path);
  std::span<const RecordView> batch;
  ASSERT_TRUE((*a)->Next(&batch).ok());
  std::vector<Record> read;
  EXPECT_TRUE(ReadCursor(**b, &read).ok());
  EXPECT_EQ(read, records);
  EXPECT_EQ(batch.front().key_view(), records.front().key);
}

TEST_F(RunFileTest, WriterRefusesKeysOutOfOrderAndRemovesTheFile) {
  for (const auto& [first, second] :
       std::vector<std::pair<std::string, std::string>>{{"b", "a"},
                                                        {"ab", "a"},
                                                        {std::string("a\0", 2), "a"},
                                                        {"abcdefghijk", "abcdefghij"},
                                                        {"abcdefghij2", "abcdefghij10"},
                                                        {"\xFF", "a"}}) {
    RunWriter writer(LocalFileSystem(), folder_.Path("unsorted"), {});
    writer.Add(MakeRecordView(first, ""));
    writer.Add(MakeRecordView(second, ""));
    writer.Add(MakeRecordView("z", ""));
    EXPECT_EQ(writer.Close().error().code(), StatusCode::kInternal);
    EXPECT_EQ(folder_.FileCount(), 0u);
  }
}

TEST_F(RunFileTest, AWriterThatIsNotClosedLeavesNothing) {
  {
    RunWriter writer(LocalFileSystem(), folder_.Path("open"), {.block_bytes = 50});
    for (int i = 0; i < 100; ++i) writer.Add(MakeRecordView("key", "value"));
    EXPECT_EQ(folder_.FileCount(), 1u);
    EXPECT_EQ(writer.record_count(), 100u);
    EXPECT_GT(writer.bytes_written(), 0u);
  }
  EXPECT_EQ(folder_.FileCount(), 0u);
}

TEST_F(RunFileTest, WriterNeverTouchesAFileThatExists) {
  SetFileBytes(folder_.Path("taken"), "precious");
  {
    RunWriter writer(LocalFileSystem(), folder_.Path("taken"), {});
    writer.Add(MakeRecordView("key", "value"));
    EXPECT_EQ(writer.Close().error().code(), StatusCode::kCannotCreate);
  }
  EXPECT_EQ(FileBytes(folder_.Path("taken")), "precious");
}

TEST_F(RunFileTest, WriterTakesNullViewsOfNothing) {
  RunWriter writer(LocalFileSystem(), folder_.Path("empty"), {});
  writer.Add(RecordView{});
  writer.Add(MakeRecordView({}, {}));
  writer.Add(MakeRecordView("k", {}));
  const Result<RunInfo> info = writer.Close();
  ASSERT_TRUE(info.ok());
  std::vector<Record> read;
  EXPECT_TRUE(ReadRun(*info, &read).ok());
  EXPECT_EQ(read, (std::vector<Record>{{"", ""}, {"", ""}, {"k", ""}}));
}

}  // namespace
}  // namespace millrace
