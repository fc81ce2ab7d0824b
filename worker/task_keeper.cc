// SPDX-License-Identifier: Apache-2.0
#include "worker/task_keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <utility>

#include "worker/task_orphans.h"
#include "worker/task_spawn.h"

namespace millrace {
namespace {

constexpr int kPipeFd = 3;

}  // namespace

Result<std::unique_ptr<TaskKeeper>> TaskKeeper::Start(const std::string& program) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return Status::ResourceLimit("no pipe for a child: ", std::strerror(errno));
  const Descriptor out(ends[0]);
  Descriptor in(ends[1]);
  const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null.get() < 0) return Status::ResourceLimit("/dev/null: ", std::strerror(errno));
  SpawnSpec spec;
  spec.program = program;
  spec.arguments = {"millrace", "task-keeper"};
  spec.environment = ChildEnvironment();
  spec.descriptors = {null.get(), null.get(), null.get(), out.get()};
  spec.dies_with_us = false;
  MR_ASSIGN_OR_RETURN(const pid_t pid, Spawn(spec));
  RegisterChild(pid);
  std::unique_ptr<TaskKeeper> keeper(new TaskKeeper(pid, std::move(in)));
  // Not by <sys/pidfd.h>: that of glibc 2.36 is for C alone. It is closed by exec.
  keeper->end_fd_.emplace(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (keeper->end_fd() < 0)
    return Status::ResourceLimit("no descriptor for a child: ", std::strerror(errno));
  return keeper;
}

TaskKeeper::~TaskKeeper() {
  { const Descriptor closed(std::move(fd_)); }
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
  }
  ForgetChild(pid_);
}

void TaskKeeper::Forget(pid_t child) {
  const pid_t gone = -child;
  while (write(fd_.get(), &gone, sizeof gone) < 0 && errno == EINTR) {
  }
}

int RunTaskKeeper() {
  struct stat info {};
  if (fstat(kPipeFd, &info) != 0 || !S_ISFIFO(info.st_mode)) {
    std::fputs("millrace: task-keeper is a worker's own command\n", stderr);
    return 64;
  }
  prctl(PR_SET_NAME, "millrace-keeper");
  // Whoever stops a service may tell all its processes: the worker drains, and needs this one.
  for (const int ends_others : {SIGTERM, SIGINT, SIGHUP}) signal(ends_others, SIG_IGN);
  std::set<pid_t> groups;
  pid_t id = 0;
  // So short a write is never torn.
  for (;;) {
    const ssize_t bytes = read(kPipeFd, &id, sizeof id);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes != sizeof id) break;
    if (id > 1) {
      groups.insert(id);
    } else {
      groups.erase(-id);
    }
  }
  for (const pid_t group : groups) kill(-group, SIGKILL);
  return 0;
}

}  // namespace millrace
