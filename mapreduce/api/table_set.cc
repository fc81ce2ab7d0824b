// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/table_set.h"

#include <algorithm>
#include <utility>

namespace millrace {

TableSet::TableSet(std::vector<std::shared_ptr<const TableFile>> files) {
  std::string last_key;
  for (std::shared_ptr<const TableFile>& file : files) {
    if (file->rows() == 0) continue;
    const std::optional<TableFile::Record> first = file->Row(0);
    if (first && first->key <= last_key && !files_.empty()) is_in_order_ = false;
    if (const auto last = file->Row(file->rows() - 1)) last_key = last->key;
    first_keys_.emplace_back(first ? first->key : std::string_view());
    first_rows_.push_back(first_rows_.back() + file->rows());
    files_.push_back(std::move(file));
  }
}

void TableSet::HoldSmallRecords(std::uint64_t bytes_max) {
  small_ = SmallTable::Of(files_, bytes_max);
}

std::uint64_t TableSet::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& file : files_) bytes += file->bytes();
  return bytes;
}

const TableFile* TableSet::FileOf(std::string_view key) const {
  const auto behind = std::upper_bound(first_keys_.begin(), first_keys_.end(), key);
  if (behind == first_keys_.begin()) return nullptr;
  return files_[static_cast<std::size_t>(behind - first_keys_.begin()) - 1].get();
}

TableFile::Record TableSet::FindInFile(std::string_view key) const {
  const TableFile* const file = FileOf(key);
  if (file == nullptr) return {};
  return file->Find(key).value_or(TableFile::Record());
}

std::optional<std::uint64_t> TableSet::RowOf(std::string_view key) const {
  if (small_ != nullptr && small_->has_rows()) return small_->RowOf(key);
  const auto behind = std::upper_bound(first_keys_.begin(), first_keys_.end(), key);
  if (behind == first_keys_.begin()) return std::nullopt;
  const auto file = static_cast<std::size_t>(behind - first_keys_.begin()) - 1;
  const std::optional<TableFile::Record> record = files_[file]->Find(key);
  if (!record) return std::nullopt;
  return first_rows_[file] + record->row;
}

std::optional<TableFile::Record> TableSet::Row(std::uint64_t row) const {
  if (row >= rows()) return std::nullopt;
  const auto behind = std::upper_bound(first_rows_.begin(), first_rows_.end(), row);
  const auto file = static_cast<std::size_t>(behind - first_rows_.begin()) - 1;
  std::optional<TableFile::Record> record = files_[file]->Row(row - first_rows_[file]);
  if (record) record->row = row;
  return record;
}

Status TableSet::status() const {
  if (!is_in_order_) {
    return Status::UserCode(
        "a table was made of keys that are not in order, or of the same key twice; emit the "
        "group's own key, once");
  }
  for (const auto& file : files_) MR_RETURN_IF_ERROR(file->status());
  return Status::Ok();
}

}  // namespace millrace
