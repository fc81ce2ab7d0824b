// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/memory_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace millrace {

Descriptor MakeMemoryFile(const char* name) {
  return Descriptor(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

bool SealMemoryFile(int fd, int seals) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point give_up = Clock::now() + std::chrono::seconds(10);
  while (::fcntl(fd, F_ADD_SEALS, seals) != 0) {
    if (errno != EBUSY || Clock::now() >= give_up) return false;
    // The kernel tells nobody when the page is free again.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace millrace
