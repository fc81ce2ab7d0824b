// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_REJECT_LOG_H_
#define MAPREDUCE_ENGINE_REJECT_LOG_H_

// The records a run sets aside. Each task logs its own, in input order, and tasks are ordered; the
// whole is put in input order where phases or late rejects break it (reject_order.h). Past the
// limit the run fails and names the first five: tasks that can't hold one of them stop.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mapreduce/api/context.h"
#include "mapreduce/base/mutex.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

class RejectLog;

/// Rows of _rejects.tsv: in `rows`, or, where they are many, in a file of the scratch folder.
struct RejectRows {
  std::uint64_t count = 0;
  std::string rows;
  std::string path;  ///< Empty: all are in `rows`.
};

/// One task's rejects. One thread at a time.
class TaskRejects final : public RejectSink {
 public:
  TaskRejects(RejectLog& log, std::uint64_t order) : TaskRejects(log, order, order) {}
  /// Of a map that runs inside the task `of_task`: that must go on for its own rejects, which come
  /// before these.
  TaskRejects(RejectLog& log, std::uint64_t order, std::uint64_t of_task)
      : log_(log), order_(order), task_order_(of_task) {}
  Status Add(const RejectedRecord& record) override;
  /// The task is complete: its rejects count.
  Status Close();
  /// The task has failed otherwise, maybe because of damage in what it read: its rejects don't
  /// count.
  void Discard(const Status& failure);

 private:
  friend class RejectLog;
  Status Spool();

  RejectLog& log_;
  const std::uint64_t order_;
  const std::uint64_t task_order_;
  RowBuffer rows_;
  std::uint64_t count_ = 0;
  std::unique_ptr<WritableFile> spool_;
  std::string spool_path_;
};

/// Thread-safe.
class RejectLog {
 public:
  RejectLog(FileSystem& files, std::string scratch_directory, RejectLimit limit)
      : files_(files), scratch_directory_(std::move(scratch_directory)), limit_(limit) {}

  /// What a task ends with that is stopped because of rejects; Check() says it better.
  static Status Stopped() { return Status::Cancelled("too many records were rejected"); }
  /// True if the limit is passed and no record of task `order` can be among the first five.
  bool ShouldStop(std::uint64_t order);
  /// kBadData, with the first five, if more than the limit was rejected. `records_read` matters
  /// for a limit in percent, which is checked only when `is_final`.
  Status Check(std::uint64_t records_read, bool is_final);
  /// What a phase whose tasks ended with `tasks` ends with: Check() first. Tasks may have stopped
  /// for rejects that another task then discarded: its failure counts.
  Status Outcome(const Status& tasks);
  std::uint64_t count();
  /// What task `order`, which is complete, has set aside; the log no longer has it.
  RejectRows Take(std::uint64_t order);

  /// Writes them all, in order, as TSV: input, shard, offset, reason, raw. Nothing if there are
  /// none. Where they must be sorted for it, that takes a part of `memory_bytes`, the run's.
  /// `are_in_order`: map tasks came in the order of the inputs.
  Result<std::optional<OutputFileRecord>> Write(const std::string& directory,
                                                const std::vector<ExecutionInput>& inputs,
                                                bool are_in_order, std::uint64_t memory_bytes);

 private:
  friend class TaskRejects;
  bool IsExceeded() const MR_REQUIRES(mutex_) {
    return limit_.percent < 0 && count_ > limit_.count;
  }
  /// Calls `take` for each piece of the rows, in the order of the tasks.
  template <class F>
  Status EachPiece(F&& take) MR_REQUIRES(mutex_);
  /// Whether a task that is done may leave so much in memory; counted if so.
  bool HasRoom(std::size_t bytes);
  /// Whether no record of task `order` can be among the first five.
  bool KnowsFirstBefore(std::uint64_t order) const MR_REQUIRES(mutex_);
  /// Whether the task should go on.
  bool Count(const TaskRejects& task, const RejectedRecord& record);

  FileSystem& files_;
  const std::string scratch_directory_;
  const RejectLimit limit_;
  std::atomic<bool> is_exceeded_{false};  // What tasks ask all the time, without the lock.
  Mutex mutex_;
  std::uint64_t count_ MR_GUARDED_BY(mutex_) = 0;
  bool has_late_ MR_GUARDED_BY(mutex_) = false;  // Rows must be sorted.
  // (task, index in it) -> line for the message: the first five of all.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> first_ MR_GUARDED_BY(mutex_);
  std::map<std::uint64_t, RejectRows> logged_ MR_GUARDED_BY(mutex_);
  std::size_t bytes_ MR_GUARDED_BY(mutex_) = 0;  // Of the rows in logged_.
  Status discarded_for_ MR_GUARDED_BY(mutex_);   // Of the smallest task that discarded its own.
  std::uint64_t discarded_order_ MR_GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_REJECT_LOG_H_
