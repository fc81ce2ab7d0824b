// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PARQUET_OUTPUT_H_
#define MAPREDUCE_FORMATS_PARQUET_OUTPUT_H_

// Lines of TSV to a Parquet file, written by DuckDB's library. DuckDB pulls rows and pushes bytes,
// so two threads stand between a task and its file:
//
//   Append() -> queue of text -> rows -> DuckDB's COPY -> pipe -> OutputFile (hashed, synced)
//               |------------ the copying thread ----------|      |-- the writing thread --|
//
// The bytes depend on the rows and DuckDB's version alone: one thread copies, row groups end at
// kParquetRowGroupRows rows or, with wide rows, at kParquetRowGroupBytes, and rows are handed on in
// chunks that end where the rows say, not where Append()'s pieces do.
//
// Memory: a row group, what it becomes, and a few MiB on the way.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/output_file.h"

namespace millrace {

inline constexpr std::uint64_t kParquetRowGroupRows = 122'880;
inline constexpr std::uint64_t kParquetRowGroupBytes = std::uint64_t{32} << 20;

/// Whole lines as AppendTsvRow writes them, in pieces of any size. Errors, soon or at Close():
/// kBadData for a value that its column can't hold, with the column and the row;
/// kInvalidArgument where DuckDB's library is not there; else as OutputFile's.
Result<std::unique_ptr<OutputFile>> CreateParquetFile(FileSystem& files, std::string path,
                                                      const std::vector<OutputColumn>& columns);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PARQUET_OUTPUT_H_
