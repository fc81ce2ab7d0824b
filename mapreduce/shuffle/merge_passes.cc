// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/merge_passes.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "mapreduce/shuffle/merger.h"
#include "mapreduce/shuffle/run_reader.h"

namespace millrace {
namespace {

/// Asks for each batch whether to go on, whoever reads: a combiner knows no token.
class CancellableCursor final : public RunCursor {
 public:
  CancellableCursor(std::unique_ptr<RunCursor> cursor, const CancelToken& cancel)
      : cursor_(std::move(cursor)), cancel_(cancel) {}
  Result<bool> Next(std::span<const RecordView>* batch) override {
    MR_RETURN_IF_ERROR(cancel_.Check());
    return cursor_->Next(batch);
  }

 private:
  const std::unique_ptr<RunCursor> cursor_;
  const CancelToken& cancel_;
};

Status CopyRecords(Merger& merger, RunWriter& writer) {
  while (writer.status().ok() && merger.Next()) writer.Add(merger.record());
  return merger.status();
}

Status CombineRecords(Merger& merger, RunWriter& writer, RecordCombiner& combiner) {
  const Status combined = combiner.Combine(merger, writer);
  MR_RETURN_IF_ERROR(merger.status());  // The cause, if both failed.
  MR_RETURN_IF_ERROR(combined);
  if (merger.Next()) return Status::Internal("the combiner left records unread");
  return merger.status();
}

Result<RunInfo> MergeRuns(FileSystem& files, std::span<const RunInfo> runs,
                          const MergePassOptions& options) {
  std::vector<std::unique_ptr<RunCursor>> cursors;
  for (const RunInfo& run : runs) {
    MR_ASSIGN_OR_RETURN(const std::shared_ptr<const RunFile> file, RunFile::Open(files, run));
    MR_ASSIGN_OR_RETURN(cursors.emplace_back(), file->Read(KeyRange{}));
  }
  NewRun target = options.new_run();
  RunWriter writer(files, std::move(target.path),
                   {.block_bytes = options.block_bytes, .file_id = target.file_id});
  MR_RETURN_IF_ERROR(MergeInto(writer, std::move(cursors), options.combiner, options.cancel));
  return writer.Close();
}

/// Runs next to each other.
struct Neighbours {
  std::size_t begin = 0;
  std::size_t count = 0;
};

// The `count` neighbours with the fewest bytes; the first of several.
Neighbours SmallestNeighbours(const std::vector<RunInfo>& runs, std::size_t count) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += runs[i].file_bytes;
  std::uint64_t bytes_min = bytes;
  std::size_t best = 0;
  for (std::size_t begin = 1; begin + count <= runs.size(); ++begin) {
    bytes += runs[begin + count - 1].file_bytes;
    bytes -= runs[begin - 1].file_bytes;
    if (bytes < bytes_min) {
      bytes_min = bytes;
      best = begin;
    }
  }
  return {best, count};
}

// Some runs have blocks so large that not all can be open at once. The neighbours, within the
// limits, whose merge costs the fewest bytes for each byte of blocks that it saves.
Neighbours CheapestNeighbours(const std::vector<RunInfo>& runs, const MergePassOptions& options) {
  Neighbours best;
  double cost_min = 0;
  for (std::size_t begin = 0; begin + 1 < runs.size(); ++begin) {
    std::uint64_t bytes = 0, blocks = 0, largest = 0;
    std::size_t count = 0;
    for (; begin + count < runs.size() && count < options.fan_in_max; ++count) {
      const RunInfo& run = runs[begin + count];
      if (count >= 2 && blocks + run.block_bytes_max > options.total_block_bytes_max) break;
      bytes += run.file_bytes;
      blocks += run.block_bytes_max;
      largest = std::max(largest, run.block_bytes_max);
    }
    const double cost = static_cast<double>(bytes) / static_cast<double>(blocks - largest + 1);
    if (best.count == 0 || cost < cost_min) {
      best = {begin, count};
      cost_min = cost;
    }
  }
  return best;
}

std::uint64_t TotalBlockBytes(const std::vector<RunInfo>& runs) {
  std::uint64_t bytes = 0;
  for (const RunInfo& run : runs) bytes += run.block_bytes_max;
  return bytes;
}

}  // namespace

Status MergeInto(RunWriter& writer, std::vector<std::unique_ptr<RunCursor>> cursors,
                 RecordCombiner* combiner, const CancelToken* cancel) {
  if (cancel != nullptr) {
    for (std::unique_ptr<RunCursor>& cursor : cursors)
      cursor = std::make_unique<CancellableCursor>(std::move(cursor), *cancel);
  }
  Merger merger(std::move(cursors));
  MR_RETURN_IF_ERROR(merger.Start());
  return combiner != nullptr ? CombineRecords(merger, writer, *combiner)
                             : CopyRecords(merger, writer);
}

Result<std::vector<RunInfo>> MergePasses(FileSystem& files, std::vector<RunInfo> runs,
                                         const MergePassOptions& options) {
  MR_CHECK(options.fan_in_max >= 2 && options.new_run != nullptr);
  for (;;) {
    if (options.cancel != nullptr) MR_RETURN_IF_ERROR(options.cancel->Check());
    Neighbours merging;
    if (runs.size() > 1 && TotalBlockBytes(runs) > options.total_block_bytes_max) {
      merging = CheapestNeighbours(runs, options);
    } else if (runs.size() > options.fan_in_max) {
      merging = SmallestNeighbours(
          runs, std::min(options.fan_in_max, runs.size() - options.fan_in_max + 1));
    } else {
      return runs;
    }
    const auto [begin, count] = merging;
    const std::span<const RunInfo> inputs = std::span(runs).subspan(begin, count);
    MR_ASSIGN_OR_RETURN(RunInfo merged, MergeRuns(files, inputs, options));
    for (const RunInfo& input : inputs) MR_RETURN_IF_ERROR(files.RemoveFile(input.path));
    const auto first = runs.begin() + static_cast<std::ptrdiff_t>(begin);
    *first = std::move(merged);
    runs.erase(first + 1, first + static_cast<std::ptrdiff_t>(count));
  }
}

}  // namespace millrace
