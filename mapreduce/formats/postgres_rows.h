// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_ROWS_H_
#define MAPREDUCE_FORMATS_POSTGRES_ROWS_H_

// The rows of a dump's table, from the ranges that PostgresScan found.
//
// A piece [begin, end) of a shard has the ranges that begin in it, each whole. So any cut gives
// each row to exactly one piece:
//
//   ranges   |---------|--------|  COPY of another table  |------|
//   pieces   [      )[                      )[                     )
//   reads     first,   second,               third
//
// A row of COPY is a line of TSV as it stands: where the job wants all columns in order, lines are
// handed on without being copied. A row of INSERT is a tuple; its literals become what COPY writes.

#include <memory>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/block_reader.h"
#include "mapreduce/formats/file_format.h"

namespace millrace {

/// FormatDriver::open. Requires: rows.shard.layout is of PostgresScan.
Result<std::unique_ptr<BlockReader>> OpenPostgresRows(const RowsOf& rows);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_ROWS_H_
