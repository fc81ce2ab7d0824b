// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_CSV_DIALECT_H_
#define MAPREDUCE_FORMATS_CSV_DIALECT_H_

// How a CSV file is written, and the grammar that all readers of CSV here share:
//
//   record   := field (delimiter field)* end
//   end      := LF | CR LF | CR at the end of the file | the end of the file
//   field    := unquoted | quote (any byte but quote | quote quote)* quote
//   unquoted := any bytes but quote, delimiter, LF      (a CR only where it is not part of an end)
//
// What is not of this grammar is a bad record. It ends with the first LF at or after the byte that
// breaks the grammar, or with the file; the next record begins behind it. So where records begin is
// a function of the file's bytes alone.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/file_format.h"

namespace millrace {

/// Records beyond this are too long whatever --memory is: places in a record have 32 bits.
inline constexpr std::size_t kCsvRecordBytesMax = std::size_t{2} << 30;

struct CsvDialect {
  char delimiter = ',';
  char quote = '"';
  bool has_quotes = true;  ///< False: no byte is a quote, and a record is a line.
  bool has_header = true;
  std::string null;  ///< An unquoted field with this text is NULL.

  /// kInvalidArgument for a value that can't be.
  static Result<CsvDialect> Of(const FileFormat& format);
};

/// `content` is what stands between a field's quotes.
inline void UnescapeCsv(std::string_view content, char quote, std::string* unescaped) {
  unescaped->clear();
  while (!content.empty()) {
    const std::size_t end = std::min(content.find(quote), content.size() - 1) + 1;
    unescaped->append(content.substr(0, end));
    content.remove_prefix(std::min(end + 1, content.size()));  // The second quote of the two.
  }
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_CSV_DIALECT_H_
