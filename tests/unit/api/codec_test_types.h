// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_API_CODEC_TEST_TYPES_H_
#define TESTS_UNIT_API_CODEC_TEST_TYPES_H_

// Types of a job's own, random values of all types that a codec knows, and their order as the
// documentation states it: the slow oracle of the codec's tests.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mapreduce/api/codec.h"
#include "mapreduce/base/random.h"

namespace millrace {

struct Place {
  std::string country;
  std::int32_t zip = 0;
  MR_FIELDS(Place, country, zip)
};

enum class Color : std::int8_t { kRed = -1, kGreen = 0, kBlue = 1 };

/// Says what it is made of through Codec.
struct Money {
  std::string currency;
  std::int64_t cents = 0;
};

template <>
struct Codec<Money> {
  static std::tuple<std::string, std::int64_t> ToFields(const Money& money) {
    return {money.currency, money.cents};
  }
  static Money FromFields(const std::tuple<std::string, std::int64_t>& fields) {
    return {std::get<0>(fields), std::get<1>(fields)};
  }
};

inline std::uint64_t TestSeed() {
  const char* const given = std::getenv("MILLRACE_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 20261121;
}

/// A random T. Edges come often, and equal values too.
template <class T>
T AnyOf(Random& random) {
  using namespace codec_internal;
  if constexpr (std::is_same_v<T, Unit>) {
    return {};
  } else if constexpr (std::is_same_v<T, bool>) {
    return random.Uniform(2) == 0;
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<T>(static_cast<int>(random.Uniform(3)) - 1);
  } else if constexpr (std::is_integral_v<T>) {
    constexpr T kEdges[] = {0, 1, T(-1), std::numeric_limits<T>::min(),
                            std::numeric_limits<T>::max()};
    if (random.Uniform(3) == 0) return kEdges[random.Uniform(5)];
    return static_cast<T>(random.Next() >> random.Uniform(64));
  } else if constexpr (std::is_floating_point_v<T>) {
    using Limits = std::numeric_limits<T>;
    const T edges[] = {T{0},
                       -T{0},
                       T{1},
                       T{-1},
                       Limits::min(),
                       -Limits::min(),
                       Limits::max(),
                       Limits::lowest(),
                       Limits::infinity(),
                       -Limits::infinity(),
                       Limits::denorm_min(),
                       -Limits::denorm_min(),
                       Limits::quiet_NaN(),
                       -Limits::quiet_NaN()};
    if (random.Uniform(3) == 0) return edges[random.Uniform(std::size(edges))];
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    return std::bit_cast<T>(static_cast<Bits>(random.Next()));
  } else if constexpr (kIsString<T>) {
    static constexpr char kBytes[] = {'\0', '\1', '\2', 'a', 'b', '\x7f', '\x80', '\xfe', '\xff'};
    std::string text(random.Uniform(random.Uniform(8) == 0 ? 40 : 5), '\0');
    for (char& c : text) c = kBytes[random.Uniform(sizeof(kBytes))];
    return text;
  } else if constexpr (kIsOptional<T>) {
    if (random.Uniform(3) == 0) return std::nullopt;
    return AnyOf<typename T::value_type>(random);
  } else if constexpr (kIsVector<T>) {
    T values(random.Uniform(4));
    for (auto& value : values) value = AnyOf<typename T::value_type>(random);
    return values;
  } else if constexpr (kIsTuple<T>) {
    T values;
    std::apply(
        [&](auto&... part) { ((part = AnyOf<std::remove_cvref_t<decltype(part)>>(random)), ...); },
        values);
    return values;
  } else if constexpr (kIsDescending<T>) {
    return {AnyOf<decltype(T::value)>(random)};
  } else if constexpr (HasFields<T>) {
    T value;
    ForEachField(value, [&](std::string_view, auto& field) {
      field = AnyOf<std::remove_cvref_t<decltype(field)>>(random);
    });
    return value;
  } else {
    using Fields = std::remove_cvref_t<decltype(Codec<T>::ToFields(std::declval<const T&>()))>;
    return Codec<T>::FromFields(AnyOf<Fields>(random));
  }
}

/// Negative, zero or positive, as the values stand to each other.
template <class T>
int Compare(const T& a, const T& b) {
  using namespace codec_internal;
  if constexpr (std::is_same_v<T, Unit>) {
    return 0;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return static_cast<int>(std::isnan(a)) - std::isnan(b);
    return (a > b) - (a < b);
  } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
    return (a > b) - (a < b);
  } else if constexpr (kIsString<T>) {
    return std::string_view(a).compare(b);  // char_traits<char> compares as unsigned.
  } else if constexpr (kIsOptional<T>) {
    if (!a || !b) return static_cast<int>(a.has_value()) - b.has_value();
    return Compare(*a, *b);
  } else if constexpr (kIsVector<T>) {
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (const int order = Compare(a[i], b[i]); order != 0) return order;
    }
    return (a.size() > b.size()) - (a.size() < b.size());
  } else if constexpr (kIsTuple<T>) {
    int order = 0;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((order = order != 0 ? order : Compare(std::get<I>(a), std::get<I>(b))), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
    return order;
  } else if constexpr (kIsDescending<T>) {
    return Compare(b.value, a.value);
  } else if constexpr (HasFields<T>) {
    int order = 0;
    std::apply(
        [&](const auto&... field) {
          ((order = order != 0 ? order : Compare(a.*(field.member), b.*(field.member))), ...);
        },
        T::MillraceFields());
    return order;
  } else {
    return Compare(Codec<T>::ToFields(a), Codec<T>::ToFields(b));
  }
}

}  // namespace millrace

#endif  // TESTS_UNIT_API_CODEC_TEST_TYPES_H_
