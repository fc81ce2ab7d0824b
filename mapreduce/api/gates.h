// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_GATES_H_
#define MAPREDUCE_API_GATES_H_

// Where a combiner can tell of a value that it won't matter, the value need not be sorted first. Of
// the 4.3 M counts of toplist, 1 in 50 can still be among the first hundred of its country: without
// gates the others were a ninth of the job's time, and 48 MiB.
//
//   emitted -> gate of the key -> sort buffer -> combiner -> run
//
// A combiner that has gates has a const member MakeGate(), which returns a pointer to one, or null
// for none:
//
//   bool Offer(const Value& value);         false: beside those offered before to this gate, the
//                                           value changes nothing in what reducing makes of them
//   std::size_t kept_max() const;           how many values it holds at most; it owns what it holds
//
// Each slot has gates of its own. Which values pass depends on what a slot saw before: so nothing
// else may, as with combiners.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "mapreduce/api/value_codec.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/shuffle/emit_batch.h"

namespace millrace::api_internal {

/// A combiner with gates.
template <class Combiner, class V>
concept HasGates = requires(const Combiner& combiner, const V& value) {
  { combiner.MakeGate()->Offer(value) } -> std::same_as<bool>;
  { combiner.MakeGate()->kept_max() } -> std::convertible_to<std::size_t>;
};

/// The gates of one slot, by key. Keys that come when there is no more room have none, nor have
/// large keys and values. One thread at a time.
template <class Combiner, class V>
class Gates {
 public:
  static constexpr std::uint64_t kBytesMax = std::uint64_t{4} << 20;

  /// Drops what no gate lets pass. False, and nothing is held any more, where that was too little.
  bool Thin(const Combiner& combiner, EmitBatch& batch) {
    const std::size_t before = batch.count();
    batch.DropUnless([&](const char* record) { return Passes(combiner, record); });
    offered_ += before;
    dropped_ += before - batch.count();
    if (offered_ >= kWindow) {
      is_worth_it_ = is_worth_it_ && dropped_ >= offered_ / kDroppedShare;
      offered_ = dropped_ = 0;
    }
    if (!is_worth_it_) gates_.clear();
    return is_worth_it_;
  }

 private:
  using Gate = decltype(std::declval<const Combiner&>().MakeGate());

  static constexpr std::size_t kGatedBytesMax = 64;  // Of a key, and of a value.
  static constexpr std::size_t kGateBytes = 256;     // Beside its values.
  static constexpr std::uint64_t kWindow = std::uint64_t{1} << 18;
  static constexpr std::uint64_t kDroppedShare = 4;  // What sorting costs is twice what gates do.

  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return Hash64(key); }
  };

  bool Passes(const Combiner& combiner, const char* record) {
    const std::string_view key(EmitBatch::Key(record), EmitBatch::KeyBytes(record));
    const std::size_t value_bytes = EmitBatch::ValueBytes(record);
    if (key.size() > kGatedBytesMax || value_bytes > kGatedBytesMax || !is_worth_it_) return true;
    try {
      auto found = gates_.find(key);
      if (found == gates_.end()) {
        if (bytes_ > kBytesMax) return true;
        Gate gate = combiner.MakeGate();
        if (gate == nullptr) {
          is_worth_it_ = false;
          return true;
        }
        bytes_ += kGateBytes + gate->kept_max() * (sizeof(V) + kGatedBytesMax);
        if (bytes_ > kBytesMax) return true;
        found = gates_.emplace(key, std::move(gate)).first;
      }
      const char* const value = key.data() + key.size();
      DecodeValue<true>(value, value + value_bytes, &value_);
      return found->second->Offer(value_);
    } catch (...) {  // The combiner will fail in the same way, and that is told.
      is_worth_it_ = false;
      return true;
    }
  }

  std::unordered_map<std::string, Gate, KeyHash, std::equal_to<>> gates_;
  std::uint64_t bytes_ = 0;  // Beyond the limit once a gate had no room.
  std::uint64_t offered_ = 0, dropped_ = 0;
  bool is_worth_it_ = true;
  V value_{};
};

}  // namespace millrace::api_internal

#endif  // MAPREDUCE_API_GATES_H_
