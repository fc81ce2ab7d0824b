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

/// Decodes the values of one group.
template <class V>
class ValueDecoder {
 public:
  void Begin(std::string_view, V*, DecodeScratch&) {}
  void Decode(const RecordView& record, V* value, DecodeScratch&) const {
    DecodeValue</*kLast=*/true>(record.value, record.value + record.value_bytes, value);
  }
};

/// Whole records: the parts that the group's keys have in common are decoded once (4 % of a job's
/// CPU time).
template <class K, class V>
class ValueDecoder<KeyValue<K, V>> {
 public:
  void Begin(std::string_view group_key, KeyValue<K, V>* pair, DecodeScratch& group_scratch) {
    if constexpr (kHasParts) {
      group_bytes_ = group_key.size();
      group_parts_ = DecodeKeyFront(group_key, &pair->key, group_scratch);
    }
  }
  void Decode(const RecordView& record, KeyValue<K, V>* pair, DecodeScratch& scratch) const {
    if constexpr (kHasParts) {
      DecodeKeyBehind(group_parts_, record.key_view().substr(group_bytes_), &pair->key, scratch);
    } else {
      DecodeKey</*kLast=*/true>(record.key, record.key + record.key_bytes, &pair->key, scratch);
    }
    DecodeValue</*kLast=*/true>(record.value, record.value + record.value_bytes, &pair->value);
  }

 private:
  static constexpr bool kHasParts = kIsTuple<K> || HasFields<K>;
  std::size_t group_bytes_ = 0;
  std::size_t group_parts_ = 0;
};

}  // namespace codec_internal

/// The values of one group, one after the other, in the order (shard, offset, emission); with
/// GroupBy<N>, records in key order. A single pass: `for (const V& value : values)`. A value, and
/// strings it views, live until the next is asked for; what is kept longer must be copied.
template <class V>
class Values {
 public:
  /// `scratch` is cleared for each value; `group_scratch` lasts as long as the values.
  Values(GroupReader& group, DecodeScratch& scratch, DecodeScratch& group_scratch)
      : group_(group), scratch_(scratch) {
    decoder_.Begin(group_.key(), &value_, group_scratch);
  }

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
    decoder_.Decode(group_.record(), &value_, scratch_);
    return true;
  }

  GroupReader& group_;
  DecodeScratch& scratch_;
  codec_internal::ValueDecoder<V> decoder_;
  V value_{};
};

}  // namespace millrace

#endif  // MAPREDUCE_API_VALUES_H_
