// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/bounds/plays.h"

#include <functional>
#include <numeric>

namespace millrace::bounds {

std::vector<std::size_t> Buckets::BySize() const {
  std::vector<std::size_t> sizes(buckets_), order(buckets_);
  for (std::size_t bucket = 0; bucket < buckets_; ++bucket) {
    for (const auto part : Parts(bucket)) sizes[bucket] += part.size();
  }
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  return order;
}

void Best::Offer(std::int32_t n, std::uint32_t track) {
  Add(std::uint64_t{static_cast<std::uint32_t>(n)} << kTrackBits | (kTrackMask - track));
}

void Best::Merge(const Best& other) {
  for (const std::uint64_t packed : other.packed_) Add(packed);
}

void Best::Add(std::uint64_t packed) {
  if (packed_.size() == kRanks) {
    if (packed < packed_.front()) return;
    std::pop_heap(packed_.begin(), packed_.end(), std::greater<>());
    packed_.pop_back();
  }
  packed_.push_back(packed);
  std::push_heap(packed_.begin(), packed_.end(), std::greater<>());
}

void Best::AppendRows(const std::string& scope, std::string& text) const {
  std::vector<std::uint64_t> sorted = packed_;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const std::string track = std::to_string(kTrackMask - (sorted[i] & kTrackMask));
    text += scope + '\t' + std::to_string(i + 1) + "\tt" + std::string(7 - track.size(), '0') +
            track + '\t' + std::to_string(sorted[i] >> kTrackBits) + '\n';
  }
}

void WriteTopList(const Task& task, const CountryIndex& countries,
                  std::span<const Bests> of_thread) {
  std::string text;
  for (std::size_t scope = 0; scope < kScopes; ++scope) {
    Best best;
    for (const Bests& bests : of_thread) best.Merge(bests[scope]);
    best.AppendRows(scope == 0 ? "*" : countries.Name(scope), text);
  }
  WriteFile(task.output, text);
}

}  // namespace millrace::bounds
