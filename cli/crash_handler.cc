// SPDX-License-Identifier: Apache-2.0
#include "cli/crash_handler.h"

#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <iterator>

#include "cli/console.h"
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

void Handle(int signal) {
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
    text.Add("crashed with ").Add(SignalName(signal)).Add(" outside a job's code: this is a bug");
  } else {
    text.Add("the job's code crashed with ").Add(SignalName(signal));
    text.Add(" in task ").Add(record->task);
    if (record->shard[0] != '\0') {
      text.Add(" at byte ").AddNumber(record->offset()).Add(" of ").Add(record->shard);
    }
    text.Add("; fix the code, or take the record out of the input");
  }
  EndSuddenly(kExitUserCode, text.c_str());
}

}  // namespace

CrashHandler::CrashHandler() {
  struct sigaction action {};
  action.sa_handler = &Handle;
  action.sa_flags = SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &action, &previous_[i]);
  }
}

CrashHandler::~CrashHandler() {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &previous_[i], nullptr);
  }
}

}  // namespace millrace
