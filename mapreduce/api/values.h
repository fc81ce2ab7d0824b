// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_VALUES_H_
#define MAPREDUCE_API_VALUES_H_

#include <cstddef>
#include <iterator>

#include "mapreduce/api/key_codec.h"
#include "mapreduce/api/value_codec.h"
#include "mapreduce/shuffle/group_reader.h"

namespace millrace {
namespace codec_internal {

template <class V>
struct ValueOf {
  static void Decode(const RecordView& record, V* value, DecodeScratch&) {
    DecodeValue</*kLast=*/true>(record.value, record.value + record.value_bytes, value);
  }
};
template <class K, class V>
struct ValueOf<KeyValue<K, V>> {
  static void Decode(const RecordView& record, KeyValue<K, V>* pair, DecodeScratch& scratch) {
    DecodeKey</*kLast=*/true>(record.key, record.key + record.key_bytes, &pair->key, scratch);
    DecodeValue</*kLast=*/true>(record.value, record.value + record.value_bytes, &pair->value);
  }
};

}  // namespace codec_internal

/// The values of one group, one after the other, in the order (shard, offset, emission); with
/// GroupBy<N>, records in key order. A single pass: `for (const V& value : values)`. A value, and
/// strings it views, live until the next is asked for; what is kept longer must be copied.
template <class V>
class Values {
 public:
  Values(GroupReader& group, DecodeScratch& scratch) : group_(group), scratch_(scratch) {}

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = V;
    using difference_type = std::ptrdiff_t;
    using pointer = const V*;
    using reference = const V&;

    const V& operator*() const { return values_->value_; }
    const V* operator->() const { return &values_->value_; }
    Iterator& operator++() {
      if (!values_->Next()) values_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.values_ == b.values_; }

   private:
    friend class Values;
    explicit Iterator(Values* values) : values_(values) {}
    Values* values_;
  };

  /// Requires: called once per group.
  Iterator begin() { return Iterator(Next() ? this : nullptr); }
  Iterator end() { return Iterator(nullptr); }

 private:
  bool Next() {
    if (!group_.NextValue()) return false;
    scratch_.Clear();
    codec_internal::ValueOf<V>::Decode(group_.record(), &value_, scratch_);
    return true;
  }

  GroupReader& group_;
  DecodeScratch& scratch_;
  V value_{};
};

}  // namespace millrace

#endif  // MAPREDUCE_API_VALUES_H_
