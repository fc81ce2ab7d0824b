// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_JSON_LINES_READER_H_
#define MAPREDUCE_FORMATS_JSON_LINES_READER_H_

// JSON Lines: a JSON object a line; see docs/formats/json-lines.md for what users are promised.
// Paths to columns are in json_lines_paths.h, the parser is in json_lines_parser.h.

#include "mapreduce/formats/file_format.h"

namespace millrace {

/// See file_format.h. The layout's columns are the keys of the objects that begin in the first MiB,
/// in order of first appearance.
const FormatDriver& JsonLinesFormat();

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_JSON_LINES_READER_H_
