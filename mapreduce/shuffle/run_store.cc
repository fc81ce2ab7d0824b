// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/run_store.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "mapreduce/shuffle/merge_passes.h"
#include "mapreduce/shuffle/merger.h"
#include "mapreduce/shuffle/record_sinks.h"

namespace millrace {

namespace {

// A run in memory costs a merge less than a file does (64 KiB and more): no block, no open file.
constexpr std::size_t kMemoryRunsPerFile = (std::size_t{64} << 10) / MemoryRun::kCursorBytes;
constexpr std::size_t kMemoryRunsMergedMax = 256;
constexpr std::uint64_t kRecordsPerCancelCheck = 4096;

}  // namespace

RunStore::RunStore(FileSystem& files, MemoryBudget& budget, RunStoreOptions options)
    : files_(files),
      budget_(budget),
      options_(std::move(options)),
      sample_(options_.sample_capacity) {}

RunStore::~RunStore() { budget_.Unretain(retained_bytes_); }

bool RunStore::TryRetain(std::uint64_t bytes, MemoryBudget::Lease* from) {
  MutexLock lock(mutex_);
  if (retained_bytes_ + bytes > options_.retained_bytes_max) return false;
  if (from != nullptr ? !from->TryHandOver(bytes) : !budget_.TryRetain(bytes)) return false;
  retained_bytes_ += bytes;
  return true;
}

void RunStore::CancelRetain(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  retained_bytes_ -= bytes;
  budget_.Unretain(bytes);
}

void RunStore::AddMemory(RunOrder order, std::shared_ptr<const MemoryRun> run,
                         std::uint64_t retained_bytes, std::uint64_t table) {
  if (run->charged_bytes() < retained_bytes) CancelRetain(retained_bytes - run->charged_bytes());
  record_count_ += run->record_count();
  data_bytes_ += run->charged_bytes();
  MutexLock lock(mutex_);
  runs_.push_back({.order = order, .table = table, .memory = std::move(run)});
}

RunOptions RunStore::NextRunOptions(std::string* path) {
  const std::uint64_t number = next_file_.fetch_add(1);
  *path = options_.directory + "/" + options_.name + "-" + std::to_string(number) + ".run";
  return {.block_bytes = options_.block_bytes, .file_id = number + 1};
}

std::unique_ptr<RunWriter> RunStore::NewWriter() {
  std::string path;
  const RunOptions options = NextRunOptions(&path);
  return std::make_unique<RunWriter>(files_, std::move(path), options);
}

Status RunStore::AddFile(RunOrder order, RunWriter& writer, std::uint64_t table) {
  MR_ASSIGN_OR_RETURN(RunInfo info, writer.Close());
  record_count_ += info.record_count;
  data_bytes_ += info.key_bytes + info.value_bytes;
  spilled_bytes_ += info.file_bytes;
  MutexLock lock(mutex_);
  runs_.push_back({.order = order, .table = table, .info = std::move(info)});
  return Status::Ok();
}

void RunStore::AddSlice(RunOrder order, RunSlice slice) {
  data_bytes_ += slice.bytes.end - slice.bytes.begin;
  MutexLock lock(mutex_);
  runs_.push_back({.order = order, .slice = std::move(slice)});
}

void RunStore::AddSample(const KeySampler& sample) {
  MutexLock lock(mutex_);
  sample_.Merge(sample);
}

Status RunStore::Finish(MergeLimits limits, CombineOperator* combiner, const CancelToken* cancel) {
  limits.fan_in = std::max<std::size_t>(2, limits.fan_in);
  const auto by_order = [](const StoredRun& a, const StoredRun& b) { return a.order < b.order; };
  std::sort(runs_.begin(), runs_.end(), by_order);
  if (!IsWithin(limits)) MR_RETURN_IF_ERROR(MergeSlices(limits, combiner, cancel));
  if (!IsWithin(limits)) MR_RETURN_IF_ERROR(MergeFiles(limits, combiner, cancel));
  MR_RETURN_IF_ERROR(OpenSlices(runs_.begin(), runs_.end()));
  for (StoredRun& run : runs_) {
    if (run.memory != nullptr || run.slice.has_value()) continue;
    MR_ASSIGN_OR_RETURN(run.file, RunFile::Open(files_, run.info));
  }
  return Status::Ok();
}

bool RunStore::IsWithin(const MergeLimits& limits) const {
  const std::size_t files = file_count();
  return files + memory_run_count() / kMemoryRunsPerFile <= limits.fan_in &&
         (files <= 1 || block_bytes() <= limits.block_bytes);
}

// Many slices may lie in few files, or each in its own: so only those are opened that are read
// next.
Status RunStore::OpenSlices(RunIterator begin, RunIterator end) {
  std::map<std::string_view, std::shared_ptr<RandomAccessFile>> open;
  for (RunIterator run = begin; run != end; ++run) {
    if (!run->slice.has_value()) continue;
    std::shared_ptr<RandomAccessFile>& file = open[run->slice->path];
    if (file == nullptr) {
      MR_ASSIGN_OR_RETURN(file, OpenRunSlices(files_, run->slice->path));
    }
    run->slice_file = file;
  }
  return Status::Ok();
}

// Merges neighbouring slices into files of the store's own, no more of them than are needed, until
// the limits are kept or no slices are left.
Status RunStore::MergeSlices(MergeLimits limits, CombineOperator* combiner,
                             const CancelToken* cancel) {
  OperatorCombiner record_combiner(combiner);
  const auto is_slice = [](const StoredRun& run) { return run.slice.has_value(); };
  while (!IsWithin(limits)) {
    const auto first = std::find_if(runs_.begin(), runs_.end(), is_slice);
    if (first == runs_.end()) break;
    const std::size_t files = file_count();
    const std::size_t wanted =
        files > limits.fan_in ? std::min(limits.fan_in, files - limits.fan_in + 1) : limits.fan_in;
    std::size_t count = 0;
    std::uint64_t block_bytes = 0;
    auto end = first;
    for (; end != runs_.end() && is_slice(*end) && count < wanted; ++end, ++count) {
      block_bytes += end->block_bytes_max();
      if (count >= 2 && block_bytes > limits.block_bytes) break;
    }
    MR_RETURN_IF_ERROR(OpenSlices(first, end));
    std::vector<std::unique_ptr<RunCursor>> cursors;
    for (auto run = first; run != end; ++run)
      cursors.push_back(ReadRunSlice(run->slice_file, *run->slice, {}));
    const std::unique_ptr<RunWriter> writer = NewWriter();
    MR_RETURN_IF_ERROR(MergeInto(*writer, std::move(cursors),
                                 combiner != nullptr ? &record_combiner : nullptr, cancel));
    StoredRun merged{.order = first->order};
    MR_ASSIGN_OR_RETURN(merged.info, writer->Close());
    spilled_bytes_ += merged.info.file_bytes;
    *first = std::move(merged);
    runs_.erase(first + 1, end);
  }
  return Status::Ok();
}

bool RunStore::has_distinct_keys() const {
  const auto is_of_table = [&](const StoredRun& run) {
    return run.table != kNoTable && run.table == runs_.front().table;
  };
  return std::all_of(runs_.begin(), runs_.end(), is_of_table);
}

std::size_t RunStore::file_count() const {
  const auto is_file = [](const StoredRun& run) { return run.memory == nullptr; };
  return static_cast<std::size_t>(std::count_if(runs_.begin(), runs_.end(), is_file));
}

std::uint64_t RunStore::block_bytes() const {
  std::uint64_t bytes = 0;
  for (const StoredRun& run : runs_) bytes += run.block_bytes_max();
  return bytes;
}

std::uint64_t RunStore::memory_cursor_bytes() const {
  std::uint64_t bytes = 0;
  for (const StoredRun& run : runs_)
    bytes += run.memory != nullptr ? run.memory->cursor_bytes() : 0;
  return bytes;
}

std::uint64_t RunStore::block_bytes_max() const {
  std::uint64_t bytes = 0;
  for (const StoredRun& run : runs_) bytes = std::max(bytes, run.block_bytes_max());
  return bytes;
}

// A merge of neighbours keeps the order of equal keys only if no run in memory lies between them:
// those are written out first, neighbours as one. Where so much was spilled, they are the small
// rest.
Status RunStore::SpillRetained(const CancelToken* cancel) {
  std::vector<StoredRun> files;
  for (std::size_t i = 0; i < runs_.size();) {
    if (runs_[i].memory == nullptr) {
      files.push_back(std::move(runs_[i++]));
      continue;
    }
    std::vector<std::unique_ptr<RunCursor>> cursors;
    std::size_t end = i;
    for (; end < runs_.size() && runs_[end].memory != nullptr && end - i < kMemoryRunsMergedMax;
         ++end) {
      cursors.push_back(runs_[end].memory->Read({}));
    }
    Merger merger(std::move(cursors));
    MR_RETURN_IF_ERROR(merger.Start());
    const std::unique_ptr<RunWriter> writer = NewWriter();
    for (std::uint64_t count = 1; writer->status().ok() && merger.Next(); ++count) {
      writer->Add(merger.record());
      if (cancel != nullptr && count % kRecordsPerCancelCheck == 0)
        MR_RETURN_IF_ERROR(cancel->Check());
    }
    MR_RETURN_IF_ERROR(merger.status());
    StoredRun& file = files.emplace_back(StoredRun{.order = runs_[i].order});
    MR_ASSIGN_OR_RETURN(file.info, writer->Close());
    spilled_bytes_ += file.info.file_bytes;
    for (; i < end; ++i) {
      const std::uint64_t charged = runs_[i].memory->charged_bytes();
      runs_[i].memory.reset();
      CancelRetain(charged);
    }
  }
  runs_ = std::move(files);
  return Status::Ok();
}

Status RunStore::MergeFiles(MergeLimits limits, CombineOperator* combiner,
                            const CancelToken* cancel) {
  MR_RETURN_IF_ERROR(SpillRetained(cancel));
  const std::uint64_t first_merged = next_file_.load();
  std::vector<RunInfo> inputs;
  inputs.reserve(runs_.size());
  for (StoredRun& run : runs_) inputs.push_back(std::move(run.info));
  OperatorCombiner record_combiner(combiner);
  MergePassOptions options;
  options.fan_in_max = limits.fan_in;
  options.total_block_bytes_max = limits.block_bytes;
  options.block_bytes = options_.block_bytes;
  options.combiner = combiner != nullptr ? &record_combiner : nullptr;
  options.cancel = cancel;
  options.new_run = [this] {
    NewRun run;
    run.file_id = NextRunOptions(&run.path).file_id;
    return run;
  };
  MR_ASSIGN_OR_RETURN(std::vector<RunInfo> merged, MergePasses(files_, std::move(inputs), options));
  runs_.clear();
  record_count_ = 0;
  for (RunInfo& info : merged) {
    record_count_ += info.record_count;
    if (info.file_id > first_merged) spilled_bytes_ += info.file_bytes;  // Ids begin at 1.
    runs_.push_back({.order = {0, runs_.size()}, .info = std::move(info)});
  }
  return Status::Ok();
}

Result<std::vector<std::unique_ptr<RunCursor>>> RunStore::Read(const KeyRange& range) const {
  std::vector<std::unique_ptr<RunCursor>> cursors;
  cursors.reserve(runs_.size());
  for (const StoredRun& run : runs_) {
    if (run.memory != nullptr) {
      cursors.push_back(run.memory->Read(range));
    } else if (run.slice.has_value()) {
      cursors.push_back(ReadRunSlice(run.slice_file, *run.slice, range));
    } else {
      MR_ASSIGN_OR_RETURN(cursors.emplace_back(), run.file->Read(range));
    }
  }
  return cursors;
}

}  // namespace millrace
