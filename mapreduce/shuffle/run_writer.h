// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RUN_WRITER_H_
#define MAPREDUCE_SHUFFLE_RUN_WRITER_H_

// Writes one run file (run_format.h has the layout).
//
//   RunWriter writer(LocalFileSystem(), path, {.file_id = id});
//   for (const RecordView& record : sorted) writer.Add(record);   // The first error sticks,
//   MR_ASSIGN_OR_RETURN(const RunInfo info, writer.Close());      // reported here.
//
// The file is temporary by nature (a lost run is made again), so it is never synced.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/record.h"
#include "mapreduce/shuffle/record_codec.h"
#include "mapreduce/shuffle/record_digest.h"

namespace millrace {

/// A finished run file: all that a reader needs to find it and to notice that it isn't the one.
struct RunInfo {
  std::string path;
  std::uint64_t file_id = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t record_count = 0;
  std::uint64_t key_bytes = 0;        ///< Sum over all records, before prefix compression.
  std::uint64_t value_bytes = 0;      ///< Sum over all records.
  std::uint64_t block_bytes_max = 0;  ///< Of the largest block: what a reader holds at least.
};

struct RunOptions {
  /// Size of a block, header included: what a reader holds in memory per cursor.
  std::size_t block_bytes = std::size_t{256} << 10;
  /// Tells this run file from all others; a reader asks for it again.
  std::uint64_t file_id = 0;
  /// If set, sees every record; outlives the writer.
  RecordDigest* digest = nullptr;
};

/// One thread at a time. Holds one block in memory; a record larger than a block is written from
/// where it lies.
class RunWriter {
 public:
  /// Creates `path`; when that fails, Close says so. `files` outlives the writer.
  RunWriter(FileSystem& files, std::string path, const RunOptions& options);
  /// Removes the file unless Close succeeded.
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  /// Appends a record; its bytes are copied. Keys come in order, equal ones in the order in which
  /// they shall be read. Does nothing after an error. Cost: a copy, about 15 ns for 100 bytes that
  /// are in the cache; one write per block.
  void Add(const RecordView& record);

  /// Writes index and footer. Requires: the first call. Errors: what creating and writing gave;
  /// kResourceLimit for a record that no block can hold (4 GiB); kInternal when a key was smaller
  /// than the one before. After an error the file is gone.
  Result<RunInfo> Close();

  const Status& status() const { return status_; }
  std::uint64_t record_count() const { return info_.record_count; }
  /// Bytes of finished blocks.
  std::uint64_t bytes_written() const { return info_.file_bytes; }

 private:
  void AddLarge(const RecordView& record);
  void CountAdded(const RecordView& record);
  void AppendToIndex(const RecordView& record);
  void FinishBlock();
  void FlushBuffer();
  void AppendIndexAndFooter();
  void Fail(const Status& error);
  char* block() { return buffer_.get() + block_begin_; }

  FileSystem& files_;
  const RunOptions options_;
  Status status_;
  RunInfo info_;
  std::unique_ptr<WritableFile> file_;  // Null: not created, or closed.
  bool is_created_ = false;             // We own the file on disk and remove it unless kept.

  // buffer_[0, block_begin_) waits to be written (the file header); the open block follows.
  std::unique_ptr<char[]> buffer_;
  std::size_t block_begin_ = 0;
  char* end_ = nullptr;  // Behind the last record of the open block.
  std::uint32_t block_records_ = 0;

  RecordEncoder encoder_;
  std::string index_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RUN_WRITER_H_
