// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_REJECT_SORTER_H_
#define MAPREDUCE_ENGINE_REJECT_SORTER_H_

// OrderRejects for any number of rows, in a bounded memory: sorted run files, and their merge.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/reject_order.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/run_writer.h"

namespace millrace {

/// See above. One thread at a time.
class RejectSorter {
 public:
  /// `directory` is made where it is needed, and is gone at the end: nothing else may be there.
  /// `files` outlives this. Memory: `memory_bytes` and what a merge of 64 run files takes, or the
  /// longest row, twice.
  RejectSorter(FileSystem& files, std::string directory, const std::vector<ExecutionInput>& inputs,
               std::size_t memory_bytes = std::size_t{64} << 20);
  RejectSorter(const RejectSorter&) = delete;
  RejectSorter& operator=(const RejectSorter&) = delete;
  ~RejectSorter();

  /// A row, LF included. Errors: those of writing; kResourceLimit for one of 4 GiB.
  Status Add(std::string_view row);
  /// Once, behind all others: calls `take` for each row in order. Errors: those of the run files.
  Status Finish(const std::function<void(std::string_view)>& take);

 private:
  struct Placed {
    RejectPlaces::Place place;
    std::size_t begin = 0, bytes = 0;  // In rows_.
  };
  void Sort();
  Status Spill();
  std::string NextPath();
  std::string_view RowOf(const Placed& placed) const {
    return std::string_view(rows_).substr(placed.begin, placed.bytes);
  }

  FileSystem& files_;
  const std::string directory_;
  const RejectPlaces places_;
  const std::size_t memory_bytes_;
  std::string rows_;
  std::vector<Placed> placed_;
  std::vector<RunInfo> runs_;
  std::uint64_t made_count_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_REJECT_SORTER_H_
