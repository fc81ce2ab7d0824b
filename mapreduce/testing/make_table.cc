// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/make_table.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/table_file.h"
#include "mapreduce/testing/stored_input.h"

namespace millrace::testing_internal {

Result<std::shared_ptr<const TableSet>> MakeTableSet(std::vector<EncodedRow> rows,
                                                     std::size_t file_count) {
  std::sort(rows.begin(), rows.end());
  const auto same_key = [](const EncodedRow& a, const EncodedRow& b) { return a.first == b.first; };
  if (std::adjacent_find(rows.begin(), rows.end(), same_key) != rows.end()) {
    return Status::UserCode("a key stands twice in the rows of a table");
  }
  const TestDirectory directory;
  if (directory.path().empty()) {
    return Status::CannotCreate("cannot make a directory for the test's files");
  }
  FileSystem& files = LocalFileSystem();
  std::vector<std::shared_ptr<const TableFile>> opened;
  for (std::size_t i = 0; i < file_count; ++i) {
    const std::string path = JoinPath(directory.path(), "table-" + std::to_string(i));
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<TableWriter> writer,
                        TableWriter::Create(files, path));
    const std::size_t end = rows.size() * (i + 1) / file_count;
    for (std::size_t row = rows.size() * i / file_count; row < end; ++row) {
      MR_RETURN_IF_ERROR(writer->Add(rows[row].first, rows[row].second));
    }
    const Result<TableInfo> written = writer->Close(/*is_durable=*/false);
    if (!written.ok()) return written.error();
    MR_ASSIGN_OR_RETURN(opened.emplace_back(), TableFile::Open(files, path));
  }
  auto table = std::make_shared<TableSet>(std::move(opened));
  table->HoldSmallRecords(SmallTable::kBytesMax);
  return std::shared_ptr<const TableSet>(std::move(table));
}

std::shared_ptr<const TableSet> ExpectTable(Result<std::shared_ptr<const TableSet>> table) {
  if (table.ok()) return *std::move(table);
  ADD_FAILURE() << "MakeTable: " << table.error().message();
  return std::make_shared<TableSet>();
}

}  // namespace millrace::testing_internal
