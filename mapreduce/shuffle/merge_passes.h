// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_MERGE_PASSES_H_
#define MAPREDUCE_SHUFFLE_MERGE_PASSES_H_

// Makes few run files of many, so that the last merge has a bounded number of cursors (each costs
// a file descriptor and a block of memory).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/record_combiner.h"
#include "mapreduce/shuffle/run_cursor.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

/// Where a merged run goes: a path that doesn't exist, and the id for its header.
struct NewRun {
  std::string path;
  std::uint64_t file_id = 0;
};

struct MergePassOptions {
  /// The most cursors of one merge, and the most run files that are left. At least 2.
  std::size_t fan_in_max = 64;
  /// What the largest blocks of one merge's inputs, and of the runs that are left, take together;
  /// two runs are merged however large theirs are.
  std::uint64_t total_block_bytes_max = UINT64_MAX;
  std::size_t block_bytes = RunOptions{}.block_bytes;
  /// Names the next merged run. Required.
  std::function<NewRun()> new_run;
  /// If set, each merge goes through it; else records are kept as they are.
  RecordCombiner* combiner = nullptr;
  /// If set, asked every some hundred records.
  const CancelToken* cancel = nullptr;
};

/// Merges all that `cursors` have, in their order, into `writer`, which the caller closes. Combiner
/// and cancel as in MergePassOptions. Errors: those of the cursors, the combiner and kCancelled;
/// the writer's stay with it until Close.
Status MergeInto(RunWriter& writer, std::vector<std::unique_ptr<RunCursor>> cursors,
                 RecordCombiner* combiner, const CancelToken* cancel);

/// Merges neighbouring runs until those left are within the limits, and returns them. Order is
/// kept: a merged run stands where its inputs stood, so that merging the result by (key, index)
/// gives what merging `runs` would have given. Each merge takes the neighbours with the fewest
/// bytes, and no more of them than are needed: 65 runs at a fan-in of 64 cost one merge of two. An
/// input is removed when the run that replaces it is closed. Memory: fan_in_max blocks. Errors:
/// those of reading, writing and the combiner, and kCancelled; what was not yet merged is left in
/// place then, for the caller to remove with its folder.
Result<std::vector<RunInfo>> MergePasses(FileSystem& files, std::vector<RunInfo> runs,
                                         const MergePassOptions& options);

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_MERGE_PASSES_H_
