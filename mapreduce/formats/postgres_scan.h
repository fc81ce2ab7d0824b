// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_SCAN_H_
#define MAPREDUCE_FORMATS_POSTGRES_SCAN_H_

// Looks through a dump once and says where the rows of one table are:
//
//   COPY public.users (id, name) FROM stdin;     columns  id, name
//   1<TAB>Ann                                    rows     from here
//   2<TAB>Bob
//   \.                                           to here
//   INSERT INTO public.users VALUES (1, 'Ann');  rows     from "INSERT" to behind ")"
//   INSERT INTO public.users VALUES (2, 'Bob'),
//     (3, 'Eve');                                rows     or from this "("
//
// All of the file is read: a table may have more blocks than one (partitions loaded through their
// root, dumps appended to each other), and a dump that is cut off is found out. Rows are cut into
// ranges of about kRangeBytes; each begins at a row's first byte, or at its INSERT.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/postgres_dialect.h"
#include "mapreduce/formats/postgres_lexer.h"
#include "mapreduce/formats/postgres_name.h"
#include "mapreduce/formats/postgres_tables.h"
#include "mapreduce/formats/postgres_tokens.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

class PostgresScan {
 public:
  static constexpr std::uint64_t kRangeBytes = std::uint64_t{1} << 20;

  /// No table: the one that has rows.
  explicit PostgresScan(std::optional<PostgresTableRequest> wanted,
                        std::uint64_t range_bytes = kRangeBytes)
      : range_bytes_(range_bytes), tables_(std::move(wanted)) {}

  /// Reads SQL to its end. Call it again for more, whose offsets count from its own begin; only one
  /// of the texts may have rows. kBadData names path and offset.
  Status Read(ShardReader& reader, const std::string& path);

  /// Instead of Read: all of it is the rows of one COPY, of these columns.
  Status ReadCopyRows(ShardReader& reader, const std::string& path,
                      std::vector<std::string> columns);

  /// Says that there are rows of this table, if it has any, whether or not a comment says so too.
  void Expect(const PostgresName& name) { tables_.Expect(name); }
  /// The same of the table of the last COPY or INSERT.
  void ExpectLast() {
    if (last_header_) Expect(*last_header_);
  }

  /// Call once, at the end. kInvalidArgument: no such table, or several; says which there are.
  Result<ShardLayout> Finish(const std::string& path);

 private:
  using Table = PostgresTable;
  using Column = PostgresColumn;
  using Entry = PostgresTables::Entry;

  // Statements.
  Status ReadStatements();
  void ReadComment();
  void ReadMetaCommand();
  void ReadStatement();
  void ReadCopy(std::uint64_t begin);
  void ReadInsert(std::uint64_t begin);
  bool RepeatInsert(std::uint64_t begin);
  void ReadCreate();
  void ReadCreateTable();
  void SkipFunction();
  void ReadSet();
  void ReadSelect();
  // Of names that don't say.
  PostgresName Scope() const { return {database_, schema_, ""}; }

  // Rows.
  void SetHeader(Entry& table, std::optional<std::vector<std::string>> columns,
                 std::uint64_t begin);
  void ReadCopyData(Entry& table, std::uint64_t begin, bool has_crlf);
  void CountCopyFields();
  bool IsCopyEnd();
  void ReadTuples(Entry& table, std::uint64_t begin);
  bool ReadFirstTuple();
  bool IsOurs(Entry& table, const PostgresDialect& dialect);
  void AddRow(std::uint64_t begin, std::uint64_t end);

  const std::uint64_t range_bytes_;
  PostgresLexer* lexer_ = nullptr;  // During Read.
  PostgresTokens* tokens_ = nullptr;
  bool has_backslash_strings_ = false;

  PostgresTables tables_;
  std::string database_;
  std::string schema_ = "public";
  int open_dumps_ = 0;  // "-- PostgreSQL database dump" without its "complete" yet.
  std::optional<PostgresName> last_data_;  // Of the last comment "-- Data for Name".
  std::optional<PostgresName> last_header_;

  // The header of the INSERT before: most begin alike.
  std::string insert_;
  Entry* insert_table_ = nullptr;

  Entry* target_ = nullptr;  // Whose rows are rows_.
  int target_match_ = 0;
  PostgresDialect dialect_;
  std::vector<RowRange> rows_;
  bool is_range_open_ = false;
  std::size_t first_row_values_ = 0;
  std::vector<std::size_t> first_row_defaults_;
  bool has_first_row_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_SCAN_H_
