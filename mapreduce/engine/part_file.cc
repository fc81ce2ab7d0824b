// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/part_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mapreduce/formats/output_rows_file.h"

namespace millrace {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

}  // namespace

PartFile::PartFile(FileSystem& files, MemoryBudget& reserve, MemoryBudget& budget,
                   const std::string& directory, std::string path, Compression compression,
                   std::size_t first_task, std::size_t task_count, OutputFormat format,
                   std::vector<OutputColumn> columns)
    : files_(files),
      reserve_(reserve),
      budget_(budget),
      full_path_(JoinPath(directory, path)),
      compression_(compression),
      first_task_(first_task),
      end_task_(first_task + task_count),
      format_(format),
      columns_(std::move(columns)),
      current_(first_task) {
  record_.path = std::move(path);
}

PartFile::~PartFile() {
  MutexLock lock(mutex_);
  for (auto& [task, waiting] : waiting_) {
    Unretain(waiting.reserve_bytes + waiting.budget_bytes, waiting);
  }
}

Status PartFile::Write(std::string_view text, std::uint64_t rows) {
  if (file_ == nullptr) {
    MR_ASSIGN_OR_RETURN(file_, CreateRowsFile(files_, full_path_, compression_, format_, columns_));
  }
  file_->Append(text);
  record_.records += rows;
  return file_->status();
}

// Requires: `task` is current, so nobody else writes.
Status PartFile::WriteWaiting(std::size_t task) {
  Waiting waiting;
  {
    MutexLock lock(mutex_);
    const auto found = waiting_.find(task);
    if (found == waiting_.end()) return Status::Ok();
    waiting = std::move(found->second);
    waiting_.erase(found);
  }
  Status status;
  for (Chunk& chunk : waiting.chunks) {
    if (status.ok()) status = Write({chunk.memory.data(), chunk.used}, 0);
    chunk.memory = VirtualBuffer();
    Unretain(chunk.used, waiting);
  }
  record_.records += waiting.rows;
  return status;
}

bool PartFile::TryRetain(std::uint64_t bytes, Waiting& waiting) {
  if (reserve_.TryRetain(bytes)) {
    waiting.reserve_bytes += bytes;
    return true;
  }
  if (!budget_.TryRetain(bytes)) return false;
  waiting.budget_bytes += bytes;
  return true;
}

void PartFile::Unretain(std::uint64_t bytes, Waiting& waiting) {
  const std::uint64_t from_budget = std::min(bytes, waiting.budget_bytes);
  budget_.Unretain(from_budget);
  waiting.budget_bytes -= from_budget;
  reserve_.Unretain(bytes - from_budget);
  waiting.reserve_bytes -= bytes - from_budget;
}

Status PartFile::Keep(std::string_view text, Waiting& waiting) {
  while (!text.empty()) {
    if (waiting.chunks.empty() || waiting.chunks.back().used == kChunkBytes) {
      MR_ASSIGN_OR_RETURN(VirtualBuffer memory,
                          VirtualBuffer::Reserve(kChunkBytes, /*huge_pages=*/false));
      waiting.chunks.push_back({std::move(memory), 0});
    }
    Chunk& chunk = waiting.chunks.back();
    const std::size_t bytes = std::min(text.size(), kChunkBytes - chunk.used);
    std::memcpy(chunk.memory.data() + chunk.used, text.data(), bytes);
    chunk.used += bytes;
    text.remove_prefix(bytes);
  }
  return Status::Ok();
}

Status PartFile::Append(std::size_t task, std::string_view text, std::uint64_t rows) {
  {
    MutexLock lock(mutex_);
    if (task > failed_task_) return Status::Cancelled("another task failed");
    if (task != current_) {
      Waiting& waiting = waiting_[task];
      if (TryRetain(text.size(), waiting)) {
        waiting.rows += rows;
        return Keep(text, waiting);
      }
      while (task != current_ && task <= failed_task_) changed_.Wait(mutex_);
      if (task > failed_task_) return Status::Cancelled("another task failed");
    }
  }
  MR_RETURN_IF_ERROR(WriteWaiting(task));
  return Write(text, rows);
}

Status PartFile::Finish(std::size_t task) {
  {
    MutexLock lock(mutex_);
    if (task > failed_task_) return Status::Cancelled("another task failed");
    if (task != current_) {
      waiting_[task].is_finished = true;
      return Status::Ok();
    }
  }
  MR_RETURN_IF_ERROR(WriteWaiting(task));
  return Advance();
}

// The current task is done: writes for those behind it that are, too, and passes the file on.
Status PartFile::Advance() {
  for (;;) {
    std::size_t next;
    {
      MutexLock lock(mutex_);
      next = ++current_;
      if (next < end_task_) {
        const auto found = waiting_.find(next);
        if (found == waiting_.end() || !found->second.is_finished) {
          changed_.NotifyAll();
          return Status::Ok();
        }
      }
    }
    if (next < end_task_) {
      MR_RETURN_IF_ERROR(WriteWaiting(next));
      continue;
    }
    return CloseFile();
  }
}

Status PartFile::CloseFile() {
  MR_RETURN_IF_ERROR(Write({}, 0));  // An empty part is a file, too.
  MR_ASSIGN_OR_RETURN(const OutputFileInfo info, file_->Close());
  file_.reset();
  record_.bytes = info.bytes;
  record_.xxh128 = info.xxh128;
  return Status::Ok();
}

void PartFile::AbandonBehind(std::size_t task) {
  MutexLock lock(mutex_);
  failed_task_ = std::min(failed_task_, task);
  changed_.NotifyAll();
}

}  // namespace millrace
