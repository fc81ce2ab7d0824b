// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_SIGNAL_STACK_H_
#define MAPREDUCE_ENGINE_SIGNAL_STACK_H_

// A stack of its own for signal handlers on this thread: when a job's code has used up the thread's
// stack, there is no other place from which to say so. Every thread that runs a job's code has one.

#include <signal.h>

namespace millrace {

/// For the life of the object, on the thread that makes and destroys it; then the one before. Where
/// there is no memory for it the thread goes on without.
class SignalStack {
 public:
  SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;
  ~SignalStack();

 private:
  void* memory_;
  stack_t previous_ = {};
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_SIGNAL_STACK_H_
