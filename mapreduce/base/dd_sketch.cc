// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/dd_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "mapreduce/base/bytes.h"

namespace millrace {
namespace {

constexpr int kShift = 46;  // Of the fraction's 52 bits 6 are kept; before them stands a 1.
constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
constexpr std::uint64_t kLeastNormal = std::uint64_t{1} << 52;  // Bits of 2^-1022.
constexpr std::uint64_t kInfinity = std::uint64_t{0x7FF} << 52;

// So that the bucket of 2^-1022 is the first.
constexpr std::uint64_t kBias = (kLeastNormal >> kShift) - 1;
constexpr std::int32_t kInfinityBucket = static_cast<std::int32_t>((kInfinity >> kShift) - kBias);
constexpr std::int32_t kNanBucket = kInfinityBucket + 1;

std::uint64_t ZigZag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t UnZigZag(std::uint64_t bits) {
  return static_cast<std::int64_t>(bits >> 1 ^ (0 - (bits & 1)));
}

}  // namespace

std::int32_t DdSketch::BucketOf(double value) {
  if (std::isnan(value)) return kNanBucket;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t magnitude = bits & ~kSign;
  if (magnitude < kLeastNormal) return 0;
  // Rounded half up; a carry out of the fraction is the next exponent.
  constexpr std::uint64_t kHalf = std::uint64_t{1} << (kShift - 1);
  auto number = static_cast<std::int32_t>(((magnitude + kHalf) >> kShift) - kBias);
  if (magnitude < kInfinity) number = std::min(number, kInfinityBucket - 1);
  return bits == magnitude ? number : -number;
}

double DdSketch::ValueOf(std::int32_t bucket) {
  if (bucket == 0) return 0;
  if (bucket < 0) return -ValueOf(-bucket);
  if (bucket == kNanBucket) return std::numeric_limits<double>::quiet_NaN();
  return std::bit_cast<double>((static_cast<std::uint64_t>(bucket) + kBias) << kShift);
}

// Binary search and, for a new bucket, a move of those above it: what is common is some hundred
// buckets, met early. The worst is all 260,000 there are, in random order: some seconds.
void DdSketch::AddTo(std::int32_t number, std::uint64_t count) {
  count_ += count;
  const auto at = std::lower_bound(
      buckets_.begin(), buckets_.end(), number,
      [](const Bucket& bucket, std::int32_t wanted) { return bucket.number < wanted; });
  if (at != buckets_.end() && at->number == number) {
    at->count += count;
  } else {
    buckets_.insert(at, {number, count});
  }
}

void DdSketch::Merge(const DdSketch& other) {
  if (&other == this) return Merge(DdSketch(other));
  if (buckets_.empty()) {
    *this = other;
    return;
  }
  for (const Bucket& bucket : other.buckets_) AddTo(bucket.number, bucket.count);
}

double DdSketch::Quantile(double q) const {
  if (empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(count_ - 1));
  std::uint64_t below = 0;
  for (const Bucket& bucket : buckets_) {
    below += bucket.count;
    if (below > wanted) return ValueOf(bucket.number);
  }
  return ValueOf(buckets_.back().number);  // Beyond 2^53 values `wanted` may be rounded up.
}

std::string DdSketch::Encode() const {
  std::string bytes;
  std::int32_t before = 0;
  for (const Bucket& bucket : buckets_) {
    char text[2 * kVarintBytesMax];
    char* end = PutVarint(text, ZigZag(bucket.number - before));
    end = PutVarint(end, bucket.count);
    bytes.append(text, static_cast<std::size_t>(end - text));
    before = bucket.number;
  }
  return bytes;
}

DdSketch DdSketch::Decode(std::string_view bytes) {
  DdSketch sketch;
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  std::int64_t number = 0;
  while (at != end) {
    std::uint64_t distance, count;
    at = GetVarint(at, end, &distance);
    if (at != nullptr) at = GetVarint(at, end, &count);
    if (at == nullptr) break;
    number += UnZigZag(distance);
    sketch.buckets_.push_back({static_cast<std::int32_t>(number), count});
    sketch.count_ += count;
  }
  return sketch;
}

}  // namespace millrace
