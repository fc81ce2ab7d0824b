// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_OUTPUT_FILE_H_
#define MAPREDUCE_IO_OUTPUT_FILE_H_

// A file of an output: compressed, hashed and synced on the way. Its bytes depend on the appended
// bytes alone, not on how they were sliced.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard.h"

namespace millrace {

struct OutputFileInfo {
  std::string path;
  std::uint64_t bytes = 0;  ///< Stored.
  Hash128 xxh128;           ///< Of the stored bytes: what `xxh128sum` prints.
};

/// One thread at a time. The first error stays: later calls do nothing and Close() returns it. A
/// file that is not successfully closed is removed again.
class OutputFile {
 public:
  virtual ~OutputFile() = default;

  /// kZstd: level 3 in the layout of shard.h, readable by any zstd. kGzip: level 6, one member
  /// without name or time. kCannotCreate if the name is taken.
  static Result<std::unique_ptr<OutputFile>> Create(FileSystem& files, std::string path,
                                                    Compression compression);

  virtual void Append(std::string_view bytes) = 0;
  virtual Status status() const = 0;
  /// Writes what is left, and syncs: Ok means the contents survive a power cut. Call once.
  virtual Result<OutputFileInfo> Close() = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_IO_OUTPUT_FILE_H_
