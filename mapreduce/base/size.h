// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_SIZE_H_
#define MAPREDUCE_BASE_SIZE_H_

// Sizes and counts as people write and read them. Units are binary: 1K = 1024.

#include <cstdint>
#include <string>
#include <string_view>

#include "mapreduce/base/status.h"

namespace millrace {

/// "100", "512k", "64M", "2GiB", "1g", "3TB" in bytes: digits, then optionally K, M, G or T (of
/// either case), then optionally B or iB. Else, or beyond 64 bits, kInvalidArgument.
Result<std::uint64_t> ParseSize(std::string_view text);

/// "0 B", "1023 B", "1.5 GiB": one digit behind the point from 1 KiB on, rounded.
std::string FormatBytes(std::uint64_t bytes);

/// "12,345,678".
std::string FormatCount(std::uint64_t count);

}  // namespace millrace

#endif  // MAPREDUCE_BASE_SIZE_H_
