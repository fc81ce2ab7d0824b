// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/key_sampler.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "mapreduce/base/status.h"

namespace millrace {

KeySampler::KeySampler(std::size_t capacity)
    : capacity_(capacity), hash_max_(std::numeric_limits<std::uint64_t>::max()) {
  MR_CHECK(capacity > 0);
}

void KeySampler::Insert(std::uint64_t hash, std::string_view key) {
  if (samples_.contains(SampleView{hash, key})) return;
  samples_.insert(Sample{hash, std::string(key)});
  if (samples_.size() > capacity_) samples_.erase(std::prev(samples_.end()));
  if (samples_.size() == capacity_) hash_max_ = samples_.rbegin()->hash;
}

void KeySampler::Merge(const KeySampler& other) {
  MR_CHECK(capacity_ == other.capacity_);
  if (this == &other) return;
  for (const Sample& sample : other.samples_) {
    if (sample.hash > hash_max_) break;
    Insert(sample.hash, sample.key);
  }
}

std::vector<const KeySampler::Sample*> KeySampler::SortedSamples() const {
  std::vector<const Sample*> sorted;
  sorted.reserve(samples_.size());
  for (const Sample& sample : samples_) sorted.push_back(&sample);
  std::sort(sorted.begin(), sorted.end(),
            [](const Sample* a, const Sample* b) { return a->key < b->key; });
  return sorted;
}

std::vector<std::string> KeySampler::SortedKeys() const {
  std::vector<std::string> keys;
  keys.reserve(samples_.size());
  for (const Sample* sample : SortedSamples()) keys.push_back(sample->key);
  return keys;
}

std::vector<std::string> KeySampler::Borders(int parts) const {
  MR_CHECK(parts > 0);
  const std::vector<const Sample*> sorted = SortedSamples();
  const std::size_t count = sorted.size();
  const auto part_count = static_cast<std::size_t>(parts);
  const std::size_t reach = count / (4 * part_count);
  std::vector<std::string> borders;
  // No window holds the smallest sample: a border there could leave the first part empty. Windows
  // of neighbours overlap at most where there are fewer samples than parts.
  std::size_t free_from = 1;
  for (std::size_t j = 1; j < part_count; ++j) {
    const std::size_t center = count * j / part_count;
    const std::size_t begin = std::max(center - std::min(center, reach), free_from);
    const std::size_t end = std::min(center + reach + 1, count);
    if (begin >= end) continue;
    std::size_t best = begin;
    for (std::size_t i = begin + 1; i < end; ++i) {
      if (HashOrder{}(*sorted[i], *sorted[best])) best = i;
    }
    borders.push_back(sorted[best]->key);
    free_from = best + 1;
  }
  return borders;
}

}  // namespace millrace
