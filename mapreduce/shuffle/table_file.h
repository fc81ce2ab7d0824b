// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_TABLE_FILE_H_
#define MAPREDUCE_SHUFFLE_TABLE_FILE_H_

// A table for lookups: what a reduce made, keyed, in one file that is mapped into memory. Written
// once, in key order, then only read, by any number of threads and processes at once: they share
// its pages.
//
//   file    := magic:u32 version:u32 zero:u64 record* padding offset* slot* hash* footer
//   record  := row:u32 key_bytes:u32 value_bytes:u32 key value
//   offset  := u64, of the record, by row
//   slot    := u64: 16 bits of the key's hash, 48 bits of the record's offset; 0: free
//   hash    := u64, XXH3-64 of a page: 64 KiB of what comes before the hashes
//   footer  := row_count:u64 offsets_at:u64 slots_at:u64 chunk_count:u64 chunk_slots:u64
//              record_bytes_max:u64 hashes_at:u64 hash:u64 version:u32 magic:u32
//
// Little-endian. The hash in the footer is of the hashes and the footer before it. Slots lie in
// chunks, each an open-addressing table of its own (linear probing, at most two thirds full): a
// chunk is built in memory, so a table may be far larger than that. Small records are looked up in
// a copy (small_table.h): where the writer expects that there are no chunks, and the first lookup
// that comes all the same makes one in memory. (Slots took a twelfth of the CPU time that making
// such tables takes.) A page is checked when it is first looked at: damage is noticed where it
// would matter, and a lookup in a large table reads no more than its pages.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

inline constexpr std::uint32_t kTableMagic = 0x4254524D;  // The bytes "MRTB".
inline constexpr std::uint32_t kTableVersion = 3;
inline constexpr std::size_t kTablePageBytes = std::size_t{64} << 10;

struct TableInfo {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  Hash128 xxh128;  ///< Of its beginning up to the last record: what follows depends on options.
};

struct TableWriterOptions {
  std::uint64_t entries_in_memory = std::uint64_t{1} << 20;  ///< Of 16 bytes; more go to a file.
  std::uint64_t chunk_rows = std::uint64_t{4} << 20;         ///< A chunk is of so many rows.
  /// No slots where a SmallTable of so many bytes would hold the file's records.
  std::uint64_t held_bytes_max = 0;
};

/// Writes a table. One thread at a time. Beside the file there is `path`.index while it is written.
class TableWriter {
 public:
  static Result<std::unique_ptr<TableWriter>> Create(FileSystem& files, const std::string& path,
                                                     TableWriterOptions options = {});
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;
  ~TableWriter();

  /// kUserCode for a key that is not larger than the last one: a table has each key once.
  Status Add(std::string_view key, std::string_view value);
  /// Writes the index. `is_durable`: the contents survive a power cut.
  Result<TableInfo> Close(bool is_durable);

 private:
  struct Entry {
    std::uint64_t hash;
    std::uint64_t offset;
  };
  TableWriter(FileSystem& files, std::string path, TableWriterOptions options)
      : files_(files), path_(std::move(path)), options_(options) {}
  Status Append(std::string_view bytes);
  Status FinishPage();
  Status SpoolEntries();
  template <class F>
  Status EachPiece(F&& visit);
  Status WriteOffsets();
  Status WriteSlots(std::uint64_t chunk_count, std::uint64_t chunk_slots);

  FileSystem& files_;
  const std::string path_;
  const TableWriterOptions options_;
  std::unique_ptr<WritableFile> out_;
  std::uint64_t offset_ = 0;
  std::unique_ptr<char[]> page_;
  std::size_t page_bytes_ = 0;  // Used ones, fewer than a page has.
  std::vector<std::uint64_t> page_hashes_;
  Hasher128 record_hash_;
  bool has_all_records_ = false;
  std::vector<Entry> entries_;  // Those that are not in the file:
  std::unique_ptr<WritableFile> spool_;
  std::uint64_t rows_ = 0;
  std::uint64_t last_prefix_ = 0;  // KeyPrefix of:
  std::string_view last_key_;      // In page_, or, of a record that did not fit there:
  std::string long_key_;
  std::uint64_t record_bytes_max_ = 0;
};

/// An open table. Thread-safe.
class TableFile {
 public:
  struct Record {
    std::uint64_t row = 0;
    std::string_view key;
    std::string_view value;
  };

  /// kCorrupt for what is no table; a damaged page is told by status(), once it was looked at.
  static Result<std::shared_ptr<const TableFile>> Open(FileSystem& files, const std::string& path);

  std::uint64_t rows() const { return rows_; }
  std::uint64_t bytes() const { return bytes_.size(); }
  /// The most bytes that key and value of a record have, as the writer says.
  std::uint64_t record_bytes_max() const { return record_bytes_max_; }
  /// Views live as long as the table. Cost: about three cache misses. Where the file has no slots
  /// the first call makes them in memory, up to 24 bytes a row.
  std::optional<Record> Find(std::string_view key) const;
  /// Asks for the memory that Find of this key will look at first.
  void Prefetch(std::string_view key) const;
  /// The row `row` in key order, from 0; nullopt behind the last.
  std::optional<Record> Row(std::uint64_t row) const;
  /// The rows from `row` on, in order: as many as `records` has room for, fewer behind the last one
  /// or where there is damage. Cheaper than Row for each.
  std::size_t Rows(std::uint64_t row, std::span<Record> records) const;
  /// kCorrupt once a lookup has met damage: what it gave was none.
  Status status() const;

 private:
  TableFile() = default;
  Status Read();
  bool IsSound(std::uint64_t begin, std::uint64_t bytes) const;
  bool CheckPage(std::size_t page) const;
  void MakeSlots() const;
  std::optional<Record> At(std::uint64_t offset) const;
  std::uint64_t Load(std::uint64_t at) const;
  std::optional<Record> Damaged(std::uint64_t offset) const;

  std::string path_;
  std::unique_ptr<MappedFile> mapped_;
  std::string_view bytes_;
  std::uint64_t rows_ = 0, offsets_at_ = 0, slots_at_ = 0, chunk_count_ = 0, chunk_slots_ = 0,
                record_bytes_max_ = 0, hashes_at_ = 0;
  mutable std::vector<std::atomic<std::uint8_t>> is_checked_;  // By page.
  mutable std::atomic<std::uint64_t> damaged_at_{UINT64_MAX};
  mutable std::once_flag slots_made_;
  mutable std::vector<std::uint64_t> made_slots_;  // Once they are made.
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_TABLE_FILE_H_
