// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_CHILD_H_
#define WORKER_TASK_CHILD_H_

// The child process that executes one task attempt, as its worker sees it. A fresh process for each
// attempt: what a job's code does to the process, it does to itself. What it may do to others,
// sandbox.h says.
//
//   fd 0        /dev/null
//   fd 1, 2     one pipe to the worker: what is printed, for the message if it fails
//   fd 3        the assignment: memory that nobody can change any more
//   fd 4        the answer: memory
//   fd 5        SharedRecord (mapreduce/api/shared_record.h): memory of a fixed size
//   fd 6 ...    the job's modules, as the assignment names them: memory that nobody can change
//
// It succeeds only by a whole answer and exit code 0; the answer is decoded as foreign bytes.
//
//   Start ─▶ (DrainOutput, progress, CheckMemory)* ─▶ end_fd() is readable ─▶ Finish
//
// What the child has started ends with it (task_orphans.h), or with the worker (task_keeper.h).

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/api/shared_record.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/module_image.h"
#include "mapreduce/io/descriptor.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/proto/messages.h"
#include "worker/task_assignment.h"
#include "worker/task_ending.h"
#include "worker/task_keeper.h"

namespace millrace {

struct TaskChildOptions {
  std::vector<std::shared_ptr<const ModuleImage>> modules;  ///< TaskAssignment::modules.
  std::string program = "/proc/self/exe";  ///< Knows the hidden command "task-child".
  /// Of its own memory (not of files it maps, nor of what it starts). More ends it: CheckMemory, or
  /// malloc fails, at twice that and a GiB. Room for the job's code beside
  /// TaskAssignment::memory_bytes. 0: no limit.
  std::uint64_t memory_bytes = 0;
  std::size_t log_bytes_max = kLogBytesMax;  ///< Of its output's end that is kept.
  TaskKeeper* keeper = nullptr;  ///< May be null: what it starts may outlive the worker.
};

/// See above. One thread, which lives as long as the child: the child dies with it.
class TaskChild {
 public:
  /// kResourceLimit where there are no processes, descriptors or memory for it, kInternal for a
  /// program that can't be started. Cost: some 0.3 ms until the program begins.
  static Result<std::unique_ptr<TaskChild>> Start(const TaskAssignment& assignment,
                                                  const TaskChildOptions& options);
  TaskChild(const TaskChild&) = delete;
  TaskChild& operator=(const TaskChild&) = delete;
  /// Kills what is left, and waits for it.
  ~TaskChild();

  pid_t pid() const { return pid_; }
  /// Readable when it has ended.
  int end_fd() const { return end_fd_->get(); }
  /// Readable when it has printed something, or nobody prints any more; -1 from then on.
  int output_fd() const { return output_fd_; }
  /// Takes what is there, a MiB at most. Call it when output_fd() is readable: else the child waits
  /// when the pipe is full.
  void DrainOutput();

  struct Progress {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
    std::optional<RecordPosition> position;  ///< The record or group it is at.
    /// Grows from call to call as long as records or groups move, also slow ones within a block, or
    /// a MiB of files is read or written: merges move no records. What is printed doesn't count.
    std::uint64_t moves = 0;
  };
  Progress progress();

  /// Kills it if it has more memory than it may. Cost: some 20 µs; call it some times a second.
  void CheckMemory();

  /// SIGKILL to the whole group.
  void Kill();
  /// SIGTERM to the whole group: for one that hangs. It may ignore that.
  void Terminate();

  /// Once, when end_fd() is readable; before that it would wait. Ends what the child has started.
  std::variant<TaskSuccess, FailedTask> Finish();

 private:
  TaskChild(const TaskAssignment& assignment, const TaskChildOptions& options);
  Status Spawn(const TaskAssignment& assignment, const TaskChildOptions& options);
  ChildEnding Reap();
  Result<ChildAnswer> ReadAnswer() const;
  FailedTask Failed(const ChildEnding& ending, const Status& answer) const;
  std::optional<RecordPosition> PositionOf(const std::optional<RecordSnapshot>& at) const;
  std::string WithHint(std::string message, const std::string& log) const;
  std::string Log() const;
  void CloseOutput();
  bool MovesFiles();

  pid_t pid_ = -1;  // -1: there is none, or it was waited for.
  TaskKeeper* const keeper_;
  std::optional<Descriptor> end_fd_, answer_fd_;
  int output_fd_ = -1;
  SharedRecord* shared_ = nullptr;

  const bool is_sandboxed_;
  const AnswerExpected expected_;
  const std::string task_name_;

  const std::size_t log_bytes_max_;
  std::string log_;
  std::uint64_t log_bytes_ = 0;  // All that was printed.

  const std::uint64_t memory_bytes_max_;
  std::uint64_t over_memory_bytes_ = 0;  // What it had when it was killed for that.
  bool is_killed_ = false;

  struct Seen {
    std::uint64_t records = 0, bytes = 0, record = 0, version = 0, groups = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  Seen seen_;
  std::int64_t file_bytes_ = 0;  // Read and written but for what was printed, at the last move.
  std::uint64_t moves_ = 0;
};

}  // namespace millrace

#endif  // WORKER_TASK_CHILD_H_
