// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/table_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "mapreduce/base/hash.h"
#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

using Rows = std::map<std::string, std::string>;
using Table = std::shared_ptr<const TableFile>;

// Random bytes, mostly few: keys that are prefixes of one another, with zeros and without, and the
// empty one.
Rows NastyRows(Random& random, std::size_t count, std::size_t key_bytes_max,
               std::size_t value_bytes_max) {
  Rows rows;
  while (rows.size() < count) {
    std::string key = NastyKey(random, key_bytes_max);
    if (rows.contains(key)) key += std::to_string(rows.size());
    rows[std::move(key)] =
        std::string(random.Uniform(value_bytes_max + 1), static_cast<char>(random.Uniform(256)));
  }
  return rows;
}

class TableFileTest : public ::testing::Test {
 protected:
  Result<TableInfo> TryWrite(const Rows& rows, TableWriterOptions options = {}) {
    path_ = folder_.Path("table" + std::to_string(++tables_));
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<TableWriter> writer,
                        TableWriter::Create(LocalFileSystem(), path_, options));
    for (const auto& [key, value] : rows) MR_RETURN_IF_ERROR(writer->Add(key, value));
    return writer->Close(/*is_durable=*/false);
  }
  // Checks what the writer says, too.
  Table Write(const Rows& rows, TableWriterOptions options = {}) {
    const Result<TableInfo> info = TryWrite(rows, options);
    EXPECT_TRUE(info.ok()) << info.error().message();
    if (!info.ok()) return nullptr;
    const std::string bytes = FileBytes(path_);
    EXPECT_EQ(info->rows, rows.size());
    EXPECT_EQ(info->bytes, bytes.size());
    std::size_t record_bytes = 16;  // The header, then 12 bytes before each.
    for (const auto& [key, value] : rows) record_bytes += 12 + key.size() + value.size();
    EXPECT_EQ(info->xxh128.Hex(), HashOf128(bytes.substr(0, record_bytes)).Hex());
    const Result<Table> table = TableFile::Open(LocalFileSystem(), path_);
    EXPECT_TRUE(table.ok()) << table.error().message();
    return table.ok() ? *table : nullptr;
  }

  TestFolder folder_;
  std::string path_;
  int tables_ = 0;
};

// Every key by each way, rows in order, and `absent` keys.
void ExpectHolds(const TableFile& table, const Rows& rows, const std::vector<std::string>& absent) {
  ASSERT_EQ(table.rows(), rows.size());
  std::uint64_t row = 0;
  for (const auto& [key, value] : rows) {
    table.Prefetch(key);
    const auto found = table.Find(key);
    ASSERT_TRUE(found) << row;
    ASSERT_EQ(found->row, row);
    ASSERT_EQ(found->key, key);
    ASSERT_EQ(found->value, value);
    const auto at = table.Row(row++);
    ASSERT_TRUE(at);
    ASSERT_EQ(at->row, row - 1);
    ASSERT_EQ(at->key, key);
    ASSERT_EQ(at->value, value);
  }
  EXPECT_FALSE(table.Row(row));
  EXPECT_FALSE(table.Row(UINT64_MAX));
  std::array<TableFile::Record, 7> some;
  std::uint64_t first = 0;
  for (const auto& [key, value] : rows) {
    const std::size_t i = first % some.size();
    if (i == 0) {
      ASSERT_EQ(table.Rows(first, some), std::min(some.size(), rows.size() - first));
    }
    ASSERT_EQ(some[i].row, first++);
    ASSERT_EQ(some[i].key, key);
    ASSERT_EQ(some[i].value, value);
  }
  EXPECT_EQ(table.Rows(first, some), 0u);
  EXPECT_EQ(table.Rows(UINT64_MAX, some), 0u);
  for (const std::string& key : absent) {
    table.Prefetch(key);
    if (rows.contains(key)) continue;
    ASSERT_FALSE(table.Find(key));
  }
  EXPECT_TRUE(table.status().ok()) << table.status().message();
}

TEST_F(TableFileTest, FindsWhatWasAddedAndNothingElse) {
  Random random(TestSeed());
  for (const std::size_t key_bytes : {8, 40, 200}) {
    for (const std::size_t value_bytes : {0, 20, 3000}) {
      for (const std::size_t count : {1, 2, 300, 2000}) {
        const Rows rows = NastyRows(random, count, key_bytes, value_bytes);
        std::vector<std::string> absent = {"", std::string(70, 'a'), std::string(1, '\0')};
        for (int i = 0; i < 500; ++i) absent.push_back(NastyKey(random, key_bytes));
        for (const auto& [key, value] : rows) absent.push_back(key + '\0');
        const Table table = Write(rows);
        ASSERT_NE(table, nullptr);
        ExpectHolds(*table, rows, absent);
      }
    }
  }
}

TEST_F(TableFileTest, HoldsRecordsOfEachSize) {
  for (const std::size_t bytes :
       {0, 1, 12, 13, 14, 15, 28, 29, 30, 31, 60, 61, 62, 63, 64, 254, 255, 256}) {
    for (const std::size_t key_bytes : {std::size_t{0}, bytes / 2, bytes}) {
      Rows rows = {{std::string(key_bytes, 'k'), std::string(bytes - key_bytes, 'v')}};
      rows.emplace("a", "");
      const Table table = Write(rows);
      ASSERT_NE(table, nullptr);
      ExpectHolds(*table, rows, {"k", "b", std::string(bytes + 1, 'k')});
    }
  }
  const Rows giant = {{"a", "1"},
                      {"b" + std::string(200'000, 'k'), std::string(std::size_t{5} << 20, 'v')},
                      {"c", std::string(70'000, 'w')}};
  const Table table = Write(giant);
  ASSERT_NE(table, nullptr);
  ExpectHolds(*table, giant, {"b"});
}

// A record that ends some bytes before a page's end, at it, or behind it, by each part of it.
TEST_F(TableFileTest, HoldsRecordsAroundThePagesEnd) {
  constexpr std::size_t kHeader = 16, kRecordHeader = 12;
  for (std::size_t left = 1; left < 40; ++left) {
    const Rows rows = {
        {"a", std::string(kTablePageBytes - kHeader - kRecordHeader - 1 - left, 'v')},
        {"bbb", std::string(12, 'w')},
        {"c", ""}};
    const Table table = Write(rows);
    ASSERT_NE(table, nullptr);
    ExpectHolds(*table, rows, {"b", "bbbw"});
  }
}

// Where lookups compare several bytes at once.
TEST_F(TableFileTest, TellsKeysApartThatDifferInOneByte) {
  for (const std::size_t bytes : {1, 7, 8, 9, 16, 17, 24, 25, 57, 100}) {
    for (std::size_t place = 0; place<bytes; place += bytes> 57 ? 11 : 1) {
      Rows rows;
      std::vector<std::string> absent;
      std::string key(bytes, 'k');
      for (int c = 0; c < 256; ++c) {
        key[place] = static_cast<char>(c);
        if (c % 2 == 0) {
          rows[key] = static_cast<char>(c);
        } else {
          absent.push_back(key);
        }
      }
      const Table table = Write(rows);
      ASSERT_NE(table, nullptr);
      ExpectHolds(*table, rows, absent);
    }
  }
}

TEST_F(TableFileTest, AnEmptyTableHasNothing) {
  const Table table = Write({});
  ASSERT_NE(table, nullptr);
  ExpectHolds(*table, {}, {"", "a", std::string(100, 'a')});
}

TEST_F(TableFileTest, ManyChunksHoldTheSame) {
  Random random(TestSeed());
  for (const std::size_t value_bytes : {5, 100}) {
    const Rows rows = NastyRows(random, 3000, 30, value_bytes);
    for (const std::uint64_t chunk_rows : {1, 7, 100, 2999, 3000, 3001}) {
      const Table table = Write(rows, {.chunk_rows = chunk_rows});
      ASSERT_NE(table, nullptr);
      ExpectHolds(*table, rows, {"absent", "also absent"});
    }
  }
}

TEST_F(TableFileTest, HasNoSlotsWhereItWillBeHeldInMemory) {
  Random random(TestSeed());
  for (const std::size_t count : {0, 1, 2, 3, 300, 2000}) {
    const Rows rows = NastyRows(random, count, 30, 20);
    std::vector<std::string> absent = {"", std::string(70, 'a'), std::string(1, '\0')};
    for (int i = 0; i < 300; ++i) absent.push_back(NastyKey(random, 30));
    for (const auto& [key, value] : rows) absent.push_back(key + '\0');
    const Table with_slots = Write(rows);
    ASSERT_NE(with_slots, nullptr);
    const Table without = Write(rows, {.held_bytes_max = std::uint64_t{1} << 20});
    ASSERT_NE(without, nullptr);
    EXPECT_GE(with_slots->bytes(), without->bytes() + 64 * 8);
    ExpectHolds(*without, rows, absent);
  }
}

// Records that are too large, or too many.
TEST_F(TableFileTest, HasSlotsWhereItCantBeHeld) {
  const Rows rows = {{"a", "1"}, {"b", std::string(53, 'v')}};
  const std::uint64_t bytes_without =
      Write(rows, {.held_bytes_max = std::uint64_t{1} << 20})->bytes();
  EXPECT_GE(Write(rows, {.held_bytes_max = 64})->bytes(), bytes_without + 64 * 8);
  const Rows large = {{"a", "1"}, {"b", std::string(54, 'v')}};  // One byte too many.
  EXPECT_GE(Write(large, {.held_bytes_max = std::uint64_t{1} << 20})->bytes(),
            bytes_without + 64 * 8);
}

TEST_F(TableFileTest, SpooledEntriesMakeTheSameFile) {
  Random random(TestSeed());
  const Rows rows = NastyRows(random, 1000, 30, 100);
  ASSERT_NE(Write(rows, {.chunk_rows = 100}), nullptr);
  const std::string bytes = FileBytes(path_);
  for (const std::uint64_t entries : {1, 999, 1000, 1001}) {
    ASSERT_NE(Write(rows, {.entries_in_memory = entries, .chunk_rows = 100}), nullptr);
    EXPECT_EQ(FileBytes(path_), bytes) << entries;
  }
  EXPECT_EQ(folder_.FileCount(), 5u) << "an index was left behind";
}

TEST_F(TableFileTest, FindsEachOfManyRecords) {
  Rows rows;
  for (int i = 0; i < 200'000; ++i) rows["key " + std::to_string(i * 7)] = std::to_string(i);
  const Table table = Write(rows);
  ASSERT_NE(table, nullptr);
  ExpectHolds(*table, rows, {"key 1", "key", "key 1400001"});
  const std::string bytes = FileBytes(path_);
  ASSERT_NE(Write(rows, {.entries_in_memory = 1000}), nullptr);
  EXPECT_TRUE(FileBytes(path_) == bytes) << "what is spooled is read in pieces";
}

TEST_F(TableFileTest, RefusesKeysOutOfOrder) {
  const auto writer = TableWriter::Create(LocalFileSystem(), folder_.Path("disorder"));
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Add("b", "1").ok());
  EXPECT_EQ((*writer)->Add("b", "1").code(), StatusCode::kUserCode);
  EXPECT_EQ((*writer)->Add("a", "1").code(), StatusCode::kUserCode);
  EXPECT_EQ((*writer)->Add("", "1").code(), StatusCode::kUserCode);
  EXPECT_TRUE((*writer)->Add(std::string("b\0", 2), "1").ok());
}

// Where the last key lies: in the page, split by its end, or in pages that are gone.
TEST_F(TableFileTest, RefusesKeysOutOfOrderBehindRecordsOfEachSize) {
  const auto writer = TableWriter::Create(LocalFileSystem(), folder_.Path("disorder"));
  ASSERT_TRUE(writer.ok());
  std::size_t bytes = 0;
  for (int i = 100; i < 900; ++i) {
    const std::string key = std::to_string(i) + std::string(i % 7 == 0 ? 5000 : 1, 'k');
    const std::string value(i % 50 == 0 ? 2 * kTablePageBytes : i % 300, 'v');
    ASSERT_TRUE((*writer)->Add(key, value).ok()) << i;
    EXPECT_EQ((*writer)->Add(key, "").code(), StatusCode::kUserCode) << i;
    EXPECT_EQ((*writer)->Add(std::to_string(i), "").code(), StatusCode::kUserCode) << i;
    bytes += key.size() + value.size();
  }
  EXPECT_GT(bytes, 40 * kTablePageBytes);
}

TEST_F(TableFileTest, LeavesNoIndexWhenItIsGivenUp) {
  {
    const auto writer =
        TableWriter::Create(LocalFileSystem(), folder_.Path("half"), {.entries_in_memory = 1});
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Add("a", "1").ok());
    EXPECT_EQ(folder_.FileCount(), 2u);
  }
  EXPECT_EQ(folder_.FileCount(), 1u);
}

// What a table gives, and whether it says that it is damaged.
struct Answers {
  bool is_damaged = false;
  Rows by_find, by_row, by_rows;
};

Answers Ask(const std::string& path, const Rows& rows) {
  Answers answers;
  const Result<Table> table = TableFile::Open(LocalFileSystem(), path);
  if (!table.ok()) {
    EXPECT_EQ(table.error().code(), StatusCode::kCorrupt) << table.error().message();
    EXPECT_THAT(table.error().message(), HasSubstr(path));
    answers.is_damaged = true;
    return answers;
  }
  for (const auto& [key, value] : rows) {
    (*table)->Prefetch(key);
    if (const auto found = (*table)->Find(key)) answers.by_find[key] = found->value;
  }
  for (std::uint64_t row = 0; row < (*table)->rows() && row < 2 * rows.size(); ++row) {
    if (const auto at = (*table)->Row(row)) answers.by_row[std::string(at->key)] = at->value;
  }
  std::array<TableFile::Record, 7> some;
  for (std::uint64_t row = 0; row < (*table)->rows() && row < 2 * rows.size(); ++row) {
    const std::size_t count = (*table)->Rows(row, some);
    for (std::size_t i = 0; i < count; ++i)
      answers.by_rows[std::string(some[i].key)] = some[i].value;
  }
  const Status status = (*table)->status();
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kCorrupt) << status.message();
  answers.is_damaged = !status.ok();
  return answers;
}

// A file with damage in one of several pages: some lookups meet it, others need not.
Rows RowsOfSeveralPages() {
  Rows rows;
  for (int i = 0; i < 300; ++i)
    rows[std::to_string(1000 + i)] = std::string(1000, static_cast<char>('a' + i % 26));
  return rows;
}

// Each of the first table, one in seven of the others.
TEST_F(TableFileTest, NoticesEachFlippedBit) {
  std::size_t step = 1;
  for (const Rows& rows :
       {Rows{{"a", "1"}, {"b", "22"}, {"c", ""}},
        Rows{{"a", std::string(80, 'x')}, {"b", std::string(80, 'y')}}, Rows{}}) {
    for (const std::uint64_t held_bytes_max : {0, 1 << 20}) {  // With slots, and without.
      ASSERT_NE(Write(rows, {.held_bytes_max = held_bytes_max}), nullptr);
      const std::string bytes = FileBytes(path_);
      ASSERT_LT(bytes.size(), kTablePageBytes);
      for (std::size_t bit = 0; bit < bytes.size() * 8; bit += step) {
        std::string flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        SetFileBytes(path_, flipped);
        const Answers answers = Ask(path_, rows);
        // A table without rows has no use for its first page.
        ASSERT_TRUE(answers.is_damaged || rows.empty()) << "bit " << bit;
        ASSERT_TRUE(answers.by_row.empty()) << "bit " << bit;
        ASSERT_TRUE(answers.by_rows.empty()) << "bit " << bit;
      }
    }
    step = 7;
  }
}

TEST_F(TableFileTest, NeverGivesDamagedBytesAsARecord) {
  Random random(TestSeed());
  const Rows rows = RowsOfSeveralPages();
  ASSERT_NE(Write(rows), nullptr);
  const std::string bytes = FileBytes(path_);
  int partly = 0;
  for (int i = 0; i < 300; ++i) {
    std::string flipped = bytes;
    const std::size_t bit = random.Uniform(bytes.size() * 8);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    SetFileBytes(path_, flipped);
    const Answers answers = Ask(path_, rows);
    ASSERT_TRUE(answers.is_damaged) << "bit " << bit;  // All pages were looked at.
    for (const Rows* const found : {&answers.by_find, &answers.by_row, &answers.by_rows}) {
      for (const auto& [key, value] : *found) ASSERT_EQ(rows.at(key), value) << "bit " << bit;
    }
    if (!answers.by_find.empty() && answers.by_find.size() < rows.size()) ++partly;
  }
  EXPECT_GT(partly, 0) << "damage is local to its page";
}

// Pages in each other's place are damage, too, as are two tables' pages that are mixed.
TEST_F(TableFileTest, NoticesAPageInTheWrongPlace) {
  const Rows rows = RowsOfSeveralPages();
  ASSERT_NE(Write(rows), nullptr);
  std::string bytes = FileBytes(path_);
  ASSERT_GT(bytes.size(), 3 * kTablePageBytes);
  std::swap_ranges(bytes.begin() + kTablePageBytes, bytes.begin() + 2 * kTablePageBytes,
                   bytes.begin() + 2 * kTablePageBytes);
  SetFileBytes(path_, bytes);
  EXPECT_TRUE(Ask(path_, rows).is_damaged);
}

TEST_F(TableFileTest, NoticesWhereItWasCut) {
  const Rows rows = {{"a", "1"}, {"b", "22"}, {"c", ""}};
  ASSERT_NE(Write(rows), nullptr);
  const std::string bytes = FileBytes(path_);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    SetFileBytes(path_, bytes.substr(0, length));
    const Result<Table> table = TableFile::Open(LocalFileSystem(), path_);
    ASSERT_FALSE(table.ok()) << length;
    ASSERT_EQ(table.error().code(), StatusCode::kCorrupt) << length << table.error().message();
  }
  SetFileBytes(path_, bytes + '\0');
  EXPECT_FALSE(TableFile::Open(LocalFileSystem(), path_).ok());
  EXPECT_EQ(TableFile::Open(LocalFileSystem(), folder_.Path("none")).error().code(),
            StatusCode::kNotFound);
}

TEST_F(TableFileTest, IsReadByManyThreadsAtOnce) {
  Rows rows = RowsOfSeveralPages();
  const Table large = Write(rows);
  Rows small_rows;
  for (int i = 0; i < 5000; ++i) small_rows[std::to_string(i)] = std::to_string(i * i);
  const Table small = Write(small_rows);
  const Table without_slots = Write(small_rows, {.held_bytes_max = std::uint64_t{1} << 20});
  ASSERT_TRUE(large != nullptr && small != nullptr && without_slots != nullptr);
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        // Each begins elsewhere, so that pages are checked by several at once.
        const auto ask = [&wrong](const TableFile& table, const Rows& all, std::size_t begin) {
          auto at = std::next(all.begin(), static_cast<std::ptrdiff_t>(begin));
          for (std::size_t n = 0; n < all.size(); ++n) {
            table.Prefetch(at->first);
            const auto found = table.Find(at->first);
            if (!found || found->value != at->second) ++wrong;
            if (++at == all.end()) at = all.begin();
          }
        };
        ask(*large, rows, static_cast<std::size_t>(t) * rows.size() / 4);
        ask(*small, small_rows, static_cast<std::size_t>(t) * small_rows.size() / 4);
        ask(*without_slots, small_rows, static_cast<std::size_t>(t) * small_rows.size() / 4);
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(large->status().ok() && small->status().ok());
}

}  // namespace
}  // namespace millrace
