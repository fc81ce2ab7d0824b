// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_TABLE_SET_H_
#define MAPREDUCE_API_TABLE_SET_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/shuffle/small_table.h"
#include "mapreduce/shuffle/table_file.h"

namespace millrace {

/// The files of one table, in key order: one for each task that made it. Thread-safe once const.
class TableSet {
 public:
  TableSet() = default;
  explicit TableSet(std::vector<std::shared_ptr<const TableFile>> files);
  /// Holds the records in memory once more, for faster lookups, if they are small and take at most
  /// `bytes_max` there. About 60 ns a record.
  void HoldSmallRecords(std::uint64_t bytes_max);
  /// What they may take in a process with so large a budget.
  static std::uint64_t SmallBytesMax(std::uint64_t memory_bytes) {
    return std::min<std::uint64_t>(memory_bytes / 16, SmallTable::kBytesMax);
  }

  std::uint64_t rows() const { return first_rows_.back(); }
  std::uint64_t bytes() const;
  /// Null data where there is none.
  std::string_view ValueOrNull(std::string_view key) const {
    return small_ != nullptr ? small_->ValueOrNull(key) : FindInFile(key).value;
  }
  /// Asks for the memory that ValueOrNull of this key will look at.
  void Prefetch(std::string_view key) const {
    if (small_ != nullptr) return small_->Prefetch(key);
    if (const TableFile* const file = FileOf(key); file != nullptr) file->Prefetch(key);
  }
  std::optional<std::uint64_t> RowOf(std::string_view key) const;
  std::optional<TableFile::Record> Row(std::uint64_t row) const;
  /// kCorrupt once a lookup has met damage; kUserCode if the files are not in key order, because a
  /// Reduce has emitted keys of other groups.
  Status status() const;

 private:
  /// The only file that can have the key; null: none.
  const TableFile* FileOf(std::string_view key) const;
  /// A record without a key, and null data for a value, where there is none.
  TableFile::Record FindInFile(std::string_view key) const;

  std::vector<std::shared_ptr<const TableFile>> files_;  // Those with rows.
  std::unique_ptr<const SmallTable> small_;
  std::vector<std::string> first_keys_;
  bool is_in_order_ = true;
  std::vector<std::uint64_t> first_rows_ = {0};  // By file, and the number of all.
};

}  // namespace millrace

#endif  // MAPREDUCE_API_TABLE_SET_H_
