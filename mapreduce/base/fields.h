// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_FIELDS_H_
#define MAPREDUCE_BASE_FIELDS_H_

// Names the fields of a struct, so that readers, writers and codecs can walk them:
//
//   struct Play {
//     std::string_view user, track;
//     std::int64_t ms_played = 0;
//     MR_FIELDS(Play, user, track, ms_played)
//   };
//
// ForEachField(play, [](std::string_view name, auto& field) { ... }) calls in the order given.
// The order is the order of columns when written and of comparison when used as a key.

#include <cstddef>
#include <string_view>
#include <tuple>
#include <utility>

namespace millrace {

/// One field of `Struct`: its name and where it lies.
template <class Struct, class T>
struct Field {
  std::string_view name;
  T Struct::*member;
  using Type = T;
};
template <class Struct, class T>
Field(std::string_view, T Struct::*) -> Field<Struct, T>;

/// A struct that says MR_FIELDS.
template <class T>
concept HasFields = requires {
  T::MillraceFields();
};

template <HasFields T>
inline constexpr std::size_t kFieldCount = std::tuple_size_v<decltype(T::MillraceFields())>;

/// Calls f(name, field) for each field of `value`, in order.
template <class T, class F>
requires HasFields<std::remove_const_t<T>>
constexpr void ForEachField(T& value, F&& f) {
  std::apply([&](const auto&... field) { (f(field.name, value.*(field.member)), ...); },
             std::remove_const_t<T>::MillraceFields());
}

#define MR_PARENS_ ()
#define MR_EXPAND_(...) MR_EXPAND3_(MR_EXPAND3_(MR_EXPAND3_(__VA_ARGS__)))
#define MR_EXPAND3_(...) MR_EXPAND2_(MR_EXPAND2_(MR_EXPAND2_(__VA_ARGS__)))
#define MR_EXPAND2_(...) MR_EXPAND1_(MR_EXPAND1_(MR_EXPAND1_(__VA_ARGS__)))
#define MR_EXPAND1_(...) __VA_ARGS__
#define MR_FIELD_LIST_(Type, name, ...) \
  ::millrace::Field{#name,              \
                    &Type::name} __VA_OPT__(, MR_FIELD_LIST_AGAIN_ MR_PARENS_(Type, __VA_ARGS__))
#define MR_FIELD_LIST_AGAIN_() MR_FIELD_LIST_

/// Inside a struct: lists its fields (up to 27).
#define MR_FIELDS(Type, ...)                                          \
  static constexpr auto MillraceFields() {                            \
    return std::tuple{MR_EXPAND_(MR_FIELD_LIST_(Type, __VA_ARGS__))}; \
  }

}  // namespace millrace

#endif  // MAPREDUCE_BASE_FIELDS_H_
