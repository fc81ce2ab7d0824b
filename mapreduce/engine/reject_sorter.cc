// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reject_sorter.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/merge_passes.h"
#include "mapreduce/shuffle/merger.h"
#include "mapreduce/shuffle/record.h"
#include "mapreduce/shuffle/run_reader.h"

namespace millrace {
namespace {

// Its order is the place's.
std::string KeyOf(const RejectPlaces::Place& place) {
  std::string key(24, '\0');
  StoreBig64(key.data(), place.input);
  StoreBig64(key.data() + 8, place.shard);
  StoreBig64(key.data() + 16, place.offset);
  return key;
}

}  // namespace

RejectSorter::RejectSorter(FileSystem& files, std::string directory,
                           const std::vector<ExecutionInput>& inputs, std::size_t memory_bytes)
    : files_(files),
      directory_(std::move(directory)),
      places_(inputs),
      memory_bytes_(memory_bytes) {}

RejectSorter::~RejectSorter() {
  if (made_count_ > 0) static_cast<void>(files_.RemoveTree(directory_));
}

std::string RejectSorter::NextPath() {
  return JoinPath(directory_, "run-" + std::to_string(++made_count_));
}

Status RejectSorter::Add(std::string_view row) {
  if (row.size() > kValueBytesMax)
    return Status::ResourceLimit("a rejected record takes ", row.size(), " bytes");
  const std::size_t bytes = rows_.size() + row.size() + (placed_.size() + 1) * sizeof(Placed);
  if (bytes > memory_bytes_ && !placed_.empty()) MR_RETURN_IF_ERROR(Spill());
  if (placed_.empty()) rows_.reserve(memory_bytes_);  // Address space, so that it need not grow.
  placed_.push_back({places_.PlaceOf(row), rows_.size(), row.size()});
  rows_ += row;
  return Status::Ok();
}

void RejectSorter::Sort() {
  std::stable_sort(placed_.begin(), placed_.end(),
                   [](const Placed& a, const Placed& b) { return a.place < b.place; });
}

Status RejectSorter::Spill() {
  if (runs_.empty()) {
    MR_RETURN_IF_ERROR(files_.RemoveTree(directory_));  // Of an earlier life.
    MR_RETURN_IF_ERROR(files_.MakeDirectory(directory_));
  }
  Sort();
  std::string path = NextPath();
  RunWriter writer(files_, std::move(path), {.file_id = made_count_});
  for (const Placed& placed : placed_) {
    const std::string key = KeyOf(placed.place);
    writer.Add(MakeRecordView(key, RowOf(placed)));
  }
  MR_ASSIGN_OR_RETURN(RunInfo run, writer.Close());
  runs_.push_back(std::move(run));
  rows_.clear();
  placed_.clear();
  return Status::Ok();
}

// Equal places come in the order of the runs, which is that of Add.
Status RejectSorter::Finish(const std::function<void(std::string_view)>& take) {
  if (runs_.empty()) {
    Sort();
    for (const Placed& placed : placed_) take(RowOf(placed));
    return Status::Ok();
  }
  if (!placed_.empty()) MR_RETURN_IF_ERROR(Spill());
  rows_ = std::string();
  placed_ = {};
  MergePassOptions options;
  options.total_block_bytes_max = memory_bytes_;
  options.new_run = [this] {
    std::string path = NextPath();
    return NewRun{std::move(path), made_count_};
  };
  MR_ASSIGN_OR_RETURN(runs_, MergePasses(files_, std::move(runs_), options));
  std::vector<std::unique_ptr<RunCursor>> cursors;
  for (const RunInfo& run : runs_) {
    MR_ASSIGN_OR_RETURN(const std::shared_ptr<const RunFile> file, RunFile::Open(files_, run));
    MR_ASSIGN_OR_RETURN(cursors.emplace_back(), file->Read({}));
  }
  Merger merger(std::move(cursors));
  MR_RETURN_IF_ERROR(merger.Start());
  while (merger.Next()) take(merger.record().value_view());
  return merger.status();
}

}  // namespace millrace
