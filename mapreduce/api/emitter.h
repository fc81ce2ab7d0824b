// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_EMITTER_H_
#define MAPREDUCE_API_EMITTER_H_

#include "mapreduce/api/key_codec.h"
#include "mapreduce/api/value_codec.h"
#include "mapreduce/shuffle/emit_batch.h"

namespace millrace {

/// What Map and Reduce emit into: `emit(key, value)`. The record is encoded at once, so views
/// need live no longer than the call. No allocation and no virtual call per record.
template <class K, class V>
class Emitter {
 public:
  using Key = K;
  using Value = V;

  explicit Emitter(EmitBatch& batch) : batch_(batch) {}

  void operator()(const K& key, const V& value) {
    char* const at = batch_.Begin(KeyBytesMax</*kLast=*/true>(key) + ValueBytesMax(value));
    char* const behind_key = EncodeKey</*kLast=*/true>(at, key);
    batch_.Commit(behind_key, EncodeValue</*kLast=*/true>(behind_key, value));
  }
  /// For values without content.
  void operator()(const K& key) requires std::is_same_v<V, Unit> { (*this)(key, Unit{}); }

 private:
  EmitBatch& batch_;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_EMITTER_H_
