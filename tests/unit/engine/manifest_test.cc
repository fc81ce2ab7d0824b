// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "mapreduce/base/hash.h"
#include "tests/unit/engine/test_plan.h"

namespace millrace {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string EncodeOrDie(const proto::Manifest& manifest) {
  Result<std::string> text = EncodeManifest(manifest);
  EXPECT_TRUE(text.ok()) << text.error().message();
  return text.ok() ? *text : "";
}

TEST(ManifestTest, ReadsBackWhatWasWritten) {
  const proto::Manifest manifest = TestManifest();
  const Result<proto::Manifest> read = DecodeManifest(EncodeOrDie(manifest), "m");
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->SerializeAsString(), manifest.SerializeAsString());
}

TEST(ManifestTest, ReadsBackWithoutRejectsFileCountersAndFiles) {
  proto::Manifest manifest = TestManifest();
  manifest.mutable_rejects()->clear_file();
  manifest.clear_counters();
  manifest.clear_files();
  const Result<proto::Manifest> read = DecodeManifest(EncodeOrDie(manifest), "m");
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->SerializeAsString(), manifest.SerializeAsString());
}

TEST(ManifestTest, SaysAFormatThatIsNotTsv) {
  proto::Manifest manifest = TestManifest();
  EXPECT_THAT(EncodeOrDie(manifest), Not(HasSubstr("output_format")));
  manifest.mutable_plan()->set_output_format("jsonl");
  const Hash128 fingerprint = PlanFingerprint(manifest.plan());
  manifest.set_plan_fingerprint(fingerprint.Hex());
  manifest.set_run(RunId(manifest.plan(), fingerprint));
  const std::string text = EncodeOrDie(manifest);
  EXPECT_THAT(text, HasSubstr("\"compression\": \"none\",\n    \"output_format\": \"jsonl\","));
  const Result<proto::Manifest> read = DecodeManifest(text, "m");
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->SerializeAsString(), manifest.SerializeAsString());
}

TEST(ManifestTest, IsIndentedJsonWithIntegersAndAFinalNewline) {
  const std::string text = EncodeOrDie(TestManifest());
  EXPECT_THAT(text, StartsWith("{\n  \"format\": \"millrace manifest\",\n  \"version\": 1,\n"));
  EXPECT_THAT(text, HasSubstr("\"path\": \"part-00000.tsv\",\n      \"bytes\": 4611686018427387904,"
                              "\n      \"records\": 2,\n      \"xxh128\": \""));
  EXPECT_THAT(text, EndsWith("\"\n}\n"));
}

TEST(ManifestTest, HashIsOfTheFileWithItsDigitsAsZeros) {
  std::string text = EncodeOrDie(TestManifest());
  const std::size_t digits = text.size() - 4 - 32;
  const std::string hash = text.substr(digits, 32);
  text.replace(digits, 32, 32, '0');
  EXPECT_EQ(hash, HashOf128(text).Hex());
}

TEST(ManifestTest, NoticesEveryFlippedBit) {
  std::string text = EncodeOrDie(TestManifest());
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    const char mask = static_cast<char>(1 << (bit % 8));
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ mask);
    const Result<proto::Manifest> read = DecodeManifest(text, "out/_manifest.json");
    ASSERT_FALSE(read.ok()) << "bit " << bit;
    ASSERT_EQ(read.error().code(), StatusCode::kCorrupt) << "bit " << bit;
    ASSERT_THAT(read.error().message(), StartsWith("out/_manifest.json: "));
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ mask);
  }
}

TEST(ManifestTest, NoticesEveryTruncationAndWhatIsAppended) {
  const std::string text = EncodeOrDie(TestManifest());
  for (std::size_t bytes = 0; bytes < text.size(); ++bytes) {
    const Result<proto::Manifest> read = DecodeManifest(text.substr(0, bytes), "m");
    ASSERT_FALSE(read.ok()) << bytes;
    ASSERT_EQ(read.error().code(), StatusCode::kCorrupt) << bytes;
  }
  EXPECT_FALSE(DecodeManifest(text + "\n", "m").ok());
  EXPECT_FALSE(DecodeManifest(text + text, "m").ok());
}

// `text` changed and hashed anew: what a hand or another program might write.
Status DecodeForged(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at == std::string::npos) return {};
  text.replace(at, from.size(), to);
  const std::size_t digits = text.size() - 4 - 32;
  text.replace(digits, 32, 32, '0');
  text.replace(digits, 32, HashOf128(text).Hex());
  const Result<proto::Manifest> read = DecodeManifest(text, "m");
  return read.ok() ? Status::Ok() : read.error();
}

TEST(ManifestTest, RefusesPathsThatLeaveTheOutput) {
  const std::string text = EncodeOrDie(TestManifest());
  for (const std::string path :
       {"../x", "/etc/x", "a/../x", "a//x", ".", "", "a/", "./x", ".hidden", "a\\u0000b",
        "_manifest.json", "_SUCCESS", "_rejects.tsv"}) {
    const Status status = DecodeForged(text, "part-00000.tsv", path);
    EXPECT_EQ(status.code(), StatusCode::kCorrupt) << path;
  }
}

TEST(ManifestTest, RefusesRepeatedPaths) {
  proto::Manifest manifest = TestManifest();
  *manifest.add_files() = manifest.files(0);
  const Result<proto::Manifest> read = DecodeManifest(EncodeOrDie(manifest), "m");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), StatusCode::kCorrupt);
}

TEST(ManifestTest, RefusesWrongTypesAndMissingOrUnknownMembers) {
  const std::string text = EncodeOrDie(TestManifest());
  const std::pair<std::string, std::string> changes[] = {
      {"\"records_in\": 9", "\"records_in\": -9"},
      {"\"records_in\": 9", "\"records_in\": 9.5"},
      {"\"records_in\": 9", "\"records_in\": \"9\""},
      {"\"records_in\": 9", "\"records_in\": 18446744073709551616"},
      {"\"records_in\": 9", "\"records_in\": 1e999999"},
      {"\"records_in\": 9", "\"records_in\": 9, \"more\": 1"},
      {"\"records_in\": 9,", ""},
      {"\"parts\": 1", "\"parts\": 4294967296"},
      {"\"too_short\": 3", "\"too_short\": null"},
      {"\"outputs\": [\n    \"toplist\"\n  ]", "\"outputs\": [1]"},
      {"\"outputs\": [\n    \"toplist\"\n  ]", "\"outputs\": {}"},
      {"\"compression\": \"none\"", "\"compression\": \"lzma\""},
      {"\"compression\": \"none\"", "\"compression\": \"none\", \"output_format\": \"tsv\""},
      {"\"compression\": \"none\"", "\"compression\": \"none\", \"output_format\": \"csv\""},
      {"\"compression\": \"none\"", "\"compression\": \"none\", \"output_format\": 1"},
      {"\"job\": \"toplist\"", "\"job\": \"sort\""},
      {"\"format\": \"millrace manifest\"", "\"format\": \"something\""},
      {"{\n", "{ \n"},
  };
  for (const auto& [from, to] : changes) {
    EXPECT_EQ(DecodeForged(text, from, to).code(), StatusCode::kCorrupt) << from << " -> " << to;
  }
}

TEST(ManifestTest, SaysThatANewerVersionWroteIt) {
  const Status status =
      DecodeForged(EncodeOrDie(TestManifest()), "\"version\": 1", "\"version\": 2");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("newer version"));
}

TEST(ManifestTest, SurvivesDeepNesting) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(
      DecodeForged(EncodeOrDie(TestManifest()), "\"records_in\": 9", "\"records_in\": " + deep)
          .code(),
      StatusCode::kCorrupt);
}

TEST(ManifestTest, RefusesTextThatIsNotUtf8) {
  proto::Manifest manifest = TestManifest();
  manifest.mutable_counters(0)->set_name("caf\xE9");
  const Result<std::string> text = EncodeManifest(manifest);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(text.error().message(), HasSubstr("caf\\xE9"));
}

}  // namespace
}  // namespace millrace
