// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_tables.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t kNamesShown = 20;
constexpr std::size_t kParentsMax = 1000;

}  // namespace

std::vector<PostgresColumn> PostgresTables::ColumnsOf(const PostgresName& name) const {
  std::vector<PostgresColumn> columns;
  std::set<PostgresName> seen;
  AddColumns(name, &seen, &columns);
  return columns;
}

// Parents first. A table that was seen before adds nothing: its columns are there.
void PostgresTables::AddColumns(const PostgresName& name, std::set<PostgresName>* seen,
                                std::vector<PostgresColumn>* columns) const {
  const auto found = tables_.find(name);
  if (found == tables_.end() || seen->size() > kParentsMax || !seen->insert(name).second) return;
  for (const PostgresName& parent : found->second.parents) AddColumns(parent, seen, columns);
  for (const PostgresColumn& column : found->second.columns) {
    const bool is_new =
        std::none_of(columns->begin(), columns->end(),
                     [&](const PostgresColumn& known) { return known.name == column.name; });
    if (is_new) columns->push_back(column);
  }
}

std::string PostgresTables::Listed(const std::vector<const Entry*>& tables) const {
  std::string text;
  for (std::size_t i = 0; i < tables.size() && i < kNamesShown; ++i) {
    if (i > 0) text += ", ";
    text += PostgresNameText(tables[i]->first);
  }
  if (tables.size() > kNamesShown) {
    text += " and " + std::to_string(tables.size() - kNamesShown) + " more";
  }
  return text.empty() ? "none" : text;
}

Result<PostgresTables::Entry*> PostgresTables::Choose(const std::string& path) {
  std::vector<const Entry*> all;
  std::vector<Entry*> best;
  int best_match = wanted_ ? 1 : 0;
  for (Entry& table : tables_) {
    if (wanted_ || table.second.has_rows) all.push_back(&table);
    // Without a request those with rows count; where there are none, the one that is expected.
    const int match = wanted_                    ? Match(table.first)
                      : table.second.has_rows    ? 2
                      : table.first == expected_ ? 1
                                                 : 0;
    if (match > best_match) best.clear();
    best_match = std::max(best_match, match);
    if (match == best_match && match > 0) best.push_back(&table);
  }
  if (best.size() == 1) return best.front();
  if (!wanted_ && best.empty()) {
    if (tables_.size() == 1) return &*tables_.begin();
    for (const Entry& table : tables_) all.push_back(&table);
    return Status::InvalidArgument(path, ": has no rows of any table; its tables are ",
                                   Listed(all));
  }
  if (best.empty()) {
    return Status::InvalidArgument(path, ": has no such table; its tables are ", Listed(all));
  }
  const std::vector<const Entry*> rivals(best.begin(), best.end());
  return Status::InvalidArgument(
      path, wanted_ ? ": has several such tables: " : ": has the tables ", Listed(rivals),
      "; say which: ", path, "#", PostgresNameText(rivals.front()->first));
}

// A table without rows is not the same as one whose rows are not here.
Status PostgresTables::CheckRowless(const std::string& path, const Entry& table) const {
  if (table.second.has_data) return Status::Ok();
  const std::string name = PostgresNameText(table.first);
  if (table.second.is_partitioned) {
    return Status::InvalidArgument(path, ": ", name, " is partitioned, and its rows are in its ",
                                   "partitions: name those");
  }
  if (has_partition_root_) {
    return Status::InvalidArgument(path, ": the rows of ", name,
                                   " may be among those of the table ",
                                   "whose partition it is: name that one");
  }
  return Status::InvalidArgument(path, ": has the table ", name,
                                 " but not its rows; was it dumped ",
                                 "with --schema-only or --exclude-table-data?");
}

}  // namespace millrace
