// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_RANDOM_ID_H_
#define MAPREDUCE_BASE_RANDOM_ID_H_

#include <cstdint>
#include <string>

namespace millrace {

/// 64 bits that nobody else has, of the kernel's randomness; never 0.
std::uint64_t RandomId();

/// 16 lower-case hex digits.
std::string Hex(std::uint64_t id);

}  // namespace millrace

#endif  // MAPREDUCE_BASE_RANDOM_ID_H_
