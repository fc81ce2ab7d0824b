// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/key_sampler.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "mapreduce/base/status.h"

namespace millrace {

KeySampler::KeySampler(std::size_t capacity)
    : capacity_(capacity), hash_max_(std::numeric_limits<std::uint64_t>::max()) {
  MR_CHECK(capacity > 0);
}

void KeySampler::Add(std::uint64_t hash, std::string_view key) {
  candidates_.push_back({hash, keys_.size(), key.size()});
  keys_ += key;
  if (candidates_.size() >= 2 * capacity_) DropOthers();
}

void KeySampler::DropOthers() {
  const std::vector<Sample> samples = Samples();
  if (samples.size() == capacity_) hash_max_ = samples.back().hash;
  std::size_t bytes = 0;
  for (const Sample& sample : samples) bytes += sample.key.size();
  std::string keys;
  keys.reserve(2 * bytes);  // Those that come have about as many.
  candidates_.clear();
  for (const Sample& sample : samples) {
    candidates_.push_back({sample.hash, keys.size(), sample.key.size()});
    keys += sample.key;
  }
  keys_ = std::move(keys);
}

std::vector<KeySampler::Sample> KeySampler::Samples() const {
  // No hash is above hash_max_, and below it they are spread evenly: so they tell their places, but
  // for a few neighbours.
  const std::size_t count = candidates_.size();
  const int unused_bits = std::countl_zero(hash_max_ | 1);
  const auto bucket_of = [count, unused_bits](const Candidate& candidate) {
    return static_cast<std::size_t>(
        (static_cast<unsigned __int128>(candidate.hash << unused_bits) * count) >> 64);
  };
  std::vector<std::uint32_t> begins(count + 1);  // By bucket; once it is filled, its end.
  for (const Candidate& candidate : candidates_) ++begins[bucket_of(candidate) + 1];
  for (std::size_t i = 1; i < count; ++i) begins[i + 1] += begins[i];
  std::vector<Sample> samples(count);
  for (const Candidate& candidate : candidates_)
    samples[begins[bucket_of(candidate)]++] = {candidate.hash, KeyOf(candidate)};
  const auto less = [](const Sample& a, const Sample& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.key < b.key;
  };
  for (std::size_t i = 0, begin = 0; i < count; begin = begins[i++])
    std::sort(samples.data() + begin, samples.data() + begins[i], less);
  const auto same = [](const Sample& a, const Sample& b) {
    return a.hash == b.hash && a.key == b.key;
  };
  samples.erase(std::unique(samples.begin(), samples.end(), same), samples.end());
  if (samples.size() > capacity_) samples.resize(capacity_);
  return samples;
}

void KeySampler::Merge(const KeySampler& other) {
  MR_CHECK(capacity_ == other.capacity_);
  if (this == &other) return;
  for (const Candidate& candidate : other.candidates_) {
    if (candidate.hash <= hash_max_) Add(candidate.hash, other.KeyOf(candidate));
  }
}

std::vector<std::string> KeySampler::SortedKeys() const {
  std::vector<std::string> keys;
  for (const Sample& sample : Samples()) keys.emplace_back(sample.key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::vector<std::string> KeySampler::Borders(int parts) const {
  MR_CHECK(parts > 0);
  std::vector<Sample> sorted = Samples();
  std::sort(sorted.begin(), sorted.end(),
            [](const Sample& a, const Sample& b) { return a.key < b.key; });
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
      if (sorted[i].hash < sorted[best].hash) best = i;  // Of equal ones the smaller key.
    }
    borders.emplace_back(sorted[best].key);
    free_from = best + 1;
  }
  return borders;
}

}  // namespace millrace
