// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/proto/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/proto/limits.h"

namespace millrace {
namespace {

using testing::HasSubstr;

std::string FrameOf(std::string_view body) {
  std::string frame(kEnvelopeHeaderBytes, '\0');
  frame += body;
  SealEnvelope({.type = 9, .epoch = {3}, .sequence = 70, .body = {}}, &frame);
  return frame;
}

std::string ErrorOf(std::string_view frame) {
  const Result<Envelope> envelope = DecodeEnvelope(frame);
  if (envelope.ok()) return "";
  EXPECT_EQ(envelope.error().code(), StatusCode::kCorrupt);
  return envelope.error().message();
}

TEST(EnvelopeTest, ReadsBackWhatWasSealed) {
  for (const std::string_view body : {"", "x", "a body with\0a zero"}) {
    const std::string frame = FrameOf(body);
    const Result<Envelope> envelope = DecodeEnvelope(frame);
    ASSERT_TRUE(envelope.ok()) << envelope.error().message();
    EXPECT_EQ(envelope->type, 9u);
    EXPECT_EQ(envelope->epoch, Epoch{3});
    EXPECT_EQ(envelope->sequence, 70u);
    EXPECT_EQ(envelope->body, body);
  }
}

TEST(EnvelopeTest, NoticesEveryFlippedBit) {
  std::string frame = FrameOf("some body");
  for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    frame[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_NE(ErrorOf(frame), "") << "bit " << bit;
    frame[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
  EXPECT_EQ(ErrorOf(frame), "");
}

TEST(EnvelopeTest, NoticesEveryCutAndWhatIsTooMuch) {
  const std::string frame = FrameOf("some body");
  for (std::size_t bytes = 0; bytes < frame.size(); ++bytes) {
    EXPECT_NE(ErrorOf(frame.substr(0, bytes)), "") << bytes;
  }
  EXPECT_NE(ErrorOf(frame + "x"), "");
  EXPECT_NE(ErrorOf(frame + frame), "");
}

TEST(EnvelopeTest, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("0 bytes, the header alone has 40"));
  EXPECT_THAT(ErrorOf("GET / HTTP/1.1\r\nHost: master.example:7070\r\n\r\n"), HasSubstr("magic"));
  EXPECT_THAT(ErrorOf(FrameOf("body") + "x"), HasSubstr("of 5 bytes that should have 4"));
  std::string frame = FrameOf("body");
  frame.back() ^= 1;
  EXPECT_THAT(ErrorOf(frame), HasSubstr("hash mismatch"));
  StoreLittle32(frame.data() + 4, kEnvelopeVersion + 1);
  EXPECT_THAT(ErrorOf(frame), HasSubstr("version 2, this program knows 1"));
}

// The length is compared with what is there, whatever the hash says of it.
TEST(EnvelopeTest, BelievesNoDeclaredLength) {
  std::string frame = FrameOf("body");
  for (const std::uint32_t declared : {0u, 3u, 5u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
    StoreLittle32(frame.data() + 20, declared);
    StoreLittle64(frame.data() + 8, Hash64(std::string_view(frame).substr(16)));
    EXPECT_THAT(ErrorOf(frame), HasSubstr("should have " + std::to_string(declared)));
  }
}

TEST(EnvelopeTest, HasALimit) {
  std::string body(kFrameBytesMax - kEnvelopeHeaderBytes, 'x');
  EXPECT_EQ(ErrorOf(FrameOf(body)), "");
  body += 'x';
  EXPECT_THAT(ErrorOf(FrameOf(body)), HasSubstr("the limit is 66060288"));
}

}  // namespace
}  // namespace millrace
