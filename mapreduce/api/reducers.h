// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_REDUCERS_H_
#define MAPREDUCE_API_REDUCERS_H_

// Ready-made reducers for which the order of a key's values matters, which is that of the input:
// (shard, offset in the shard, emission). An aggregator knows no order; these are classes with a
// Reduce member, named with the types that Map emits:
//
//   .Combine<First<User, Address>>().Reduce<First<User, Address>>()

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/api/context.h"
#include "mapreduce/api/emitter.h"
#include "mapreduce/api/value_codec.h"
#include "mapreduce/api/values.h"
#include "mapreduce/base/size.h"

namespace millrace {

namespace api_internal {

/// Values kept beyond the next one of their group: encoded, so that views need no owner.
class KeptValues {
 public:
  void Clear() { bytes_.clear(), ends_.clear(); }
  std::size_t size() const { return ends_.size(); }
  std::size_t bytes() const { return bytes_.size(); }

  template <class V>
  void Add(const V& value) {
    const std::size_t begin = bytes_.size();
    bytes_.resize(begin + ValueBytesMax(value));
    char* const end = EncodeValue</*kLast=*/true>(bytes_.data() + begin, value);
    bytes_.resize(static_cast<std::size_t>(end - bytes_.data()));
    ends_.push_back(bytes_.size());
  }
  /// Strings it views live until the next Add or Clear.
  template <class V>
  void Get(std::size_t i, V* value) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    DecodeValue</*kLast=*/true>(bytes_.data() + begin, bytes_.data() + ends_[i], value);
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

}  // namespace api_internal

/// The first value of each key, as combiner, too.
template <class K, class V>
class First {
 public:
  void Reduce(const K& key, Values<V>& values, Emitter<K, V>& emit) {
    for (const V& value : values) {
      emit(key, value);
      return;
    }
  }
};

/// The first value of each key; the records of the others are set aside.
template <class K, class V>
class KeepFirst {
 public:
  void Reduce(const K& key, Values<Sourced<V>>& values, Emitter<K, V>& emit, Context& context) {
    bool is_first = true;
    for (const Sourced<V>& value : values) {
      if (std::exchange(is_first, false)) {
        emit(key, value.value);
      } else {
        context.Reject(value.origin, "its key was there before");
      }
    }
  }
};

/// The last value of each key, as combiner, too.
template <class K, class V>
class Last {
 public:
  void Reduce(const K& key, Values<V>& values, Emitter<K, V>& emit) {
    for (const V& value : values) {
      last_.Clear();
      last_.Add(value);
    }
    if (last_.size() == 0) return;
    V value{};
    last_.Get(0, &value);
    emit(key, value);
    last_.Clear();
  }

 private:
  api_internal::KeptValues last_;
};

/// All values of each key as one vector, in their order. They must fit in memory: a key with more
/// than `bytes_max` encoded bytes of them is rejected.
template <class K, class V>
class Collect {
 public:
  explicit Collect(std::uint64_t bytes_max = std::uint64_t{16} << 20) : bytes_max_(bytes_max) {}

  void Reduce(const K& key, Values<V>& values, Emitter<K, std::vector<V>>& emit, Context& context) {
    kept_.Clear();
    for (const V& value : values) {
      kept_.Add(value);
      if (kept_.bytes() <= bytes_max_) continue;
      return context.Reject("the key's values have more than " + FormatBytes(bytes_max_) +
                            ", the limit given to Collect");
    }
    std::vector<V> all(kept_.size());
    for (std::size_t i = 0; i < all.size(); ++i) kept_.Get(i, &all[i]);
    emit(key, all);
  }

 private:
  const std::uint64_t bytes_max_;
  api_internal::KeptValues kept_;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_REDUCERS_H_
