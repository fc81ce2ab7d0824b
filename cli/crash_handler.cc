// SPDX-License-Identifier: Apache-2.0
#include "cli/crash_handler.h"

#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <iterator>

#include "cli/console.h"
#include "cli/isolated_rerun.h"
#include "cli/signal_text.h"
#include "cli/sudden_end.h"
#include "mapreduce/api/current_record.h"

namespace millrace {
namespace {

const char* SignalName(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGFPE:
      return "SIGFPE";
    case SIGILL:
      return "SIGILL";
    default:
      return "SIGABRT";
  }
}

std::atomic<int> handlers{0};  // That live.

// `what` has happened to the process, by what this thread was at. Ends it.
[[noreturn]] void End(const char* what, const char* detail) {
  if (!ClaimEnd()) {
    // Another thread is ending the process; it gets some time to clear up.
    const timespec patience{.tv_sec = 3, .tv_nsec = 0};
    nanosleep(&patience, nullptr);
    _exit(kExitUserCode);
  }
  // Static: a thread without a signal stack of its own may have little room. Only one thread ends.
  static SignalText text;
  const CurrentRecord* const record = ThisThreadsRecord();
  if (record == nullptr) {
    text.Add(what).Add(detail).Add(" outside a job's code: this is a bug");
  } else {
    text.Add("the job's code ").Add(what).Add(detail);
    text.Add(" in task ").Add(record->task);
    const bool is_at_record = record->record.load(std::memory_order_relaxed) != 0;
    if (is_at_record && record->shard[0] != '\0') {
      text.Add(" at byte ").AddNumber(record->offset()).Add(" of ").Add(record->shard);
    }
    text.Add(IsIsolatedRerunArmed() ? "; it may be set aside: beginning again with --isolate"
                                    : "; fix the code, or take the record out of the input");
  }
  if (record != nullptr && IsIsolatedRerunArmed()) {
    SayAndClear(text.c_str());
    RerunIsolatedIfArmed();
  }
  EndSuddenly(kExitUserCode, text.c_str());
}

void Handle(int signal) { End("crashed with ", SignalName(signal)); }

// A job's code that calls exit() must not make a run look as if it had ended well.
void OnExit() {
  if (handlers.load() > 0) End("ended the process by ", "exit()");
}

}  // namespace

CrashHandler::CrashHandler() {
  static const bool is_registered = std::atexit(&OnExit) == 0;
  static_cast<void>(is_registered);
  handlers.fetch_add(1);
  struct sigaction action {};
  action.sa_handler = &Handle;
  action.sa_flags = SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &action, &previous_[i]);
  }
}

CrashHandler::~CrashHandler() {
  handlers.fetch_sub(1);
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &previous_[i], nullptr);
  }
}

}  // namespace millrace
