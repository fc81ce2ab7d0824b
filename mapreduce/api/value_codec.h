// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_VALUE_CODEC_H_
#define MAPREDUCE_API_VALUE_CODEC_H_

// Values as bytes: made to be written and read fast, not compared. Numbers little-endian at their
// width; a string its length (u32) and bytes, at the end of the value its bytes alone; an optional
// a flag byte and the value; a vector its count (u32) and elements; tuples and structs their parts.

#include <cstring>
#include <type_traits>

#include "mapreduce/api/codec.h"
#include "mapreduce/base/bytes.h"
#include "mapreduce/base/store_view.h"

namespace millrace {

/// At least as many bytes as EncodeValue writes or touches.
template <class T>
std::size_t ValueBytesMax(const T& value) {
  using namespace codec_internal;
  if constexpr (kIsString<T>) {
    return value.size() + 4 + 16;
  } else if constexpr (std::is_same_v<T, Unit>) {
    return 0;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    return sizeof(T);
  } else if constexpr (kIsOptional<T>) {
    return 1 + (value ? ValueBytesMax(*value) : 0);
  } else if constexpr (kIsVector<T>) {
    std::size_t bytes = 4;
    for (const auto& element : value) bytes += ValueBytesMax(element);
    return bytes;
  } else if constexpr (kIsTuple<T>) {
    return std::apply(
        [](const auto&... part) { return (std::size_t{0} + ... + ValueBytesMax(part)); }, value);
  } else if constexpr (kIsDescending<T>) {
    return ValueBytesMax(value.value);
  } else if constexpr (HasFields<T>) {
    return ValueBytesMax(TieFields(value));
  } else if constexpr (HasCodec<T>) {
    return ValueBytesMax(Codec<T>::ToFields(value));
  } else {  // Said here alone: no value is written or read that was not measured.
    static_assert(kDependentFalse<T>,
                  "this value type needs MR_FIELDS(...) or a specialization of millrace::Codec");
    return 0;
  }
}

/// Writes `value` behind `to` and returns the end. Requires: room for ValueBytesMax(value).
template <bool kLast, class T>
char* EncodeValue(char* to, const T& value) {
  using namespace codec_internal;
  if constexpr (kIsString<T>) {
    if constexpr (!kLast) {
      StoreLittle32(to, static_cast<std::uint32_t>(value.size()));
      to += 4;
    }
    CopyShort(to, value.data(), value.size());
    return to + value.size();
  } else if constexpr (std::is_same_v<T, Unit>) {
    return to;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    std::memcpy(to, &value, sizeof(T));  // Little-endian machines only; base/bytes.h checks.
    return to + sizeof(T);
  } else if constexpr (kIsOptional<T>) {
    *to++ = value ? 1 : 0;
    return value ? EncodeValue<kLast>(to, *value) : to;
  } else if constexpr (kIsVector<T>) {
    StoreLittle32(to, static_cast<std::uint32_t>(value.size()));
    to += 4;
    for (const auto& element : value) to = EncodeValue<false>(to, element);
    return to;
  } else if constexpr (kIsTuple<T>) {
    const auto put = [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((to = EncodeValue < kLast && I + 1 == sizeof...(I) > (to, std::get<I>(value))), ...);
    };
    put(std::make_index_sequence<std::tuple_size_v<T>>{});
    return to;
  } else if constexpr (kIsDescending<T>) {
    return EncodeValue<kLast>(to, value.value);
  } else if constexpr (HasFields<T>) {
    constexpr auto kFields = T::MillraceFields();
    const auto put = [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((to = EncodeValue < kLast &&
             I + 1 == sizeof...(I) > (to, value.*(std::get<I>(kFields).member))),
       ...);
    };
    put(std::make_index_sequence<kFieldCount<T>>{});
    return to;
  } else if constexpr (HasCodec<T>) {
    return EncodeValue<kLast>(to, Codec<T>::ToFields(value));
  } else {
    return to;
  }
}

/// Reads what EncodeValue<kLast> of the same type wrote; strings are views into [from, end).
template <bool kLast, class T>
const char* DecodeValue(const char* from, const char* end, T* value) {
  using namespace codec_internal;
  if constexpr (kIsString<T>) {
    auto bytes = static_cast<std::size_t>(end - from);
    if constexpr (!kLast) {
      bytes = LoadLittle32(from);
      from += 4;
    }
    if constexpr (std::is_same_v<T, std::string_view>) {
      StoreView(value, from, bytes);
    } else {
      *value = std::string_view(from, bytes);
    }
    return from + bytes;
  } else if constexpr (std::is_same_v<T, Unit>) {
    return from;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    std::memcpy(value, from, sizeof(T));
    return from + sizeof(T);
  } else if constexpr (kIsOptional<T>) {
    if (*from++ == 0) {
      value->reset();
      return from;
    }
    return DecodeValue<kLast>(from, end, &value->emplace());
  } else if constexpr (kIsVector<T>) {
    const std::uint32_t count = LoadLittle32(from);
    from += 4;
    value->resize(count);
    for (auto& element : *value) from = DecodeValue<false>(from, end, &element);
    return from;
  } else if constexpr (kIsTuple<T>) {
    const auto get = [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((from = DecodeValue < kLast && I + 1 == sizeof...(I) > (from, end, &std::get<I>(*value))),
       ...);
    };
    get(std::make_index_sequence<std::tuple_size_v<T>>{});
    return from;
  } else if constexpr (kIsDescending<T>) {
    return DecodeValue<kLast>(from, end, &value->value);
  } else if constexpr (HasFields<T>) {
    constexpr auto kFields = T::MillraceFields();
    const auto get = [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((from = DecodeValue < kLast &&
               I + 1 == sizeof...(I) > (from, end, &(value->*(std::get<I>(kFields).member)))),
       ...);
    };
    get(std::make_index_sequence<kFieldCount<T>>{});
    return from;
  } else if constexpr (HasCodec<T>) {
    std::remove_cvref_t<decltype(Codec<T>::ToFields(*value))> fields;
    from = DecodeValue<kLast>(from, end, &fields);
    *value = Codec<T>::FromFields(fields);
    return from;
  } else {
    return from;
  }
}

}  // namespace millrace

#endif  // MAPREDUCE_API_VALUE_CODEC_H_
