// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_CSV_BORDER_H_
#define MAPREDUCE_FORMATS_CSV_BORDER_H_

// Where the first record begins behind a border, of which nothing is known but the bytes that
// follow: an LF ends a record outside quotes, and is data within.
//
//   border     |
//   file    1,"a b\nc",2\n3,x,4\n
//
// Two readings are followed side by side, until the grammar (csv_dialect.h) rules one out: the
// border lies outside quotes, with a field beginning there, or within a quoted field. These two are
// enough. Whatever follows the border in a good file if it lies within an unquoted field, behind a
// closing quote or behind a CR, could also follow the beginning of a field, with the same LFs as
// ends of records; and between the two quotes of a doubled quote the second one "opens" a field,
// which leads to within quotes, as it should.
//
// Each quote takes one reading out of quotes and the other one in. So exactly one is outside at any
// byte, they never agree on an LF, and one of them can't be at the end of the file. A reading is
// ruled out
//
//   - by a quote in an unquoted field, or a byte behind a closing quote that can't be there;
//   - by the file's end, within quotes;
//   - when no record of it ended within record_bytes_max: all are shorter;
//   - within one and the same quoted field, by `calm_bytes` bytes which the other one reads as many
//     records of exactly the file's number of fields. This is the one guess. Without it a file that
//     has no quotes, or no other quoted field than "", would be read twice, up to record_bytes_max
//     at each border.
//
// So a good file's border is found exactly, unless a quoted field has calm_bytes of such lines, or
// the text reads well in both ways for record_bytes_max. For these, and for bad files, the answer
// may be wrong; it is the same for all who ask. Who reads up to a border knows the truth, asks as
// well, and fails where the answer differs.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mapreduce/formats/csv_dialect.h"

namespace millrace {

struct CsvBorderOptions {
  char delimiter = ',';
  char quote = '"';
  bool has_quotes = true;
  std::size_t column_count = 0;
  std::size_t record_bytes_max = kCsvRecordBytesMax;
  std::size_t calm_bytes = std::size_t{256} << 10;  ///< 16 times as many where one column is all.
};

/// One border; one thread. A function of the bytes behind it and the options, however few bytes
/// each call adds.
class CsvBorder {
 public:
  /// No record begins within record_bytes_max: one is too long.
  static constexpr std::size_t kNone = SIZE_MAX;

  explicit CsvBorder(const CsvBorderOptions& options);

  /// `bytes`: all from the border on, as far as they were read; `is_end`: nothing follows. True:
  /// next_record() is known. False: more bytes are needed.
  bool Look(std::string_view bytes, bool is_end);

  /// Bytes from the border to where the next record begins (never 0), or to the file's end, or
  /// kNone. Requires: Look() said true.
  std::size_t next_record() const { return next_record_; }

 private:
  enum class State : std::uint8_t {
    kFieldStart,
    kUnquoted,
    kQuoted,
    kQuoteInQuoted,  // Behind a quote in a quoted field: it ended, unless another quote follows.
    kReturnBehind,   // Behind a closing quote and CR.
    kBad,            // In a bad record.
    kRuledOut,
  };
  struct Reading {
    State state;
    std::size_t next_record = kNone;
  };

  bool IsDecided() const { return chosen_ != nullptr && chosen_->next_record != kNone; }
  void Pass(std::string_view bytes, std::size_t end);  // To `end`; no quotes on the way.
  void PassOne(Reading& reading, std::string_view bytes, std::size_t end);
  void PassQuote();
  void RuleOut(Reading& reading);
  void RuleOutQuoted();
  bool IsCalm(std::string_view bytes) const;
  void Decide(std::size_t otherwise);

  const CsvBorderOptions options_;
  const std::size_t window_bytes_;
  const std::size_t calm_bytes_;
  Reading readings_[2] = {{State::kFieldStart}, {State::kQuoted}};
  Reading* chosen_ = nullptr;  // The one that is left; it may turn out to be in a bad record.
  std::size_t at_ = 0;         // Bytes looked at.
  // From calm_begin_, which is no quote, to at_ one and the same reading is in one quoted field.
  Reading* quoted_ = &readings_[1];
  std::size_t calm_begin_ = 0;
  bool is_calm_asked_ = false;  // Then the next stretch begins with the next byte that is no quote.
  std::size_t next_record_ = kNone;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_CSV_BORDER_H_
