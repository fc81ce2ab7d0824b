// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_TABLE_SET_H_
#define MAPREDUCE_API_TABLE_SET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/shuffle/table_file.h"

namespace millrace {

/// The files of one table, in key order: one for each task that made it. Thread-safe.
class TableSet {
 public:
  TableSet() = default;
  explicit TableSet(std::vector<std::shared_ptr<const TableFile>> files);

  std::uint64_t rows() const { return first_rows_.back(); }
  std::uint64_t bytes() const;
  std::optional<TableFile::Record> Find(std::string_view key) const {
    if (files_.size() == 1) return files_.front()->Find(key);
    return FindInMany(key);
  }
  /// Null data where there is none.
  std::string_view ValueOrNull(std::string_view key) const {
    if (files_.size() == 1) return files_.front()->ValueOrNull(key);
    const TableFile* const file = FileOf(key);
    return file == nullptr ? std::string_view() : file->ValueOrNull(key);
  }
  void Prefetch(std::string_view key) const {
    if (files_.size() == 1) return files_.front()->Prefetch(key);
    if (const TableFile* const file = FileOf(key); file != nullptr) file->Prefetch(key);
  }
  std::optional<TableFile::Record> Row(std::uint64_t row) const;
  /// kCorrupt once a lookup has met damage; kUserCode if the files are not in key order, because a
  /// Reduce has emitted keys of other groups.
  Status status() const;

 private:
  /// The only file that can have the key; null: none.
  const TableFile* FileOf(std::string_view key) const;
  std::optional<TableFile::Record> FindInMany(std::string_view key) const;

  std::vector<std::shared_ptr<const TableFile>> files_;  // Those with rows.
  std::vector<std::string> first_keys_;
  bool is_in_order_ = true;
  std::vector<std::uint64_t> first_rows_ = {0};  // By file, and the number of all.
};

}  // namespace millrace

#endif  // MAPREDUCE_API_TABLE_SET_H_
