// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_SIGNATURE_H_
#define MAPREDUCE_API_SIGNATURE_H_

// Reads record, key and value types off a job's own Map and Reduce members, and says in one
// concept what a class lacks.

#include <type_traits>
#include <utility>

#include "mapreduce/api/context.h"
#include "mapreduce/api/emitter.h"
#include "mapreduce/api/values.h"

namespace millrace {
namespace api_internal {

template <class Member>
struct MapSignature;
template <class M, class In, class K, class V>
struct MapSignature<void (M::*)(In, Emitter<K, V>&)> {
  using Record = std::remove_cvref_t<In>;
  using Key = K;
  using Value = V;
  static constexpr bool kTakesContext = false;
};
template <class M, class In, class K, class V>
struct MapSignature<void (M::*)(In, Emitter<K, V>&, Context&)>
    : MapSignature<void (M::*)(In, Emitter<K, V>&)> {
  static constexpr bool kTakesContext = true;
};
template <class M, class In, class K, class V>
struct MapSignature<void (M::*)(In, Emitter<K, V>&) const>
    : MapSignature<void (M::*)(In, Emitter<K, V>&)> {};
template <class M, class In, class K, class V>
struct MapSignature<void (M::*)(In, Emitter<K, V>&, Context&) const>
    : MapSignature<void (M::*)(In, Emitter<K, V>&, Context&)> {};

template <class Member>
struct ReduceSignature;
template <class R, class G, class V, class K2, class V2>
struct ReduceSignature<void (R::*)(G, Values<V>&, Emitter<K2, V2>&)> {
  using Group = std::remove_cvref_t<G>;
  using Value = V;
  using OutKey = K2;
  using OutValue = V2;
  static constexpr bool kTakesContext = false;
};
template <class R, class G, class V, class K2, class V2>
struct ReduceSignature<void (R::*)(G, Values<V>&, Emitter<K2, V2>&, Context&)>
    : ReduceSignature<void (R::*)(G, Values<V>&, Emitter<K2, V2>&)> {
  static constexpr bool kTakesContext = true;
};
template <class R, class G, class V, class K2, class V2>
struct ReduceSignature<void (R::*)(G, Values<V>&, Emitter<K2, V2>&) const>
    : ReduceSignature<void (R::*)(G, Values<V>&, Emitter<K2, V2>&)> {};
template <class R, class G, class V, class K2, class V2>
struct ReduceSignature<void (R::*)(G, Values<V>&, Emitter<K2, V2>&, Context&) const>
    : ReduceSignature<void (R::*)(G, Values<V>&, Emitter<K2, V2>&, Context&)> {};

template <class M>
using MapOf = MapSignature<decltype(&M::Map)>;
template <class R>
using ReduceOf = ReduceSignature<decltype(&R::Reduce)>;

/// A job's class from its arguments: by a constructor, or member by member for a plain struct.
template <class T, class... Args>
T MakeUserObject(Args&&... args) {
  if constexpr (std::is_constructible_v<T, Args...> && !std::is_aggregate_v<T>) {
    return T(std::forward<Args>(args)...);
  } else {
    return T{std::forward<Args>(args)...};
  }
}

}  // namespace api_internal

/// Has `void Map(const Record&, Emitter<Key, Value>&)` or the same with `Context&` as third.
template <class M>
concept MapperClass = requires {
  typename api_internal::MapOf<M>::Record;
};

/// Has `void Reduce(const Key&, Values<Value>&, Emitter<Key2, Value2>&)` or the same with
/// `Context&`.
template <class R>
concept ReducerClass = requires {
  typename api_internal::ReduceOf<R>::Group;
};

/// The optional `void SetUp(Context&)` before a task's first record and `void TearDown(Context&)`
/// behind its last.
template <class T>
void CallSetUp(T& user, Context& context) {
  if constexpr (requires { user.SetUp(context); }) user.SetUp(context);
}
template <class T>
void CallTearDown(T& user, Context& context) {
  if constexpr (requires { user.TearDown(context); }) user.TearDown(context);
}

}  // namespace millrace

#endif  // MAPREDUCE_API_SIGNATURE_H_
