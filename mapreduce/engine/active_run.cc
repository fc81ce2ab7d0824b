// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/active_run.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace {
namespace {

enum class State : int { kFree, kFilling, kRunning, kPublishing, kRemoving };

struct Place {
  char path[PATH_MAX];
  std::size_t parents_made;
};

struct Slot {
  std::atomic<State> state{State::kFree};
  Place work;
  Place scratch;
};

// A process has one run; tests have some.
constexpr int kSlots = 8;
Slot slots[kSlots];
static_assert(std::atomic<State>::is_always_lock_free);

// output/NAME/part-00000 below the work directory is depth 3; more is not ours.
constexpr int kDepthMax = 6;
constexpr std::size_t kEntryBytes = 2048;
constexpr int kTries = 50;
constexpr long kTryNanoseconds = 10'000'000;

bool Move(Slot& slot, State from, State to) { return slot.state.compare_exchange_strong(from, to); }

[[noreturn]] void WaitForTheEnd() {
  while (true) pause();
}

// The layout of what the system call returns; glibc has no name for it.
struct DirectoryEntry {
  std::uint64_t inode;
  std::int64_t offset;
  unsigned short bytes;
  unsigned char type;
  char name[1];
};

// Removes what is in the directory, once through. System calls alone, hence async-signal-safe.
void RemoveContents(int directory, int depth) {
  alignas(DirectoryEntry) char entries[kEntryBytes];
  while (true) {
    const long bytes = syscall(SYS_getdents64, directory, entries, sizeof(entries));
    if (bytes <= 0) return;
    for (long at = 0; at < bytes;) {
      const auto* const entry = reinterpret_cast<const DirectoryEntry*>(entries + at);
      at += entry->bytes;
      if (std::strcmp(entry->name, ".") == 0 || std::strcmp(entry->name, "..") == 0) continue;
      if (unlinkat(directory, entry->name, 0) == 0 || depth >= kDepthMax) continue;
      const int inner =
          openat(directory, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (inner < 0) continue;
      RemoveContents(inner, depth + 1);
      close(inner);
      unlinkat(directory, entry->name, AT_REMOVEDIR);
    }
  }
}

// True once the place is gone.
bool RemoveTree(Place& place) {
  if (place.path[0] == '\0') return true;
  const int directory = open(place.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0) return true;
  RemoveContents(directory, 0);
  close(directory);
  if (rmdir(place.path) != 0) return false;
  for (; place.parents_made > 0; --place.parents_made) {
    char* const slash = std::strrchr(place.path, '/');
    if (slash == nullptr || slash == place.path) break;
    *slash = '\0';
    if (rmdir(place.path) != 0) break;
  }
  return true;
}

void Copy(const ActiveRun::Directory& directory, Place& to) {
  std::memcpy(to.path, directory.path.c_str(), directory.path.size() + 1);
  to.parents_made = directory.parents_made;
}

}  // namespace

ActiveRun::ActiveRun(const Directory& work, const Directory& scratch) {
  if (work.path.size() >= PATH_MAX || scratch.path.size() >= PATH_MAX) return;
  for (int i = 0; i < kSlots; ++i) {
    if (!Move(slots[i], State::kFree, State::kFilling)) continue;
    Copy(work, slots[i].work);
    Copy(scratch, slots[i].scratch);
    slots[i].state.store(State::kRunning);
    slot_ = i;
    return;
  }
}

void ActiveRun::BeginPublish() {
  if (slot_ >= 0 && !Move(slots[slot_], State::kRunning, State::kPublishing)) WaitForTheEnd();
}

ActiveRun::~ActiveRun() {
  if (slot_ < 0) return;
  if (Move(slots[slot_], State::kRunning, State::kFree)) return;
  if (!Move(slots[slot_], State::kPublishing, State::kFree)) WaitForTheEnd();
}

void RemoveActiveRuns() {
  for (Slot& slot : slots) {
    if (!Move(slot, State::kRunning, State::kRemoving)) continue;
    for (int i = 0; i < kTries; ++i) {
      const bool work_is_gone = RemoveTree(slot.work);
      const bool scratch_is_gone = RemoveTree(slot.scratch);
      if (work_is_gone && scratch_is_gone) break;
      const timespec pause_time{.tv_sec = 0, .tv_nsec = kTryNanoseconds};
      nanosleep(&pause_time, nullptr);
    }
  }
}

bool IsAnyRunPublishing() {
  for (const Slot& slot : slots) {
    if (slot.state.load() == State::kPublishing) return true;
  }
  return false;
}

}  // namespace millrace
