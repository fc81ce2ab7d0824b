// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/part_ranges.h"

#include <algorithm>

#include "mapreduce/base/status.h"

namespace millrace {
namespace {

constexpr std::size_t kSamplesPerPart = 16;
constexpr std::size_t kSamplesMin = 4096;

}  // namespace

std::size_t SampleCapacity(int parts) {
  MR_CHECK(parts > 0);
  return std::max(kSamplesMin, kSamplesPerPart * static_cast<std::size_t>(parts));
}

std::vector<KeyRange> PartRanges(const std::vector<std::string>& borders, int parts) {
  MR_CHECK(parts > 0 && borders.size() < static_cast<std::size_t>(parts));
  std::vector<KeyRange> ranges(static_cast<std::size_t>(parts));
  for (std::size_t part = 0; part < ranges.size(); ++part) {
    KeyRange& keys = ranges[part];
    if (part > borders.size()) {
      keys.begin = keys.end = borders.empty() ? std::string() : borders.back();
      continue;
    }
    if (part > 0) keys.begin = borders[part - 1];
    if (part < borders.size()) keys.end = borders[part];
  }
  return ranges;
}

}  // namespace millrace
