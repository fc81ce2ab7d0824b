// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_STOP_SIGNAL_H_
#define CLI_STOP_SIGNAL_H_

// When a service shall end: SIGINT, SIGTERM, SIGHUP, or the end of its standard input, where that
// is what ties it to whoever started it.

#include <signal.h>

#include <memory>

#include "mapreduce/base/status.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {

/// One thread. The signals are blocked for the object's life.
class StopSignal {
 public:
  /// Requires: no other thread has been started yet; those started later inherit what is blocked.
  static Result<std::unique_ptr<StopSignal>> Watch(bool watches_stdin);
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  ~StopSignal();

  /// Readable once it has come. An epoll.
  int fd() const { return fd_.get(); }
  /// True if it has come: false for standard input that merely has something to read, which is
  /// thrown away.
  bool HasCome();
  /// kExitInterrupted after SIGINT, kExitTerminated after other signals, 0 after the end of
  /// standard input.
  int exit_code() const { return exit_code_; }

 private:
  StopSignal(Descriptor fd, Descriptor signals, sigset_t previous)
      : fd_(std::move(fd)), signals_(std::move(signals)), previous_(previous) {}

  Descriptor fd_;
  Descriptor signals_;
  sigset_t previous_;
  int exit_code_ = 0;
};

}  // namespace millrace

#endif  // CLI_STOP_SIGNAL_H_
