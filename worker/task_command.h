// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_COMMAND_H_
#define WORKER_TASK_COMMAND_H_

namespace millrace {

/// What the hidden command "task-child" does: executes the task that descriptor 3 tells of
/// (task_child.h has the others), and leaves the process. Returns, with an exit code, only where
/// the descriptors are not a worker's.
int RunTaskCommand();

}  // namespace millrace

#endif  // WORKER_TASK_COMMAND_H_
