// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_CRASH_HANDLER_H_
#define CLI_CRASH_HANDLER_H_

#include <signal.h>

#include "mapreduce/engine/signal_stack.h"

namespace millrace {

/// While it lives, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT and a call of exit() end the process
/// with exit code 70 and one sentence: which signal, in which task, at which shard and offset.
class CrashHandler {
 public:
  CrashHandler();
  CrashHandler(const CrashHandler&) = delete;
  CrashHandler& operator=(const CrashHandler&) = delete;
  ~CrashHandler();

 private:
  static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  SignalStack stack_;  // Of this thread; threads of the engine have their own.
  struct sigaction previous_[sizeof(kSignals) / sizeof(kSignals[0])];
};

}  // namespace millrace

#endif  // CLI_CRASH_HANDLER_H_
