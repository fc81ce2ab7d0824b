// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/proto/message_scan.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <string>

#include "mapreduce/base/bytes.h"
#include "mapreduce/proto/journal.pb.h"
#include "mapreduce/proto/wire.pb.h"

namespace millrace {
namespace {

using testing::HasSubstr;

std::string Varint(std::uint64_t value) {
  char bytes[kVarintBytesMax];
  return {bytes, PutVarint(bytes, value)};
}

// A field of wire type 2.
std::string Delimited(int number, std::string_view value) {
  return Varint(static_cast<std::uint64_t>(number) << 3 | 2) + Varint(value.size()) +
         std::string(value);
}

std::string ErrorOf(std::string_view bytes) {
  proto::WireMessage message;
  const Result<MessageScan> scan = ParseMessage(bytes, &message);
  if (scan.ok()) return "";
  EXPECT_EQ(scan.error().code(), StatusCode::kCorrupt);
  return scan.error().message();
}

TEST(MessageScanTest, CountsWhatProtobufWouldMake) {
  proto::WireMessage message;
  proto::Heartbeat& heartbeat = *message.mutable_heartbeat();                          // 1 object.
  for (int i = 0; i < 3; ++i) heartbeat.add_present()->mutable_attempt()->set_run(7);  // 6.
  for (int i = 0; i < 4; ++i) heartbeat.add_held()->set_output_count(9);               // 4.
  std::string bytes = message.SerializeAsString();
  bytes += Delimited(1000, "what is this") + Varint(1001 << 3) + Varint(5);  // 2.
  const Result<MessageScan> scan = ParseMessage(bytes, &message);
  ASSERT_TRUE(scan.ok()) << scan.error().message();
  EXPECT_EQ(scan->objects, 13u);
  EXPECT_EQ(scan->unknown_fields, 2u);
  EXPECT_EQ(message.heartbeat().present_size(), 3);
}

// Two bytes each, a hundred times that in memory.
TEST(MessageScanTest, RefusesTooManyObjects) {
  const auto phases = [](std::size_t count) {
    std::string spec;
    for (std::size_t i = 0; i < count; ++i) spec += Delimited(8, "");
    return Delimited(1, Delimited(1, spec));
  };
  EXPECT_EQ(ErrorOf(phases(1000)), "");
  EXPECT_THAT(ErrorOf(phases(kObjectsMax)), HasSubstr("too many parts"));
}

TEST(MessageScanTest, RefusesWhatIsNestedDeep) {
  // Groups, which could be nested without any length: "start group 1" ten thousand times, then one
  // that no message has.
  EXPECT_THAT(ErrorOf(std::string(10'000, '\x0b')), HasSubstr("misread field"));
  EXPECT_THAT(ErrorOf(Varint(1000 << 3 | 3) + Varint(1000 << 3 | 4)), HasSubstr("not used"));
  // Known fields end somewhere; unknown ones aren't looked into.
  std::string nested;
  for (int i = 0; i < 10'000; ++i) nested = Delimited(1, nested);
  EXPECT_EQ(ErrorOf(Delimited(1000, nested)), "");
}

TEST(MessageScanTest, RefusesDamage) {
  EXPECT_THAT(ErrorOf("\xFF"), HasSubstr("field number"));
  EXPECT_THAT(ErrorOf(std::string(1, '\0')), HasSubstr("field number"));
  EXPECT_THAT(ErrorOf(std::string("\x80\x00", 2)), HasSubstr("field number"));
  EXPECT_THAT(ErrorOf(Varint(1000 << 3) + "\x80"), HasSubstr("damaged number"));
  EXPECT_THAT(ErrorOf("\x0A\x05x"), HasSubstr("cut off"));
  EXPECT_THAT(ErrorOf("\x0A" + Varint(std::uint64_t{1} << 63)), HasSubstr("cut off"));
  EXPECT_THAT(ErrorOf("\x0A" + Varint(UINT64_MAX)), HasSubstr("cut off"));
  EXPECT_THAT(ErrorOf("\x0A\x80"), HasSubstr("damaged length"));
  EXPECT_THAT(ErrorOf("\x08\x01"), HasSubstr("misread field"));  // submit_run as a number.
  EXPECT_THAT(ErrorOf(Varint(1000 << 3 | 1) + "1234567"), HasSubstr("cut off"));
  EXPECT_THAT(ErrorOf(Varint(1000 << 3 | 7)), HasSubstr("not used"));
}

TEST(MessageScanTest, RefusesTextThatIsNotUtf8) {
  testing::internal::CaptureStderr();  // Protobuf complains there, too.
  EXPECT_THAT(ErrorOf(Delimited(2, Delimited(1, "\xC3"))), HasSubstr("not UTF-8"));
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(ErrorOf(Delimited(2, Delimited(1, "\xC3\xA9"))), "");
}

// ScanMessage knows the types of field that there are.
TEST(MessageScanTest, KnowsAllTypesInUse) {
  using google::protobuf::FieldDescriptor;
  for (const auto* file :
       {proto::WireMessage::descriptor()->file(), proto::JournalRecord::descriptor()->file(),
        proto::RunSpec::descriptor()->file()}) {
    for (int m = 0; m < file->message_type_count(); ++m) {
      for (int f = 0; f < file->message_type(m)->field_count(); ++f) {
        const FieldDescriptor& field = *file->message_type(m)->field(f);
        EXPECT_THAT(field.type(),
                    testing::AnyOf(FieldDescriptor::TYPE_FIXED64, FieldDescriptor::TYPE_MESSAGE,
                                   FieldDescriptor::TYPE_BYTES, FieldDescriptor::TYPE_STRING,
                                   FieldDescriptor::TYPE_UINT32, FieldDescriptor::TYPE_UINT64,
                                   FieldDescriptor::TYPE_SINT32, FieldDescriptor::TYPE_BOOL,
                                   FieldDescriptor::TYPE_ENUM))
            << field.full_name();
      }
    }
  }
}

}  // namespace
}  // namespace millrace
