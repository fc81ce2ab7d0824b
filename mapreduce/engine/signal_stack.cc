// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/signal_stack.h"

#include <sys/mman.h>

#include <cstddef>

namespace millrace {
namespace {

// RemoveActiveRuns() needs about 20 KiB, the kernel's frame with wide registers up to 12 KiB.
constexpr std::size_t kStackBytes = std::size_t{128} << 10;

}  // namespace

SignalStack::SignalStack()
    : memory_(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
  if (memory_ == MAP_FAILED) return;
  stack_t stack{};
  stack.ss_sp = memory_;
  stack.ss_size = kStackBytes;
  sigaltstack(&stack, &previous_);
}

SignalStack::~SignalStack() {
  if (memory_ == MAP_FAILED) return;
  sigaltstack(&previous_, nullptr);
  munmap(memory_, kStackBytes);
}

}  // namespace millrace
