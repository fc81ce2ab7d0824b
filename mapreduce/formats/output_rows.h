// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_OUTPUT_ROWS_H_
#define MAPREDUCE_FORMATS_OUTPUT_ROWS_H_

// What a job's rows are written as. A job makes them as lines of TSV (tsv_writer.h). For another
// format whole blocks of lines are converted on their way to the file, so a job's code is the same
// whatever it is, and TSV costs nothing. A format whose rows don't just follow each other in the
// file (Parquet) is made by the file itself: see output_rows_file.h.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/row_buffer.h"

namespace millrace {

enum class OutputFormat : std::uint8_t { kTsv, kCsv, kJsonLines, kParquet };
inline constexpr std::uint32_t kOutputFormatMax = 3;

/// "tsv", "csv", "jsonl", "parquet": also the ending of a file's name.
std::string_view OutputFormatName(OutputFormat format);

/// The inverse. kInvalidArgument for another name.
Result<OutputFormat> ParseOutputFormat(std::string_view name);

/// What a column holds, for formats that tell numbers from text.
enum class ColumnKind : std::uint8_t { kText, kInteger, kNumber, kDate };

struct OutputColumn {
  std::string name;
  ColumnKind kind = ColumnKind::kText;
  friend bool operator==(const OutputColumn&, const OutputColumn&) = default;
};

/// What each file of such rows begins with; of CSV the names of the columns.
std::string OutputHeader(OutputFormat format, const std::vector<OutputColumn>& columns);

/// Whether a task turns its lines into such rows: else lines of TSV reach the file.
inline bool IsConverted(OutputFormat format) {
  return format == OutputFormat::kCsv || format == OutputFormat::kJsonLines;
}

/// Lines of TSV to rows of another format. One thread at a time.
class RowConverter {
 public:
  virtual ~RowConverter() = default;
  /// Appends what becomes of `lines`: whole lines as AppendTsvRow writes them, with the columns
  /// that the converter was made for. kBadData where the format can't hold a value, with the column
  /// and the line; then the rows in `out` are not whole.
  virtual Status Append(std::string_view lines, RowBuffer& out) = 0;
};

/// Requires: IsConverted(format).
std::unique_ptr<RowConverter> MakeRowConverter(OutputFormat format,
                                               const std::vector<OutputColumn>& columns);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_OUTPUT_ROWS_H_
