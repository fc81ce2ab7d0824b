// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_SANDBOX_H_
#define WORKER_SANDBOX_H_

// What the process of a task may not do, from before any code of its job runs in it:
//
//   Landlock      reads the system's programs and libraries and the task's own files; writes below
//                 the attempt's folders; no TCP; no signals or abstract sockets to those outside
//   seccomp       no sockets, mounts, namespaces, keyrings, tracing, limits of others, ...
//   capabilities  of root none but those over files
//
// Whatever it starts is bound by the same. It is defence in depth against code that goes astray,
// not a promise about hostile code: docs/how-to/sandbox.md says what is left.

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "worker/task_assignment.h"

namespace millrace {

/// What this kernel has.
struct SandboxSupport {
  int landlock = 0;  ///< Version of its interface; 0: none.
  bool has_seccomp = false;
};
SandboxSupport FindSandboxSupport();

/// What a worker's tasks may do beside what each of them needs.
struct SandboxOptions {
  bool is_on = true;
  std::vector<std::string> reads;   ///< Absolute.
  std::vector<std::string> writes;  ///< Likewise; they exist.
  std::vector<std::string> hidden;  ///< Likewise: keys. Not even a run's input may lie below.
};

/// The system's folder, readable for all tasks, in which `path` lies; "" if it is in none.
std::string ReadableSystemFolder(const std::string& path);

/// For a worker's log: "tasks run with Landlock 7 and seccomp".
std::string DescribeSandbox(bool is_wanted, const SandboxSupport& support);

/// Files and folders. What doesn't exist counts for nothing, but must exist to be written to. Links
/// are followed for inputs alone: elsewhere another task may have put one, to anything.
struct SandboxPaths {
  std::vector<std::string> inputs;
  std::vector<std::string> reads;
  std::vector<std::string> writes;
  std::vector<std::string> hidden;  ///< No inputs that lie below.
};

/// What a task needs beside what every program needs. Relative paths start in its directory.
SandboxPaths PathsOf(const TaskAssignment& assignment);

/// For the rest of the process's life, with the threads and processes that it starts from now on.
/// Requires: no_new_privs, no other threads of ours. What the kernel lacks is left out; kInternal
/// where it has it and refuses. Cost: some 1 ms, and some 2 µs for each path.
Status EnterSandbox(const SandboxPaths& paths);

/// Whether words of a failed task sound as if it was the sandbox: " (...)" to add to them, or "".
std::string SandboxHint(std::string_view message, std::string_view log);

}  // namespace millrace

#endif  // WORKER_SANDBOX_H_
