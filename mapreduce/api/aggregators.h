// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_AGGREGATORS_H_
#define MAPREDUCE_API_AGGREGATORS_H_

// Ready-made combiners and reducers that update a state in place: `.Reduce<Sum>()` combines in the
// map tasks, too. A job's own is a struct like these:
//
//   struct LongestName {                      // Of<V>, or the members right in the struct.
//     struct State { std::uint64_t bytes; };
//     static void Add(State& state, const std::string_view& name) { ... }
//     static void Merge(State& state, const State& other) { ... }
//     static std::uint64_t Result(const State& state) { return state.bytes; }
//   };
//
// A State is trivially copyable, at most 1 KiB, and all zero bytes are its beginning. Add and
// Merge are associative and commutative, exactly: in which order they are called is not defined.
//
// Where a State has the bytes of a value that stands for all it was made of, as a sum does,
// `static constexpr bool kStateIsValue = true;` says so: behind `.Combine<Sum>()` may come a Reduce
// of the job's own, which gets some sums for a key instead of all its values.

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

#include "mapreduce/api/codec.h"
#include "mapreduce/base/exact_sum.h"
#include "mapreduce/base/hyper_log_log.h"

namespace millrace {

/// What Result returns where it can fail: nullopt ends the run with exit code 65.
template <class A, class V>
concept AggregatorOf = requires(typename A::State& state, const V& value) {
  A::Add(state, value);
  A::Merge(state, state);
  A::Result(state);
}
&&std::is_trivially_copyable_v<typename A::State> && sizeof(typename A::State) <= 1024;

namespace api_internal {
template <class A, class V>
struct AggregatorType {
  using Type = A;
};
template <class A, class V>
requires requires { typename A::template Of<V>; }
struct AggregatorType<A, V> {
  using Type = typename A::template Of<V>;
};
}  // namespace api_internal

/// `A::Of<V>` where there is one, else A itself.
template <class A, class V>
using AggregatorFor = typename api_internal::AggregatorType<A, V>::Type;

/// Whether a State of A is, byte for byte, a value; see above.
template <class A>
constexpr bool StateIsValue() {
  if constexpr (requires { A::kStateIsValue; }) {
    return A::kStateIsValue;
  } else {
    return false;
  }
}

/// How many values; beyond int64 the run fails.
struct Count {
  struct State {
    std::uint64_t count;
  };
  template <class V>
  static void Add(State& state, const V&) {
    ++state.count;
  }
  static void Merge(State& state, const State& other) { state.count += other.count; }
  static std::optional<std::int64_t> Result(const State& state) {
    if (state.count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return std::nullopt;
    return static_cast<std::int64_t>(state.count);
  }
  static constexpr const char* kFailure = "the count is beyond int64";
};

/// The exact sum: of integers in int64 (beyond it the run fails), of doubles correctly rounded
/// once at the end, so that no order of additions can be seen.
struct Sum {
  template <class V>
  struct Of;
  static constexpr const char* kFailure = "the sum is beyond int64";
};
template <class V>
requires std::is_unsigned_v<V>
struct Sum::Of<V> {
  struct State {
    std::uint64_t sum;  // Saturates: once beyond, always beyond.
  };
  static constexpr bool kStateIsValue = std::is_same_v<V, std::uint64_t>;
  static void Add(State& state, V value) { AddTo(state, value); }
  static void Merge(State& state, const State& other) { AddTo(state, other.sum); }
  static std::optional<std::int64_t> Result(const State& state) {
    if (state.sum > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return std::nullopt;
    return static_cast<std::int64_t>(state.sum);
  }
  static constexpr const char* kFailure = Sum::kFailure;

 private:
  static void AddTo(State& state, std::uint64_t value) {
    if (__builtin_add_overflow(state.sum, value, &state.sum))
      state.sum = std::numeric_limits<std::uint64_t>::max();
  }
};
template <class V>
requires(std::is_integral_v<V>&& std::is_signed_v<V>) struct Sum::Of<V> {
  struct State {
    std::uint64_t low;  // 128 bits, two's complement: 2^64 values can't overflow it.
    std::int64_t high;
  };
  static void Add(State& state, V value) {
    Merge(state, {static_cast<std::uint64_t>(value), value < 0 ? -1 : 0});
  }
  static void Merge(State& state, const State& other) {
    const std::uint64_t carry = __builtin_add_overflow(state.low, other.low, &state.low) ? 1 : 0;
    state.high = static_cast<std::int64_t>(static_cast<std::uint64_t>(state.high) +
                                           static_cast<std::uint64_t>(other.high) + carry);
  }
  static std::optional<std::int64_t> Result(const State& state) {
    const auto sum = static_cast<std::int64_t>(state.low);
    if (state.high != (sum < 0 ? -1 : 0)) return std::nullopt;
    return sum;
  }
  static constexpr const char* kFailure = Sum::kFailure;
};
template <class V>
requires std::is_floating_point_v<V>
struct Sum::Of<V> {
  using State = ExactSum::State;
  static void Add(State& state, V value) { ExactSum::Add(state, static_cast<double>(value)); }
  static void Merge(State& state, const State& other) { ExactSum::Merge(state, other); }
  static double Result(const State& state) { return ExactSum::Rounded(state); }
};

namespace api_internal {
template <class V, bool kLarger>
struct Extreme {
  static_assert(std::is_arithmetic_v<V>,
                "Min and Max take numbers; for other types use TopK or a Reduce");
  struct State {
    V value;
    std::uint64_t has_value;
  };
  static void Add(State& state, V value) {
    if constexpr (std::is_floating_point_v<V>) {
      if (std::isnan(value))
        value = std::numeric_limits<V>::quiet_NaN();  // One is as good as another.
    }
    if (state.has_value == 0 || (kLarger ? IsLess(state.value, value) : IsLess(value, state.value)))
      state.value = value;
    state.has_value = 1;
  }
  static void Merge(State& state, const State& other) {
    if (other.has_value != 0) Add(state, other.value);
  }
  static V Result(const State& state) { return state.value; }

 private:
  /// A total order, or the first of two that compare equal would show: -0 before 0, NaN last.
  static bool IsLess(V a, V b) {
    if constexpr (std::is_floating_point_v<V>) {
      if (std::isnan(a) || std::isnan(b)) return !std::isnan(a);
      if (a == b) return std::signbit(a) && !std::signbit(b);
    }
    return a < b;
  }
};
}  // namespace api_internal

/// The smallest and the largest number; of floats, -0 is smaller than 0 and NaN larger than all.
struct Min {
  template <class V>
  using Of = api_internal::Extreme<V, false>;
};
struct Max {
  template <class V>
  using Of = api_internal::Extreme<V, true>;
};

/// Each key once, whatever its values.
struct Distinct {
  struct State {};
  template <class V>
  static void Add(State&, const V&) {}
  static void Merge(State&, const State&) {}
  static Unit Result(const State&) { return {}; }
};

/// About how many different values: HyperLogLog with 512 registers, standard error 4.6 %.
struct ApproximateDistinct {
  template <class V>
  struct Of {
    using State = HyperLogLog::State;
    static void Add(State& state, const V& value) {
      HyperLogLog::Add(state, HyperLogLog::HashOf(value));
    }
    static void Merge(State& state, const State& other) { HyperLogLog::Merge(state, other); }
    static std::int64_t Result(const State& state) { return HyperLogLog::Estimate(state); }
  };
};

}  // namespace millrace

#endif  // MAPREDUCE_API_AGGREGATORS_H_
