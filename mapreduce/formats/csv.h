// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_CSV_H_
#define MAPREDUCE_FORMATS_CSV_H_

// CSV as RFC 4180 has it; docs/formats/csv.md says what is read. csv_dialect.h has the grammar,
// csv_scanner.h finds fields and records, csv_border.h where a split begins, csv_reader.h makes
// rows.

#include "mapreduce/formats/file_format.h"

namespace millrace {

/// See file_format.h.
const FormatDriver& CsvFormat();

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_CSV_H_
