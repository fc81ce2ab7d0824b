// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_DIALECT_H_
#define MAPREDUCE_FORMATS_POSTGRES_DIALECT_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// How rows stand in a file: ShardLayout.dialect.
struct PostgresDialect {
  bool is_insert = false;
  bool has_crlf = false;         ///< COPY: lines end with CR LF.
  bool has_backslashes = false;  ///< INSERT: '...' has backslash escapes.
  /// INSERT: places of generated columns in a tuple, from 0, ascending. They are no columns.
  std::vector<std::size_t> generated;

  std::string Text() const;
  /// kInvalidArgument for what Text() does not write.
  static Result<PostgresDialect> Parse(std::string_view text);
  friend bool operator==(const PostgresDialect&, const PostgresDialect&) = default;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_DIALECT_H_
