// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RUN_READER_H_
#define MAPREDUCE_SHUFFLE_RUN_READER_H_

// Reads run files (run_format.h has the layout), whole or a range of keys.
//
//   MR_ASSIGN_OR_RETURN(const std::shared_ptr<const RunFile> run, RunFile::Open(files, info));
//   MR_ASSIGN_OR_RETURN(std::unique_ptr<RunCursor> cursor, run->Read({.begin = "f", .end = "k"}));
//
// Nothing of a block is believed before its hash is right, and nothing is allocated that the file
// is too small for. A damaged file yields the records of the blocks before the damage, then
// kCorrupt: never a wrong record.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/run_cursor.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

/// Bytes [begin, end) of a run file.
struct RunBytes {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  friend bool operator==(const RunBytes&, const RunBytes&) = default;
};

/// An open run file: its index in memory, its blocks on disk. Thread-safe: any number of cursors
/// in any number of threads.
class RunFile : public std::enable_shared_from_this<RunFile> {
 public:
  /// Opens the file and checks header, footer and index; blocks are checked when they are read.
  /// Errors: kCorrupt when the file is missing, is not the one `info` names (id, size, records) or
  /// is damaged; else what opening and reading gave.
  static Result<std::shared_ptr<const RunFile>> Open(FileSystem& files, const RunInfo& info);

  /// The records with keys in `range`, in file order. The cursor keeps the file open. It reads
  /// whole blocks, as many at once as fit `read_bytes`, but at least one; and only blocks that can
  /// hold a key of the range. Memory: one such read and some 20 KiB.
  /// Errors of the cursor: "<path>: block 2 at byte 123: hash mismatch" and so on, kCorrupt.
  Result<std::unique_ptr<RunCursor>> Read(const KeyRange& range, std::size_t read_bytes = 0) const;

  /// The blocks that can hold a key of `range`: what a reader elsewhere needs (run_slice.h). Empty
  /// where there are none.
  RunBytes SliceBytes(const KeyRange& range) const;
  /// Bytes of the file as they are, unchecked; fewer than n only where it ends.
  Result<std::size_t> ReadAt(std::uint64_t offset, char* into, std::size_t n) const {
    return file_->ReadAt(offset, into, n);
  }

  const RunInfo& info() const { return info_; }
  std::size_t block_count() const { return blocks_.size(); }
  /// Bytes of the largest block: what a cursor reads at least.
  std::size_t block_bytes_max() const { return block_bytes_max_; }

 private:
  friend class RunFileCursor;
  struct Block {
    std::uint64_t offset;
    std::string first_key;
  };

  explicit RunFile(const RunInfo& info) : info_(info) {}
  Status ReadExactly(std::uint64_t offset, char* into, std::size_t bytes) const;
  Status CheckHeader() const;
  Status LoadIndex();
  Status ParseIndex(const char* from, const char* end);
  struct BlockRange {
    std::size_t begin, end;
  };
  BlockRange BlocksOf(const KeyRange& range) const;
  std::uint64_t BlockEnd(std::size_t block) const {
    return block + 1 < blocks_.size() ? blocks_[block + 1].offset : index_offset_;
  }
  template <class... Parts>
  Status Damage(const Parts&... parts) const {
    return Status::Corrupt(info_.path, ": ", parts...);
  }

  const RunInfo info_;
  std::unique_ptr<RandomAccessFile> file_;
  std::vector<Block> blocks_;
  std::uint64_t index_offset_ = 0;
  std::size_t block_bytes_max_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RUN_READER_H_
