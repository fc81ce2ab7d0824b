// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_KEY_CODEC_H_
#define MAPREDUCE_API_KEY_CODEC_H_

// Keys as bytes whose order is the order of the values, so that sorting, merging and grouping
// compare bytes and never call a job's code.
//
//   unsigned    big-endian, as wide as the type
//   signed      the same with the sign bit flipped
//   float       IEEE bits; negative ones inverted, else the sign bit set; -0 is 0, every NaN last
//   string      at the end of the key: as it is. Elsewhere: 00 ends it; 00 and 01 inside are
//               written 01 01 and 01 02
//   optional    00 for none (sorts first), 01 and the value
//   vector      01 before each element, 00 at the end
//   tuple, pair, struct with MR_FIELDS: one part after the other
//   Descending  the bytes of the value, inverted
//
// Example: ("SE", 7u) as std::tuple<std::string, std::uint32_t> is 53 45 00 00 00 00 07.

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "mapreduce/api/codec.h"
#include "mapreduce/base/bytes.h"
#include "mapreduce/base/store_view.h"

namespace millrace {
namespace codec_internal {

inline char* PutOrdered(char* to, std::uint64_t bits, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) *to++ = static_cast<char>(bits >> (8 * i));
  return to;
}

inline std::uint64_t GetOrdered(const char* from, int bytes) {
  std::uint64_t bits = 0;
  for (int i = 0; i < bytes; ++i) bits = bits << 8 | static_cast<unsigned char>(from[i]);
  return bits;
}

/// Appends `text` ended by 00, escaping 00 and 01. Writes at most 2 * size + 17 bytes.
inline char* PutDelimited(char* to, std::string_view text) {
  const char* from = text.data();
  std::size_t left = text.size();
#if defined(__SSE2__)
  // Nearly every string holds neither 00 nor 01: copy 16 bytes, then look at the copy.
  while (left > 0) {
    const std::size_t n = left < 16 ? left : 16;
    CopyShort(to, from, n);
    const __m128i copied = _mm_loadu_si128(reinterpret_cast<const __m128i*>(to));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(copied, _mm_set1_epi8(1)), copied);
    const unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(low)) & ((1u << n) - 1);
    if (mask != 0) break;
    to += n, from += n, left -= n;
  }
#endif
  for (; left > 0; --left) {
    const char c = *from++;
    if (static_cast<unsigned char>(c) <= 1) {
      *to++ = 1;
      *to++ = static_cast<char>(c + 1);
    } else {
      *to++ = c;
    }
  }
  *to++ = 0;
  return to;
}

/// The first byte 00 or 01 in [from, end), or `end`. By words: a call of memchr costs more than
/// looking at a short string.
inline const char* FindLowByte(const char* from, const char* end) {
  constexpr std::uint64_t kLow7 = 0x7F7F7F7F7F7F7F7Fu;
  for (; end - from >= 8; from += 8) {
    const std::uint64_t word = LoadLittle64(from);
    // The top bit of each byte that is 2 or more: exact, since no sum carries into the next byte.
    const std::uint64_t high = ((word & kLow7) + 0x7E7E7E7E7E7E7E7Eu) | word;
    if (const std::uint64_t low = ~high & ~kLow7; low != 0) return from + std::countr_zero(low) / 8;
  }
  while (from<end&& static_cast<unsigned char>(*from)> 1) ++from;
  return from;
}

/// Reads what PutDelimited wrote: a view into `from` where nothing was escaped.
inline const char* GetDelimited(const char* from, const char* end, DecodeScratch& scratch,
                                std::string_view* text) {
  const char* stop = FindLowByte(from, end);
  if (stop == end || *stop == 0) [[likely]] {
    StoreView(text, from, static_cast<std::size_t>(stop - from));
  } else {
    std::string& plain = scratch.NewString();
    for (stop = from; stop < end && *stop != 0; ++stop)
      plain.push_back(*stop == 1 && stop + 1 < end ? static_cast<char>(*++stop - 1) : *stop);
    *text = plain;
  }
  return stop < end ? stop + 1 : end;
}

}  // namespace codec_internal

/// At least as many bytes as EncodeKey writes or touches for `value`. O(1) but for vectors.
template <bool kLast = false, class T>
std::size_t KeyBytesMax(const T& value) {
  using namespace codec_internal;
  if constexpr (kIsString<T>) {
    return (kLast ? 1 : 2) * value.size() + 32;
  } else if constexpr (std::is_same_v<T, Unit>) {
    return 0;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    return sizeof(T);
  } else if constexpr (kIsOptional<T>) {
    return 1 + (value ? KeyBytesMax<kLast>(*value) : 0);
  } else if constexpr (kIsVector<T>) {
    std::size_t bytes = 1;
    for (const auto& element : value) bytes += 1 + KeyBytesMax(element);
    return bytes;
  } else if constexpr (kIsTuple<T>) {
    const auto sum = [&]<std::size_t... I>(std::index_sequence<I...>) {
      return (std::size_t{0} + ... + KeyBytesMax < kLast &&
              I + 1 == sizeof...(I) > (std::get<I>(value)));
    };
    return sum(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (kIsDescending<T>) {
    return KeyBytesMax(value.value);
  } else if constexpr (HasFields<T>) {
    return KeyBytesMax<kLast>(TieFields(value));
  } else if constexpr (HasCodec<T>) {
    return KeyBytesMax<kLast>(Codec<T>::ToFields(value));
  } else {  // Said here alone: no key is written or read that was not measured.
    static_assert(kDependentFalse<T>,
                  "this key type needs MR_FIELDS(...) or a specialization of millrace::Codec");
    return 0;
  }
}

/// Writes `value` behind `to` and returns the end. kLast: nothing follows it in the key.
/// Requires: room for KeyBytesMax(value).
template <bool kLast, class T>
char* EncodeKey(char* to, const T& value) {
  using namespace codec_internal;
  if constexpr (kIsString<T>) {
    if constexpr (kLast) {
      CopyShort(to, value.data(), value.size());
      return to + value.size();
    } else {
      return PutDelimited(to, value);
    }
  } else if constexpr (std::is_same_v<T, Unit>) {
    return to;
  } else if constexpr (std::is_same_v<T, bool>) {
    *to = value ? 1 : 0;
    return to + 1;
  } else if constexpr (std::is_enum_v<T>) {
    return EncodeKey<kLast>(to, static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_integral_v<T>) {
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    if constexpr (std::is_signed_v<T>) bits ^= std::make_unsigned_t<T>{1} << (8 * sizeof(T) - 1);
    return PutOrdered(to, bits, sizeof(T));
  } else if constexpr (std::is_floating_point_v<T>) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits kSign = Bits{1} << (8 * sizeof(T) - 1);
    const T canonical = std::isnan(value) ? std::numeric_limits<T>::quiet_NaN()
                        : value == 0      ? T{0}
                                          : value;
    const Bits bits = std::bit_cast<Bits>(canonical);
    return PutOrdered(
        to, (bits & kSign) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | kSign),
        sizeof(T));
  } else if constexpr (kIsOptional<T>) {
    *to++ = value ? 1 : 0;
    return value ? EncodeKey<kLast>(to, *value) : to;
  } else if constexpr (kIsVector<T>) {
    for (const auto& element : value) {
      *to++ = 1;
      to = EncodeKey<false>(to, element);
    }
    *to++ = 0;
    return to;
  } else if constexpr (kIsTuple<T>) {
    const auto put = [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((to = EncodeKey < kLast && I + 1 == sizeof...(I) > (to, std::get<I>(value))), ...);
    };
    put(std::make_index_sequence<std::tuple_size_v<T>>{});
    return to;
  } else if constexpr (kIsDescending<T>) {
    char* const end = EncodeKey<false>(to, value.value);
    for (; to < end; ++to) *to = static_cast<char>(~*to);
    return end;
  } else if constexpr (HasFields<T>) {
    return EncodeKey<kLast>(to, TieFields(value));
  } else if constexpr (HasCodec<T>) {
    return EncodeKey<kLast>(to, Codec<T>::ToFields(value));
  } else {
    return to;
  }
}

/// Reads one value from [from, end) and returns where the next begins. Strings are views into the
/// key or into `scratch`. Requires: bytes that EncodeKey<kLast> of the same type wrote.
template <bool kLast, class T>
const char* DecodeKey(const char* from, const char* end, T* value, DecodeScratch& scratch) {
  using namespace codec_internal;
  if constexpr (std::is_same_v<T, std::string_view>) {
    if constexpr (!kLast) return GetDelimited(from, end, scratch, value);
    StoreView(value, from, static_cast<std::size_t>(end - from));
    return end;
  } else if constexpr (kIsString<T>) {
    if constexpr (kLast) {
      *value = std::string_view(from, static_cast<std::size_t>(end - from));
      return end;
    } else {
      std::string_view text;
      from = GetDelimited(from, end, scratch, &text);
      *value = text;
      return from;
    }
  } else if constexpr (std::is_same_v<T, Unit>) {
    return from;
  } else if constexpr (std::is_same_v<T, bool>) {
    *value = *from != 0;
    return from + 1;
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> number;
    from = DecodeKey<kLast>(from, end, &number, scratch);
    *value = static_cast<T>(number);
    return from;
  } else if constexpr (std::is_integral_v<T>) {
    auto bits = static_cast<std::make_unsigned_t<T>>(GetOrdered(from, sizeof(T)));
    if constexpr (std::is_signed_v<T>) bits ^= std::make_unsigned_t<T>{1} << (8 * sizeof(T) - 1);
    *value = static_cast<T>(bits);
    return from + sizeof(T);
  } else if constexpr (std::is_floating_point_v<T>) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits kSign = Bits{1} << (8 * sizeof(T) - 1);
    const auto bits = static_cast<Bits>(GetOrdered(from, sizeof(T)));
    *value = std::bit_cast<T>((bits & kSign) != 0 ? static_cast<Bits>(bits ^ kSign)
                                                  : static_cast<Bits>(~bits));
    return from + sizeof(T);
  } else if constexpr (kIsOptional<T>) {
    if (*from++ == 0) {
      value->reset();
      return from;
    }
    return DecodeKey<kLast>(from, end, &value->emplace(), scratch);
  } else if constexpr (kIsVector<T>) {
    value->clear();
    while (*from++ != 0) from = DecodeKey<false>(from, end, &value->emplace_back(), scratch);
    return from;
  } else if constexpr (kIsTuple<T>) {
    const auto get = [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((from = DecodeKey < kLast &&
               I + 1 == sizeof...(I) > (from, end, &std::get<I>(*value), scratch)),
       ...);
    };
    get(std::make_index_sequence<std::tuple_size_v<T>>{});
    return from;
  } else if constexpr (kIsDescending<T>) {
    // The length shows only while decoding, so all that is left is inverted: keys are short.
    std::string& inverted = scratch.NewString();
    inverted.assign(from, end);
    for (char& c : inverted) c = static_cast<char>(~c);
    const char* const begin = inverted.data();
    return from +
           (DecodeKey<false>(begin, begin + inverted.size(), &value->value, scratch) - begin);
  } else if constexpr (HasFields<T>) {
    constexpr auto kFields = T::MillraceFields();
    const auto get = [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((from =
            DecodeKey < kLast &&
            I + 1 == sizeof...(I) > (from, end, &(value->*(std::get<I>(kFields).member)), scratch)),
       ...);
    };
    get(std::make_index_sequence<kFieldCount<T>>{});
    return from;
  } else if constexpr (HasCodec<T>) {
    std::remove_cvref_t<decltype(Codec<T>::ToFields(*value))> fields;
    from = DecodeKey<kLast>(from, end, &fields, scratch);
    *value = Codec<T>::FromFields(fields);
    return from;
  } else {
    return from;
  }
}

namespace codec_internal {

/// Calls visit(is_last, part) for each part of the tuple or struct key, in order.
template <class T, class Visit>
void VisitKeyParts(T* key, Visit&& visit) {
  if constexpr (kIsTuple<T>) {
    const auto each = [&]<std::size_t... I>(std::index_sequence<I...>) {
      (visit(std::bool_constant<I + 1 == sizeof...(I)>{}, &std::get<I>(*key)), ...);
    };
    each(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else {
    constexpr auto kFields = T::MillraceFields();
    const auto each = [&]<std::size_t... I>(std::index_sequence<I...>) {
      (visit(std::bool_constant<I + 1 == sizeof...(I)>{}, &(key->*(std::get<I>(kFields).member))),
       ...);
    };
    each(std::make_index_sequence<kFieldCount<T>>{});
  }
}

}  // namespace codec_internal

/// Reads the first parts of a tuple or struct key, as many as there are bytes; returns how many.
template <class T>
std::size_t DecodeKeyFront(std::string_view bytes, T* key, DecodeScratch& scratch) {
  const char* from = bytes.data();
  const char* const end = from + bytes.size();
  std::size_t count = 0;
  codec_internal::VisitKeyParts(key, [&]<class Part>(auto is_last, Part* part) {
    if (from == end) return;
    from = DecodeKey<is_last>(from, end, part, scratch);
    ++count;
  });
  return count;
}

/// Reads the others: all but the first `count` parts, whose bytes are not in `bytes`.
template <class T>
void DecodeKeyBehind(std::size_t count, std::string_view bytes, T* key, DecodeScratch& scratch) {
  const char* from = bytes.data();
  const char* const end = from + bytes.size();
  std::size_t index = 0;
  codec_internal::VisitKeyParts(key, [&]<class Part>(auto is_last, Part* part) {
    if (index++ >= count) from = DecodeKey<is_last>(from, end, part, scratch);
  });
}

/// The first `kParts` parts of the tuple or struct key T as one key of their own.
template <class T, std::size_t kParts>
struct KeyPrefixType;
template <std::size_t kParts, class... Ts>
struct KeyPrefixType<std::tuple<Ts...>, kParts> {
  static_assert(kParts >= 1 && kParts < sizeof...(Ts),
                "GroupBy<N> takes fewer parts than the key has");
  template <std::size_t... I>
  static auto Make(std::index_sequence<I...>)
      -> std::tuple<std::tuple_element_t<I, std::tuple<Ts...>>...>;
  using Tuple = decltype(Make(std::make_index_sequence<kParts>{}));
  using Type = std::conditional_t<kParts == 1, std::tuple_element_t<0, Tuple>, Tuple>;
};

/// How many bytes of the encoded tuple key T its first kParts parts take.
template <class T, std::size_t kParts>
std::size_t KeyPrefixBytes(std::string_view key) {
  typename KeyPrefixType<T, kParts>::Tuple parts;
  thread_local DecodeScratch scratch;
  scratch.Clear();
  return static_cast<std::size_t>(
      DecodeKey<false>(key.data(), key.data() + key.size(), &parts, scratch) - key.data());
}

}  // namespace millrace

#endif  // MAPREDUCE_API_KEY_CODEC_H_
