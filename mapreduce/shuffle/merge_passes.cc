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
    MR_ASSIGN_OR_RETURN(std::unique_ptr<RunCursor> cursor, file->Read(KeyRange{}));
    if (options.cancel != nullptr) {
      cursor = std::make_unique<CancellableCursor>(std::move(cursor), *options.cancel);
    }
    cursors.push_back(std::move(cursor));
  }
  Merger merger(std::move(cursors));
  MR_RETURN_IF_ERROR(merger.Start());
  NewRun target = options.new_run();
  RunWriter writer(files, std::move(target.path),
                   {.block_bytes = options.block_bytes, .file_id = target.file_id});
  MR_RETURN_IF_ERROR(options.combiner != nullptr ? CombineRecords(merger, writer, *options.combiner)
                                                 : CopyRecords(merger, writer));
  return writer.Close();
}

// Where the `count` neighbours with the fewest bytes begin; the first of several.
std::size_t SmallestNeighbours(const std::vector<RunInfo>& runs, std::size_t count) {
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
  return best;
}

}  // namespace

Result<std::vector<RunInfo>> MergePasses(FileSystem& files, std::vector<RunInfo> runs,
                                         const MergePassOptions& options) {
  MR_CHECK(options.fan_in_max >= 2 && options.new_run != nullptr);
  while (runs.size() > options.fan_in_max) {
    if (options.cancel != nullptr) MR_RETURN_IF_ERROR(options.cancel->Check());
    const std::size_t count = std::min(options.fan_in_max, runs.size() - options.fan_in_max + 1);
    const std::size_t begin = SmallestNeighbours(runs, count);
    const std::span<const RunInfo> inputs = std::span(runs).subspan(begin, count);
    MR_ASSIGN_OR_RETURN(RunInfo merged, MergeRuns(files, inputs, options));
    for (const RunInfo& input : inputs) MR_RETURN_IF_ERROR(files.RemoveFile(input.path));
    const auto first = runs.begin() + static_cast<std::ptrdiff_t>(begin);
    *first = std::move(merged);
    runs.erase(first + 1, first + static_cast<std::ptrdiff_t>(count));
  }
  return runs;
}

}  // namespace millrace
