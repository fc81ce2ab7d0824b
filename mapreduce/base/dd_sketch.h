// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_DD_SKETCH_H_
#define MAPREDUCE_BASE_DD_SKETCH_H_

// Quantiles of any number of values in little memory, each with a relative error of less than 1 %:
// Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
// Guarantees" (2019). Values are counted in buckets whose width grows with the values; adding and
// merging are sums of counts, so no order of them can be seen.
//
// A bucket is what rounds to the same 7 significant bits, and stands for that number: the linearly
// interpolated buckets of the authors' own programs, 64 to a doubling, moved by half of one. So the
// bits of a double are its bucket, no logarithm is taken and all machines agree; integers to 128
// are exact, and integers stay integers.
//
//   sketch := (bucket:zigzag count:varint)*    ascending; a bucket as its distance from the one
//                                              before it, the first from 0
//
// A bucket's number: 0 for zero and all that is nearer to it than 2^-1022, 1 for 2^-1022 and so on,
// to those of infinity and, last, NaN; negative for negative values. Of one value 4 to 5 bytes, of
// many 2 to 5 a bucket: values from 1 to a million are in at most 1280 of them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace millrace {

/// A value type. One thread at a time.
class DdSketch {
 public:
  static constexpr double kRelativeError = 1.0 / 128;  ///< 0.78 %.

  DdSketch() = default;
  /// The sketch of one number. Integers beyond 2^53 are rounded to a double first.
  template <class T>
  requires std::is_arithmetic_v<T>
  static DdSketch Of(T value) {
    DdSketch sketch;
    sketch.Add(static_cast<double>(value));
    return sketch;
  }

  /// -0 is 0; NaN counts as larger than all numbers.
  void Add(double value) { AddTo(BucketOf(value), 1); }
  void Merge(const DdSketch& other);

  std::uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }

  /// About the value at the position floor(q * (count - 1)), from 0, of all in order: q = 0 is the
  /// smallest, 0.5 the median, 1 the largest. At most kRelativeError of its magnitude away; exact
  /// for 0, integers to 128 and the infinities. What is nearer to 0 than 2^-1022 counts as 0. NaN
  /// where there is no value. Requires: q is from 0 to 1. Linear in the buckets.
  double Quantile(double q) const;

  /// Sketches of the same values, in whatever order they came, are the same bytes.
  std::string Encode() const;
  /// Requires: `bytes` are what Encode() wrote.
  static DdSketch Decode(std::string_view bytes);

  friend bool operator==(const DdSketch&, const DdSketch&) = default;

 private:
  struct Bucket {
    std::int32_t number;
    std::uint64_t count;
    friend bool operator==(const Bucket&, const Bucket&) = default;
  };

  static std::int32_t BucketOf(double value);
  static double ValueOf(std::int32_t bucket);
  void AddTo(std::int32_t number, std::uint64_t count);

  std::vector<Bucket> buckets_;  // Ascending; none is empty.
  std::uint64_t count_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_DD_SKETCH_H_
