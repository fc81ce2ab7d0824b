// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_ORPHANS_H_
#define WORKER_TASK_ORPHANS_H_

// What a job's code starts must end with it. Two ways lead there:
//
//   its process group   a child leads one; killed as a whole, while the dead child still holds the
//                       number
//   its orphans         who left the group (setsid) and lost its parent becomes a child of the
//                       worker, if that is a subreaper: a child that nobody knows
//
// RLIMIT_NPROC is no help: it counts all processes of a user, and root is exempt. A fork bomb in
// the group ends with the group: the kernel restarts no fork while a signal waits.

#include <sys/types.h>

#include "mapreduce/base/status.h"

namespace millrace {

/// From now on orphans among the descendants of this process become its children, and EndOrphans
/// kills them. For a process whose only children are those it registers here. SIGCHLD is as a
/// program finds it: children wait to be waited for.
Status AdoptOrphans();

/// A child that is none of those orphans, nor is its group. Thread-safe.
void RegisterChild(pid_t child);
void ForgetChild(pid_t child);

/// Kills all of the group. Where AdoptOrphans was called it also waits until only the leader is
/// left, a second at most. Requires: the leader has ended, and is not waited for yet.
void KillGroup(pid_t leader);

/// Where AdoptOrphans was called: kills and waits for all children that nobody registered and that
/// are in no registered child's group, until there are none; a second at most. So a task's daemon
/// that leaves the group of its attempt may end with another attempt. Where the kernel keeps no
/// lists of children, only those are found that have started behind the process `since`.
void EndOrphans(pid_t since);

}  // namespace millrace

#endif  // WORKER_TASK_ORPHANS_H_
