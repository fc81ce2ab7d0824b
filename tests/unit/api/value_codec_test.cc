// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/value_codec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "mapreduce/api/key_codec.h"
#include "tests/unit/api/codec_test_types.h"

namespace millrace {
namespace {

using std::string_literals::operator""s;

// In a buffer of exactly the size that was promised, so that a sanitizer sees what goes beyond.
template <class T>
std::string Encoded(const T& value) {
  std::vector<char> buffer(ValueBytesMax(value));
  const char* const end = EncodeValue<true>(buffer.data(), value);
  return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
}

template <class T>
T Decoded(const std::string& bytes) {
  T value{};
  const char* const end = bytes.data() + bytes.size();
  EXPECT_EQ(DecodeValue<true>(bytes.data(), end, &value), end);
  return value;
}

template <class T>
class ValueCodecTest : public testing::Test {};

using ValueTypes = testing::Types<
    bool, std::int8_t, std::uint8_t, std::int16_t, std::int32_t, std::uint32_t, std::int64_t,
    std::uint64_t, float, double, Color, std::string, Unit, std::optional<std::string>,
    std::optional<std::int64_t>, std::vector<std::string>, std::vector<double>,
    std::vector<std::optional<std::string>>, std::tuple<std::string, std::string>,
    std::tuple<std::string, std::int64_t, std::vector<std::string>>, std::pair<double, std::string>,
    std::tuple<Place, Money, std::optional<Place>>, Place, Money, std::vector<Money>,
    Descending<std::string>, std::tuple<Descending<std::int64_t>, std::string>,
    std::tuple<std::string, Unit>>;
TYPED_TEST_SUITE(ValueCodecTest, ValueTypes);

TYPED_TEST(ValueCodecTest, DecodingGivesTheValueBack) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 1'000; ++i) {
    const auto value = AnyOf<TypeParam>(random);
    const std::string bytes = Encoded(value);
    const auto decoded = Decoded<TypeParam>(bytes);
    ASSERT_EQ(Compare(decoded, value), 0);
    ASSERT_EQ(Encoded(decoded), bytes);
    const std::tuple<TypeParam, std::string> before(value, AnyOf<std::string>(random));
    ASSERT_EQ(Compare(Decoded<std::tuple<TypeParam, std::string>>(Encoded(before)), before), 0);
  }
}

// A value that was read before must not shine through: operators reuse one for all.
TYPED_TEST(ValueCodecTest, OverwritesWhatWasThere) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  TypeParam reused{};
  for (int i = 0; i < 1'000; ++i) {
    const auto value = AnyOf<TypeParam>(random);
    const std::string bytes = Encoded(value);
    DecodeValue<true>(bytes.data(), bytes.data() + bytes.size(), &reused);
    ASSERT_EQ(Compare(reused, value), 0);
  }
}

TEST(ValueCodecTest, KeepsTheBitsOfNumbers) {
  EXPECT_TRUE(std::signbit(Decoded<double>(Encoded(-0.0))));
  const double nan = std::bit_cast<double>(std::uint64_t{0xfff8000000001234});
  EXPECT_EQ(std::bit_cast<std::uint64_t>(Decoded<double>(Encoded(nan))), 0xfff8000000001234u);
}

TEST(ValueCodecTest, WritesTheBytesThatItsHeaderSays) {
  EXPECT_EQ(Encoded(std::int32_t{-2}), "\xfe\xff\xff\xff"s);
  EXPECT_EQ(Encoded("text"s), "text");
  EXPECT_EQ(Encoded(std::tuple("a"s, "b"s)), "\1\0\0\0ab"s);
  EXPECT_EQ(Encoded(std::vector{"a"s}), "\1\0\0\0\1\0\0\0a"s);
  EXPECT_EQ(Encoded(std::optional<std::string>()), "\0"s);
  EXPECT_EQ(Encoded(std::optional("x"s)), "\1x"s);
}

TEST(ValueCodecTest, ViewsTheEncodedText) {
  using Value = std::tuple<std::string_view, std::int8_t, std::string_view>;
  const std::string bytes = Encoded(Value("first", 1, "second"));
  const auto [first, one, second] = Decoded<Value>(bytes);
  EXPECT_EQ(first.data(), bytes.data() + 4);
  EXPECT_EQ(second.data(), bytes.data() + 10);
  EXPECT_EQ(second, "second");
}

}  // namespace
}  // namespace millrace
