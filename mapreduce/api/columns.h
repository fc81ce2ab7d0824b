// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_COLUMNS_H_
#define MAPREDUCE_API_COLUMNS_H_

// Keys and values as the columns of a row. A type with a codec stands for its fields, also inside
// tuples and structs; the formats layer knows no codecs.

#include <concepts>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "mapreduce/api/codec.h"
#include "mapreduce/formats/date.h"
#include "mapreduce/formats/tsv_field.h"

namespace millrace {
namespace codec_internal {

/// Whether T is, or holds, a type with a codec.
template <class T>
constexpr bool HoldsCodec() {
  if constexpr (HasCodec<T>) {
    return true;
  } else if constexpr (kIsTuple<T>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (false || ... || HoldsCodec<std::tuple_element_t<I, T>>());
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (HasFields<T>) {
    return std::apply(
        [](const auto&... field) {
          return (false || ... ||
                  HoldsCodec<typename std::remove_cvref_t<decltype(field)>::Type>());
        },
        T::MillraceFields());
  } else {
    return false;
  }
}

}  // namespace codec_internal

/// `value` itself, or, where it holds types with a codec, a tuple with their fields instead.
template <class T>
decltype(auto) AsColumns(const T& value) {
  using namespace codec_internal;
  if constexpr (!HoldsCodec<T>()) {
    return static_cast<const T&>(value);
  } else if constexpr (HasCodec<T>) {
    return std::tuple(AsColumns(Codec<T>::ToFields(value)));
  } else if constexpr (kIsTuple<T>) {
    return std::apply([](const auto&... part) { return std::tuple(AsColumns(part)...); }, value);
  } else {
    return AsColumns(
        std::apply([](const auto&... field) { return std::tuple(field...); }, TieFields(value)));
  }
}

/// Whether a T can be written as columns of TSV.
template <class T>
constexpr bool HasColumns() {
  using namespace codec_internal;
  if constexpr (std::convertible_to<const T&, std::string_view> || TsvInteger<T> ||
                std::floating_point<T> || std::same_as<T, Date> || std::is_empty_v<T>) {
    return true;
  } else if constexpr (kIsOptional<T>) {
    return HasColumns<typename T::value_type>();
  } else if constexpr (kIsTuple<T>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (true && ... && HasColumns<std::tuple_element_t<I, T>>());
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (HasFields<T>) {
    return std::apply(
        [](const auto&... field) {
          return (true && ... && HasColumns<typename std::remove_cvref_t<decltype(field)>::Type>());
        },
        T::MillraceFields());
  } else {
    return false;
  }
}

}  // namespace millrace

#endif  // MAPREDUCE_API_COLUMNS_H_
