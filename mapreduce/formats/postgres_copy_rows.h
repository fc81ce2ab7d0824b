// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_COPY_ROWS_H_
#define MAPREDUCE_FORMATS_POSTGRES_COPY_ROWS_H_

#include <memory>
#include <vector>

#include "mapreduce/formats/block_reader.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/postgres_dialect.h"

namespace millrace {

/// The rows of COPY's blocks. `fields`: by field of the line, the index of a column, or -1.
std::unique_ptr<BlockReader> NewPostgresCopyReader(const RowsOf& rows, std::vector<int> fields,
                                                   const PostgresDialect& dialect);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_COPY_ROWS_H_
