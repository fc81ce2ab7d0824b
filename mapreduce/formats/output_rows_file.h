// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_OUTPUT_ROWS_FILE_H_
#define MAPREDUCE_FORMATS_OUTPUT_ROWS_FILE_H_

// The file that an output's rows go to. Of most formats it is the rows as they come, behind a
// header if there is one. Parquet has columns and an index at the end, so its file takes lines of
// TSV and writes what becomes of them: in both cases its bytes depend on the appended bytes alone.

#include <memory>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/output_file.h"

namespace millrace {

/// Creates the file. Append() wants rows of `format` where IsConverted(format), else whole lines of
/// TSV, in pieces of any size. Errors as OutputFile::Create, and those of CheckRowsFile.
Result<std::unique_ptr<OutputFile>> CreateRowsFile(FileSystem& files, std::string path,
                                                   Compression compression, OutputFormat format,
                                                   const std::vector<OutputColumn>& columns);

/// Before a run: kInvalidArgument where such files can't be written here, with what to do.
Status CheckRowsFile(OutputFormat format, Compression compression);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_OUTPUT_ROWS_FILE_H_
