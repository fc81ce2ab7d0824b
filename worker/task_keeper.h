// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_KEEPER_H_
#define WORKER_TASK_KEEPER_H_

// A small process beside the worker. A child dies with its worker (PR_SET_PDEATHSIG), but what the
// child has started would live on: the keeper is told each child's group, and when the worker is
// gone, however it went, it kills those that are left. What has left its group by setsid stays.
//
//   worker ── pipe: id of a new child; -id when its group is gone ──▶ keeper
//
// It ends when the pipe does.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {

/// One in a worker, made before its first child. Thread-safe.
class TaskKeeper {
 public:
  /// `program` knows the hidden command "task-keeper".
  static Result<std::unique_ptr<TaskKeeper>> Start(const std::string& program = "/proc/self/exe");
  TaskKeeper(const TaskKeeper&) = delete;
  TaskKeeper& operator=(const TaskKeeper&) = delete;
  ~TaskKeeper();

  /// A child writes its id there before it begins.
  int fd() const { return fd_.get(); }
  /// Readable when it has ended. It should not: no child can start any more.
  int end_fd() const { return end_fd_->get(); }
  /// The child's group is gone; call it before the child is waited for.
  void Forget(pid_t child);

 private:
  TaskKeeper(pid_t pid, Descriptor fd) : pid_(pid), fd_(std::move(fd)) {}

  const pid_t pid_;
  Descriptor fd_;
  std::optional<Descriptor> end_fd_;
};

/// What the command "task-keeper" does. The exit code.
int RunTaskKeeper();

}  // namespace millrace

#endif  // WORKER_TASK_KEEPER_H_
