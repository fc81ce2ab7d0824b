// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_SIGNALS_H_
#define CLI_SIGNALS_H_

// Ctrl-C and its kin, while a run is under way. SIGINT, SIGTERM and SIGHUP are blocked everywhere
// and read by one thread:
//
//   the first   cancels the token: the run ends by itself, clears up and returns kCancelled
//   1.5 s later the run has not ended (a job's code does not return): clear up and end the process
//   a second    does so at once
//
// A run that is already publishing is let finish; only a second signal ends it, and then the next
// run finishes the publication.

#include <signal.h>

#include <atomic>
#include <thread>

#include "mapreduce/base/cancel.h"

namespace millrace {

class SignalGuard {
 public:
  /// Requires: no other thread of the process has been started that shouldn't be interrupted;
  /// threads started later inherit the blocked signals.
  explicit SignalGuard(CancelToken& cancel);
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;
  /// Signals are again what they were.
  ~SignalGuard();

  /// The exit code of a cancelled run: kExitTerminated after SIGTERM or SIGHUP, else
  /// kExitInterrupted.
  int exit_code() const;
  /// "interrupted" or "terminated".
  const char* word() const;

 private:
  void Watch();

  CancelToken& cancel_;
  sigset_t watched_, previous_;
  std::atomic<int> signal_{0};
  int signal_fd_ = -1, stop_fd_ = -1;
  std::thread thread_;  // Joined in the destructor, once told by stop_fd_.
};

}  // namespace millrace

#endif  // CLI_SIGNALS_H_
