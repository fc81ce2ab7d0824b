// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_TSV_WRITER_H_
#define MAPREDUCE_FORMATS_TSV_WRITER_H_

// Values to TSV, so that TsvParser reads the same values back. Strings are escaped as COPY writes
// them: \b \f \n \r \t \v and \\; all else is raw. NULL is \N. A tuple, a pair and a struct with
// MR_FIELDS are their columns one after the other; an empty struct has none.
//
//   AppendTsvRow(out, std::tuple("SE", 1), TrackCount{"t\t1", 7})
//   SE<TAB>1<TAB>t\t1<TAB>7<LF>

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/fields.h"
#include "mapreduce/formats/date.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_field.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace {

namespace tsv_internal {

/// Whether COPY writes `c` with a backslash: \b \t \n \v \f \r (8 to 13) and the backslash.
inline bool NeedsEscape(char c) { return static_cast<unsigned char>(c - '\b') <= 5 || c == '\\'; }

/// Escapes byte by byte; the end of what was written, at most 2 * bytes.
inline char* EscapeBytes(const char* from, std::size_t bytes, char* to) {
  for (std::size_t i = 0; i < bytes; ++i) {
    const char c = from[i];
    if (NeedsEscape(c)) {
      *to++ = '\\';
      *to++ = c == '\\' ? '\\' : "btnvfr"[c - '\b'];
    } else {
      *to++ = c;
    }
  }
  return to;
}

#if defined(__SSE2__)
/// Bit i is set where byte i of 16 needs an escape.
inline std::uint32_t EscapeMask16(const char* at) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i above_8 = _mm_sub_epi8(bytes, _mm_set1_epi8('\b'));
  const __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(above_8, _mm_set1_epi8(5)), above_8);
  const __m128i is_backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(is_control, is_backslash)));
}

/// As EscapeBytes, and may write up to 16 bytes more: copies first, then looks at the copy.
inline char* EscapeFast(const char* from, std::size_t bytes, char* to) {
  for (; bytes > 16; bytes -= 16, from += 16) {
    std::memcpy(to, from, 16);
    to = EscapeMask16(to) == 0 ? to + 16 : EscapeBytes(from, 16, to);
  }
  CopyShort(to, from, bytes);
  const std::uint32_t inside = (std::uint32_t{1} << bytes) - 1;
  return (EscapeMask16(to) & inside) == 0 ? to + bytes : EscapeBytes(from, bytes, to);
}
#else
inline char* EscapeFast(const char* from, std::size_t bytes, char* to) {
  return EscapeBytes(from, bytes, to);
}
#endif

}  // namespace tsv_internal

/// Appends `raw` with the escapes that make it one field.
inline void AppendEscaped(RowBuffer& out, std::string_view raw) {
  constexpr std::size_t kPieceBytes = 4096;  // So that a long text does not ask for twice its size.
  while (!raw.empty()) {
    const std::string_view piece = raw.substr(0, kPieceBytes);
    char* const to = out.Room(2 * piece.size() + 16);
    out.Commit(
        static_cast<std::size_t>(tsv_internal::EscapeFast(piece.data(), piece.size(), to) - to));
    raw.remove_prefix(piece.size());
  }
}

namespace tsv_internal {

template <class T>
inline constexpr bool kIsTuple = false;
template <class... T>
inline constexpr bool kIsTuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool kIsTuple<std::pair<A, B>> = true;

/// How many columns a T is written as.
template <class T>
constexpr std::size_t ColumnCount() {
  if constexpr (kIsTuple<T>) {
    return []<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
      return (std::size_t{0} + ... + ColumnCount<std::tuple_element_t<kIndex, T>>());
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (HasFields<T>) {
    return std::apply(
        [](const auto&... field) {
          return (std::size_t{0} + ... +
                  ColumnCount<typename std::remove_cvref_t<decltype(field)>::Type>());
        },
        T::MillraceFields());
  } else {
    return std::is_empty_v<T> ? 0 : 1;
  }
}

}  // namespace tsv_internal

template <class T>
void AppendTsv(RowBuffer& out, const T& value);

namespace tsv_internal {

/// Appends the columns of each value, with a TAB before each column but the row's first.
template <class... T>
void AppendColumns(RowBuffer& out, const T&... values) {
  [[maybe_unused]] bool is_first = true;
  [[maybe_unused]] const auto append = [&](const auto& value) {
    if constexpr (ColumnCount<std::remove_cvref_t<decltype(value)>>() > 0) {
      if (!is_first) out.Append('\t');
      is_first = false;
      AppendTsv(out, value);
    }
  };
  (append(values), ...);
}

template <class T>
void AppendNumber(RowBuffer& out, T value) {
  constexpr std::size_t kBytesMax = 32;  // The longest double, -2.2250738585072014e-308, has 24.
  char* const to = out.Room(kBytesMax);
  out.Commit(static_cast<std::size_t>(std::to_chars(to, to + kBytesMax, value).ptr - to));
}

}  // namespace tsv_internal

/// Appends `value` as its columns, TABs between them. Doubles are the shortest text that reads
/// back the same; NaN is "nan" whatever its sign, which processors choose differently.
template <class T>
void AppendTsv(RowBuffer& out, const T& value) {
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    AppendEscaped(out, value);
  } else if constexpr (TsvInteger<T>) {
    tsv_internal::AppendNumber(out, value);
  } else if constexpr (std::floating_point<T>) {
    if (std::isnan(value)) return out.Append("nan");
    tsv_internal::AppendNumber(out, value);
  } else if constexpr (std::same_as<T, Date>) {
    out.Append(value.text);
  } else if constexpr (tsv_internal::kIsOptional<T>) {
    static_assert(tsv_internal::ColumnCount<typename T::value_type>() == 1,
                  "only a single column can be NULL");
    if (!value.has_value()) return out.Append(kTsvNull);
    AppendTsv(out, *value);
  } else if constexpr (tsv_internal::kIsTuple<T>) {
    std::apply([&](const auto&... parts) { tsv_internal::AppendColumns(out, parts...); }, value);
  } else if constexpr (HasFields<T>) {
    std::apply(
        [&](const auto&... field) { tsv_internal::AppendColumns(out, value.*(field.member)...); },
        T::MillraceFields());
  } else {
    static_assert(std::is_empty_v<T>,
                  "a column is a string, number, millrace::Date or std::optional; a row is a "
                  "tuple, a pair or a struct with MR_FIELDS of them");
  }
}

/// Appends one line: the key's columns, the value's, LF.
template <class Key, class Value>
void AppendTsvRow(RowBuffer& out, const Key& key, const Value& value) {
  tsv_internal::AppendColumns(out, key, value);
  out.Append('\n');
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_TSV_WRITER_H_
