// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_OUTPUT_LAYOUT_H_
#define MAPREDUCE_ENGINE_OUTPUT_LAYOUT_H_

// What lies in an output directory beside its part files, and what those are.

#include <string_view>

#include "mapreduce/formats/output_rows.h"

namespace millrace {

inline constexpr char kManifestName[] = "_manifest.json";
inline constexpr char kSuccessName[] = "_SUCCESS";      ///< Empty; written last.
inline constexpr char kRejectsName[] = "_rejects.tsv";  ///< Where there are any.

/// What the rows of the part file `path` are, in an output of Plan.output_format. A job's own
/// format is taken for TSV: all lines, too.
inline OutputFormat PartFormat(std::string_view output_format, std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view compression : {".zst", ".gz"}) {
    if (name.ends_with(compression)) name.remove_suffix(compression.size());
  }
  const auto format = ParseOutputFormat(output_format);
  const bool is_it = format.ok() && name.substr(name.rfind('.') + 1) == output_format;
  return is_it ? *format : OutputFormat::kTsv;
}

/// Whether the first row of such a file is a header, and no record.
inline bool HasHeader(OutputFormat format) { return format == OutputFormat::kCsv; }

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_OUTPUT_LAYOUT_H_
