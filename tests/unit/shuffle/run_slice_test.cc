// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/run_slice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/test_hooks.h"
#include "mapreduce/shuffle/run_format.h"
#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

bool IsProperPrefix(const std::vector<Record>& part, const std::vector<Record>& whole) {
  return part.size() < whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

std::vector<Record> InRange(const std::vector<Record>& records, const KeyRange& range) {
  std::vector<Record> inside;
  for (const Record& record : records) {
    if (range.begin.has_value() && record.key < *range.begin) continue;
    if (range.end.has_value() && record.key >= *range.end) continue;
    inside.push_back(record);
  }
  return inside;
}

Status ReadSlice(const RunSlice& slice, std::vector<Record>* records, const KeyRange& range = {}) {
  MR_ASSIGN_OR_RETURN(std::shared_ptr<RandomAccessFile> file,
                      OpenRunSlices(LocalFileSystem(), slice.path));
  return ReadCursor(*ReadRunSlice(std::move(file), slice, range), records);
}

/// Remembers the largest read, and where the last ended.
class WatchedFile final : public RandomAccessFile {
 public:
  explicit WatchedFile(std::shared_ptr<RandomAccessFile> file) : file_(std::move(file)) {}
  Result<std::size_t> ReadAt(std::uint64_t offset, char* into, std::size_t n) override {
    bytes_max = std::max(bytes_max, n);
    end_max = std::max(end_max, offset + n);
    return file_->ReadAt(offset, into, n);
  }
  Result<FileInfo> Stat() override { return file_->Stat(); }
  std::size_t bytes_max = 0;
  std::uint64_t end_max = 0;

 private:
  const std::shared_ptr<RandomAccessFile> file_;
};

class RunSliceTest : public ::testing::Test {
 protected:
  RunInfo Write(const std::vector<Record>& records, const RunOptions& options) {
    Result<RunInfo> info =
        WriteRun(folder_.Path("run" + std::to_string(++files_)), records, options);
    EXPECT_TRUE(info.ok()) << info.error().message();
    return *info;
  }

  // What a reduce task of `range` fetches of a run: by pieces that end anywhere, into a file that
  // begins with `before`.
  RunSlice Fetch(const RunInfo& info, const KeyRange& range, const std::string& before = "") {
    const Result<std::shared_ptr<const RunFile>> run = RunFile::Open(LocalFileSystem(), info);
    EXPECT_TRUE(run.ok()) << run.error().message();
    RunSlice slice = SliceOf(info, (*run)->SliceBytes(range));
    std::string bytes = before;
    for (std::uint64_t at = slice.bytes.begin; at < slice.bytes.end;) {
      char piece[100];
      const std::size_t wanted =
          std::min<std::size_t>(1 + random_.Uniform(sizeof piece), slice.bytes.end - at);
      const Result<std::size_t> count = (*run)->ReadAt(at, piece, wanted);
      EXPECT_TRUE(count.ok() && *count == wanted);
      bytes.append(piece, *count);
      at += *count;
    }
    slice.path = folder_.Path("spool" + std::to_string(++files_));
    slice.path_offset = before.size();
    SetFileBytes(slice.path, bytes);
    return slice;
  }

  TestFolder folder_;
  Random random_{TestSeed()};
  int files_ = 0;
};

TEST_F(RunSliceTest, HasTheRecordsOfItsRangeAndReadsNoMoreThanItsBlocks) {
  for (int round = 0; round < 12; ++round) {
    const std::vector<Record> records = NastyRecords(random_, random_.Uniform(500), 1 + round);
    const RunInfo info =
        Write(records, {.block_bytes = 60 + random_.Uniform(400), .file_id = random_.Next()});
    const auto border = [&]() -> std::optional<std::string> {
      if (records.empty() || random_.Uniform(4) == 0) return std::nullopt;
      return records[random_.Uniform(records.size())].key;
    };
    for (int trial = 0; trial < 50; ++trial) {
      const KeyRange range{border(), border()};
      const RunSlice slice = Fetch(info, range, std::string(random_.Uniform(100), '?'));
      std::vector<Record> read;
      const Status status = ReadSlice(slice, &read, range);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_EQ(read, InRange(records, range));
      // Where the run was written it reads the same.
      read.clear();
      ASSERT_TRUE(ReadSlice(SliceOf(info, slice.bytes), &read, range).ok());
      ASSERT_EQ(read, InRange(records, range));
    }
  }
}

TEST_F(RunSliceTest, IsAsLongAsTheBlocksThatCanHoldItsKeys) {
  std::vector<Record> records;
  for (int i = 100; i < 900; ++i) records.push_back({std::to_string(i), "value"});
  const RunInfo info = Write(records, {.block_bytes = 200});
  const auto run = *RunFile::Open(LocalFileSystem(), info);
  const RunBytes all = run->SliceBytes({});
  EXPECT_EQ(all.begin, kRunHeaderBytes);
  EXPECT_LT(all.end, info.file_bytes - kRunFooterBytes);
  EXPECT_EQ(run->SliceBytes({"500", "500"}), RunBytes{});
  EXPECT_EQ(run->SliceBytes({"600", "500"}), RunBytes{});
  const RunBytes one_key = run->SliceBytes({"500", "501"});
  EXPECT_LE(one_key.end - one_key.begin, 400u);
  EXPECT_GT(one_key.end, one_key.begin);
  const RunBytes left = run->SliceBytes({std::nullopt, "500"});
  const RunBytes right = run->SliceBytes({"500", std::nullopt});
  EXPECT_EQ(left.begin, all.begin);
  EXPECT_EQ(right.end, all.end);
  EXPECT_LE(left.end - right.begin, 200u);  // A block that both need.
  const auto empty = *RunFile::Open(LocalFileSystem(), Write({}, {}));
  EXPECT_EQ(empty->SliceBytes({}), RunBytes{});
}

TEST_F(RunSliceTest, FindsEachFlippedBit) {
  const std::vector<Record> records = NastyRecords(random_, 24, 10);
  const RunInfo info = Write(records, {.block_bytes = 150, .file_id = 9});
  const RunSlice slice = Fetch(info, {}, "before");
  const std::string file = FileBytes(slice.path);
  const std::size_t first_block = kBlockHeaderBytes + LoadLittle32(file.data() + 6);
  std::string damaged = file;
  for (std::size_t bit = 8 * slice.path_offset; bit < 8 * file.size(); ++bit) {
    const std::size_t byte = bit / 8;
    damaged[byte] = static_cast<char>(file[byte] ^ (1 << bit % 8));
    SetFileBytes(slice.path, damaged);
    std::vector<Record> read;
    const Status status = ReadSlice(slice, &read);
    ASSERT_EQ(status.code(), StatusCode::kCorrupt) << "bit " << bit;
    ASSERT_THAT(status.message(), HasSubstr(slice.path + ": run file 9: block "));
    ASSERT_TRUE(IsProperPrefix(read, records)) << "bit " << bit;
    ASSERT_EQ(read.empty(), byte < 6 + first_block) << "bit " << bit;
    ASSERT_EQ(CheckRunSlice(LocalFileSystem(), slice).code(), StatusCode::kCorrupt);
    damaged[byte] = file[byte];
  }
  SetFileBytes(slice.path, file);
  EXPECT_TRUE(CheckRunSlice(LocalFileSystem(), slice).ok());
}

TEST_F(RunSliceTest, NamesTheDamagedBlockAndItsPlaceInTheRunFile) {
  std::vector<Record> records;
  for (int i = 100; i < 900; ++i) records.push_back({std::to_string(i), "value"});
  const RunInfo info = Write(records, {.block_bytes = 200, .file_id = 5});
  const RunSlice slice = Fetch(info, {"500", std::nullopt});
  ASSERT_GT(slice.bytes.begin, 1000u);
  std::string file = FileBytes(slice.path);
  const std::size_t second = kBlockHeaderBytes + LoadLittle32(file.data());
  file[second + 30] ^= 1;
  SetFileBytes(slice.path, file);
  std::vector<Record> read;
  EXPECT_EQ(ReadSlice(slice, &read).message(), slice.path + ": run file 5: block 1 at byte " +
                                                   std::to_string(slice.bytes.begin + second) +
                                                   ": hash mismatch");
}

TEST_F(RunSliceTest, FindsEachTruncation) {
  const std::vector<Record> records = NastyRecords(random_, 24, 10);
  RunSlice slice = Fetch(Write(records, {.block_bytes = 150}), {});
  const std::string file = FileBytes(slice.path);
  for (std::size_t bytes = 0; bytes < file.size(); ++bytes) {
    SetFileBytes(slice.path, file.substr(0, bytes));
    std::vector<Record> read;
    ASSERT_EQ(ReadSlice(slice, &read).code(), StatusCode::kCorrupt) << bytes;
    ASSERT_TRUE(IsProperPrefix(read, records)) << bytes;
  }
  // Nor does it help if the description agrees, unless it is cut between blocks.
  SetFileBytes(slice.path, file);
  const std::uint64_t end = slice.bytes.end;
  for (slice.bytes.end = end - 1; slice.bytes.end > end - kBlockHeaderBytes; --slice.bytes.end) {
    std::vector<Record> read;
    ASSERT_EQ(ReadSlice(slice, &read).code(), StatusCode::kCorrupt) << slice.bytes.end;
  }
  std::filesystem::remove(slice.path);
  std::vector<Record> read;
  EXPECT_EQ(ReadSlice(slice, &read).code(), StatusCode::kCorrupt);
}

TEST_F(RunSliceTest, FindsBytesOfAnotherPlaceOrRun) {
  std::vector<Record> records;
  for (int i = 100; i < 400; ++i) records.push_back({std::to_string(i), "value"});
  const RunInfo info = Write(records, {.block_bytes = 200, .file_id = 1});
  RunSlice slice = Fetch(info, {"200", std::nullopt});
  std::vector<Record> read;
  slice.file_id = 2;
  EXPECT_EQ(ReadSlice(slice, &read).code(), StatusCode::kCorrupt);
  slice.file_id = 1;
  const std::uint64_t block_bytes = kBlockHeaderBytes + LoadLittle32(FileBytes(slice.path).data());
  slice.bytes.begin += block_bytes;
  slice.bytes.end += block_bytes;
  EXPECT_EQ(ReadSlice(slice, &read).code(), StatusCode::kCorrupt);
  EXPECT_TRUE(read.empty());
}

TEST_F(RunSliceTest, BelievesNoSizeThatABlockCannotHave) {
  const std::vector<Record> records = NastyRecords(random_, 2000, 10);
  const RunInfo info = Write(records, {.block_bytes = 300});
  const RunSlice slice = Fetch(info, {});
  const std::string file = FileBytes(slice.path);
  std::size_t last = 0;
  for (std::size_t at = 0; at < file.size();) {
    last = at;
    at += kBlockHeaderBytes + LoadLittle32(file.data() + at);
  }
  for (const std::size_t block : {std::size_t{0}, last}) {
    for (int bit = 0; bit < 32; ++bit) {
      std::string damaged = file;
      char* const size = damaged.data() + block;
      StoreLittle32(size, LoadLittle32(size) ^ std::uint32_t{1} << bit);
      SetFileBytes(slice.path, damaged + std::string(1000, '?'));
      const auto watched =
          std::make_shared<WatchedFile>(*OpenRunSlices(LocalFileSystem(), slice.path));
      std::vector<Record> read;
      EXPECT_EQ(ReadCursor(*ReadRunSlice(watched, slice, {}), &read).code(), StatusCode::kCorrupt);
      EXPECT_LE(watched->bytes_max, info.block_bytes_max + kBlockHeaderBytes);
      EXPECT_LE(watched->end_max, file.size());
    }
  }
}

/// Switches one planted bug on.
class OneMutation final : public TestHooks {
 public:
  explicit OneMutation(std::string_view name) : name_(name) {}
  bool Buggify(std::string_view) override { return false; }
  bool Mutation(std::string_view name) override { return name == name_; }

 private:
  const std::string_view name_;
};

// Else nobody would notice if the planted bug did nothing.
TEST_F(RunSliceTest, ThePlantedBugLetsDamageToTheLastBlockThrough) {
#ifndef MILLRACE_TEST_HOOKS
  GTEST_SKIP() << "built without test hooks";
#else
  const std::vector<Record> records = NastyRecords(random_, 100, 10);
  const RunInfo info = Write(records, {.block_bytes = 300});
  const RunSlice slice = Fetch(info, {});
  std::string whole = FileBytes(info.path), file = FileBytes(slice.path);
  file.back() ^= 1;  // A byte of the last value, and in the whole file the same.
  whole[slice.bytes.end - 1] ^= 1;
  SetFileBytes(slice.path, file);
  SetFileBytes(info.path, whole);
  std::vector<Record> read;
  EXPECT_EQ(ReadSlice(slice, &read).code(), StatusCode::kCorrupt);
  EXPECT_EQ(ReadRun(info, &read).code(), StatusCode::kCorrupt);
  OneMutation bug("last_block_unchecked");
  test_hooks = &bug;
  read.clear();
  EXPECT_TRUE(ReadSlice(slice, &read).ok());
  EXPECT_NE(read, records);
  EXPECT_TRUE(ReadRun(info, &read).ok());
  file[40] ^= 1;  // Of the first block.
  SetFileBytes(slice.path, file);
  EXPECT_EQ(ReadSlice(slice, &read).code(), StatusCode::kCorrupt);
  test_hooks = nullptr;
#endif
}

TEST(RecordDigestTest, DependsOnAllOfTheRecordsAndNothingElse) {
  const auto digest = [](const std::vector<Record>& records) {
    RecordDigest all;
    for (const Record& record : records) all.Add(MakeRecordView(record.key, record.value));
    return all.Digest();
  };
  const std::string large(5000, 'x');
  const std::vector<Record> records = {{"a", "1"}, {"b", large}, {large, ""}, {"c", "2"}};
  std::string bytes;
  for (const Record& record : records) {
    for (const std::string& piece : {record.key, record.value}) {
      char length[4];
      StoreLittle32(length, static_cast<std::uint32_t>(piece.size()));
      bytes.append(length, 4).append(piece);
    }
  }
  EXPECT_EQ(digest(records), HashOf128(bytes));
  EXPECT_NE(digest({{"ab", "c"}}), digest({{"a", "bc"}}));
  EXPECT_NE(digest({{"a", ""}, {"", "b"}}), digest({{"a", "b"}}));
  EXPECT_EQ(digest({}), HashOf128(""));
}

TEST_F(RunSliceTest, ARunsDigestIsThatOfItsRecordsWhateverItsBlocks) {
  std::vector<Record> records = NastyRecords(random_, 300, 10);
  records.push_back({std::string(2000, '\xFF'), std::string(3000, 'v')});
  RecordDigest expected;
  for (const Record& record : records) expected.Add(MakeRecordView(record.key, record.value));
  for (const std::size_t block_bytes : {1, 100, 100'000}) {
    RecordDigest digest;
    Write(records, {.block_bytes = block_bytes, .file_id = block_bytes, .digest = &digest});
    EXPECT_EQ(digest.Digest(), expected.Digest());
  }
}

}  // namespace
}  // namespace millrace
