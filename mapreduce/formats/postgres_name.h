// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_NAME_H_
#define MAPREDUCE_FORMATS_POSTGRES_NAME_H_

// Names of tables, as a dump has them and as users write them: users, public.users,
// "Odd Schema"."Weird ""Name".

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// A table of a dump. A name without schema is of the search path's first.
struct PostgresName {
  std::string database;  ///< Of \connect; empty before one.
  std::string schema;
  std::string table;
  auto operator<=>(const PostgresName&) const = default;
};

/// As a user writes it: schema.table, quoted where need be; the database, where there is one.
std::string PostgresNameText(const PostgresName& name);

/// What a user wrote.
class PostgresTableRequest {
 public:
  /// [[DATABASE.]SCHEMA.]TABLE. kInvalidArgument for what is no name.
  static Result<PostgresTableRequest> Parse(std::string_view text);

  /// 0: another table; 2: this one, as PostgreSQL reads names (without quotes in lower case); 1:
  /// only letter by letter as written.
  int Match(const PostgresName& name) const;

 private:
  struct Part {
    std::string text;
    bool is_quoted = false;
  };
  static int MatchPart(const Part& part, const std::string& name);

  std::vector<Part> parts_;  // One to three; the last is the table.
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_NAME_H_
