// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_TABLES_H_
#define MAPREDUCE_FORMATS_POSTGRES_TABLES_H_

// What a dump says of its tables, and which of them is meant.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/postgres_name.h"

namespace millrace {

struct PostgresColumn {
  std::string name;
  bool is_generated = false;
};

struct PostgresTable {
  std::vector<PostgresColumn> columns;  ///< Of CREATE TABLE.
  std::vector<PostgresName> parents;    ///< INHERITS, PARTITION OF: their columns come first.
  bool is_created = false;
  bool is_partitioned = false;
  bool has_unknown_columns = false;  ///< LIKE, OF, AS: only the server knows them.
  bool has_data = false;             ///< COPY, or "-- Data for Name".
  bool has_rows = false;
  bool has_header = false;                                ///< A COPY or INSERT was seen.
  std::optional<std::vector<std::string>> named_columns;  ///< It has a list.
  std::string problem;                                    ///< Why its rows can't be read.
};

/// One thread at a time.
class PostgresTables {
 public:
  using Entry = std::map<PostgresName, PostgresTable>::value_type;

  /// No table: the one that has rows.
  explicit PostgresTables(std::optional<PostgresTableRequest> wanted)
      : wanted_(std::move(wanted)) {}

  /// The table of this name, new if need be. It stays where it is.
  Entry& Named(PostgresName name) { return *tables_.try_emplace(std::move(name)).first; }

  /// How well the name fits what is wanted; 0: not at all.
  int Match(const PostgresName& name) const { return wanted_ ? wanted_->Match(name) : 1; }

  /// Says that there are rows of this table, if it has any.
  void Expect(const PostgresName& name) {
    tables_[name].has_data = true;
    expected_ = name;
  }
  /// Rows of partitions may be among those of their root.
  void set_has_partition_root() { has_partition_root_ = true; }

  /// With those that it inherits.
  std::vector<PostgresColumn> ColumnsOf(const PostgresName& name) const;

  /// The one that is meant. kInvalidArgument: none, or several; says which there are.
  Result<Entry*> Choose(const std::string& path);
  /// kInvalidArgument where the rows of `table`, of which there are none, may be elsewhere.
  Status CheckRowless(const std::string& path, const Entry& table) const;

 private:
  void AddColumns(const PostgresName& name, std::set<PostgresName>* seen,
                  std::vector<PostgresColumn>* columns) const;
  std::string Listed(const std::vector<const Entry*>& tables) const;

  const std::optional<PostgresTableRequest> wanted_;
  std::map<PostgresName, PostgresTable> tables_;
  std::optional<PostgresName> expected_;
  bool has_partition_root_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_TABLES_H_
