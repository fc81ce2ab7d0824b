// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_QUANTILES_H_
#define MAPREDUCE_API_QUANTILES_H_

// Quantiles of a key's values, each less than 1 % off, in memory that doesn't grow with their
// number: see base/dd_sketch.h. Map emits a sketch of each value, the combiner makes one of many:
//
//   void Map(const Play& play, Emitter<std::string_view, DdSketch>& emit) {
//     emit(play.country, DdSketch::Of(play.ms_played));
//   }
//
//   .Combine<MergeSketches<std::string_view>>()
//   .Reduce<Quantiles<std::string_view, 3>>(0.5, 0.9, 0.99)
//   .Write<Tsv>("ms_played")                                   // country, p50, p90, p99
//
// No aggregator, since a state of at most 1 KiB would be too small for wide ranges at 1 %, and too
// large for millions of keys with few values: a sketch has the size of what it has seen.

#include <array>
#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "mapreduce/api/codec.h"
#include "mapreduce/api/emitter.h"
#include "mapreduce/api/values.h"
#include "mapreduce/base/dd_sketch.h"

namespace millrace {

template <>
struct Codec<DdSketch> {
  static std::string ToFields(const DdSketch& sketch) { return sketch.Encode(); }
  static DdSketch FromFields(const std::string& bytes) { return DdSketch::Decode(bytes); }
};

/// One sketch of all values of a key: the combiner, and a reducer where a later stage merges on.
template <class K>
class MergeSketches {
 public:
  void Reduce(const K& key, Values<DdSketch>& sketches, Emitter<K, DdSketch>& emit) {
    DdSketch all;
    for (const DdSketch& sketch : sketches) all.Merge(sketch);
    emit(key, all);
  }
};

namespace api_internal {
template <class T, class Sequence>
struct Repeated;
template <class T, std::size_t... I>
struct Repeated<T, std::index_sequence<I...>> {
  template <std::size_t>
  using Same = T;
  using Tuple = std::tuple<Same<I>...>;
};
}  // namespace api_internal

/// N quantiles of each key's values as N columns: see DdSketch::Quantile.
template <class K, std::size_t N>
class Quantiles {
 public:
  using Row = typename api_internal::Repeated<double, std::make_index_sequence<N>>::Tuple;

  /// Throws std::invalid_argument where one is not from 0 to 1.
  template <class... Q>
  requires(sizeof...(Q) == N && (std::convertible_to<Q, double> && ...)) explicit Quantiles(Q... q)
      : q_{static_cast<double>(q)...} {
    for (const double each : q_) {
      if (!(each >= 0 && each <= 1)) {
        throw std::invalid_argument("Quantiles: " + std::to_string(each) + " is not from 0 to 1");
      }
    }
  }

  void Reduce(const K& key, Values<DdSketch>& sketches, Emitter<K, Row>& emit) {
    DdSketch all;
    for (const DdSketch& sketch : sketches) all.Merge(sketch);
    const auto row = [&]<std::size_t... I>(std::index_sequence<I...>) {
      return Row(all.Quantile(q_[I])...);
    };
    emit(key, row(std::make_index_sequence<N>()));
  }

 private:
  const std::array<double, N> q_;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_QUANTILES_H_
