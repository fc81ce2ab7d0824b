// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_OUTPUT_ROW_ENDS_H_
#define MAPREDUCE_FORMATS_OUTPUT_ROW_ENDS_H_

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "mapreduce/formats/output_rows.h"

namespace millrace {

/// Where the rows of an output end, in bytes that come in pieces: behind each LF; in CSV only where
/// it is not in quotes.
class RowEnds {
 public:
  explicit RowEnds(OutputFormat format) : has_quotes_(format == OutputFormat::kCsv) {}

  /// The bytes of `text` until its first row ends, with the LF; npos where it goes on behind
  /// `text`. The next call is for the bytes that follow these.
  std::size_t Find(std::string_view text) {
    for (std::size_t begin = 0;;) {
      const std::size_t newline = text.find('\n', begin);
      if (has_quotes_) {
        const std::string_view piece = text.substr(begin, newline - begin);
        if (std::count(piece.begin(), piece.end(), '"') % 2 != 0) is_quoted_ = !is_quoted_;
      }
      if (newline == text.npos) return text.npos;
      begin = newline + 1;
      if (!is_quoted_) return begin;
    }
  }

 private:
  const bool has_quotes_;
  bool is_quoted_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_OUTPUT_ROW_ENDS_H_
