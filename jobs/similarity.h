// SPDX-License-Identifier: Apache-2.0
#ifndef JOBS_SIMILARITY_H_
#define JOBS_SIMILARITY_H_

// How much a basket counts, and how similar two tracks are by the weights of the baskets that hold
// either and both. In doubles, each operation rounded once: the same bits on every machine.

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/api/math.h"

namespace millrace {

/// The weight of baskets by their size: 1, or, with tf-idf, less the larger they are. In whole
/// units, so that sums are exact.
class BasketWeights {
 public:
  /// `track_count`: of all baskets together.
  BasketWeights(bool is_tfidf, std::uint64_t track_count)
      : is_tfidf_(is_tfidf), track_count_(static_cast<double>(track_count)) {}

  double unit() const { return is_tfidf_ ? 0x1p-32 : 1; }
  /// In units.
  std::uint64_t Of(std::size_t basket_size) {
    if (!is_tfidf_) return 1;
    if (basket_size >= known_.size()) known_.resize(basket_size + 1, -1);
    std::int64_t& weight = known_[basket_size];
    if (weight < 0) {
      const double log = Log(track_count_ / static_cast<double>(1 + basket_size));
      weight = std::llrint(log * log / unit());
    }
    return static_cast<std::uint64_t>(weight);
  }

 private:
  const bool is_tfidf_;
  const double track_count_;
  std::vector<std::int64_t> known_;  // By size; -1: not computed yet.
};

/// See above.
struct Similarity {
  std::string kind;  ///< cosine, dice or jaccard.
  double shrink = 0;

  /// floor(10^6 * similarity) of two tracks: `a` and `b` weigh the baskets with each, `both` those
  /// with both; 0 where nothing is known, nothing where it is beyond int64.
  std::optional<std::int64_t> Score(double a, double b, double both) const {
    const double divisor = kind == "cosine" ? std::sqrt(a * b) + shrink
                           : kind == "dice" ? a + b + shrink
                                            : a + b - both + shrink;
    if (divisor == 0) return 0;
    const double score = std::floor((kind == "dice" ? 2e6 : 1e6) * both / divisor);
    if (!(std::fabs(score) < 0x1p63)) return std::nullopt;
    return static_cast<std::int64_t>(score);
  }
};

}  // namespace millrace

#endif  // JOBS_SIMILARITY_H_
