// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/protobuf_records.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/random.h"
#include "tests/unit/formats/file_rows.h"
#include "tests/unit/formats/protobuf_test.pb.h"
#include "tests/unit/formats/protobuf_test_proto2.pb.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

namespace pb = google::protobuf;

using millrace::test::Everything;
using millrace::test::Old;
using millrace::test::User;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Fields = std::vector<std::optional<std::string>>;

void AddFile(const pb::FileDescriptor& file, std::set<std::string>* added,
             pb::FileDescriptorSet* set) {
  if (!added->insert(file.name()).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), added, set);
  file.CopyTo(set->add_file());
}

/// What protoc --include_imports --descriptor_set_out writes for the file of a message.
pb::FileDescriptorSet DescriptorsOf(const pb::Descriptor& message) {
  pb::FileDescriptorSet set;
  std::set<std::string> added;
  AddFile(*message.file(), &added, &set);
  return set;
}

/// A file on disk, as long as this lives.
class DescriptorFile {
 public:
  explicit DescriptorFile(const std::string& bytes) {
    static int count = 0;
    path_ = testing::TempDir() + "protobuf_records_test_" + std::to_string(::getpid()) + "_" +
            std::to_string(count++) + ".desc";
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  explicit DescriptorFile(const pb::FileDescriptorSet& set)
      : DescriptorFile(set.SerializeAsString()) {}
  DescriptorFile(const DescriptorFile&) = delete;
  DescriptorFile& operator=(const DescriptorFile&) = delete;
  ~DescriptorFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string Varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

/// As protobuf itself writes them to a file.
std::string Delimited(const std::vector<std::string>& records) {
  std::string file;
  for (const std::string& record : records) file += Varint(record.size()) + record;
  return file;
}

TextFile FileOf(const pb::Descriptor& message, std::string bytes) {
  const DescriptorFile descriptors(DescriptorsOf(message));
  return TextFile("plays.pb", std::move(bytes),
                  "protobuf,descriptor=" + descriptors.path() + ",message=" + message.full_name());
}
TextFile FileOf(const pb::Message& message) {
  return FileOf(*message.GetDescriptor(), Delimited({message.SerializePartialAsString()}));
}

/// The fields of the one row that a record of these bytes is.
Fields FieldsOf(const pb::Descriptor& message, const std::string& record,
                const std::vector<std::string>& columns) {
  const std::vector<FileRow> rows = FileOf(message, Delimited({record})).Rows(columns);
  if (rows.size() != 1 || !rows.front().reject.empty()) {
    ADD_FAILURE() << testing::PrintToString(rows);
    return {};
  }
  EXPECT_EQ(rows.front().raw, record);
  return rows.front().fields;
}
Fields FieldsOf(const pb::Message& message, const std::vector<std::string>& columns) {
  return FieldsOf(*message.GetDescriptor(), message.SerializePartialAsString(), columns);
}
std::optional<std::string> FieldOf(const pb::Message& message, const std::string& column) {
  const Fields fields = FieldsOf(message, {column});
  return fields.size() == 1 ? fields.front() : "(no field)";
}
std::optional<std::string> FieldOf(const pb::Descriptor& message, const std::string& record,
                                   const std::string& column) {
  const Fields fields = FieldsOf(message, record, {column});
  return fields.size() == 1 ? fields.front() : "(no field)";
}

/// Why a record of these bytes is rejected; "" where it is not.
std::string RejectOf(const pb::Descriptor& message, const std::string& record,
                     const std::vector<std::string>& columns) {
  const std::vector<FileRow> rows = FileOf(message, Delimited({"", record, ""})).Rows(columns);
  if (rows.size() != 3) return "(" + std::to_string(rows.size()) + " rows)";
  EXPECT_EQ(rows[1].raw, record);
  EXPECT_EQ(rows[1].offset, 1u);
  return rows[1].reject;
}

TEST(ProtobufRecordsTest, ReadsWhatProtobufWrites) {
  Everything play;
  std::string bytes;
  {
    pb::io::StringOutputStream out(&bytes);
    for (int i = 0; i < 3; ++i) {
      play.set_an_int32(i);
      play.set_a_string(std::string(static_cast<std::size_t>(100 * i), 'x'));
      ASSERT_TRUE(pb::util::SerializeDelimitedToZeroCopyStream(play, &out));
    }
  }
  const TextFile file = FileOf(*Everything::descriptor(), bytes);
  ASSERT_TRUE(file.status().ok()) << file.status().message();
  const std::vector<FileRow> rows = file.Rows({"an_int32", "a_string"});
  ASSERT_THAT(rows, SizeIs(3));
  for (int i = 0; i < 3; ++i) {
    const FileRow& row = rows[static_cast<std::size_t>(i)];
    play.set_an_int32(i);
    play.set_a_string(std::string(static_cast<std::size_t>(100 * i), 'x'));
    EXPECT_EQ(row.fields, (Fields{std::to_string(i), play.a_string()}));
    EXPECT_EQ(row.raw, play.SerializeAsString());
    // `offset` is that of the length before the message.
    const std::string length = Varint(row.raw.size());
    EXPECT_EQ(bytes.substr(row.offset, length.size() + row.raw.size()), length + row.raw);
  }
}

TEST(ProtobufRecordsTest, GivesEachScalarAsItsText) {
  Everything play;
  play.set_a_double(0.1);
  play.set_a_float(0.1f);
  play.set_an_int32(std::numeric_limits<std::int32_t>::min());
  play.set_an_int64(std::numeric_limits<std::int64_t>::min());
  play.set_a_uint32(std::numeric_limits<std::uint32_t>::max());
  play.set_a_uint64(std::numeric_limits<std::uint64_t>::max());
  play.set_a_sint32(std::numeric_limits<std::int32_t>::min());
  play.set_a_sint64(-3);
  play.set_a_fixed32(std::numeric_limits<std::uint32_t>::max());
  play.set_a_fixed64(std::numeric_limits<std::uint64_t>::max());
  play.set_a_sfixed32(-1);
  play.set_a_sfixed64(-2);
  play.set_a_bool(true);
  play.set_a_string("a\tb\\N\n");
  play.set_some_bytes(std::string("\0\xFF\n", 3));
  play.set_plan(test::PLAN_FAMILY);
  EXPECT_EQ(
      FieldsOf(play, {"a_double", "a_float", "an_int32", "an_int64", "a_uint32", "a_uint64",
                      "a_sint32", "a_sint64", "a_fixed32", "a_fixed64", "a_sfixed32", "a_sfixed64",
                      "a_bool", "a_string", "some_bytes", "plan"}),
      (Fields{"0.1", "0.1", "-2147483648", "-9223372036854775808", "4294967295",
              "18446744073709551615", "-2147483648", "-3", "4294967295", "18446744073709551615",
              "-1", "-2", "true", "a\tb\\N\n", std::string("\0\xFF\n", 3), "PLAN_FAMILY"}));
  play.set_plan(static_cast<test::Plan>(77));
  play.set_a_double(-std::numeric_limits<double>::quiet_NaN());
  play.set_a_float(-std::numeric_limits<float>::infinity());
  EXPECT_EQ(FieldsOf(play, {"plan", "a_double", "a_float"}), (Fields{"77", "nan", "-inf"}));
}

TEST(ProtobufRecordsTest, TellsWhatIsNotSetFromDefaults) {
  const std::vector<std::string> columns = {
      "an_int32", "a_string", "a_bool",  "plan",   "a_double", "maybe",   "number",
      "text",     "user",     "user.id", "packed", "labels",   "wrapped", "user.address.country"};
  EXPECT_EQ(FieldsOf(Everything(), columns),
            (Fields{"0", "", "false", "PLAN_UNKNOWN", "0", std::nullopt, std::nullopt, std::nullopt,
                    std::nullopt, std::nullopt, "[]", "{}", std::nullopt, std::nullopt}));
  Everything play;
  play.mutable_user();
  play.set_maybe(0);
  play.set_text("");
  play.mutable_wrapped();
  EXPECT_EQ(FieldsOf(play, {"maybe", "number", "text", "user", "user.id", "user.address.country",
                            "user.tags", "wrapped", "wrapped_text"}),
            (Fields{"0", std::nullopt, "", "{}", "0", std::nullopt, "[]", "0", std::nullopt}));
  Old old;
  old.set_id(1);
  EXPECT_EQ(FieldsOf(old, {"id", "name", "plain", "answer", "color", "a"}),
            (Fields{"1", "no\tname", std::nullopt, "-42", "GREEN", std::nullopt}));
}

TEST(ProtobufRecordsTest, FollowsPaths) {
  Everything play;
  play.mutable_user()->set_id(7);
  play.mutable_user()->mutable_address()->set_country("SE");
  play.mutable_user()->mutable_friend_()->mutable_address()->set_zip(12);
  play.add_packed(5);
  play.add_packed(-6);
  play.add_unpacked(8);
  play.add_unpacked(9);
  play.add_users()->set_id(70);
  play.add_users()->add_tags("x");
  (*play.mutable_labels())["app.io/name"] = "web";
  (*play.mutable_counts())[-3] = 4;
  (*play.mutable_people())[true].set_id(3);
  (*play.mutable_places())["home"].set_city("Oslo");
  (*play.mutable_places())["a.b"].set_city("Rome");
  (*play.mutable_plan_of())[8] = test::PLAN_FREE;
  play.set_camel_case("c");
  EXPECT_EQ(FieldsOf(play, {"user.address.country", "user.id", "user.friend.address.zip",
                            "packed.1", "unpacked.0", "packed.2", "users.0.id", "users.1.id",
                            "users.1.tags.0", "users.2.id", "labels.app.io/name", "labels.none",
                            "counts.-3", "people.true.id", "people.false.id", "places.home.city",
                            R"(places.a\.b.city)", "plan_of.8"}),
            (Fields{"SE", "7", "12", "-6", "8", std::nullopt, "70", "0", "x", std::nullopt, "web",
                    std::nullopt, "4", "3", std::nullopt, "Oslo", "Rome", "PLAN_FREE"}));
  // Names as JSON has them, and in any case.
  EXPECT_EQ(FieldsOf(play, {"camel_case", "camelCase", "CAMEL_CASE", "User.ID"}),
            (Fields{"c", "c", "c", "7"}));
}

TEST(ProtobufRecordsTest, WritesMessagesListsAndMapsAsJson) {
  Everything play;
  play.mutable_user()->set_id(7);
  play.mutable_user()->mutable_address()->set_country("S\"E");
  play.add_users()->set_id(70);
  play.add_users();
  play.add_packed(5);
  play.add_packed(-6);
  play.add_names("a\tb");
  for (const char* key : {"z", "a", "m", "b"}) (*play.mutable_labels())[key] = key;
  for (const int key : {10, -1, 9}) (*play.mutable_counts())[key] = key;
  (*play.mutable_places())["home"].set_zip(0);
  EXPECT_EQ(FieldsOf(play, {"user", "users", "packed", "names", "labels", "counts", "places",
                            "users.0", "places.home", "user.address"}),
            (Fields{R"({"id":"7","address":{"country":"S\"E"}})", R"([{"id":"70"},{}])", "[5,-6]",
                    R"(["a\tb"])", R"({"a":"a","b":"b","m":"m","z":"z"})",
                    R"({"-1":"-1","9":"9","10":"10"})", R"({"home":{"zip":0}})", R"({"id":"70"})",
                    R"({"zip":0})", R"({"country":"S\"E"})"}));
}

TEST(ProtobufRecordsTest, KnowsProtobufsOwnTypes) {
  Everything play;
  play.mutable_created()->set_seconds(1'795'000'000);
  play.mutable_took()->set_seconds(3);
  play.mutable_took()->set_nanos(500'000'000);
  play.mutable_wrapped()->set_value(-5);
  play.mutable_wrapped_text()->set_value("w");
  (*play.mutable_meta()->mutable_fields())["k"].set_string_value("v");
  play.add_times();
  play.add_times()->set_nanos(1);
  EXPECT_EQ(FieldsOf(play, {"created", "created.seconds", "took", "wrapped", "wrapped_text", "meta",
                            "times.0", "times.1", "times.2", "meta.fields"}),
            (Fields{"2026-11-18T11:06:40Z", "1795000000", "3.500s", "-5", "w", R"({"k":"v"})",
                    "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000001Z", std::nullopt,
                    R"({"k":"v"})"}));
  play.mutable_created()->set_seconds(253'402'300'800);
  EXPECT_EQ(RejectOf(*Everything::descriptor(), play.SerializeAsString(), {"created"}),
            "created is no time of the years 1 to 9999: seconds 253402300800, nanos 0");
  EXPECT_EQ(RejectOf(*Everything::descriptor(), play.SerializeAsString(), {"wrapped"}), "");
}

TEST(ProtobufRecordsTest, WritesEachTimeAsProtobufDoes) {
  Random random(TestSeed());
  SCOPED_TRACE(testing::Message() << "seed " << TestSeed());
  std::vector<std::string> records, expected;
  const auto add = [&](std::int64_t seconds, std::int32_t nanos) {
    Everything play;
    play.mutable_created()->set_seconds(seconds);
    play.mutable_created()->set_nanos(nanos);
    records.push_back(play.SerializeAsString());
    expected.push_back(pb::util::TimeUtil::ToString(play.created()));
  };
  add(-62135596800, 0);
  add(253402300799, 999'999'999);
  add(951'782'400, 0);     // 2000-02-29
  add(-2'203'977'600, 0);  // 1900-02-28
  for (int i = 0; i < 2000; ++i) {
    const auto seconds = static_cast<std::int64_t>(random.Uniform(315'537'897'600)) - 62135596800;
    const int unit = std::array{0, 1, 1000, 1'000'000}[random.Uniform(4)];
    add(seconds, static_cast<std::int32_t>(random.Uniform(1000)) * unit);
  }
  const std::vector<FileRow> rows =
      FileOf(*Everything::descriptor(), Delimited(records)).Rows({"created"});
  ASSERT_EQ(rows.size(), expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].fields[0], expected[i]);
}

TEST(ProtobufRecordsTest, ReadsAllFieldsByTheirNumbers) {
  Everything play;
  play.set_camel_case("last");
  const TextFile file = FileOf(play);
  ASSERT_TRUE(file.status().ok()) << file.status().message();
  const std::vector<std::string>& columns = file.shard().layout->columns;
  ASSERT_EQ(columns.size(), static_cast<std::size_t>(Everything::descriptor()->field_count()));
  EXPECT_EQ(columns.front(), "a_double");
  EXPECT_EQ(columns.back(), "camel_case");
  const std::vector<FileRow> rows = file.Rows();
  ASSERT_THAT(rows, SizeIs(1));
  ASSERT_EQ(rows[0].fields.size(), columns.size());
  EXPECT_EQ(rows[0].fields.back(), "last");
}

// --- What protobuf's parsers make of odd bytes.

const std::string kNumber1 = "\xF0\x01\x05";                // number = 5
const std::string kText1 = "\xFA\x01\x01x";                 // text = "x"
const std::string kPlaceSe = "\x82\x02\x04\x0A\x02SE";      // place.country = "SE"
const std::string kPlaceOslo = "\x82\x02\x06\x12\x04Oslo";  // place.city = "Oslo"

TEST(ProtobufRecordsTest, TakesTheLastValueAndMergesMessages) {
  const pb::Descriptor& type = *Everything::descriptor();
  EXPECT_EQ(FieldOf(type, std::string("\x18\x01\x18\x02"), "an_int32"), "2");
  EXPECT_EQ(FieldsOf(type, kPlaceSe + kPlaceOslo, {"place.country", "place.city", "place"}),
            (Fields{"SE", "Oslo", R"({"country":"SE","city":"Oslo"})"}));
}

TEST(ProtobufRecordsTest, UnsetsTheOtherFieldsOfAOneof) {
  const pb::Descriptor& type = *Everything::descriptor();
  const std::vector<std::string> columns = {"number", "text", "place.country", "place.city"};
  EXPECT_EQ(FieldsOf(type, kNumber1 + kText1, columns),
            (Fields{std::nullopt, "x", std::nullopt, std::nullopt}));
  EXPECT_EQ(FieldsOf(type, kPlaceSe + kText1 + kPlaceOslo, columns),
            (Fields{std::nullopt, std::nullopt, "", "Oslo"}));
  // Also where the one that was set last is not wanted, and not where its bytes are of another
  // type.
  EXPECT_EQ(FieldsOf(type, kNumber1 + kText1, {"number"}), (Fields{std::nullopt}));
  EXPECT_EQ(FieldsOf(type, kNumber1 + "\xF8\x01\x01", {"number"}), (Fields{"5"}));
}

TEST(ProtobufRecordsTest, PassesOverUnknownFieldsAndTypes) {
  const pb::Descriptor& type = *Everything::descriptor();
  const std::string known = "\x18\x07";
  for (const std::string& unknown :
       {std::string("\x88\x4E\x01"),
        std::string("\x89\x4E"
                    "12345678"),
        std::string("\x8A\x4E\x01z"), std::string("\x8B\x4E\x08\x01\x8C\x4E"),
        std::string("\x8D\x4E"
                    "1234"),
        std::string("\x1A\x01\xFF")}) {
    EXPECT_EQ(FieldsOf(type, unknown + known + unknown, {"an_int32", "a_string"}),
              (Fields{"7", ""}));
  }
}

TEST(ProtobufRecordsTest, ReadsNumbersPackedOrNot) {
  const pb::Descriptor& type = *Everything::descriptor();
  // `packed` (40) as single values and `unpacked` (41) as a run, and both ways in one message.
  EXPECT_EQ(FieldsOf(type, std::string("\xC0\x02\x01\xC2\x02\x02\x02\x03\xCA\x02\x02\x08\x09"),
                     {"packed", "packed.0", "packed.2", "unpacked.1", "unpacked"}),
            (Fields{"[1,2,3]", "1", "3", "9", "[8,9]"}));
}

TEST(ProtobufRecordsTest, ReadsGroups) {
  Old old;
  old.set_id(1);
  old.add_item()->set_title("t");
  old.add_item()->mutable_inner()->set_id(2);
  old.mutable_single()->set_size(3);
  old.mutable_single()->set_mark(0xFFFFFFFF);
  EXPECT_EQ(FieldsOf(old, {"item.0.title", "item.1.inner.id", "single.size", "single.mark"}),
            (Fields{"t", "2", "3", "4294967295"}));
  EXPECT_EQ(FieldsOf(old, {"single"}), (Fields{R"({"size":3,"mark":4294967295})"}));
  // JSON has none: rather a reject than a list without its items.
  const std::vector<FileRow> rows = FileOf(old).Rows({"item"});
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(
      rows[0].reject,
      "item can't be written as JSON: millrace.test.Old.item is a group, which protobuf's JSON "
      "does not have; name what is in it");
}

TEST(ProtobufRecordsTest, LeavesAClosedEnumUnsetByNumbersItLacks) {
  const pb::Descriptor& type = *Old::descriptor();
  const std::string id = "\x08\x01";
  EXPECT_EQ(FieldOf(type, id + "\x28\x07", "color"), "GREEN");
  EXPECT_EQ(FieldOf(type, id + "\x28\x01\x28\x07", "color"), "RED");
  EXPECT_EQ(FieldsOf(type, id + "\x68\x01\x68\x07\x68\x02", {"colors.1", "colors"}),
            (Fields{"GREEN", R"(["RED","GREEN"])"}));
  EXPECT_EQ(FieldsOf(type, id + "\x70\x05\x78\x07", {"a", "b"}), (Fields{"5", std::nullopt}));
}

TEST(ProtobufRecordsTest, TakesTheLastOfEqualKeys) {
  const pb::Descriptor& type = *Everything::descriptor();
  const std::string first =
      "\xAA\x03\x0A\x0A\x01h\x12\x05\x0A\x03"
      "abc";  // places[h].country
  const std::string second =
      "\xAA\x03\x08\x12\x03\x12\x01"
      "c"
      "\x0A\x01h";  // .city; value first
  EXPECT_EQ(FieldsOf(type, first + second, {"places.h.country", "places.h.city", "places"}),
            (Fields{"", "c", R"({"h":{"city":"c"}})"}));
  const std::string empty = "\xAA\x03\x03\x0A\x01h";
  EXPECT_EQ(FieldsOf(type, first + empty, {"places.h.country", "places.h"}), (Fields{"", "{}"}));
  EXPECT_EQ(FieldOf(type, std::string("\x92\x03\x00", 3), "labels."), "");
}

// --- What is no record.

/// Protobuf prints why it does not parse.
class QuietProtobuf {
 public:
  QuietProtobuf() : before_(pb::SetLogHandler(nullptr)) {}
  ~QuietProtobuf() { pb::SetLogHandler(before_); }

 private:
  pb::LogHandler* const before_;
};

TEST(ProtobufRecordsTest, RejectsWhatDoesNotParseWhateverIsWanted) {
  const pb::Descriptor& type = *Everything::descriptor();
  const std::string name = "is no millrace.test.Everything: at byte ";
  std::string deep, deeper;
  for (int i = 0; i < 99; ++i) deep = "\x1A" + Varint(deep.size()) + deep;  // User.friend
  deep = "\xA2\x01" + Varint(deep.size()) + deep;
  deeper = deep.substr(2 + Varint(deep.size()).size());
  deeper = "\x1A" + Varint(deeper.size()) + deeper;
  deeper = "\xA2\x01" + Varint(deeper.size()) + deeper;
  for (const std::vector<std::string>& columns : {std::vector<std::string>{"plan"},
                                                  {"user.friend.id", "user.tags.0"},
                                                  {"a_string", "text"}}) {
    EXPECT_EQ(RejectOf(type, "\x72\x02\xFF\xFF", columns),
              name + "1, millrace.test.Everything.a_string: the text is not UTF-8");
    EXPECT_EQ(RejectOf(type, "\xA2\x01\x05\x12\x03\x0A\x01\xFF", columns),
              name + "6, millrace.test.Address.country: the text is not UTF-8");
    EXPECT_EQ(RejectOf(type,
                       "\x72\x05"
                       "abc",
                       columns),
              name +
                  "1, millrace.test.Everything.a_string: a value goes beyond the end of its "
                  "message");
    EXPECT_EQ(RejectOf(type, "\x18", columns),
              name +
                  "1, millrace.test.Everything.an_int32: a value goes beyond the end of its "
                  "message");
    EXPECT_EQ(RejectOf(type, "\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", columns),
              name + "1, millrace.test.Everything.an_int32: a number has over 10 bytes");
    EXPECT_EQ(RejectOf(type, std::string(1, '\0'), columns), name + "0, there begins no field");
    EXPECT_EQ(RejectOf(type, "\x1F", columns).find(name), 0u);
    EXPECT_EQ(RejectOf(type, "\x1C", columns), name + "1, a group ends that was not begun");
    EXPECT_EQ(RejectOf(type, "\x8B\x4E\x08\x01", columns), name + "4, a group does not end");
    EXPECT_EQ(RejectOf(type,
                       std::string("\xE2\x02\x03"
                                   "abc",
                                   6),
                       columns)
                  .find(name),
              0u);
    EXPECT_EQ(RejectOf(type, deep, columns), "");
    EXPECT_THAT(RejectOf(type, deeper, columns), HasSubstr("messages are over 100 deep"));
  }
}

TEST(ProtobufRecordsTest, RejectsForTheSameReasonWhateverFollows) {
  const std::string record = "\x18\xFF";
  const std::string name = "millrace.test.Everything";
  for (const std::string& next : {std::string(10, '\x01'), std::string(10, '\xFF')}) {
    const std::vector<FileRow> rows =
        FileOf(*Everything::descriptor(), Delimited({record, next})).Rows({"plan"});
    ASSERT_THAT(rows, SizeIs(2));
    EXPECT_EQ(rows[0].reject, "is no " + name + ": at byte 2, " + name +
                                  ".an_int32: a value goes beyond the end of its message");
  }
}

// Numbers in more bytes than they need: tags and lengths may have five, values ten.
TEST(ProtobufRecordsTest, TakesNumbersAsLongAsProtobufDoes) {
  const QuietProtobuf quiet;
  const auto stretched = [](std::uint64_t value, std::size_t bytes) {
    std::string text;
    for (; bytes > 1; --bytes, value >>= 7) text.push_back(static_cast<char>(value | 0x80));
    return text + static_cast<char>(value & 0x7F);
  };
  for (std::size_t bytes = 1; bytes <= 12; ++bytes) {
    for (const std::string& record :
         {stretched(0x72, bytes) + "\x01x", "\x72" + stretched(1, bytes) + "x",
          "\x18" + stretched(1, bytes), "\xC2\x02" + Varint(bytes) + stretched(1, bytes)}) {
      EXPECT_EQ(RejectOf(*Everything::descriptor(), record, {"plan"}).empty(),
                Everything().ParseFromString(record))
          << bytes << ": " << testing::PrintToString(record);
    }
  }
}

TEST(ProtobufRecordsTest, RejectsMessagesWithoutTheirRequiredFields) {
  Everything play;
  play.mutable_old()->set_plain(1);
  const std::string record = play.SerializePartialAsString();
  EXPECT_EQ(RejectOf(*Everything::descriptor(), record, {"plan"}),
            "is no millrace.test.Everything: it lacks old.id");
  // Two that are merged have it.
  Everything more;
  more.mutable_old()->set_id(1);
  EXPECT_EQ(FieldOf(*Everything::descriptor(), record + more.SerializeAsString(), "old.id"), "1");
}

TEST(ProtobufRecordsTest, TellsADamagedFileFromABadRecord) {
  Everything play;
  play.set_a_string("twelve bytes");
  const std::string record = play.SerializeAsString();
  const std::string bytes = Delimited({record, record, record});
  const std::size_t step = record.size() + 1;
  const RowRequest request = TextFile::Request({"a_string"});
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    // The plan's look at small files is another matter: so through the layout of the whole.
    const TextFile file = FileOf(*Everything::descriptor(), bytes);
    TextFile cut("plays.pb", bytes.substr(0, size), "jsonl");
    ASSERT_TRUE(file.status().ok());
    Shard shard = file.shard();
    shard.file.bytes = size;
    const ShardRange range{0, size, 0, UINT64_MAX};
    PiecewiseReader reader(cut.text(), 0, 5);
    const FileFormat format{"protobuf", {}};
    auto blocks = OpenRows({reader, shard, range, format, request, 1 << 20});
    ASSERT_TRUE(blocks.ok());
    LineBlock block;
    std::size_t rows = 0;
    Result<bool> more = true;
    while ((more = (*blocks)->Next(&block)).ok() && *more) rows += block.records->size();
    EXPECT_EQ(rows, size / step);
    if (size % step == 0) {
      EXPECT_TRUE(more.ok());
      continue;
    }
    ASSERT_FALSE(more.ok());
    EXPECT_EQ(more.error().code(), StatusCode::kBadData);
    EXPECT_THAT(std::string(more.error().message()),
                AllOf(HasSubstr("/plays.pb: is cut off"),
                      HasSubstr("byte " + std::to_string(size / step * step))));
    EXPECT_FALSE((*blocks)->Next(&block).ok());
  }
}

TEST(ProtobufRecordsTest, RefusesLengthsThatAreNone) {
  const pb::Descriptor& type = *Everything::descriptor();
  const auto error_of = [&](const std::string& bytes, std::size_t record_bytes_max) {
    const auto rows =
        FileOf(type, bytes).TryRows(TextFile::Request({"plan"}), {}, 3, record_bytes_max);
    if (rows.ok()) return std::string("(ok)");
    EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
    return std::string(rows.error().message());
  };
  const std::string good = Delimited({"\x18\x01"});
  EXPECT_THAT(error_of(good + std::string(11, '\xFF'), 1000),
              HasSubstr("at byte 3 stands no record's length"));
  EXPECT_THAT(error_of(good + "\x88\x27" + std::string(9999, ' '), 1000),
              HasSubstr("the record at byte 3 has 5000 bytes, more than the 1000 B"));
  EXPECT_THAT(error_of("\x88\x27" + std::string(9999, ' '), 1000), HasSubstr("writeDelimitedTo"));
  // The limit itself is fine.
  const std::string largest = "\x72\xF0\x07" + std::string(1008, 'x');
  EXPECT_EQ(error_of(Delimited({largest}), largest.size()), "(ok)");
  EXPECT_THAT(error_of(Delimited({largest}), largest.size() - 1), HasSubstr("more than"));
}

TEST(ProtobufRecordsTest, RefusesAFileThatIsOneMessage) {
  Everything play;
  play.set_a_string("abc");
  play.mutable_user()->set_id(7);
  const TextFile file = FileOf(*Everything::descriptor(), play.SerializeAsString());
  EXPECT_EQ(file.status().code(), StatusCode::kBadData);
  EXPECT_THAT(std::string(file.status().message()),
              HasSubstr("is one millrace.test.Everything without its length"));
}

TEST(ProtobufRecordsTest, ReadsTheSameInAnyPiecesAndRanges) {
  std::vector<std::string> records;
  for (int i = 0; i < 40; ++i) {
    Everything play;
    play.set_an_int32(i);
    play.set_a_string(std::string(static_cast<std::size_t>(i * 7), 'x'));
    records.push_back(i % 9 == 5 ? std::string("\x18") : play.SerializeAsString());
  }
  const TextFile file = FileOf(*Everything::descriptor(), Delimited(records));
  const std::vector<std::string> columns = {"an_int32", "a_string"};
  const std::vector<FileRow> rows = file.Rows(columns);
  ASSERT_EQ(rows.size(), records.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].raw, records[i]);
    EXPECT_EQ(rows[i].reject.empty(), i % 9 != 5);
  }
  for (const std::size_t piece_bytes : {1, 2, 3, 64, 1000})
    EXPECT_EQ(file.RowsOfRanges(columns, {}, piece_bytes), rows);
  // Such files are not cut; if one were, its records would all be the first range's.
  EXPECT_EQ(file.RowsOfRanges(columns, {1, 100, 1000}, 50), rows);
  EXPECT_NE(FindFormat("protobuf")->why_whole(file.shard()), "");
}

// --- What the user says.

TEST(ProtobufRecordsTest, RefusesPathsThatLeadNowhere) {
  const TextFile file = FileOf(Everything());
  const auto error_of = [&](const std::string& path) {
    RowRequest request;
    request.columns.push_back({"country", path, 0});
    const auto rows = file.TryRows(request, {}, SIZE_MAX);
    if (rows.ok()) return std::string("(ok)");
    EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
    EXPECT_THAT(std::string(rows.error().message()),
                AllOf(HasSubstr("/plays.pb: "), HasSubstr("--param country=PATH")));
    return std::string(rows.error().message());
  };
  EXPECT_THAT(error_of("contry"), HasSubstr("the message millrace.test.Everything has no field "
                                            "contry; it has a_double, a_float"));
  EXPECT_THAT(error_of("user.adress"), HasSubstr("millrace.test.User (user) has no field adress; "
                                                 "it has id, address, friend, tags"));
  EXPECT_THAT(error_of("a_string.x"), HasSubstr("a_string is of type string; there is no x in it"));
  EXPECT_THAT(error_of("users.id"),
              HasSubstr("users is repeated; behind it stands the number of an "
                        "element, as users.0, not id"));
  EXPECT_THAT(error_of("users.00"), HasSubstr("users is repeated"));
  EXPECT_THAT(error_of("counts.x"), HasSubstr("x is no key of a map whose keys are int32"));
  EXPECT_THAT(error_of(""), HasSubstr("has no field ;"));
  EXPECT_EQ(error_of("labels"), "(ok)");
  RowRequest by_number;
  by_number.columns.push_back({"country", "", 3});
  const auto rows = file.TryRows(by_number, {}, SIZE_MAX);
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code(), StatusCode::kInvalidArgument);
}

TEST(ProtobufRecordsTest, FindsTheMessageOrSaysWhichThereAre) {
  const DescriptorFile descriptors(DescriptorsOf(*Everything::descriptor()));
  const std::string spec = "protobuf,descriptor=" + descriptors.path();
  const auto status_of = [&](const std::string& of) { return TextFile("a.pb", "", of).status(); };
  EXPECT_TRUE(status_of(spec + ",message=Everything").ok());
  EXPECT_TRUE(status_of(spec + ",message=Old.Item").ok());
  const Status several = status_of(spec);
  EXPECT_EQ(several.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(several.message()),
              AllOf(HasSubstr(descriptors.path()),
                    HasSubstr("message=NAME: millrace.test.Address, millrace.test.User, "
                              "millrace.test.Everything")));
  const Status unknown = status_of(spec + ",message=Play");
  EXPECT_EQ(unknown.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("has no message Play; it has"));
  EXPECT_EQ(status_of(spec + ",message=Nothing").code(), StatusCode::kBadData);
  EXPECT_EQ(status_of(spec + ",message=LabelsEntry").code(), StatusCode::kInvalidArgument);
  const Status none = status_of("protobuf");
  EXPECT_EQ(none.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(none.message()), HasSubstr("descriptor=FILE"));
  EXPECT_EQ(status_of("protobuf,descriptor=/nowhere.desc").code(), StatusCode::kNotFound);
  // The only message that is not imported.
  const DescriptorFile one(DescriptorsOf(*Old::descriptor()));
  EXPECT_TRUE(status_of("protobuf,descriptor=" + one.path()).ok());
}

TEST(ProtobufRecordsTest, RefusesWhatDescribesNothing) {
  pb::FileDescriptorSet set = DescriptorsOf(*Everything::descriptor());
  const auto status_of = [&](const std::string& bytes) {
    const DescriptorFile file(bytes);
    return TextFile("a.pb", "", "protobuf,message=Everything,descriptor=" + file.path()).status();
  };
  for (const std::string& bytes : {std::string(), std::string("syntax = \"proto3\";")})
    EXPECT_EQ(status_of(bytes).code(), StatusCode::kBadData);
  pb::FileDescriptorSet alone;
  *alone.add_file() = set.file(set.file_size() - 1);  // Without what it imports.
  EXPECT_THAT(std::string(status_of(alone.SerializeAsString()).message()),
              HasSubstr("--include_imports"));
  set.mutable_file(set.file_size() - 1)->mutable_message_type(1)->mutable_field(0)->set_number(-1);
  EXPECT_THAT(std::string(status_of(set.SerializeAsString()).message()), HasSubstr("is damaged"));
}

// A plan holds what the message needs, not all of a company's messages.
TEST(ProtobufRecordsTest, KeepsTheTypesThatAMessageNeeds) {
  Old old;
  old.set_id(1);
  const TextFile small = FileOf(old);
  pb::FileDescriptorSet large = DescriptorsOf(*Everything::descriptor());
  for (int i = 0; i < 1000; ++i) {
    pb::FileDescriptorProto& file = *large.add_file();
    file.set_name("f" + std::to_string(i) + ".proto");
    file.add_message_type()->set_name("M" + std::to_string(i));
  }
  const DescriptorFile descriptors(large);
  const TextFile file("plays.pb", "", "protobuf,message=Old,descriptor=" + descriptors.path());
  ASSERT_TRUE(file.status().ok()) << file.status().message();
  EXPECT_EQ(file.shard().layout->dialect, small.shard().layout->dialect);
  EXPECT_LT(file.shard().layout->dialect.size(), 1000u);
}

TEST(ProtobufRecordsTest, KeepsAllTypesForAny) {
  const pb::Descriptor& type = *test::Envelope::descriptor();
  Old old;
  old.set_id(5);
  test::Envelope envelope;
  envelope.mutable_payload()->PackFrom(old);
  EXPECT_EQ(FieldOf(envelope, "payload"),
            R"({"@type":"type.googleapis.com/millrace.test.Old","id":5})");
  envelope.mutable_payload()->set_type_url("type.googleapis.com/shop.Gone");
  EXPECT_THAT(RejectOf(type, envelope.SerializeAsString(), {"payload"}),
              HasSubstr("payload can't be written as JSON: "));
  EXPECT_EQ(FieldOf(envelope, "payload.type_url"), "type.googleapis.com/shop.Gone");
}

// --- Any message, with protobuf's own parser as the oracle.

std::string ScalarText(const pb::Message& message, const pb::FieldDescriptor& field, int index) {
  const pb::Reflection& of = *message.GetReflection();
  const auto text = [](auto value) {
    if constexpr (std::is_floating_point_v<decltype(value)>) {
      if (std::isnan(value)) return std::string("nan");
    }
    std::array<char, 40> to;
    return std::string(to.data(), std::to_chars(to.data(), to.data() + to.size(), value).ptr);
  };
#define MR_VALUE(Type) \
  (index < 0 ? of.Get##Type(message, &field) : of.GetRepeated##Type(message, &field, index))
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return text(MR_VALUE(Int32));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return text(MR_VALUE(Int64));
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return text(MR_VALUE(UInt32));
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return text(MR_VALUE(UInt64));
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return text(MR_VALUE(Double));
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return text(MR_VALUE(Float));
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return MR_VALUE(Bool) ? "true" : "false";
    case pb::FieldDescriptor::CPPTYPE_ENUM: {
      const int number = MR_VALUE(EnumValue);
      const auto* const value = field.enum_type()->FindValueByNumber(number);
      return value == nullptr ? text(number) : value->name();
    }
    default:
      return MR_VALUE(String);
  }
#undef MR_VALUE
}

std::optional<std::string> Oracle(const pb::Message& message, const std::vector<std::string>& path,
                                  std::size_t at) {
  const pb::Reflection& of = *message.GetReflection();
  const pb::FieldDescriptor& field = *message.GetDescriptor()->FindFieldByName(path[at]);
  if (field.is_map()) {
    for (int i = 0; i < of.FieldSize(message, &field); ++i) {
      const pb::Message& entry = of.GetRepeatedMessage(message, &field, i);
      if (ScalarText(entry, *field.message_type()->map_key(), -1) != path[at + 1]) continue;
      const pb::FieldDescriptor& value = *field.message_type()->map_value();
      if (value.message_type() == nullptr) return ScalarText(entry, value, -1);
      return Oracle(entry.GetReflection()->GetMessage(entry, &value), path, at + 2);
    }
    return std::nullopt;
  }
  if (field.is_repeated()) {
    const int index = std::stoi(path[at + 1]);
    if (index >= of.FieldSize(message, &field)) return std::nullopt;
    if (field.message_type() == nullptr) return ScalarText(message, field, index);
    return Oracle(of.GetRepeatedMessage(message, &field, index), path, at + 2);
  }
  const bool has_default = field.has_default_value() && field.real_containing_oneof() == nullptr;
  if (field.has_presence() && !of.HasField(message, &field) && !has_default) return std::nullopt;
  if (field.message_type() == nullptr) return ScalarText(message, field, -1);
  return Oracle(of.GetMessage(message, &field), path, at + 1);
}

class RandomMessages {
 public:
  explicit RandomMessages(std::uint64_t seed) : random_(seed) {}
  Random& random() { return random_; }

  void Fill(pb::Message* message, int depth) {
    const pb::Descriptor& type = *message->GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const pb::FieldDescriptor& field = *type.field(i);
      if (field.name() == "meta" || field.name() == "times") continue;
      if (!field.is_required() && random_.Uniform(3) > 0) continue;
      const std::uint64_t count = field.is_repeated() ? random_.Uniform(4) : 1;
      for (std::uint64_t k = 0; k < count; ++k) SetOne(message, field, depth);
    }
  }

  /// Not as a writer would: twice the same fields, other lengths, single bytes.
  std::string Mutated(std::string bytes) {
    for (std::uint64_t n = random_.Uniform(4); n > 0 && !bytes.empty(); --n) {
      const std::size_t at = random_.Uniform(bytes.size());
      switch (random_.Uniform(4)) {
        case 0:
          bytes[at] = static_cast<char>(random_.Uniform(256));
          break;
        case 1:
          bytes.resize(at);
          break;
        case 2:
          bytes.insert(at, bytes.substr(random_.Uniform(bytes.size()), random_.Uniform(9)));
          break;
        default:
          bytes.erase(at, random_.Uniform(4));
      }
    }
    return bytes;
  }

 private:
  std::string Text(bool is_bytes) {
    static const std::array<std::string, 7> kPieces = {"a",        "home",         "\t", "\\",
                                                       "\xC3\xA9", "\xE2\x82\xAC", "\n"};
    std::string text;
    for (std::uint64_t n = random_.Uniform(5); n > 0; --n)
      text += is_bytes ? std::string(1, static_cast<char>(random_.Uniform(256)))
                       : kPieces[random_.Uniform(kPieces.size())];
    return text;
  }
  std::uint64_t Bits() { return random_.Next() >> random_.Uniform(64); }

  void SetOne(pb::Message* message, const pb::FieldDescriptor& field, int depth) {
    const pb::Reflection& of = *message->GetReflection();
    const auto sign = [&](std::uint64_t bits) { return random_.Uniform(2) == 0 ? bits : ~bits; };
#define MR_SET(Type, value)                                   \
  (field.is_repeated() ? of.Add##Type(message, &field, value) \
                       : of.Set##Type(message, &field, value))
    switch (field.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_INT32:
        return MR_SET(Int32, static_cast<std::int32_t>(sign(Bits())));
      case pb::FieldDescriptor::CPPTYPE_INT64:
        return MR_SET(Int64, static_cast<std::int64_t>(sign(Bits())));
      case pb::FieldDescriptor::CPPTYPE_UINT32:
        return MR_SET(UInt32, static_cast<std::uint32_t>(Bits()));
      case pb::FieldDescriptor::CPPTYPE_UINT64:
        return MR_SET(UInt64, random_.Uniform(3) == 0 ? 8 : Bits());
      case pb::FieldDescriptor::CPPTYPE_DOUBLE:
        return MR_SET(Double, static_cast<double>(Bits()) / 7);
      case pb::FieldDescriptor::CPPTYPE_FLOAT:
        return MR_SET(Float, static_cast<float>(Bits()) / 7);
      case pb::FieldDescriptor::CPPTYPE_BOOL:
        return MR_SET(Bool, random_.Uniform(2) == 0);
      case pb::FieldDescriptor::CPPTYPE_ENUM: {
        const bool is_open = field.file()->syntax() == pb::FileDescriptor::SYNTAX_PROTO3;
        return MR_SET(EnumValue, is_open ? static_cast<int>(random_.Uniform(4))
                                         : static_cast<int>(1 + random_.Uniform(2)));
      }
      case pb::FieldDescriptor::CPPTYPE_STRING:
        return MR_SET(String, Text(field.type() == pb::FieldDescriptor::TYPE_BYTES));
      default: {
        if (depth == 0 && !field.is_required() && !field.is_map()) return;
        pb::Message* const nested = field.is_repeated() ? of.AddMessage(message, &field)
                                                        : of.MutableMessage(message, &field);
        Fill(nested, depth - 1);
      }
    }
#undef MR_SET
  }

  Random random_;
};

TEST(ProtobufRecordsTest, AgreesWithProtobufOnAnyBytes) {
  const QuietProtobuf quiet;
  RandomMessages messages(TestSeed());
  SCOPED_TRACE(testing::Message() << "seed " << TestSeed());
  std::vector<std::vector<std::string>> paths = {{"user", "id"},
                                                 {"user", "address", "country"},
                                                 {"user", "address", "zip"},
                                                 {"user", "friend", "address", "city"},
                                                 {"user", "tags", "1"},
                                                 {"place", "country"},
                                                 {"place", "zip"},
                                                 {"other_place", "city"},
                                                 {"packed", "0"},
                                                 {"packed", "2"},
                                                 {"unpacked", "1"},
                                                 {"names", "0"},
                                                 {"users", "0", "id"},
                                                 {"users", "1", "friend", "id"},
                                                 {"users", "2", "tags", "0"},
                                                 {"doubles", "1"},
                                                 {"plans", "0"},
                                                 {"labels", "home"},
                                                 {"labels", ""},
                                                 {"counts", "0"},
                                                 {"counts", "-1"},
                                                 {"people", "true", "id"},
                                                 {"people", "false", "address", "city"},
                                                 {"places", "home", "zip"},
                                                 {"plan_of", "8"},
                                                 {"created", "seconds"},
                                                 {"wrapped", "value"},
                                                 {"old", "id"},
                                                 {"old", "name"},
                                                 {"old", "color"},
                                                 {"old", "item", "0", "title"},
                                                 {"old", "item", "1", "inner", "id"},
                                                 {"old", "single", "mark"},
                                                 {"old", "scores", "1"},
                                                 {"old", "colors", "1"},
                                                 {"old", "a"},
                                                 {"old", "b"},
                                                 {"old", "c"}};
  for (int i = 0; i < Everything::descriptor()->field_count(); ++i) {
    const pb::FieldDescriptor& field = *Everything::descriptor()->field(i);
    if (field.message_type() == nullptr && !field.is_repeated()) paths.push_back({field.name()});
  }
  std::vector<std::string> columns;
  for (const auto& path : paths) {
    std::string joined = path[0];
    for (std::size_t i = 1; i < path.size(); ++i) joined += "." + path[i];
    columns.push_back(joined);
  }
  std::vector<std::string> records;
  for (int i = 0; i < 4000; ++i) {
    Everything message, merged;
    messages.Fill(&message, 3);
    std::string bytes = message.SerializePartialAsString();
    if (messages.random().Uniform(3) == 0) {
      messages.Fill(&merged, 2);
      bytes += merged.SerializePartialAsString();
    }
    records.push_back(messages.random().Uniform(2) == 0 ? bytes : messages.Mutated(bytes));
  }
  const TextFile file = FileOf(*Everything::descriptor(), Delimited(records));
  ASSERT_TRUE(file.status().ok()) << file.status().message();
  const std::vector<FileRow> rows = file.RowsOfRanges(columns, {}, 1 << 16);
  ASSERT_EQ(rows.size(), records.size());
  std::size_t rejected = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Everything parsed;
    const bool is_message = parsed.ParseFromString(records[i]);
    ASSERT_EQ(rows[i].reject.empty(), is_message)
        << i << ": " << rows[i].reject << parsed.InitializationErrorString();
    EXPECT_EQ(rows[i].raw, records[i]);
    rejected += is_message ? 0 : 1;
    for (std::size_t c = 0; is_message && c < columns.size(); ++c) {
      ASSERT_EQ(rows[i].fields[c], Oracle(parsed, paths[c], 0))
          << "record " << i << ", " << columns[c] << "\n"
          << parsed.DebugString();
    }
  }
  EXPECT_GT(rejected, 100u);
  EXPECT_LT(rejected, 2000u);
}

TEST(ProtobufRecordsTest, WritesJsonThatProtobufReadsBack) {
  const QuietProtobuf quiet;
  RandomMessages messages(TestSeed());
  SCOPED_TRACE(testing::Message() << "seed " << TestSeed());
  const std::vector<std::string> columns = {"user", "users", "labels", "people", "packed", "place"};
  std::vector<std::string> records;
  for (int i = 0; i < 300; ++i) {
    Everything a, b;
    messages.Fill(&a, 3);
    messages.Fill(&b, 2);
    records.push_back(a.SerializePartialAsString() + b.SerializePartialAsString());
  }
  const std::vector<FileRow> rows =
      FileOf(*Everything::descriptor(), Delimited(records)).Rows(columns);
  ASSERT_EQ(rows.size(), records.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].reject, "");
    Everything parsed, wanted, read;
    ASSERT_TRUE(parsed.ParseFromString(records[i]));
    if (parsed.has_user()) *wanted.mutable_user() = parsed.user();
    *wanted.mutable_users() = parsed.users();
    *wanted.mutable_labels() = parsed.labels();
    *wanted.mutable_people() = parsed.people();
    *wanted.mutable_packed() = parsed.packed();
    if (parsed.has_place()) *wanted.mutable_place() = parsed.place();
    std::string json = "{";
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const std::string value = rows[i].fields[c].value_or("null");
      json += (c > 0 ? ",\"" : "\"") + columns[c] + "\":" + value;
    }
    json += "}";
    ASSERT_TRUE(pb::util::JsonStringToMessage(json, &read).ok()) << json;
    EXPECT_TRUE(pb::util::MessageDifferencer::Equals(wanted, read)) << json;
  }
}

}  // namespace
}  // namespace millrace
