// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PARQUET_INPUT_H_
#define MAPREDUCE_FORMATS_PARQUET_INPUT_H_

// Parquet files, read by DuckDB's library. docs/formats/parquet.md says what the columns become.
//
//   file      := "PAR1" row_group* footer footer_bytes:u32 "PAR1"
//   row_group := a piece of each column, for the same rows
//
// What the plan has of a file beside its columns, its layout's dialect:
//
//   dialect := ask* ("," rows "@" offset)*        p: plain, t: as text, j: as JSON; by column
//
// A range of bytes owns the row groups whose first byte it holds. A row's number in the file, from
// 0, is what other formats have an offset for.
//
// DuckDB opens files by name. Ours is /proc/self/fd/N, of a file that is open here: it is the one
// that the plan saw, and no name is ever taken for a pattern.

#include "mapreduce/base/status.h"
#include "mapreduce/formats/file_format.h"

namespace millrace {

/// "parquet". No options.
const FormatDriver& ParquetFormat();

/// Whether a file begins and ends like Parquet, whatever it is called.
Result<bool> IsParquet(FileSystem& files, const Shard& shard);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PARQUET_INPUT_H_
