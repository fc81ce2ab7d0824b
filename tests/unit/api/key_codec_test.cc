// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/key_codec.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/api/codec_test_types.h"

namespace millrace {
namespace {

using std::string_literals::operator""s;

// In a buffer of exactly the size that was promised, so that a sanitizer sees what goes beyond.
template <class T>
std::string Encoded(const T& value) {
  std::vector<char> buffer(KeyBytesMax(value));
  const char* const end = EncodeKey<true>(buffer.data(), value);
  return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
}

template <class T>
T Decoded(const std::string& bytes, DecodeScratch& scratch) {
  T value{};
  const char* const end = bytes.data() + bytes.size();
  EXPECT_EQ(DecodeKey<true>(bytes.data(), end, &value, scratch), end);
  return value;
}

int Sign(int order) { return (order > 0) - (order < 0); }

template <class T>
class KeyOrderTest : public testing::Test {};

using KeyTypes = testing::Types<
    bool, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t, std::uint32_t,
    std::int64_t, std::uint64_t, float, double, Color, std::string, std::string_view, Unit,
    std::optional<std::int32_t>, std::optional<std::string>, std::vector<std::string>,
    std::vector<std::int16_t>, std::vector<std::vector<std::string>>,
    std::tuple<std::string, std::uint32_t>, std::tuple<std::uint32_t, std::string>,
    std::tuple<std::string, std::string, std::string>, std::pair<std::string, double>,
    std::tuple<std::optional<std::string>, std::optional<double>>,
    std::tuple<std::vector<std::string>, std::string>,
    std::tuple<std::string, std::tuple<std::string, std::int8_t>, std::string>,
    Descending<std::int64_t>, Descending<std::string>, Descending<double>,
    Descending<std::optional<std::string>>, Descending<std::vector<std::string>>,
    Descending<Descending<std::string>>, std::tuple<Descending<std::string>, std::string>,
    std::tuple<std::string, Descending<std::int64_t>, std::string>,
    std::tuple<Descending<std::tuple<std::string, std::int32_t>>, Descending<std::string>>, Place,
    std::tuple<Place, std::string>, std::vector<Place>, Descending<Place>, Money,
    std::tuple<Money, std::string>, std::tuple<std::string, Unit>>;
TYPED_TEST_SUITE(KeyOrderTest, KeyTypes);

// Views in the values of string_view types would dangle: strings make and hold them.
template <class T>
using Owned = std::conditional_t<std::is_same_v<T, std::string_view>, std::string, T>;

TYPED_TEST(KeyOrderTest, BytesCompareAsValuesDo) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 2'000; ++i) {
    const auto a = AnyOf<Owned<TypeParam>>(random), b = AnyOf<Owned<TypeParam>>(random);
    const std::string a_bytes = Encoded<TypeParam>(a), b_bytes = Encoded<TypeParam>(b);
    ASSERT_EQ(Sign(a_bytes.compare(b_bytes)), Sign(Compare(a, b)))
        << testing::PrintToString(a_bytes) << " " << testing::PrintToString(b_bytes);
  }
}

TYPED_TEST(KeyOrderTest, DecodingGivesTheValueBack) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 1'000; ++i) {
    const auto value = AnyOf<Owned<TypeParam>>(random);
    const std::string bytes = Encoded<TypeParam>(value);
    DecodeScratch scratch;
    const TypeParam decoded = Decoded<TypeParam>(bytes, scratch);
    ASSERT_EQ(Compare(Owned<TypeParam>(decoded), value), 0);
    ASSERT_EQ(Encoded(decoded), bytes);
  }
}

// In front of another part, so that its end shows in the bytes alone.
TYPED_TEST(KeyOrderTest, EndsWhereTheNextPartBegins) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  using Before = std::tuple<Owned<TypeParam>, std::string>;
  for (int i = 0; i < 1'000; ++i) {
    const Before key(AnyOf<Owned<TypeParam>>(random), AnyOf<std::string>(random));
    const std::string bytes = Encoded(key);
    DecodeScratch scratch;
    ASSERT_EQ(Compare(Decoded<Before>(bytes, scratch), key), 0);
    const Before other(AnyOf<Owned<TypeParam>>(random), AnyOf<std::string>(random));
    ASSERT_EQ(Sign(bytes.compare(Encoded(other))), Sign(Compare(key, other)));
    const std::size_t prefix = KeyPrefixBytes<Before, 1>(bytes);
    ASSERT_EQ(bytes.size() - prefix, std::get<1>(key).size());
  }
}

TEST(KeyCodecTest, WritesTheBytesThatItsHeaderSays) {
  EXPECT_EQ(Encoded(std::tuple("SE"s, std::uint32_t{7})), "SE\0\0\0\0\7"s);
  EXPECT_EQ(Encoded(std::int32_t{-1}), "\x7f\xff\xff\xff"s);
  EXPECT_EQ(Encoded(std::uint16_t{0x1234}), "\x12\x34"s);
  EXPECT_EQ(Encoded(1.0), "\xbf\xf0\0\0\0\0\0\0"s);
  EXPECT_EQ(Encoded(-1.0f), "\x40\x7f\xff\xff"s);
  EXPECT_EQ(Encoded("a\0b"s), "a\0b"s);
  EXPECT_EQ(Encoded(std::tuple("\0\1\2"s, "\0"s)), "\1\1\1\2\2\0\0"s);
  EXPECT_EQ(Encoded(std::optional<std::string>()), "\0"s);
  EXPECT_EQ(Encoded(std::optional("x"s)), "\1x"s);
  EXPECT_EQ(Encoded(std::vector{"x"s, ""s}), "\1x\0\1\0\0"s);
  EXPECT_EQ(Encoded(Descending{"x"s}), "\x87\xff"s);
  EXPECT_EQ(Encoded(Place{"SE", 1}), "SE\0\x80\0\0\1"s);
  EXPECT_EQ(Encoded(Unit()), "");
}

TEST(KeyCodecTest, KnowsOneZeroAndOneNan) {
  EXPECT_EQ(Encoded(-0.0), Encoded(0.0));
  EXPECT_EQ(Encoded(std::numeric_limits<double>::quiet_NaN()),
            Encoded(-std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(Encoded(std::numeric_limits<float>::quiet_NaN()),
            Encoded(std::numeric_limits<float>::signaling_NaN()));
  EXPECT_GT(Encoded(std::numeric_limits<double>::quiet_NaN()),
            Encoded(std::numeric_limits<double>::infinity()));
}

TEST(KeyCodecTest, ViewsTheKeyWhereNothingWasEscaped) {
  using Key = std::tuple<std::string_view, std::string_view>;
  const std::string bytes = Encoded(Key("first", "second"));
  DecodeScratch scratch;
  const auto [first, second] = Decoded<Key>(bytes, scratch);
  EXPECT_EQ(first, "first");
  EXPECT_EQ(first.data(), bytes.data());
  EXPECT_EQ(second.data(), bytes.data() + 6);
}

TEST(KeyCodecTest, KeepsDecodedStringsApart) {
  using Key = std::tuple<std::string_view, std::string_view, Descending<std::string_view>, int>;
  const std::string bytes = Encoded(Key("\0a"s, "\1b"s, {"\1c"s}, 4));
  DecodeScratch scratch;
  const auto [a, b, c, four] = Decoded<Key>(bytes, scratch);
  EXPECT_EQ(a, "\0a"s);
  EXPECT_EQ(b, "\1b"s);
  EXPECT_EQ(c.value, "\1c"s);
  EXPECT_EQ(four, 4);
}

// Long strings take another path than short ones, and one that must be escaped leaves it half way.
TEST(KeyCodecTest, EscapesAtEveryPlaceOfALongString) {
  using Key = std::tuple<std::string, std::string>;
  for (std::size_t bytes = 0; bytes <= 70; ++bytes) {
    for (std::size_t at = 0; at < bytes; ++at) {
      for (const char c : {'\0', '\1'}) {
        std::string text(bytes, 'x');
        text[at] = c;
        DecodeScratch scratch;
        ASSERT_EQ(Decoded<Key>(Encoded(Key(text, "end")), scratch), Key(text, "end"));
      }
    }
  }
}

TEST(KeyPrefixBytesTest, CoversThePartsOfTheGroup) {
  using Key = std::tuple<std::string, std::uint16_t, std::optional<std::string>, std::string>;
  const std::string bytes = Encoded(Key("a\0"s, 7, "x", "rest"));
  EXPECT_EQ((KeyPrefixBytes<Key, 1>(bytes)), 4u);
  EXPECT_EQ((KeyPrefixBytes<Key, 2>(bytes)), 6u);
  EXPECT_EQ((KeyPrefixBytes<Key, 3>(bytes)), 9u);
}

// What a group's keys have in common is decoded from its key, the rest from each of its keys.
TEST(KeyPartsTest, DecodeInTwoPieces) {
  using Key = std::tuple<std::string, std::uint16_t, Descending<std::string>, std::string_view>;
  const Key key("a\0b"s, 7, Descending{"d\1"s}, std::string_view("rest\0", 5));
  const std::string bytes = Encoded(key);
  for (std::size_t parts = 1; parts < 4; ++parts) {
    const std::size_t front_bytes = parts == 1   ? KeyPrefixBytes<Key, 1>(bytes)
                                    : parts == 2 ? KeyPrefixBytes<Key, 2>(bytes)
                                                 : KeyPrefixBytes<Key, 3>(bytes);
    Key decoded;
    DecodeScratch front_scratch, scratch;
    const std::string front = bytes.substr(0, front_bytes);
    EXPECT_EQ(DecodeKeyFront(front, &decoded, front_scratch), parts);
    DecodeKeyBehind(parts, std::string_view(bytes).substr(front_bytes), &decoded, scratch);
    EXPECT_EQ(Encoded(decoded), bytes);
  }
  Place place;
  DecodeScratch scratch;
  const std::string place_bytes = Encoded(Place{"S\0E"s, 1});
  EXPECT_EQ(DecodeKeyFront(std::string_view(place_bytes).substr(0, 5), &place, scratch), 1u);
  DecodeKeyBehind(1, std::string_view(place_bytes).substr(5), &place, scratch);
  EXPECT_EQ(Encoded(place), place_bytes);
}

}  // namespace
}  // namespace millrace
