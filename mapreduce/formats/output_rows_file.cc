// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/output_rows_file.h"

#include <utility>

#include "mapreduce/formats/duckdb_library.h"
#include "mapreduce/formats/parquet_output.h"

namespace millrace {

Status CheckRowsFile(OutputFormat format, Compression compression) {
  if (format != OutputFormat::kParquet) return {};
  if (compression != Compression::kNone) {
    return Status::InvalidArgument(
        "Parquet is compressed inside already, and nobody reads it with ",
        CompressionName(compression), " around it; leave out --compress");
  }
  const Result<const DuckDb*> library = DuckDb::Library();
  return library.ok() ? Status::Ok() : library.error().Annotate("--output-format parquet");
}

Result<std::unique_ptr<OutputFile>> CreateRowsFile(FileSystem& files, std::string path,
                                                   Compression compression, OutputFormat format,
                                                   const std::vector<OutputColumn>& columns) {
  MR_RETURN_IF_ERROR(CheckRowsFile(format, compression));
  if (format == OutputFormat::kParquet) return CreateParquetFile(files, std::move(path), columns);
  MR_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> file,
                      OutputFile::Create(files, std::move(path), compression));
  file->Append(OutputHeader(format, columns));
  return file;
}

}  // namespace millrace
