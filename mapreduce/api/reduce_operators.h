// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_REDUCE_OPERATORS_H_
#define MAPREDUCE_API_REDUCE_OPERATORS_H_

// Reducing and combining: by aggregators, whose states are the values of the shuffle, and by a
// job's own classes with a Reduce member.

#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "mapreduce/api/aggregators.h"
#include "mapreduce/api/describe_key.h"
#include "mapreduce/api/gates.h"
#include "mapreduce/api/map_operators.h"
#include "mapreduce/api/signature.h"
#include "mapreduce/shuffle/collector.h"

namespace millrace {
namespace api_internal {

/// Bytes of a state in tables and records: none for an empty one, else a multiple of 8.
template <class State>
inline constexpr std::size_t kStateBytes = std::is_empty_v<State> ? 0 : (sizeof(State) + 7) / 8 * 8;

template <class State>
State LoadState(const char* from) {
  State state{};
  if constexpr (kStateBytes < State >> 0) std::memcpy(&state, from, sizeof(State));
  return state;
}

/// Merges all states of the current group.
template <class A>
typename A::State MergeGroup(GroupReader& groups) {
  typename A::State state{};
  while (groups.NextValue()) {
    if constexpr (kStateBytes < typename A::State >> 0) {
      A::Merge(state, LoadState<typename A::State>(groups.record().value));
    }
  }
  return state;
}

inline void EmitEncoded(EmitBatch& batch, std::string_view key, const void* state,
                        std::size_t state_bytes) {
  char* const at = batch.Begin(key.size() + state_bytes);
  std::memcpy(at, key.data(), key.size());
  if (state_bytes > 0) std::memcpy(at + key.size(), state, state_bytes);
  batch.Commit(at + key.size(), at + key.size() + state_bytes);
}

template <class T>
struct ResultOf {
  using Type = T;
};
template <class T>
struct ResultOf<std::optional<T>> {
  using Type = T;
};

}  // namespace api_internal

/// What an aggregator's Result is: the value type of its stage's output.
template <class A>
using AggregateResult = typename api_internal::ResultOf<decltype(A::Result(
    std::declval<const typename A::State&>()))>::Type;

/// Combines values into states in a table.
template <class V, class A>
class AggregateCollector final : public TableCollector {
 public:
  using State = typename A::State;
  static_assert(alignof(State) <= 8, "an aggregator's State is aligned to at most 8 bytes");
  explicit AggregateCollector(const CollectorOptions& options)
      : TableCollector(options, api_internal::kStateBytes<State>) {}

 private:
  void Apply(const EmitBatch& batch, std::size_t from, std::size_t count,
             const CombiningTable::Chunk& chunk) override {
    if constexpr (api_internal::kStateBytes < State >> 0) {
      for (std::size_t i = 0; i < count; ++i) {
        A::Add(*reinterpret_cast<State*>(chunk.states[i]), ValueAt(batch, from + i));
      }
    }
  }
  bool IsStateless() const override {
    return StateIsValue<A>() || (api_internal::kStateBytes<State> == 0 && std::is_same_v<V, Unit>);
  }
  void EmitStates(const EmitBatch& batch, std::size_t from, EmitBatch& out) override {
    for (std::size_t i = from; i < batch.count(); ++i) {
      const char* const record = batch.begin() + batch.offset(i);
      State state{};
      A::Add(state, ValueAt(batch, i));
      api_internal::EmitEncoded(out, {EmitBatch::Key(record), EmitBatch::KeyBytes(record)}, &state,
                                api_internal::kStateBytes<State>);
    }
  }
  static V ValueAt(const EmitBatch& batch, std::size_t i) {
    const char* const record = batch.begin() + batch.offset(i);
    const char* const value = EmitBatch::Key(record) + EmitBatch::KeyBytes(record);
    V decoded{};
    DecodeValue<true>(value, value + EmitBatch::ValueBytes(record), &decoded);
    return decoded;
  }
};

/// Merges states of equal keys.
template <class A>
class AggregateCombine final : public CombineOperator {
 public:
  Status Run(Merger& in, EmitSink& out) override {
    EmitBatch batch(out);
    GroupReader groups(in);
    while (groups.NextGroup()) {
      const typename A::State state = api_internal::MergeGroup<A>(groups);
      api_internal::EmitEncoded(batch, groups.key(), &state,
                                api_internal::kStateBytes<typename A::State>);
      batch.EndRecord();
      if (!batch.status().ok()) break;
    }
    batch.Flush();
    return groups.status().ok() ? batch.status() : groups.status();
  }
};

/// Merges the states of each key and emits (key, result).
template <class K, class A>
class AggregateReduce final : public ReduceOperator {
 public:
  AggregateReduce(Context& context, EmitSink& sink) : context_(context), batch_(sink) {}

  Status Run(Merger& in) override {
    GroupReader groups(in);
    while (groups.NextGroup() && batch_.status().ok()) {
      if (context_.IsSetAside(groups.key())) [[unlikely]] {
        MR_RETURN_IF_ERROR(context_.ReportReject(kCrashReason, groups.key()));
        continue;
      }
      context_.BeginGroup(groups.key());
      const auto result = A::Result(api_internal::MergeGroup<A>(groups));
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(result)>, AggregateResult<A>>) {
        Emit(groups.key(), result);
      } else {
        if (!result.has_value()) return Failure(groups.key());
        Emit(groups.key(), *result);
      }
    }
    return groups.status().ok() ? batch_.status() : groups.status();
  }
  Status Close() override {
    context_.EndGroups();
    batch_.Flush();
    return batch_.status();
  }

 private:
  void Emit(std::string_view key, const AggregateResult<A>& result) {
    char* const at = batch_.Begin(key.size() + ValueBytesMax(result));
    std::memcpy(at, key.data(), key.size());
    batch_.Commit(at + key.size(), EncodeValue<true>(at + key.size(), result));
    batch_.EndRecord();
  }
  static Status Failure(std::string_view key) {
    if constexpr (requires { A::kFailure; }) {
      return Status::BadData(A::kFailure, " for the key ", DescribeKey<K>(key),
                             "; look at what the input has for it");
    } else {
      return Status::BadData("no result for the key ", DescribeKey<K>(key));
    }
  }

  Context& context_;
  EmitBatch batch_;
};

/// Calls a job's Reduce for each group.
template <class K, class V, class Reducer>
class GroupReduce final : public ReduceOperator {
 public:
  using Signature = api_internal::ReduceOf<Reducer>;
  using Group = typename Signature::Group;

  /// `prefix_bytes`: of GroupBy<N>, else null.
  template <class... Args>
  GroupReduce(GroupReader::PrefixBytes prefix_bytes, Context& context, EmitSink& sink,
              Args&&... args)
      : prefix_bytes_(prefix_bytes),
        context_(context),
        batch_(sink),
        emitter_(batch_),
        reducer_(api_internal::MakeUserObject<Reducer>(std::forward<Args>(args)...)) {
    CallSetUp(reducer_, context_);
  }

  Status Run(Merger& in) override {
    GroupReader groups(in, prefix_bytes_);
    std::string what;
    const auto reduce_rest = [&] {
      while (groups.NextGroup() && status_.ok() && batch_.status().ok()) ReduceGroup(groups);
    };
    while (api_internal::Throws(reduce_rest, &what)) {
      if (!groups.status().ok()) break;  // Of a group cut short nothing can be said.
      context_.Reject(what);
      Drop(groups.key());
      batch_.EndRecord();
    }
    if (!groups.status().ok()) return groups.status();
    return status_.ok() ? batch_.status() : status_;
  }
  Status Close() override {
    context_.EndGroups();
    CallTearDown(reducer_, context_);
    batch_.Flush();
    status_.Update(context_.failure());
    return status_.ok() ? batch_.status() : status_;
  }

 private:
  void ReduceGroup(GroupReader& groups) {
    if (context_.IsSetAside(groups.key())) [[unlikely]] {
      status_.Update(context_.ReportReject(kCrashReason, groups.key()));
      return;
    }
    key_scratch_.Clear();
    if (prefix_bytes_ == nullptr) {
      DecodeKey<true>(groups.key().data(), groups.key().data() + groups.key().size(), &group_,
                      key_scratch_);
    } else {
      DecodeKey<false>(groups.key().data(), groups.key().data() + groups.key().size(), &group_,
                       key_scratch_);
    }
    context_.BeginGroup(groups.key());
    Values<typename Signature::Value> values(groups, value_scratch_, key_scratch_);
    if constexpr (Signature::kTakesContext) {
      reducer_.Reduce(group_, values, emitter_, context_);
      if (!groups.status().ok()) return;
      if (context_.is_rejected()) [[unlikely]]
        Drop(groups.key());
    } else {
      reducer_.Reduce(group_, values, emitter_);
    }
    batch_.EndRecord();
  }
  void Drop(std::string_view key) {
    if (!batch_.DropRecord()) {
      status_.Update(Status::UserCode("a group was rejected after it had emitted more than ",
                                      kBatchBytesMax,
                                      " bytes, which can't be taken back; reject before emitting"));
    }
    status_.Update(context_.ReportReject(key));
  }

  const GroupReader::PrefixBytes prefix_bytes_;
  Context& context_;
  EmitBatch batch_;
  Emitter<typename Signature::OutKey, typename Signature::OutValue> emitter_;
  Reducer reducer_;
  Group group_{};
  DecodeScratch key_scratch_, value_scratch_;
  Status status_;
};

/// A job's Reduce as combiner: the same key comes out, with fewer values.
template <class K, class V, class Combiner>
class GroupCombine final : public CombineOperator {
 public:
  template <class... Args>
  explicit GroupCombine(Args&&... args)
      : combiner_(api_internal::MakeUserObject<Combiner>(std::forward<Args>(args)...)) {}

  Status Run(Merger& in, EmitSink& out) override {
    EmitBatch batch(out);
    Emitter<K, V> emitter(batch);
    GroupReader groups(in);
    K key{};
    DecodeScratch key_scratch, value_scratch;
    std::string what;
    bool same_key = true;
    const auto combine_all = [&] {
      while (same_key && batch.status().ok() && groups.NextGroup()) {
        key_scratch.Clear();
        DecodeKey<true>(groups.key().data(), groups.key().data() + groups.key().size(), &key,
                        key_scratch);
        Values<V> values(groups, value_scratch, key_scratch);
        const std::size_t before = batch.count();
        combiner_.Reduce(key, values, emitter);
        for (std::size_t i = before; i < batch.count(); ++i) {
          const char* const record = batch.begin() + batch.offset(i);
          same_key = same_key && std::string_view(EmitBatch::Key(record),
                                                  EmitBatch::KeyBytes(record)) == groups.key();
        }
        batch.EndRecord();
      }
    };
    if (api_internal::Throws(combine_all, &what)) {
      return Status::UserCode("the combiner failed on the key ", DescribeKey<K>(groups.key()), ": ",
                              what);
    }
    batch.Flush();
    if (!groups.status().ok()) return groups.status();
    if (!same_key) {
      return Status::UserCode("the combiner emitted another key than its group's, ",
                              DescribeKey<K>(groups.key()));
    }
    return batch.status();
  }

  std::uint64_t thin_bytes_max() const override { return kHasGates ? Gates::kBytesMax : 0; }
  bool Thin(EmitBatch& batch) override {
    if constexpr (kHasGates) {
      return gates_.Thin(combiner_, batch);
    } else {
      static_cast<void>(batch);
      return false;
    }
  }

 private:
  static_assert(!api_internal::MakesGates<Combiner> || api_internal::MakesFittingGates<Combiner, V>,
                "MakeGate() of a combiner is const, and returns a std::unique_ptr to what has bool "
                "Offer(const Value&) and std::size_t kept_max() const");
  static constexpr bool kHasGates = api_internal::kHasGates<Combiner, V>;
  struct NoGates {
    static constexpr std::uint64_t kBytesMax = 0;
  };
  using Gates = std::conditional_t<kHasGates, api_internal::Gates<Combiner, V>, NoGates>;

  Combiner combiner_;
  Gates gates_;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_REDUCE_OPERATORS_H_
