// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RUN_BLOCK_H_
#define MAPREDUCE_SHUFFLE_RUN_BLOCK_H_

// What all readers of run files' blocks share, wherever the blocks lie: nothing of a block is
// believed before its hash is right.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/shuffle/range_slicer.h"
#include "mapreduce/shuffle/record_codec.h"
#include "mapreduce/shuffle/run_cursor.h"

namespace millrace {

/// A block in memory, as it lies in its run file.
struct RunBlock {
  char* begin = nullptr;  ///< Its header, which the check moves.
  std::size_t bytes = 0;  ///< At least a header.
  std::size_t number = 0;
  std::uint64_t offset = 0;  ///< In the run file.
  bool is_last = false;      ///< Of what is read.
};

/// Reads block after block, and of them the records with keys in a range.
class RunBlockCursor : public RunCursor {
 public:
  Result<bool> Next(std::span<const RecordView>* batch) final;

 protected:
  RunBlockCursor(const KeyRange& range, std::uint64_t file_id);

  /// Brings the next block into memory, where it stays until the next call; false at the end.
  virtual Result<bool> Load(RunBlock* block) = 0;
  /// What blocks are part of, for messages.
  virtual std::string Name() const = 0;

  template <class... Parts>
  Status Damage(const RunBlock& block, const Parts&... parts) const {
    return Status::Corrupt(Name(), ": block ", block.number, " at byte ", block.offset, ": ",
                           parts...);
  }

 private:
  Status Open(const RunBlock& block);

  RangeSlicer slicer_;
  const std::uint64_t file_id_;
  RunBlock block_;  // The current one.
  RecordDecoder decoder_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RUN_BLOCK_H_
