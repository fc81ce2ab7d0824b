// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_PART_RANGES_H_
#define MAPREDUCE_ENGINE_PART_RANGES_H_

// From the keys that map tasks sampled to the key ranges of a stage's parts.

#include <cstddef>
#include <string>
#include <vector>

#include "mapreduce/shuffle/run_cursor.h"

namespace millrace {

/// How many keys are sampled for the borders of so many parts: the capacity of each KeySampler.
std::size_t SampleCapacity(int parts);

/// One range per part, in order; they cover all keys. `borders`: KeySampler::Borders of all
/// samples; where they are too few, ranges at the end are empty. Requires: parts > 0.
std::vector<KeyRange> PartRanges(const std::vector<std::string>& borders, int parts);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_PART_RANGES_H_
