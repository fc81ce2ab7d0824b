// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_MYSQL_VALUES_H_
#define MAPREDUCE_FORMATS_MYSQL_VALUES_H_

// The values of a row (1,'a',NULL) of an INSERT, and the bytes that a SELECT would give of them:
//
//   NULL             NULL
//   -1.50, 1e300     as it stands
//   'it''s\n'        its bytes, without escapes; _binary'..', _utf8mb4'..', N'..' likewise
//   0xFF00, x'FF00'  the bytes themselves
//   b'101', 0b101    the bytes themselves: 0x05, as of a BIT column
//   TRUE, FALSE      1, 0

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/row_block.h"

namespace millrace {

/// One literal of a row.
struct SqlValue {
  enum class Kind : std::uint8_t { kNull, kText, kEscapedText, kHex, kBits };
  Kind kind = Kind::kNull;
  char quote = '\'';      ///< Of kEscapedText: it may stand there twice.
  std::string_view text;  ///< Between the quotes, or behind 0x; of kText the bytes themselves.
};

/// Splits rows into values. One thread at a time.
class SqlValues {
 public:
  /// `has_backslashes`: a backslash in a string is an escape. Of a row with more values than
  /// `values_max` the others are only counted.
  SqlValues(bool has_backslashes, std::size_t values_max)
      : has_backslashes_(has_backslashes), values_max_(values_max) {}

  /// `tuple` is a row with its parentheses, as MysqlScript finds it. Views of its values live as
  /// long as it. False: see reason(). Requires: 64 bytes can be read behind it.
  bool Split(std::string_view tuple);

  const std::vector<SqlValue>& values() const { return values_; }
  /// Of all values, the ones not kept, too.
  std::size_t count() const { return count_; }
  /// Why Split() failed.
  const std::string& reason() const { return reason_; }

  /// Adds a field. False: its digits are no bytes.
  bool Add(const SqlValue& value, RowBlock& rows);

 private:
  const char* TakeValue(const char* at, const char* end);
  const char* TakeString(const char* at, const char* end);
  const char* TakeDigits(SqlValue::Kind kind, const char* at, const char* end);
  void Keep(SqlValue::Kind kind, const char* begin, const char* end, char quote = '\'');
  bool Fail();

  const bool has_backslashes_;
  const std::size_t values_max_;
  std::size_t count_ = 0;
  std::vector<SqlValue> values_;
  std::string reason_;
  std::string decoded_;
};

/// Appends the bytes of a string's inside: of `quote` twice, of backslash escapes.
void DecodeSqlString(std::string_view text, char quote, bool has_backslashes, std::string* bytes);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_MYSQL_VALUES_H_
