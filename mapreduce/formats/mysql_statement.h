// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_MYSQL_STATEMENT_H_
#define MAPREDUCE_FORMATS_MYSQL_STATEMENT_H_

// What the statements of an SQL script of MySQL's kind say of tables and their columns. Statements
// are texts without comments, as MysqlScript gives them.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// A table as a script names it.
struct SqlTableName {
  std::string database;  ///< Empty where nothing says.
  std::string table;
  friend auto operator<=>(const SqlTableName&, const SqlTableName&) = default;
};

/// shop.users
std::string SqlTableText(const SqlTableName& name);
/// `shop`.`users`, each backquote in them doubled; ParseSqlTableName reads it.
std::string QuoteSqlTableName(const SqlTableName& name);
std::optional<SqlTableName> ParseSqlTableName(std::string_view text);

/// INSERT INTO table (columns) VALUES
struct SqlInsert {
  SqlTableName name;                 ///< As written: without a database where none stands there.
  std::vector<std::string> columns;  ///< Empty: none are listed.
};
/// Of the text before the first row. Nothing: it is no such head.
std::optional<SqlInsert> ParseSqlInsert(std::string_view head);

/// CREATE TABLE name (columns ...)
struct SqlCreateTable {
  SqlTableName name;  ///< As written.
  std::vector<std::string> columns;
  std::vector<bool> is_generated;  ///< By column: GENERATED ALWAYS AS (...).
};
/// Nothing: it is another statement.
std::optional<SqlCreateTable> ParseSqlCreateTable(std::string_view statement);

/// The table of an INSERT or REPLACE without VALUES; nothing for other statements.
std::optional<SqlTableName> ParseSqlOtherInsert(std::string_view statement);

/// The database of USE; nothing for other statements.
std::optional<std::string> ParseSqlUse(std::string_view statement);

/// The character set of SET NAMES, in small letters; nothing for other statements.
std::optional<std::string> ParseSqlSetNames(std::string_view statement);

/// What a statement makes of the strings to come.
enum class SqlModeChange { kNone, kBackslashes, kNoBackslashes, kAsBefore };
/// Of SET sql_mode = ...; kAsBefore: it is set to what a variable holds.
SqlModeChange ParseSqlMode(std::string_view statement);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_MYSQL_STATEMENT_H_
