// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_OUTPUT_COLUMNS_H_
#define MAPREDUCE_API_OUTPUT_COLUMNS_H_

// The columns of an output, from the types of its records: those of the key, then of the value, as
// AppendTsvRow writes them. A field of a struct with MR_FIELDS gives its column its name, without a
// trailing underscore; a column that no struct names has none yet.

#include <concepts>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mapreduce/api/codec.h"
#include "mapreduce/base/fields.h"
#include "mapreduce/formats/date.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/formats/tsv_field.h"

namespace millrace::api_internal {

template <class T>
inline constexpr bool kIsDescending = false;
template <class T>
inline constexpr bool kIsDescending<Descending<T>> = true;

/// Calls add(name, kind) for each column that a T is written as; `name` is that of the field that
/// holds it, or "".
template <class T, class Add>
constexpr void ForEachColumn(std::string_view name, const Add& add) {
  using namespace codec_internal;
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    add(name, ColumnKind::kText);
  } else if constexpr (TsvInteger<T>) {
    add(name, ColumnKind::kInteger);
  } else if constexpr (std::floating_point<T>) {
    add(name, ColumnKind::kNumber);
  } else if constexpr (std::same_as<T, Date>) {
    add(name, ColumnKind::kDate);
  } else if constexpr (HasCodec<T>) {
    using Fields = std::remove_cvref_t<decltype(Codec<T>::ToFields(std::declval<const T&>()))>;
    ForEachColumn<Fields>(name, add);
  } else if constexpr (kIsOptional<T>) {
    ForEachColumn<typename T::value_type>(name, add);
  } else if constexpr (kIsDescending<T>) {
    ForEachColumn<decltype(T::value)>(name, add);
  } else if constexpr (kIsTuple<T>) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (ForEachColumn<std::tuple_element_t<I, T>>(name, add), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (HasFields<T>) {
    std::apply(
        [&](const auto&... field) {
          (ForEachColumn<typename std::remove_cvref_t<decltype(field)>::Type>(
               field.name.size() > 1 && field.name.ends_with('_')
                   ? field.name.substr(0, field.name.size() - 1)
                   : field.name,
               add),
           ...);
        },
        T::MillraceFields());
  }
}

/// How many columns the records are written as.
template <class K, class V>
constexpr std::size_t OutputColumnCount() {
  std::size_t count = 0;
  const auto add = [&count](std::string_view, ColumnKind) { ++count; };
  ForEachColumn<K>("", add);
  ForEachColumn<V>("", add);
  return count;
}

/// The columns themselves.
template <class K, class V>
std::vector<OutputColumn> OutputColumnsOf() {
  std::vector<OutputColumn> columns;
  const auto add = [&columns](std::string_view name, ColumnKind kind) {
    columns.push_back({std::string(name), kind});
  };
  ForEachColumn<K>("", add);
  ForEachColumn<V>("", add);
  return columns;
}

}  // namespace millrace::api_internal

#endif  // MAPREDUCE_API_OUTPUT_COLUMNS_H_
