// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_RUN_CURSOR_H_
#define MAPREDUCE_SHUFFLE_RUN_CURSOR_H_

// What a merge reads: sorted records, a batch at a time, from a run file or from memory. A batch
// makes the virtual call cheap: one for some hundred records.

#include <optional>
#include <span>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/shuffle/record.h"

namespace millrace {

/// Encoded keys k with begin <= k < end; an absent border is open. begin >= end is an empty range.
struct KeyRange {
  std::optional<std::string> begin;
  std::optional<std::string> end;
};

/// One pass over sorted records. One thread at a time.
class RunCursor {
 public:
  virtual ~RunCursor() = default;

  /// Sets `*batch` to the next records and returns true, or returns false at the end (and `*batch`
  /// is empty). A batch is never empty when true is returned; records are sorted within and across
  /// batches. The views of a batch live until the next call of Next or the cursor's end.
  /// Errors: kCorrupt for damage, and what reading gave. After an error or the end: don't call.
  virtual Result<bool> Next(std::span<const RecordView>* batch) = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_RUN_CURSOR_H_
