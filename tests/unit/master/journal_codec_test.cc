// SPDX-License-Identifier: Apache-2.0
#include "master/journal_codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/proto/journal.pb.h"
#include "mapreduce/proto/limits.h"
#include "tests/unit/proto/fields_set.h"
#include "tests/unit/proto/random_values.h"

namespace millrace {

MR_TEST_FIELDS(RunSubmitted, run, spec)
MR_TEST_FIELDS(AttemptStarted, attempt, worker, is_backup)
MR_TEST_FIELDS(TaskCommitted, attempt, worker, output)
MR_TEST_FIELDS(AttemptFailed, attempt, worker, blame, failure, sets_record_aside)
MR_TEST_FIELDS(BordersFixed, phase, borders)
MR_TEST_FIELDS(RunPublishing, run)
MR_TEST_FIELDS(RunEnded, run, code, message)
MR_TEST_FIELDS(SavedPhase, phase, samples, has_borders, borders)
MR_TEST_FIELDS(SavedAttempt, number, worker, is_backup, set_aside_count)
MR_TEST_FIELDS(SavedCrash, position, attempts)
MR_TEST_FIELDS(SavedTask, task, attempts_started, committed, holder, digest, given_up, output,
               attempts, failures, losses, source_failures, failed_on, crashes, set_aside,
               last_failure)

namespace {

using testing::HasSubstr;

constexpr std::size_t kKinds = std::variant_size_v<JournalRecord>;
constexpr std::uint64_t kSeeds = 200;

class RandomRecords : public RandomValues<RandomRecords> {
 public:
  using RandomValues::Fill;
  using RandomValues::Mend;
  using RandomValues::RandomValues;

  JournalRecord OfKind(std::size_t kind) {
    JournalRecord record;
    FillKind(kind, &record);
    return record;
  }

  void Fill(Blame* blame) { *blame = static_cast<Blame>(Below(3)); }
  void Mend(AttemptFailed* failed) {
    failed->sets_record_aside &= failed->failure.position.has_value();
  }
  void Mend(SavedAttempt* attempt) { attempt->number += attempt->number == 0; }
  void Mend(SavedTask* task) {
    if (task->committed > task->attempts_started)
      std::swap(task->committed, task->attempts_started);
  }
};

std::string ErrorOf(std::string_view bytes) {
  const Result<JournalRecord> record = DecodeRecord(bytes);
  if (record.ok()) return "";
  EXPECT_EQ(record.error().code(), StatusCode::kCorrupt);
  return record.error().message();
}
std::string ErrorOf(const JournalRecord& record) { return ErrorOf(EncodeRecord(record)); }

const AttemptId kAttempt{.task = {.phase = {.run = {1}, .index = 2}, .index = 3}, .number = 4};

TEST(JournalCodecTest, ReadsBackEveryKindOfRecord) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomRecords random(seed);
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      SCOPED_TRACE(testing::Message() << "kind " << kind);
      const JournalRecord record = random.OfKind(kind);
      const std::string bytes = EncodeRecord(record);
      const Result<JournalRecord> read = DecodeRecord(bytes);
      ASSERT_TRUE(read.ok()) << read.error().message();
      EXPECT_TRUE(Same(*read, record));
      EXPECT_EQ(EncodeRecord(*read), bytes);
    }
  }
}

// journal.proto has each field that journal_record.h has, and no other: all are set by some record.
TEST(JournalCodecTest, UsesEveryFieldThereIs) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RandomRecords random(seed);
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      proto::JournalRecord record;
      ASSERT_TRUE(record.ParseFromString(EncodeRecord(random.OfKind(kind))));
      AddFieldsSet(record, &seen);
    }
  }
  const auto* const file = proto::JournalRecord::descriptor()->file();
  for (int m = 0; m < file->message_type_count(); ++m) {
    for (int f = 0; f < file->message_type(m)->field_count(); ++f) {
      const std::string& name = file->message_type(m)->field(f)->full_name();
      EXPECT_TRUE(seen.contains(name)) << name;
    }
  }
  EXPECT_TRUE(seen.contains("millrace.proto.PhaseId.index"));
  EXPECT_TRUE(seen.contains("millrace.proto.TaskId.task"));
}

// The journal's hashes notice damage; if they don't, or a program is wrong, nothing else than a
// record that could have been written is let in.
TEST(JournalCodecTest, LetsNothingInThatItWouldNotWrite) {
  testing::internal::CaptureStderr();  // Protobuf complains about text there.
  int let_in = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RandomRecords random(seed);
    std::string bytes = EncodeRecord(random.OfKind(seed % kKinds));
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
      const Result<JournalRecord> record = DecodeRecord(bytes);
      bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
      if (!record.ok()) continue;
      ++let_in;
      const Result<JournalRecord> again = DecodeRecord(EncodeRecord(*record));
      ASSERT_TRUE(again.ok()) << "seed " << seed << " bit " << bit << ": "
                              << again.error().message();
      ASSERT_TRUE(Same(*again, *record)) << "seed " << seed << " bit " << bit;
    }
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      (void)DecodeRecord(std::string_view(bytes).substr(0, size));  // Asan watches.
    }
  }
  testing::internal::GetCapturedStderr();
  EXPECT_GT(let_in, 100);
}

TEST(JournalCodecTest, RefusesMissingParts) {
  using Record = proto::JournalRecord;
  const auto expect_missing = [](const std::string& field,
                                 const std::function<void(Record&)>& make) {
    Record record;
    make(record);
    EXPECT_EQ(ErrorOf(record.SerializeAsString()), field + " is missing");
  };
  expect_missing("JournalRecord.body", [](Record&) {});
  expect_missing("RunSubmitted.spec",
                 [](Record& record) { record.mutable_run_submitted()->set_run(1); });
  expect_missing("AttemptStarted.attempt",
                 [](Record& record) { record.mutable_attempt_started(); });
  expect_missing("TaskCommitted.attempt", [](Record& record) { record.mutable_task_committed(); });
  expect_missing("AttemptFailed.attempt", [](Record& record) { record.mutable_attempt_failed(); });
  expect_missing("BordersFixed.phase", [](Record& record) { record.mutable_borders_fixed(); });
  expect_missing("SavedPhase.phase", [](Record& record) { record.mutable_saved_phase(); });
  expect_missing("SavedTask.task", [](Record& record) { record.mutable_saved_task(); });
}

TEST(JournalCodecTest, RefusesValuesThatCannotBe) {
  EXPECT_THAT(ErrorOf(RunPublishing{}), HasSubstr("RunPublishing.run: 0"));
  EXPECT_THAT(ErrorOf(RunEnded{.run = {1}, .code = static_cast<StatusCode>(13)}),
              HasSubstr("RunEnded.code is no status code"));
  EXPECT_THAT(ErrorOf(AttemptStarted{.attempt = kAttempt}), HasSubstr("AttemptStarted.worker: 0"));
  EXPECT_THAT(ErrorOf(AttemptFailed{.attempt = kAttempt, .worker = {1}, .sets_record_aside = true}),
              HasSubstr("sets no record aside"));
  EXPECT_THAT(
      ErrorOf(AttemptFailed{.attempt = kAttempt, .worker = {1}, .blame = static_cast<Blame>(3)}),
      HasSubstr("AttemptFailed.blame"));
  EXPECT_THAT(ErrorOf(SavedTask{.task = kAttempt.task, .attempts_started = 1, .committed = 2}),
              HasSubstr("SavedTask.committed: 2"));
  EXPECT_THAT(ErrorOf(BordersFixed{.phase = {.run = {1}, .index = kPhasesMax}}),
              HasSubstr("phase number: 1024"));
  EXPECT_THAT(ErrorOf(BordersFixed{.phase = {.run = {1}},
                                   .borders = {std::string(kBorderBytesMax + 1, 'x')}}),
              HasSubstr("BordersFixed.borders: 4097"));
}

TEST(JournalCodecTest, CutsErrorTexts) {
  const std::string text(kErrorBytesMax + 1, 'x');
  const Result<JournalRecord> read = DecodeRecord(
      EncodeRecord(RunEnded{.run = {1}, .code = StatusCode::kUserCode, .message = text}));
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(std::get<RunEnded>(*read).message, text.substr(1));
}

// To ignore what a later master knew would be to forget it.
TEST(JournalCodecTest, RefusesFieldsThatItDoesNotKnow) {
  proto::JournalRecord record;
  record.mutable_run_publishing()->set_run(1);
  EXPECT_EQ(ErrorOf(record.SerializeAsString()), "");
  proto::RunPublishing::GetReflection()
      ->MutableUnknownFields(record.mutable_run_publishing())
      ->AddVarint(100, 5);
  const Result<JournalRecord> read = DecodeRecord(record.SerializeAsString());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(read.error().message(), HasSubstr("the version that wrote it"));
}

TEST(JournalCodecTest, ReadsSnapshotsBack) {
  for (const std::size_t count : {0, 1, 300}) {
    RandomRecords random(count + 1);
    std::vector<JournalRecord> records;
    for (std::size_t i = 0; i < count; ++i) records.push_back(random.OfKind(i % kKinds));
    const std::string bytes = EncodeSnapshot(records);
    const Result<std::vector<JournalRecord>> read = DecodeSnapshot(bytes);
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_TRUE(Same(*read, records));
    EXPECT_EQ(EncodeSnapshot(*read), bytes);
  }
}

TEST(JournalCodecTest, NoticesEveryCutOfASnapshot) {
  RandomRecords random(5);
  std::vector<JournalRecord> records;
  for (std::size_t kind = 0; kind < kKinds; ++kind) records.push_back(random.OfKind(kind));
  const std::string bytes = EncodeSnapshot(records);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeSnapshot(std::string_view(bytes).substr(0, size)).ok()) << size;
  }
}

TEST(JournalCodecTest, SaysWhatIsWrongWithASnapshot) {
  const auto error = [](std::string_view bytes) {
    const Result<std::vector<JournalRecord>> records = DecodeSnapshot(bytes);
    return records.ok() ? "" : records.error().message();
  };
  const std::string bytes = EncodeSnapshot({RunPublishing{{1}}, RunPublishing{{2}}});
  EXPECT_EQ(error(bytes), "");
  EXPECT_THAT(error(""), HasSubstr("no record count"));
  EXPECT_THAT(error(bytes + "xy"), HasSubstr("2 bytes too many"));
  EXPECT_THAT(error("\x02\x05x"), HasSubstr("cut off in record 0"));
  EXPECT_THAT(error("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01x"), HasSubstr("cut off"));
  EXPECT_THAT(error(std::string("\x01\x00", 2)),
              HasSubstr("record 0: JournalRecord.body is missing"));
}

}  // namespace
}  // namespace millrace
