// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/random_id.h"

#include <sys/random.h>

namespace millrace {

std::uint64_t RandomId() {
  std::uint64_t id = 0;
  while (id == 0) {
    // Up to 256 bytes come whole; it waits only while the machine boots.
    const ssize_t got = ::getrandom(&id, sizeof id, 0);
    if (got != static_cast<ssize_t>(sizeof id)) id = 0;
  }
  return id;
}

std::string Hex(std::uint64_t id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (int shift = 60; shift >= 0; shift -= 4) hex.push_back(kDigits[(id >> shift) & 15]);
  return hex;
}

}  // namespace millrace
