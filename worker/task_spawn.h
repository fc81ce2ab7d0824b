// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_SPAWN_H_
#define WORKER_TASK_SPAWN_H_

// Starts a program with nothing of ours in it: a process group of its own, descriptors and
// environment as listed, signals as a program finds them, and SIGKILL when the thread that started
// it ends, be it with its process. By vfork: fork() copies page tables, which takes a large worker
// longer than a short task.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

struct SpawnSpec {
  std::string program;                   ///< Path.
  std::vector<std::string> arguments;    ///< The first is the program's name for itself.
  std::vector<std::string> environment;  ///< "NAME=value"
  /// What becomes descriptor 0, 1, ...; all others are closed.
  std::vector<int> descriptors;
  std::uint64_t data_bytes_max = UINT64_MAX;  ///< RLIMIT_DATA.
  bool dies_with_us = true;                   ///< With the thread that calls Spawn.
  int announce_fd = -1;  ///< Is told the process's id before the program begins (task_keeper.h).
};

/// The process's id. The caller waits for it. kResourceLimit where there is no room for another
/// process, kInternal for a program that can't be started, kUnavailable where nobody reads
/// announce_fd.
Result<pid_t> Spawn(const SpawnSpec& spec);

/// What a child sees of our environment, and "LANG=C.UTF-8": where programs, homes, temporary files
/// and time zones are, what sanitizers and tests set.
std::vector<std::string> ChildEnvironment();

}  // namespace millrace

#endif  // WORKER_TASK_SPAWN_H_
