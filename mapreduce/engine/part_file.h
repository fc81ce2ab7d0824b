// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_PART_FILE_H_
#define MAPREDUCE_ENGINE_PART_FILE_H_

// One file of an output, written by several tasks at once, in their order. The first unfinished
// task writes to the file, those behind it into memory while there is room, then they wait. What a
// finished task has left there counts as well: one slow task must not make the others fill the
// memory. A file's tasks start in order, so the first unfinished one is always running: no
// deadlock.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/api/operators.h"
#include "mapreduce/base/memory_budget.h"
#include "mapreduce/base/mutex.h"
#include "mapreduce/base/phase_clock.h"
#include "mapreduce/base/virtual_buffer.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/io/output_file.h"

namespace millrace {

/// Thread-safe; each task is one thread's.
class PartFile {
 public:
  /// Tasks first_task … first_task + task_count - 1 write it. The file is created by the first
  /// that needs it. What waits for its turn is retained by `reserve`, which nothing else uses, so
  /// that tasks need not wait for each other where the budget is full; beyond it by `budget`. Both
  /// outlive the file. What tasks append are rows of `format`, or lines of TSV where
  /// !IsConverted(format); see output_rows_file.h.
  PartFile(FileSystem& files, MemoryBudget& reserve, MemoryBudget& budget,
           const std::string& directory, std::string path, Compression compression,
           std::size_t first_task, std::size_t task_count, OutputFormat format = OutputFormat::kTsv,
           std::vector<OutputColumn> columns = {});
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile();

  /// Errors: of the file, and kCancelled for a task that an earlier one's failure abandoned.
  Status Append(std::size_t task, std::string_view text, std::uint64_t rows);
  /// The task has appended all it has; the last one closes the file.
  Status Finish(std::size_t task);
  /// Makes the empty file of a part that no task writes.
  Status FinishEmpty() { return CloseFile(); }
  /// `task` has failed: those behind it stop waiting for it.
  void AbandonBehind(std::size_t task);

  /// Requires: all tasks have finished.
  const OutputFileRecord& record() const { return record_; }
  std::size_t first_task() const { return first_task_; }
  std::size_t end_task() const { return end_task_; }

 private:
  /// Memory of its own, page by page, which goes back to the system when it was written: pieces on
  /// the heap, made by one thread and freed by another, stay there and cost the budget twice.
  struct Chunk {
    VirtualBuffer memory;
    std::size_t used = 0;
  };
  struct Waiting {
    std::vector<Chunk> chunks;
    std::uint64_t reserve_bytes = 0;  // Retained by reserve_,
    std::uint64_t budget_bytes = 0;   // and by budget_.
    std::uint64_t rows = 0;
    bool is_finished = false;
  };
  bool TryRetain(std::uint64_t bytes, Waiting& waiting);
  void Unretain(std::uint64_t bytes, Waiting& waiting);
  static Status Keep(std::string_view text, Waiting& waiting);
  Status Write(std::string_view text, std::uint64_t rows);
  Status WriteWaiting(std::size_t task);
  Status Advance();
  Status CloseFile();

  FileSystem& files_;
  MemoryBudget& reserve_;
  MemoryBudget& budget_;
  const std::string full_path_;
  const Compression compression_;
  const std::size_t first_task_;
  const std::size_t end_task_;
  const OutputFormat format_;
  const std::vector<OutputColumn> columns_;
  OutputFileRecord record_;
  std::unique_ptr<OutputFile> file_;  // Used by the current task alone.

  Mutex mutex_;
  CondVar changed_;
  std::size_t current_ MR_GUARDED_BY(mutex_);
  std::map<std::size_t, Waiting> waiting_ MR_GUARDED_BY(mutex_);
  std::size_t failed_task_ MR_GUARDED_BY(mutex_) = SIZE_MAX;
};

/// A task's end of a part file.
class PartFileSink final : public RowSink {
 public:
  PartFileSink(PartFile& file, std::size_t task, PhaseTimer& timer)
      : file_(file), task_(task), timer_(timer) {}
  Status AppendRows(std::string_view text, std::uint64_t rows) override {
    timer_.AddBytes(Phase::kWrite, text.size());
    return file_.Append(task_, text, rows);
  }

 private:
  PartFile& file_;
  const std::size_t task_;
  PhaseTimer& timer_;
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_PART_FILE_H_
