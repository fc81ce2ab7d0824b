// SPDX-License-Identifier: Apache-2.0
#include "worker/task_orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/mutex.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {
namespace {

// Who is killed is gone within microseconds, unless a disk holds it.
constexpr int kWaitsMax = 1000;
constexpr timespec kWait{.tv_sec = 0, .tv_nsec = 1'000'000};
// So few processes are looked at one by one; of more /proc is listed.
constexpr pid_t kNearMax = 256;

std::atomic<bool> adopts{false};
struct Registry {
  Mutex mutex;
  std::set<pid_t> children MR_GUARDED_BY(mutex);
};
Registry& Known() {
  static auto* const registry = new Registry;  // Never destroyed.
  return *registry;
}

bool IsKnown(pid_t pid) {
  Registry& known = Known();
  const MutexLock lock(known.mutex);
  return known.children.contains(pid);
}

std::string ReadSmall(const char* path) {
  const Descriptor file(open(path, O_RDONLY | O_CLOEXEC));
  char text[512];
  const ssize_t bytes = file.get() < 0 ? -1 : read(file.get(), text, sizeof text);
  return bytes <= 0 ? std::string() : std::string(text, static_cast<std::size_t>(bytes));
}

// "pid (name, which may hold anything) state ppid ..."
pid_t ParentOf(pid_t pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const std::string text = ReadSmall(path);
  const std::size_t name_end = text.rfind(')');
  pid_t parent = 0;
  if (name_end == std::string::npos ||
      std::sscanf(text.c_str() + name_end + 1, " %*c %d", &parent) != 1)
    return 0;
  return parent;
}

// The process that was started last, by anybody.
pid_t LastPid() {
  const std::string text = ReadSmall("/proc/loadavg");
  const std::size_t space = text.rfind(' ');
  return space == std::string::npos ? 0 : std::atoi(text.c_str() + space + 1);
}

std::vector<pid_t> PidsSince(pid_t since) {
  std::vector<pid_t> pids;
  const pid_t last = LastPid();
  if (last >= since && last - since <= kNearMax) {
    for (pid_t pid = since + 1; pid <= last; ++pid) pids.push_back(pid);
    return pids;
  }
  DIR* const directory = opendir("/proc");
  if (directory == nullptr) return pids;
  while (const dirent* const entry = readdir(directory)) {
    if (const int pid = std::atoi(entry->d_name); pid > 0) pids.push_back(pid);
  }
  closedir(directory);
  return pids;
}

std::vector<pid_t> NumbersIn(const std::string& text) {
  std::vector<pid_t> numbers;
  std::istringstream in(text);
  for (pid_t number = 0; in >> number;) numbers.push_back(number);
  return numbers;
}

// By the kernel's own lists, one for each thread: an orphan may be given to any. Nothing where it
// keeps none. They are whole, as nobody else waits for our children.
std::optional<std::vector<pid_t>> ListedChildren() {
  DIR* const threads = opendir("/proc/self/task");
  if (threads == nullptr) return std::nullopt;
  bool are_there = false;
  std::string text;
  while (const dirent* const entry = readdir(threads)) {
    if (entry->d_name[0] == '.') continue;
    std::ifstream file(std::string("/proc/self/task/") + entry->d_name + "/children");
    are_there |= file.is_open();
    text.append(std::istreambuf_iterator<char>(file), {});
  }
  closedir(threads);
  if (!are_there) return std::nullopt;
  return NumbersIn(text);
}

// Dead ones, too.
std::vector<pid_t> Children(pid_t since) {
  if (auto listed = ListedChildren()) return *std::move(listed);
  std::vector<pid_t> children;
  for (const pid_t pid : PidsSince(since)) {
    if (ParentOf(pid) == getpid()) children.push_back(pid);
  }
  return children;
}

std::vector<pid_t> Orphans(pid_t since) {
  std::vector<pid_t> orphans;
  for (const pid_t pid : Children(since)) {
    if (!IsKnown(pid) && !IsKnown(getpgid(pid))) orphans.push_back(pid);
  }
  return orphans;
}

}  // namespace

Status AdoptOrphans() {
  // Ignored, as whoever started us may have it, children would be gone before they are waited for.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &standard, nullptr);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    return Status::Internal("cannot become a subreaper: ", std::strerror(errno));
  adopts.store(true);
  return Status::Ok();
}

void RegisterChild(pid_t child) {
  Registry& known = Known();
  const MutexLock lock(known.mutex);
  known.children.insert(child);
}

void ForgetChild(pid_t child) {
  Registry& known = Known();
  const MutexLock lock(known.mutex);
  known.children.erase(child);
}

// Who was cut off from a parent in the group becomes our child when that one dies: when no child of
// ours is in the group, nobody is.
void KillGroup(pid_t leader) {
  kill(-leader, SIGKILL);
  if (!adopts.load()) return;
  for (int i = 0; i < kWaitsMax; ++i) {
    bool has_others = false;
    for (const pid_t pid : Children(leader)) {
      if (pid == leader || getpgid(pid) != leader) continue;
      has_others = true;
      siginfo_t info{};
      waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
    }
    if (!has_others) return;
    nanosleep(&kWait, nullptr);
    kill(-leader, SIGKILL);
  }
}

void EndOrphans(pid_t since) {
  if (!adopts.load()) return;
  for (int i = 0; i < kWaitsMax; ++i) {
    const std::vector<pid_t> orphans = Orphans(since);
    if (orphans.empty()) return;
    for (const pid_t pid : orphans) kill(pid, SIGKILL);
    for (const pid_t pid : orphans) {
      siginfo_t info{};
      waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
    }
    nanosleep(&kWait, nullptr);
  }
}

}  // namespace millrace
