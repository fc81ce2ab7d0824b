// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_OUTPUT_READER_H_
#define MAPREDUCE_ENGINE_OUTPUT_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/block_reader.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard.h"
#include "mapreduce/io/shard_reader.h"

namespace millrace {

/// The decompressed bytes of an output's file, block by block; of Parquet its rows as lines of TSV.
/// One thread at a time.
class OutputReader {
 public:
  /// `compression` is the plan's: what is written in a file is never taken for its compression.
  /// kCorrupt where the file does not have `bytes` stored bytes.
  static Result<std::unique_ptr<OutputReader>> Open(FileSystem& files, const std::string& path,
                                                    std::uint64_t bytes, Compression compression,
                                                    OutputFormat format);

  /// The next bytes; empty at the end. The view lives until the next call.
  Result<std::string_view> Next();

 private:
  explicit OutputReader(Shard shard) : shard_(std::move(shard)) {}
  Status OpenRows(FileSystem& files);

  Shard shard_;  // The readers refer to it, and to what follows.
  ShardRange range_;
  FileFormat format_;
  RowRequest request_;
  std::unique_ptr<ShardReader> reader_;
  std::unique_ptr<BlockReader> rows_;  // Of Parquet.
  std::vector<char> buffer_;
};

/// The files of one output in the order of its records.
struct OutputListing {
  struct File {
    std::string path;
    std::uint64_t bytes = 0;                   ///< Stored, by the manifest.
    OutputFormat format = OutputFormat::kTsv;  ///< PartFormat().
  };
  std::vector<File> files;
  Compression compression = Compression::kNone;
};

/// What the manifest in `directory` lists for the output `name`; "" where it has only one.
/// kInvalidArgument names the outputs there are. Errors as ReadManifest's.
Result<OutputListing> ListOutput(FileSystem& files, const std::string& directory,
                                 const std::string& name);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_OUTPUT_READER_H_
