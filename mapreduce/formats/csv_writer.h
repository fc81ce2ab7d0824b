// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_CSV_WRITER_H_
#define MAPREDUCE_FORMATS_CSV_WRITER_H_

// CSV as RFC 4180 says, with LF behind each row: commas between fields; a field with a comma, a
// quote, CR or LF stands in quotes, its quotes doubled. All other bytes are as they are. As
// PostgreSQL's COPY writes it, NULL is an empty field and an empty string is "".
//
//   SE<TAB>say "hi"<TAB>\N<TAB>a\tb<LF>       TSV
//   SE,"say ""hi""",,a<TAB>b<LF>              CSV

#include <string_view>

#include "mapreduce/formats/row_buffer.h"

namespace millrace {

/// Appends `raw` as one field.
void AppendCsvField(RowBuffer& out, std::string_view raw);

/// Appends lines of TSV, each with its LF, as AppendTsvRow writes them. As fast as a copy where
/// nothing needs quotes.
void AppendCsvRows(RowBuffer& out, std::string_view lines);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_CSV_WRITER_H_
