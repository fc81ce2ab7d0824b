// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/record_codec.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {
namespace {

using namespace std::string_view_literals;

/// "key=value" for each record, or nothing where the bytes are no such records.
std::optional<std::vector<std::string>> Decode(std::string_view payload, std::uint32_t count) {
  RecordDecoder decoder(/*room=*/64);
  decoder.Begin(payload.data(), payload.data() + payload.size(), count);
  std::vector<std::string> records;
  while (decoder.records_left() > 0) {
    const auto batch = decoder.Next();
    if (!batch) return std::nullopt;
    for (const RecordView& record : *batch)
      records.push_back(std::string(record.key_view()) + "=" + std::string(record.value_view()));
  }
  if (!decoder.at_end()) return std::nullopt;
  return records;
}

using Records = std::vector<std::string>;

TEST(RecordCodecTest, AllFormsOfLengthsAreRead) {
  EXPECT_EQ(Decode("\0\2\1ab1"sv, 1), Records{"ab=1"});
  EXPECT_EQ(Decode("\0\2\1ab1\5c2\x09\x33"sv, 3), (Records{"ab=1", "ac=2", "ac=3"}));
  EXPECT_EQ(Decode("\0\2\1ab1\x08\1\0c"sv, 2), (Records{"ab=1", "abc="}));
  // The second and third value take their heads from the first, the last one from the fourth.
  EXPECT_EQ(Decode("\0\1\3axyz\3\2bu\2\1\2\2c\0\1\3dpqr\3\1est"sv, 5),
            (Records{"a=xyz", "b=xyu", "c=xy", "d=pqr", "e=pst"}));
}

TEST(RecordCodecTest, LengthsThatCannotBeAreDamage) {
  for (const std::string_view second :
       {"\x0d"sv, "\x0dxxxxx"sv, "\x0c\1\1x1"sv, "\5c"sv, "\5"sv, "\4\1"sv,
        "\x85\x80\x80\x80\x80\x80\x80\x80\x80\1c2"sv, ""sv,
        // Heads: longer than the value, than the whole one, than any, and none at all.
        "\7\2c"sv, "\6\1\2\2c"sv, "\7\xff\xff\xff\xff\xff\xff\xff\xff\xff\1c"sv, "\7"sv}) {
    EXPECT_EQ(Decode(std::string("\0\2\1ab1"sv) + std::string(second), 2), std::nullopt) << second;
  }
  // A head longer than its value, but not than the whole one; one of no bytes.
  EXPECT_EQ(Decode("\0\1\3axyz\2\1\1\2b"sv, 2), std::nullopt);
  EXPECT_EQ(Decode("\0\1\3axyz\2\1\1\0bu"sv, 2), std::nullopt);
  // Nothing comes before the first: it can't be as long as that.
  EXPECT_EQ(Decode("\1"sv, 1), std::nullopt);
  EXPECT_EQ(Decode("\1ab1"sv, 1), std::nullopt);
  EXPECT_EQ(Decode("\2\1\1\1a"sv, 1), std::nullopt);
}

TEST(RecordCodecTest, NothingIsTakenFromTheBlockBefore) {
  constexpr std::string_view kFirst = "\0\1\3axyz"sv;
  for (const std::string_view second : {"\2\1\2\2b"sv, "\4\0\1u"sv, "\1bxyz"sv}) {
    RecordDecoder decoder(/*room=*/64);
    decoder.Begin(kFirst.data(), kFirst.data() + kFirst.size(), 1);
    ASSERT_TRUE(decoder.Next().has_value());
    decoder.Begin(second.data(), second.data() + second.size(), 1);
    EXPECT_FALSE(decoder.Next().has_value()) << second;
  }
}

struct KeyValue {
  std::string key, value;
};

/// Encodes them as one block, expects to read them again, and returns how many bytes they took.
std::size_t Written(const std::vector<KeyValue>& records) {
  RecordEncoder encoder;
  std::vector<char> payload(std::size_t{16} << 10);
  char* end = payload.data();
  Records expected;
  for (const auto& [key, value] : records) {
    const RecordView record = MakeRecordView(key, value);
    end = expected.empty() ? encoder.PutFirst(end, record)
                           : encoder.Put(end, record, encoder.Compare(record).shared);
    expected.push_back(key + "=" + value);
  }
  const auto bytes = static_cast<std::size_t>(end - payload.data());
  EXPECT_EQ(Decode({payload.data(), bytes}, static_cast<std::uint32_t>(records.size())), expected);
  return bytes;
}

/// What the second of two records of one form takes.
std::size_t SecondTakes(const KeyValue& first, const KeyValue& second) {
  return Written({first, second}) - Written({first});
}

// Bytes that both have are worth sharing from half of a value on, if they are 16, and of a value
// that may be put together: 1 KiB.
TEST(RecordCodecTest, HeadsOfValuesAreSharedWhereTheyAreWorthIt) {
  const auto second_takes = [](std::size_t bytes, std::size_t head) {
    const std::string value(bytes, 'v');
    std::string other = value;
    for (std::size_t i = head; i < bytes; ++i) other[i] = 'w';
    return SecondTakes({"a", value}, {"b", other});
  };
  constexpr std::size_t kFormAndKey = 2, kHead = 1, kLongHead = 2;
  EXPECT_EQ(second_takes(31, 30), kFormAndKey + 31);
  EXPECT_EQ(second_takes(32, 15), kFormAndKey + 32);
  EXPECT_EQ(second_takes(32, 16), kFormAndKey + kHead + 16);
  EXPECT_EQ(second_takes(32, 32), kFormAndKey + kHead);
  EXPECT_EQ(second_takes(1024, 511), kFormAndKey + 1024);
  EXPECT_EQ(second_takes(1024, 512), kFormAndKey + kLongHead + 512);
  EXPECT_EQ(second_takes(1025, 1024), kFormAndKey + 1025);
}

TEST(RecordCodecTest, BeginningsOfKeysAreSharedWhereTheyAreWorthIt) {
  const auto second_takes = [](std::size_t bytes, std::size_t shared) {
    const std::string key(bytes, 'k');
    std::string other = key;
    for (std::size_t i = shared; i < bytes; ++i) other[i] = 'l';
    return SecondTakes({key, ""}, {other, ""});
  };
  EXPECT_EQ(second_takes(8, 7), 1U + 1);
  EXPECT_EQ(second_takes(160, 9), 1U + 160);  // Less than a sixteenth.
  EXPECT_EQ(second_takes(160, 10), 1U + 150);
  EXPECT_EQ(second_takes(1024, 1023), 2U + 1);
  EXPECT_EQ(second_takes(1025, 1024), 1U + 1025);
  EXPECT_EQ(second_takes(1025, 1025), 2U);  // It is there as a whole.
}

// What a key that is there anyway takes is not asked for.
TEST(RecordCodecTest, LargeKeysThatAreEqualDoNotShrinkBatches) {
  const std::string key(60, 'k'), value(40, 'v');
  RecordEncoder encoder;
  std::vector<char> payload(4096);
  char* end = payload.data();
  for (int i = 0; i < 4; ++i) {
    const std::string last = value + std::to_string(i);
    const RecordView record = MakeRecordView(key, last);
    end = i == 0 ? encoder.PutFirst(end, record)
                 : encoder.Put(end, record, encoder.Compare(record).shared);
  }
  RecordDecoder decoder(/*room=*/130);
  decoder.Begin(payload.data(), end, 4);
  const auto batch = decoder.Next();
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->size(), 4U);
}

}  // namespace
}  // namespace millrace
