// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_TOP_K_H_
#define MAPREDUCE_API_TOP_K_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "mapreduce/api/emitter.h"
#include "mapreduce/api/values.h"

namespace millrace {

/// Keeps the first `k` of all offered in the order `before`, a strict weak ordering; 0 keeps all.
/// To give the same result whatever the order of offers, `before` must tell any two apart that
/// differ. Memory: 2 k. Cost: one compare for most, amortized O(1) else. T owns what it holds.
template <class T, class Before>
class TopK {
 public:
  TopK(std::size_t k, Before before) : k_(k), before_(std::move(before)) {}

  /// False where it can't be among the first `k`, now or later.
  bool Offer(const T& item) {
    if (k_ > 0 && is_full_ && !before_(item, kept_[k_ - 1])) return false;
    Keep(item);
    return true;
  }
  /// The most it holds; 0: all.
  std::size_t kept_max() const { return k_ > SIZE_MAX / 2 ? SIZE_MAX : 2 * k_; }

  /// What was kept, in order. Offers may go on afterwards.
  const std::vector<T>& Sorted() {
    std::sort(kept_.begin(), kept_.end(), before_);
    if (k_ > 0 && kept_.size() >= k_) {
      kept_.resize(k_);
      is_full_ = true;
    }
    return kept_;
  }

  /// Forgets everything but its memory.
  void Clear() {
    kept_.clear();
    is_full_ = false;
  }

 private:
  [[gnu::noinline]] void Keep(const T& item) {  // So that Offer is inlined.
    kept_.push_back(item);
    if (k_ > 0 && kept_.size() >= 2 * k_) Shrink();
  }
  // The k-th is then the worst that still counts.
  void Shrink() {
    std::nth_element(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1),
                     kept_.end(), before_);
    kept_.resize(k_);
    is_full_ = true;
  }

  const std::size_t k_;
  const Before before_;
  std::vector<T> kept_;
  bool is_full_ = false;  // kept_[k_ - 1] is the worst of the first k.
};

/// The first `k` values of each key in the order `kBefore`, as combiner (the best of the bests is
/// the best of all) or as reducer. V owns what it holds.
template <class K, class V, auto kBefore>
class KeepTop final {
 public:
  explicit KeepTop(std::size_t k) : k_(k), best_(k, kBefore) {}
  void Reduce(const K& key, Values<V>& values, Emitter<K, V>& emit) {
    best_.Clear();
    for (const V& value : values) best_.Offer(value);
    for (const V& value : best_.Sorted()) emit(key, value);
  }
  /// Before values are sorted, most need not be: see gates.h. Null where all are kept.
  std::unique_ptr<TopK<V, decltype(kBefore)>> MakeGate() const {
    if (k_ == 0) return nullptr;
    return std::make_unique<TopK<V, decltype(kBefore)>>(k_, kBefore);
  }

 private:
  const std::size_t k_;
  TopK<V, decltype(kBefore)> best_;
};

/// The same as reducer, with ranks counted from 1: ((key, rank), value).
template <class K, class V, auto kBefore>
class RankTop {
 public:
  explicit RankTop(std::size_t k) : best_(k, kBefore) {}
  void Reduce(const K& key, Values<V>& values, Emitter<std::tuple<K, std::int64_t>, V>& emit) {
    best_.Clear();
    for (const V& value : values) best_.Offer(value);
    std::int64_t rank = 0;
    for (const V& value : best_.Sorted()) emit({key, ++rank}, value);
  }

 private:
  TopK<V, decltype(kBefore)> best_;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_TOP_K_H_
