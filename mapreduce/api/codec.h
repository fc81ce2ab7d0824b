// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_CODEC_H_
#define MAPREDUCE_API_CODEC_H_

// A type of a job's own, as key or value, through one codec: say what fields it is made of.
// Structs with MR_FIELDS need none. For any other type:
//
//   template <>
//   struct millrace::Codec<Money> {
//     static std::tuple<std::string, std::int64_t> ToFields(const Money& m) { return {m.currency,
//     m.cents}; } static Money FromFields(const std::tuple<std::string, std::int64_t>& f);
//   };

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mapreduce/base/fields.h"

namespace millrace {

/// Specialize for a type of your own; see above.
template <class T>
struct Codec;

template <class T>
concept HasCodec = requires(const T& value) {
  Codec<T>::FromFields(Codec<T>::ToFields(value));
};

/// Nothing: a key or value without content. Writes no column.
struct Unit {
  friend bool operator==(Unit, Unit) { return true; }
  friend auto operator<=>(Unit, Unit) = default;
};

/// As a key, or part of one: sorts from high to low.
template <class T>
struct Descending {
  T value{};
  MR_FIELDS(Descending, value)  // Written as the value alone.
  friend bool operator==(const Descending&, const Descending&) = default;
};
template <class T>
Descending(T) -> Descending<T>;

/// One record between two stages, or of a grouped prefix: what a Reduce or Map emitted.
template <class K, class V>
struct KeyValue {
  K key{};
  V value{};
};

/// Keeps the bytes of decoded strings that could not be viewed in place. Views stay valid until
/// Clear(). One thread at a time.
class DecodeScratch {
 public:
  std::string& NewString() {
    if (used_ == strings_.size()) strings_.emplace_back();
    std::string& text = strings_[used_++];
    text.clear();
    return text;
  }
  void Clear() { used_ = 0; }

 private:
  std::deque<std::string> strings_;  // A deque: growing it moves no string.
  std::size_t used_ = 0;
};

namespace codec_internal {

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
template <class... Ts>
inline constexpr bool kIsTuple<std::tuple<Ts...>> = true;
template <class A, class B>
inline constexpr bool kIsTuple<std::pair<A, B>> = true;
template <class T>
inline constexpr bool kIsDescending = false;
template <class T>
inline constexpr bool kIsDescending<Descending<T>> = true;
template <class T>
inline constexpr bool kIsString =
    std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;

template <class T>
inline constexpr bool kDependentFalse = false;

/// References to the fields of an MR_FIELDS struct, as a tuple.
template <class T>
auto TieFields(T& value) {
  return std::apply([&](const auto&... field) { return std::tie(value.*(field.member)...); },
                    std::remove_const_t<T>::MillraceFields());
}

}  // namespace codec_internal
}  // namespace millrace

#endif  // MAPREDUCE_API_CODEC_H_
