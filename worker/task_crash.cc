// SPDX-License-Identifier: Apache-2.0
#include "worker/task_crash.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace millrace {
namespace {

const CurrentRecord* current = nullptr;
std::atomic<bool> has_spoken{false};

// Static: the stack may be used up. Only one thread writes.
char text[CurrentRecord::kShardBytesMax + 512];
std::size_t text_bytes = 0;

// Up to a zero byte; of a job's code that writes anywhere there may be none.
void Add(const char* part, std::size_t bytes_max) {
  for (std::size_t i = 0; i < bytes_max && part[i] != '\0' && text_bytes < sizeof text; ++i) {
    const auto c = static_cast<unsigned char>(part[i]);
    text[text_bytes++] = c < 0x20 || c == 0x7F ? '?' : part[i];
  }
}

void AddNumber(std::uint64_t number) {
  char digits[20];
  std::size_t count = sizeof digits;
  do {
    digits[--count] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  Add(digits + count, sizeof digits - count);
}

void Handle(int signal) {
  if (!has_spoken.exchange(true)) {
    Add("the job's code crashed with SIG", 64);
    const char* const name = sigabbrev_np(signal);
    Add(name != nullptr ? name : "?", 16);
    Add(" in task ", 16);
    Add(current->task, sizeof current->task);
    if (current->shard[0] != '\0') {
      Add(" at byte ", 16);
      AddNumber(current->offset());
      Add(" of ", 8);
      Add(current->shard, sizeof current->shard);
    }
    if (text_bytes == sizeof text) --text_bytes;
    text[text_bytes++] = '\n';
    static_cast<void>(!write(STDERR_FILENO, text, text_bytes));
  }
  raise(signal);  // Its action is the standard one again, and it isn't blocked.
}

}  // namespace

void InstallCrashHandler(const CurrentRecord* record) {
  current = record;
  struct sigaction action {};
  action.sa_handler = &Handle;
  action.sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
    sigaction(signal, &action, nullptr);
}

}  // namespace millrace
