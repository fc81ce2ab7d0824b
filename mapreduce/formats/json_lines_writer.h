// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_JSON_LINES_WRITER_H_
#define MAPREDUCE_FORMATS_JSON_LINES_WRITER_H_

// Records to JSON Lines (RFC 8259, one object a line, no spaces), so that equal records are equal
// bytes.
//
//   AppendJsonRow(out, std::string_view("u1"), Mail{.template_ = "weekly", .tracks = {"t1", "t2"}})
//   {"template":"weekly","tracks":["t1","t2"]}<LF>
//
//   struct with MR_FIELDS       an object: its fields by name, in their order
//   string, Date                a string; only what must be is escaped: " \ and control characters
//   bool, integer               true, false; all digits, also beyond the 2^53 that JavaScript can
//   double                      the shortest text that reads back the same; NaN and infinities null
//   std::optional               the value or null
//   std::vector, tuple, pair    an array
//   a field of an empty struct  no member
//
// A field's trailing underscore is left out, for names that are words of C++: `template_`.
//
// Text must be UTF-8. Where it is not, nothing is made up for it: the functions return false, and
// the row in `out` is not whole.

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/fields.h"
#include "mapreduce/formats/date.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/utf8.h"

namespace millrace {

/// True for a struct that is written as its one field alone, not as an object with it.
template <class T>
inline constexpr bool kJsonIsItsField = false;
template <>
inline constexpr bool kJsonIsItsField<Date> = true;

/// Whether a T is written as an object.
template <class T>
concept JsonObject = HasFields<T> && !kJsonIsItsField<T>;

namespace json_internal {

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsVector = false;
template <class T, class A>
inline constexpr bool kIsVector<std::vector<T, A>> = true;
template <class T>
inline constexpr bool kIsTuple = false;
template <class... T>
inline constexpr bool kIsTuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool kIsTuple<std::pair<A, B>> = true;

template <class T>
inline constexpr bool kAlwaysFalse = false;

template <class T>
inline constexpr bool kIsInteger =
    std::integral<T> && !std::same_as<T, char> && sizeof(T) <= sizeof(std::int64_t);

constexpr std::string_view MemberName(std::string_view field) {
  if (field.size() > 1 && field.ends_with('_')) field.remove_suffix(1);
  return field;
}

/// The names of the members that values of the types T... have together; those that are no objects
/// have none.
template <class... T>
constexpr auto MemberNames() {
  const auto names = []<class Each>(std::type_identity<Each>) {
    if constexpr (JsonObject<Each>) {
      return std::apply([](const auto&... field) { return std::tuple(MemberName(field.name)...); },
                        Each::MillraceFields());
    } else {
      return std::tuple<>();
    }
  };
  return std::apply(
      [](auto... name) { return std::array<std::string_view, sizeof...(name)>{name...}; },
      std::tuple_cat(names(std::type_identity<T>())...));
}

template <class... T>
constexpr bool AreNamesDifferent() {
  constexpr auto kNames = MemberNames<T...>();
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (kNames[i] == kNames[j]) return false;
    }
  }
  return true;
}

/// The first byte of [from, end) that can't stand in a string as it is; `end` if all can. ASCII by
/// words of 8 bytes.
inline const char* FindUnplain(const char* from, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  constexpr std::uint64_t kTops = 0x80 * kOnes;
  while (from < end) {
    if (end - from >= 8) {
      const std::uint64_t word = LoadLittle64(from);
      // A top bit is set where a byte below 80 is not a control character, no quote and so on. What
      // a byte from 80 on does to its neighbours doesn't matter: it is looked at below.
      const std::uint64_t plain = (word + (0x80 - 0x20) * kOnes) &
                                  ((word ^ '"' * kOnes) + 0x7F * kOnes) &
                                  ((word ^ '\\' * kOnes) + 0x7F * kOnes) & ~word & kTops;
      if (plain == kTops) {
        from += 8;
        continue;
      }
    }
    const auto c = static_cast<unsigned char>(*from);
    if (c < 0x20 || c == '"' || c == '\\') return from;
    const std::size_t bytes =
        c < 0x80 ? 1 : Utf8CharacterBytes({from, static_cast<std::size_t>(end - from)});
    if (bytes == 0) return from;
    from += bytes;
  }
  return end;
}

inline void AppendEscape(RowBuffer& out, unsigned char c) {
  static constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '\b':
      return out.Append("\\b");
    case '\t':
      return out.Append("\\t");
    case '\n':
      return out.Append("\\n");
    case '\f':
      return out.Append("\\f");
    case '\r':
      return out.Append("\\r");
    case '"':
      return out.Append("\\\"");
    case '\\':
      return out.Append("\\\\");
  }
  out.Append("\\u00");
  out.Append(kDigits[c >> 4]);
  out.Append(kDigits[c & 15]);
}

[[nodiscard]] inline bool AppendString(RowBuffer& out, std::string_view text) {
  const char* from = text.data();
  const char* const end = from + text.size();
  out.Append('"');
  while (true) {
    const char* const stop = FindUnplain(from, end);
    out.Append(std::string_view(from, static_cast<std::size_t>(stop - from)));
    if (stop == end) break;
    const auto c = static_cast<unsigned char>(*stop);
    if (c >= 0x80) return false;
    AppendEscape(out, c);
    from = stop + 1;
  }
  out.Append('"');
  return true;
}

template <class T>
void AppendNumber(RowBuffer& out, T value) {
  constexpr std::size_t kBytesMax = 32;  // The longest double, -2.2250738585072014e-308, has 24.
  char* const to = out.Room(kBytesMax);
  out.Commit(static_cast<std::size_t>(std::to_chars(to, to + kBytesMax, value).ptr - to));
}

}  // namespace json_internal

template <class T>
[[nodiscard]] bool AppendJson(RowBuffer& out, const T& value);

namespace json_internal {

/// Appends the members of an object, with a comma before each but the first.
template <JsonObject T>
[[nodiscard]] bool AppendMembers(RowBuffer& out, const T& value, bool* is_first) {
  const auto append = [&](std::string_view field, const auto& member) {
    if constexpr (std::is_empty_v<std::remove_cvref_t<decltype(member)>>) {
      return true;
    } else {
      const std::string_view name = MemberName(field);  // An identifier: needs no escape.
      char* const begin = out.Room(name.size() + 4);
      char* to = begin;
      if (!*is_first) *to++ = ',';
      *is_first = false;
      *to++ = '"';
      std::memcpy(to, name.data(), name.size());
      to += name.size();
      *to++ = '"';
      *to++ = ':';
      out.Commit(static_cast<std::size_t>(to - begin));
      return AppendJson(out, member);
    }
  };
  return std::apply(
      [&](const auto&... field) { return (append(field.name, value.*(field.member)) && ...); },
      T::MillraceFields());
}

/// Appends the elements of an array, with a comma before each but the first.
class ArrayAppender {
 public:
  explicit ArrayAppender(RowBuffer& out) : out_(out) { out_.Append('['); }
  template <class T>
  [[nodiscard]] bool operator()(const T& element) {
    if (!is_first_) out_.Append(',');
    is_first_ = false;
    return AppendJson(out_, element);
  }
  [[nodiscard]] bool Close() {
    out_.Append(']');
    return true;
  }

 private:
  RowBuffer& out_;
  bool is_first_ = true;
};

}  // namespace json_internal

/// Appends `value` as JSON. False where a string is not UTF-8.
template <class T>
bool AppendJson(RowBuffer& out, const T& value) {
  using namespace json_internal;
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    return AppendString(out, value);
  } else if constexpr (std::same_as<T, bool>) {
    out.Append(value ? std::string_view("true") : std::string_view("false"));
  } else if constexpr (kIsInteger<T>) {
    AppendNumber(out, value);
  } else if constexpr (std::same_as<T, double> || std::same_as<T, float>) {
    if (!std::isfinite(value)) {
      out.Append("null");
    } else {
      AppendNumber(out, value);
    }
  } else if constexpr (kIsOptional<T>) {
    if (value.has_value()) return AppendJson(out, *value);
    out.Append("null");
  } else if constexpr (kIsVector<T>) {
    ArrayAppender append(out);
    for (const auto& element : value) {
      if (!append(element)) return false;
    }
    return append.Close();
  } else if constexpr (kIsTuple<T>) {
    ArrayAppender append(out);
    return std::apply([&](const auto&... part) { return (append(part) && ...); }, value) &&
           append.Close();
  } else if constexpr (JsonObject<T>) {
    static_assert(AreNamesDifferent<T>(),
                  "two fields would be written under one name: a trailing "
                  "underscore does not count");
    bool is_first = true;
    out.Append('{');
    if (!AppendMembers(out, value, &is_first)) return false;
    out.Append('}');
  } else if constexpr (HasFields<T>) {
    static_assert(kFieldCount<T> == 1);
    return AppendJson(out, value.*(std::get<0>(T::MillraceFields()).member));
  } else {
    static_assert(kAlwaysFalse<T>,
                  "what is written as JSON is a string, bool, integer, float, double, "
                  "millrace::Date or struct with MR_FIELDS, or a std::optional, std::vector, "
                  "std::tuple or std::pair of them");
  }
  return true;
}

/// Appends one line: an object with the members of the key, if that is a struct with MR_FIELDS,
/// then those of the value, and LF. Any other key is not written: it has no name, and has ordered
/// the rows. The value must be such a struct, or, where the key is one, an empty struct (Unit).
/// False where a string is not UTF-8.
template <class Key, class Value>
[[nodiscard]] bool AppendJsonRow(RowBuffer& out, const Key& key, const Value& value) {
  using namespace json_internal;
  constexpr bool kHasNames = JsonObject<Value> || (JsonObject<Key> && std::is_empty_v<Value>);
  static_assert(kHasNames,
                "JSON Lines: members need names: the value is to be a struct with MR_FIELDS (or "
                "Unit, where the key is one)");
  static_assert(AreNamesDifferent<Key, Value>(),
                "JSON Lines: key and value have a field of the same name; a key that is no struct "
                "(a tuple, for example) is not written");
  if constexpr (kHasNames) {
    bool is_first = true;
    out.Append('{');
    if constexpr (JsonObject<Key>) {
      if (!AppendMembers(out, key, &is_first)) return false;
    }
    if constexpr (JsonObject<Value>) {
      if (!AppendMembers(out, value, &is_first)) return false;
    }
    out.Append("}\n");
  }
  return true;
}

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_JSON_LINES_WRITER_H_
