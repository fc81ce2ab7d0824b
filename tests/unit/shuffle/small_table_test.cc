// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/small_table.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

using Rows = std::map<std::string, std::string>;
using Files = std::vector<std::shared_ptr<const TableFile>>;

class SmallTableTest : public ::testing::Test {
 protected:
  // The rows in so many files, in order; some may be empty.
  Files Write(const Rows& rows, std::size_t file_count) {
    Files files;
    auto row = rows.begin();
    for (std::size_t i = 1; i <= file_count; ++i) {
      path_ = folder_.Path("table" + std::to_string(++tables_));
      const auto writer = TableWriter::Create(LocalFileSystem(), path_);
      EXPECT_TRUE(writer.ok());
      const auto end = static_cast<std::ptrdiff_t>(rows.size() * i / file_count);
      for (; std::distance(rows.begin(), row) < end; ++row)
        EXPECT_TRUE((*writer)->Add(row->first, row->second).ok());
      EXPECT_TRUE((*writer)->Close(/*is_durable=*/false).ok());
      files.push_back(*TableFile::Open(LocalFileSystem(), path_));
    }
    return files;
  }
  std::unique_ptr<const SmallTable> Make(const Rows& rows, std::size_t file_count = 1) {
    return SmallTable::Of(Write(rows, file_count), SmallTable::kBytesMax);
  }

  TestFolder folder_;
  std::string path_;
  int tables_ = 0;
};

// Every key by each way, and `absent` ones.
void ExpectHolds(const SmallTable& table, const Rows& rows,
                 const std::vector<std::string>& absent) {
  std::uint64_t row = 0;
  for (const auto& [key, value] : rows) {
    const std::string_view found = table.ValueOrNull(key);
    ASSERT_NE(found.data(), nullptr) << row;
    ASSERT_EQ(found, value) << row;
    if (table.has_rows()) {
      ASSERT_EQ(table.RowOf(key), row);
    }
    ++row;
  }
  for (const std::string& key : absent) {
    if (rows.contains(key)) continue;
    ASSERT_EQ(table.ValueOrNull(key).data(), nullptr) << key;
    if (table.has_rows()) {
      ASSERT_FALSE(table.RowOf(key));
    }
  }
}

// Around the sizes where a record no longer fits a place of 15, 20, 30 or 60 bytes, and where its
// row doesn't.
TEST_F(SmallTableTest, HoldsRecordsOfEachSizeUpTo58) {
  for (std::size_t bytes = 0; bytes <= 66; ++bytes) {
    for (const std::size_t key_bytes : {std::size_t{0}, bytes / 2, bytes}) {
      Rows rows = {{std::string(key_bytes, 'k'), std::string(bytes - key_bytes, 'v')}};
      rows.emplace("a", "");
      const auto table = Make(rows);
      ASSERT_EQ(table != nullptr, bytes <= 58) << bytes;
      if (table == nullptr) continue;
      const std::size_t most = std::max<std::size_t>(bytes, 1);
      const bool has_values = key_bytes < bytes;  // Without, a row is worth a larger place.
      EXPECT_EQ(table->has_rows(), has_values
                                       ? most <= 9 || most == 14 || (most > 18 && most <= 24) ||
                                             (most > 28 && most <= 54)
                                       : most <= 54)
          << bytes;
      ExpectHolds(*table, rows, {"k", "b", std::string(bytes + 1, 'k'), std::string(300, 'k')});
    }
  }
}

// A table without rows is better than none.
TEST_F(SmallTableTest, GrowsForItsRowsOnlyWithinTheMostBytes) {
  Rows rows;
  for (int i = 100; i < 200; ++i) rows["twelve-by" + std::to_string(i)] = "";
  const Files files = Write(rows, 1);
  // Lines for two places a row: 100 rows, four to a line; with their own numbers, three.
  constexpr std::uint64_t kLeast = (100 / 2 + 1) * 64, kLeastWithRows = (200 / 3 + 1) * 64;
  for (const std::uint64_t bytes_max : {kLeast - 1, kLeast, kLeastWithRows - 1, kLeastWithRows}) {
    const auto table = SmallTable::Of(files, bytes_max);
    ASSERT_EQ(table != nullptr, bytes_max >= kLeast) << bytes_max;
    if (table == nullptr) continue;
    EXPECT_EQ(table->has_rows(), bytes_max >= kLeastWithRows) << bytes_max;
    ExpectHolds(*table, rows, {"twelve-by099"});
  }
}

TEST_F(SmallTableTest, TellsKeysApartThatDifferInOneByte) {
  for (const std::size_t bytes : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 24, 25, 57}) {
    for (std::size_t place = 0; place < bytes; ++place) {
      Rows rows;
      std::vector<std::string> absent = {std::string(bytes + 1, 'k'), std::string(bytes - 1, 'k')};
      std::string key(bytes, 'k');
      for (int c = 0; c < 256; ++c) {
        key[place] = static_cast<char>(c);
        if (c % 2 == 0) {
          rows[key] = static_cast<char>(c);
        } else {
          absent.push_back(key);
        }
      }
      const auto table = Make(rows);
      ASSERT_NE(table, nullptr);
      ExpectHolds(*table, rows, absent);
    }
  }
}

// Enough that lines are full and keys go to the next one, behind the last to the first.
TEST_F(SmallTableTest, HoldsManyOfSeveralFiles) {
  Random random(TestSeed());
  for (const std::size_t key_bytes : {8, 15, 25, 50}) {
    Rows rows;
    for (int i = 0; i < 4000; ++i) rows[NastyKey(random, key_bytes)] = std::to_string(i % 100);
    std::vector<std::string> absent;
    for (int i = 0; i < 1000; ++i) absent.push_back(NastyKey(random, key_bytes));
    for (const std::size_t files : {1, 2, 7}) {
      const auto table = Make(rows, files);
      ASSERT_NE(table, nullptr);
      ExpectHolds(*table, rows, absent);
    }
  }
  for (int i = 0; i < 50; ++i) {
    const Rows two = {{"a" + std::to_string(i), "1"}, {"b" + std::to_string(i), "2"}};
    ExpectHolds(*Make(two, 3), two, {"c"});
  }
}

TEST_F(SmallTableTest, IsNoneWhereThereIsNothingOrTooMuch) {
  EXPECT_EQ(Make({}), nullptr);
  Rows rows;
  for (int i = 0; i < 1000; ++i) rows[std::to_string(i)] = "1";
  const Files files = Write(rows, 1);
  EXPECT_EQ(SmallTable::Of(files, 1000 * 16), nullptr);
  EXPECT_NE(SmallTable::Of(files, 1000 * 40), nullptr);
}

// Keys of which each has the same hash, 0: the first 8 bytes are what the hash begins with.
TEST_F(SmallTableTest, IsNoneWhereKeysCollideBeyondMeasure) {
  const std::string start = "\x15\x7c\x4a\x7f\xb9\x79\x37\x9e";
  Rows rows;
  for (int i = 100; i < 300; ++i) rows[start + std::to_string(i)] = "1";
  const auto table = Make(rows);
  ASSERT_NE(table, nullptr);
  // The first place looked at has start + "100" and "1": neither less nor more of it is found.
  ExpectHolds(*table, rows, {start + "099", start, start + "10", start + "1001"});
  for (int i = 300; i < 500; ++i) rows[start + std::to_string(i)] = "1";
  EXPECT_EQ(Make(rows), nullptr);
}

TEST_F(SmallTableTest, IsNoneOfADamagedFile) {
  Rows rows;
  for (int i = 0; i < 100; ++i) rows[std::to_string(i)] = "1";
  Write(rows, 1);
  std::string bytes = FileBytes(path_);
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  SetFileBytes(path_, bytes);
  const auto file = TableFile::Open(LocalFileSystem(), path_);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(SmallTable::Of({*file}, SmallTable::kBytesMax), nullptr);
  EXPECT_EQ((*file)->status().code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace millrace
