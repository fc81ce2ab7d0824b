// SPDX-License-Identifier: Apache-2.0
#include "worker/task_command.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/api/shared_record.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/module_image.h"
#include "mapreduce/engine/signal_stack.h"
#include "mapreduce/io/descriptor.h"
#include "worker/task_codec.h"
#include "worker/task_crash.h"
#include "worker/task_ending.h"
#include "worker/task_execution.h"

namespace millrace {
namespace {

constexpr int kAssignmentFd = 3, kAnswerFd = 4, kProgressFd = 5, kFirstModuleFd = 6;

// Anonymous memory that can be sealed: nobody starts us with that by accident.
bool IsMemory(int fd) { return fcntl(fd, F_GET_SEALS) >= 0; }

Result<std::string> ReadAssignment() {
  struct stat info {};
  if (fstat(kAssignmentFd, &info) != 0 || info.st_size > static_cast<off_t>(kAssignmentBytesMax))
    return Status::Corrupt("the assignment can't be read");
  std::string frame(static_cast<std::size_t>(info.st_size), '\0');
  if (pread(kAssignmentFd, frame.data(), frame.size(), 0) != info.st_size)
    return Status::Corrupt("the assignment can't be read");
  return frame;
}

/// Where the answer goes. A job's code may have closed the descriptor, and one of our own files
/// may have its number since: then nothing is written.
class AnswerFile {
 public:
  AnswerFile() { fstat(kAnswerFd, &info_); }
  bool Write(const std::string& frame) const {
    struct stat now {};
    if (fstat(kAnswerFd, &now) != 0 || now.st_ino != info_.st_ino || now.st_dev != info_.st_dev)
      return false;
    if (ftruncate(kAnswerFd, 0) != 0) return false;
    for (std::size_t done = 0; done < frame.size();) {
      const ssize_t written =
          pwrite(kAnswerFd, frame.data() + done, frame.size() - done, static_cast<off_t>(done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      done += static_cast<std::size_t>(written);
    }
    return true;
  }

 private:
  struct stat info_ {};
};

// The kernel shall take us before our worker.
void OfferToKernel() {
  const Descriptor file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (file.get() >= 0) static_cast<void>(!write(file.get(), "500", 3));
}

// Takes their descriptors over. Their seals are looked at: nobody may change what was checked.
Result<std::vector<std::shared_ptr<const ModuleImage>>> TakeModules(
    const std::vector<std::string>& names) {
  std::vector<std::shared_ptr<const ModuleImage>> modules;
  int fd = kFirstModuleFd;
  for (const std::string& name : names) {
    Descriptor memory(fd++);
    fcntl(memory.get(), F_SETFD, FD_CLOEXEC);
    MR_ASSIGN_OR_RETURN(modules.emplace_back(), ModuleImage::Adopt(std::move(memory), name));
  }
  return modules;
}

ChildAnswer AnswerTo(const std::string& frame, SharedRecord* shared) {
  Result<TaskAssignment> assignment = DecodeAssignment(frame);
  if (!assignment.ok()) {
    return TaskFault{StatusCode::kInternal,
                     "the task's process was told nonsense: " + assignment.error().message(),
                     {}};
  }
  shared->current.BeginTask(TaskNameOf(*assignment));
  const auto modules = TakeModules(assignment->modules);
  if (!modules.ok()) return TaskFault{StatusCode::kInternal, modules.error().message(), {}};
  return ExecuteAssignment(*assignment, *modules, shared);
}

}  // namespace

int RunTaskCommand() {
  if (!IsMemory(kAssignmentFd) || !IsMemory(kAnswerFd) || !IsMemory(kProgressFd)) {
    std::fputs("millrace: task-child is a worker's own command\n", stderr);
    return kExitNoAssignment;
  }
  // What a job's code starts has no business with them.
  for (const int fd : {kAssignmentFd, kAnswerFd, kProgressFd}) fcntl(fd, F_SETFD, FD_CLOEXEC);
  const AnswerFile answer_file;
  const Result<std::string> frame = ReadAssignment();
  void* const page =
      mmap(nullptr, sizeof(SharedRecord), PROT_READ | PROT_WRITE, MAP_SHARED, kProgressFd, 0);
  if (!frame.ok() || page == MAP_FAILED) return kExitNoAssignment;
  auto* const shared = static_cast<SharedRecord*>(page);
  OfferToKernel();
  const SignalStack stack;
  InstallCrashHandler(&shared->current);
  ShareCurrentRecord(&shared->current);

  const ChildAnswer answer = AnswerTo(*frame, shared);
  Result<std::string> bytes = EncodeAnswer(answer);
  if (!bytes.ok()) {
    bytes = EncodeAnswer(
        TaskFault{StatusCode::kResourceLimit,
                  "what the task has to report is too much: " + bytes.error().message(),
                  {}});
  }
  std::fflush(nullptr);
  std::cout.flush();
  // Not exit(): a job's threads may be at work yet, and what it wants done at the end has no use.
  _exit(bytes.ok() && answer_file.Write(*bytes) ? 0 : kExitNoAnswer);
}

}  // namespace millrace
