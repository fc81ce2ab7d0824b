// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/record_codec.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {
namespace {

using namespace std::string_view_literals;

/// "key=value" for each record, or nothing where the bytes are no such records.
std::optional<std::vector<std::string>> Decode(std::string_view payload, std::uint32_t count) {
  RecordDecoder decoder(/*key_room=*/64);
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

TEST(RecordCodecTest, BothFormsOfLengthsAreRead) {
  EXPECT_EQ(Decode("\0\2\1ab1"sv, 1), Records{"ab=1"});
  EXPECT_EQ(Decode("\0\2\1ab1\3c2\5\x33"sv, 3), (Records{"ab=1", "ac=2", "ac=3"}));
  EXPECT_EQ(Decode("\0\2\1ab1\4\1\0c"sv, 2), (Records{"ab=1", "abc="}));
}

TEST(RecordCodecTest, LengthsThatCannotBeAreDamage) {
  for (const std::string_view second :
       {"\7"sv, "\7xxxxx"sv, "\6\1\1x1"sv, "\3c"sv, "\3"sv, "\2\1"sv,
        "\x83\x80\x80\x80\x80\x80\x80\x80\x80\1c2"sv, ""sv}) {
    EXPECT_EQ(Decode(std::string("\0\2\1ab1"sv) + std::string(second), 2), std::nullopt) << second;
  }
  // Nothing comes before the first: it can't be as long as that.
  EXPECT_EQ(Decode("\1"sv, 1), std::nullopt);
  EXPECT_EQ(Decode("\1ab1"sv, 1), std::nullopt);
}

}  // namespace
}  // namespace millrace
