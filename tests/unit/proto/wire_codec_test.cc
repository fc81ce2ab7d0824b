// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/proto/wire_codec.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/proto/envelope.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/proto/wire.pb.h"
#include "tests/unit/proto/fields_set.h"
#include "tests/unit/proto/random_values.h"

namespace millrace {
namespace {

using testing::HasSubstr;

constexpr std::size_t kKinds = std::variant_size_v<MessageBody>;
constexpr std::uint64_t kSeeds = 200;

std::string FrameOf(const proto::WireMessage& wire) {
  std::string frame(kEnvelopeHeaderBytes, '\0');
  frame += wire.SerializeAsString();
  SealEnvelope({.type = static_cast<std::uint32_t>(wire.body_case()),
                .epoch = {1},
                .sequence = 2,
                .body = {}},
               &frame);
  return frame;
}

std::string ErrorOf(std::string_view frame) {
  const Result<Message> message = DecodeMessage(frame);
  if (message.ok()) return "";
  EXPECT_EQ(message.error().code(), StatusCode::kCorrupt);
  return message.error().message();
}
std::string ErrorOf(const MessageBody& body) {
  return ErrorOf(EncodeMessage({.epoch = {1}, .sequence = 2, .body = body}));
}

proto::WireMessage Parsed(std::string_view frame) {
  proto::WireMessage wire;
  EXPECT_TRUE(wire.ParseFromString(std::string(frame.substr(kEnvelopeHeaderBytes))));
  return wire;
}

const AttemptId kAttempt{.task = {.phase = {.run = {1}, .index = 2}, .index = 3}, .number = 4};

TEST(WireCodecTest, ReadsBackEveryKindOfMessage) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomMessages random(seed);
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      const Message message = random.OfKind(kind);
      SCOPED_TRACE(MessageName(message.body));
      const std::string frame = EncodeMessage(message);
      DecodeStats stats;
      const Result<Message> read = DecodeMessage(frame, &stats);
      ASSERT_TRUE(read.ok()) << read.error().message();
      EXPECT_TRUE(Same(*read, message));
      EXPECT_EQ(EncodeMessage(*read), frame);
      EXPECT_EQ(stats.unknown_fields, 0u);
    }
  }
}

TEST(WireCodecTest, ReadsBackMessagesWithNothingSet) {
  for (const MessageBody& body : std::vector<MessageBody>{
           CancelRun{}, RunStatus{}, Welcome{}, HelloWanted{}, Refused{}, Heartbeat{}, Goodbye{},
           Heartbeat{.takes_tasks = false}, TaskDone{.attempt = kAttempt}}) {
    const Message message{.epoch = {}, .sequence = 0, .body = body};
    const Result<Message> read = DecodeMessage(EncodeMessage(message));
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_TRUE(Same(*read, message)) << MessageName(body);
  }
}

// wire.proto has each field that messages.h has, and no other: all are set by some message.
TEST(WireCodecTest, UsesEveryFieldThereIs) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RandomMessages random(seed);
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      AddFieldsSet(Parsed(EncodeMessage(random.OfKind(kind))), &seen);
    }
  }
  for (const auto* file :
       {proto::WireMessage::descriptor()->file(), proto::RunSpec::descriptor()->file()}) {
    for (int m = 0; m < file->message_type_count(); ++m) {
      const auto& type = *file->message_type(m);
      if (type.name() == "PhaseId" || type.name() == "TaskId") continue;  // The journal's.
      for (int f = 0; f < type.field_count(); ++f) {
        EXPECT_TRUE(seen.contains(type.field(f)->full_name())) << type.field(f)->full_name();
      }
    }
  }
}

TEST(WireCodecTest, NumbersKindsInOrder) {
  RandomMessages random(1);
  const auto& type = *proto::WireMessage::descriptor();
  ASSERT_EQ(static_cast<std::size_t>(type.field_count()), kKinds);
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    const std::string frame = EncodeMessage(random.OfKind(kind));
    EXPECT_EQ(LoadLittle32(frame.data() + 16), kind + 1);
  }
  EXPECT_EQ(MessageName(SubmitRun{}), "SubmitRun");
  EXPECT_EQ(MessageName(FetchRefused{}), "FetchRefused");
}

TEST(WireCodecTest, NoticesEveryFlippedBitAndCut) {
  RandomMessages random(7);
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    std::string frame = EncodeMessage(random.OfKind(kind));
    for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
      frame[bit / 8] ^= static_cast<char>(1 << bit % 8);
      ASSERT_FALSE(DecodeMessage(frame).ok()) << "kind " << kind << " bit " << bit;
      frame[bit / 8] ^= static_cast<char>(1 << bit % 8);
    }
    for (std::size_t bytes = 0; bytes < frame.size(); ++bytes) {
      ASSERT_FALSE(DecodeMessage(std::string_view(frame).substr(0, bytes)).ok()) << bytes;
    }
  }
}

// A sender who means harm has the hash right. Whatever is let in is a message that can be sent.
TEST(WireCodecTest, LetsNothingInThatItWouldNotSend) {
  testing::internal::CaptureStderr();  // Protobuf complains about text there.
  int let_in = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RandomMessages random(seed);
    std::string frame = EncodeMessage(random.OfKind(seed % kKinds));
    if (frame.size() == kEnvelopeHeaderBytes) continue;
    for (int i = 0; i < 50; ++i) {
      std::string damaged = frame;
      const std::size_t body_bytes = frame.size() - kEnvelopeHeaderBytes;
      for (std::uint64_t flips = 1 + random.Below(3); flips > 0; --flips) {
        damaged[kEnvelopeHeaderBytes + random.Below(body_bytes)] =
            static_cast<char>(random.Number());
      }
      SealEnvelope(
          {.type = LoadLittle32(frame.data() + 16), .epoch = {1}, .sequence = 1, .body = {}},
          &damaged);
      const Result<Message> message = DecodeMessage(damaged);
      if (!message.ok()) continue;
      ++let_in;
      const Result<Message> again = DecodeMessage(EncodeMessage(*message));
      ASSERT_TRUE(again.ok()) << "seed " << seed << ": " << again.error().message();
      ASSERT_TRUE(Same(*again, *message)) << "seed " << seed;
    }
  }
  testing::internal::GetCapturedStderr();
  EXPECT_GT(let_in, 100);
}

TEST(WireCodecTest, RefusesAnotherTypeThanTheFrameSays) {
  proto::WireMessage wire;
  wire.mutable_goodbye();
  std::string frame = FrameOf(wire);
  for (const std::uint32_t type : {0u, 16u, 18u, 22u, 0xFFFFFFFFu}) {
    SealEnvelope({.type = type, .epoch = {1}, .sequence = 2, .body = {}}, &frame);
    EXPECT_THAT(ErrorOf(frame), HasSubstr("not of the type that the frame says")) << type;
  }
  EXPECT_THAT(ErrorOf(FrameOf(proto::WireMessage())), HasSubstr("WireMessage.body is missing"));
}

TEST(WireCodecTest, RefusesMissingParts) {
  using Wire = proto::WireMessage;
  const auto expect_missing = [](const std::string& field, const std::function<void(Wire&)>& make) {
    Wire wire;
    make(wire);
    EXPECT_EQ(ErrorOf(FrameOf(wire)), field + " is missing");
  };
  expect_missing("SubmitRun.spec", [](Wire& wire) { wire.mutable_submit_run(); });
  expect_missing("KillTask.attempt", [](Wire& wire) { wire.mutable_kill_task(); });
  expect_missing("TaskDone.attempt", [](Wire& wire) { wire.mutable_task_done(); });
  expect_missing("TaskFailed.attempt", [](Wire& wire) { wire.mutable_task_failed(); });
  expect_missing("TaskAnswer.attempt", [](Wire& wire) { wire.mutable_task_answer(); });
  expect_missing("StartTask.attempt", [](Wire& wire) { wire.mutable_start_task(); });
  expect_missing("Welcome.kill", [](Wire& wire) { wire.mutable_welcome(); });
  expect_missing("FetchRequest.reader", [](Wire& wire) { wire.mutable_fetch_request(); });
  expect_missing("FetchCredit.reader", [](Wire& wire) { wire.mutable_fetch_credit(); });
  expect_missing("FetchData.reader", [](Wire& wire) { wire.mutable_fetch_data(); });
  expect_missing("FetchRefused.reader", [](Wire& wire) { wire.mutable_fetch_refused(); });
  expect_missing("AttemptProgress.attempt",
                 [](Wire& wire) { wire.mutable_heartbeat()->add_present(); });
  expect_missing("FetchRequest.source", [](Wire& wire) {
    wire.mutable_fetch_request()->mutable_reader()->set_run(1);
    wire.mutable_fetch_request()->mutable_reader()->set_number(1);
  });
  expect_missing("TaskOutput.digest", [](Wire& wire) {
    wire.mutable_task_done()->mutable_attempt()->set_run(1);
    wire.mutable_task_done()->mutable_attempt()->set_number(1);
    wire.mutable_task_done()->mutable_output();
  });
}

TEST(WireCodecTest, RefusesIdsThatCannotBe) {
  const auto attempt = [](std::uint64_t run, std::uint32_t phase, std::uint32_t task,
                          std::uint32_t number) {
    return ErrorOf(KillTask{{{{{run}, phase}, task}, number}});
  };
  EXPECT_EQ(attempt(1, 0, 0, 1), "");
  EXPECT_EQ(attempt(UINT64_MAX, kPhasesMax - 1, kTasksMax - 1, UINT32_MAX), "");
  EXPECT_THAT(attempt(0, 0, 0, 1), HasSubstr("run id: 0"));
  EXPECT_THAT(attempt(1, kPhasesMax, 0, 1), HasSubstr("phase number: 1024"));
  EXPECT_THAT(attempt(1, 0, kTasksMax, 1), HasSubstr("task number: 1000000"));
  EXPECT_THAT(attempt(1, 0, 0, 0), HasSubstr("attempt number: 0"));
  EXPECT_THAT(ErrorOf(EndRun{{0}}), HasSubstr("EndRun.run: 0"));
  EXPECT_THAT(ErrorOf(Hello{}), HasSubstr("Hello.worker: 0"));
  EXPECT_THAT(ErrorOf(TaskFailed{.attempt = kAttempt, .failure = {.source = WorkerId{}}}),
              HasSubstr("TaskFailure.source: 0"));
}

TEST(WireCodecTest, RefusesEnumeratorsThatDoNotExist) {
  const auto code = [](int value) {
    return ErrorOf(RunStatus{.state = RunState::kFailed, .code = static_cast<StatusCode>(value)});
  };
  for (int value = 0; value <= 12; ++value) EXPECT_EQ(code(value), "") << value;
  for (const int value : {-1, 13, 1000, INT_MAX, INT_MIN}) {
    EXPECT_THAT(code(value), HasSubstr("RunStatus.code is no status code")) << value;
  }
  const auto no_error = StatusCode::kOk;
  EXPECT_THAT(ErrorOf(TaskFailed{.attempt = kAttempt, .failure = {.code = no_error}}),
              HasSubstr("TaskFailure.code is no error"));
  EXPECT_THAT(ErrorOf(FetchRefused{.reader = kAttempt, .code = no_error}),
              HasSubstr("FetchRefused.code is no error"));
  for (const int value : {0, 8, -1}) {
    proto::WireMessage wire;
    wire.mutable_run_status()->set_state(static_cast<proto::RunState>(value));
    EXPECT_THAT(ErrorOf(FrameOf(wire)), HasSubstr("RunStatus.state is no state")) << value;
    wire =
        Parsed(EncodeMessage({.epoch = {}, .sequence = 1, .body = StartTask{.attempt = kAttempt}}));
    wire.mutable_start_task()->set_kind(static_cast<proto::TaskKind>(value));
    EXPECT_THAT(ErrorOf(FrameOf(wire)), HasSubstr("StartTask.kind is no kind")) << value;
  }
}

TEST(WireCodecTest, RefusesListsBeyondTheirLimits) {
  const auto spec = [](PhaseSpec phase) { return SubmitRun{{.phases = {std::move(phase)}}}; };
  EXPECT_EQ(ErrorOf(spec({.task_count = kTasksMax})), "");
  EXPECT_THAT(ErrorOf(spec({.task_count = kTasksMax + 1})), HasSubstr("PhaseSpec.task_count"));
  EXPECT_THAT(ErrorOf(spec({.channels = kChannelsMax + 1})), HasSubstr("PhaseSpec.channels"));
  EXPECT_THAT(ErrorOf(spec({.channels = 1, .sample_capacity = 0})), HasSubstr("sample_capacity"));
  EXPECT_EQ(ErrorOf(spec({.channels = 0, .sample_capacity = 0})), "");
  EXPECT_THAT(ErrorOf(spec({.sources = std::vector<PhaseSource>(kPhasesMax + 1)})),
              HasSubstr("PhaseSpec.sources: 1025"));
  EXPECT_THAT(ErrorOf(spec({.task_bytes = std::vector<std::uint64_t>(kTasksMax + 1)})),
              HasSubstr("PhaseSpec.task_bytes: 1000001"));
  EXPECT_THAT(ErrorOf(SubmitRun{{.phases = std::vector<PhaseSpec>(kPhasesMax + 1)}}),
              HasSubstr("RunSpec.phases: 1025"));
  EXPECT_THAT(ErrorOf(SubmitRun{{.crashed_records_max = kSetAsideMax + 1}}),
              HasSubstr("RunSpec.crashed_records_max"));
  EXPECT_THAT(
      ErrorOf(Heartbeat{.present = std::vector<AttemptProgress>(kSlotsMax + 1, {kAttempt})}),
      HasSubstr("Heartbeat.present: 4097"));
  EXPECT_THAT(ErrorOf(Heartbeat{.held = std::vector<HeldSummary>(kHeldPhasesMax + 1,
                                                                 {.phase = kAttempt.task.phase})}),
              HasSubstr("Heartbeat.held: 65537"));
  EXPECT_THAT(ErrorOf(Hello{.worker = {1}, .slots = kSlotsMax + 1}), HasSubstr("Hello.slots"));
  EXPECT_THAT(ErrorOf(StartTask{.attempt = kAttempt,
                                .set_aside = std::vector<RecordPosition>(kSetAsideMax + 1)}),
              HasSubstr("StartTask.set_aside: 10001"));
  EXPECT_THAT(
      ErrorOf(StartTask{.attempt = kAttempt, .tables = std::vector<TableFiles>(kTablesMax + 1)}),
      HasSubstr("StartTask.tables: 1025"));
  EXPECT_THAT(
      ErrorOf(StartTask{
          .attempt = kAttempt,
          .tables = {{.files = std::vector<TableFiles::File>(kTasksMax + 1, {.number = 1})}}}),
      HasSubstr("TableFiles.number: 1000001"));
  EXPECT_THAT(ErrorOf(StartTask{.attempt = kAttempt, .tables = {{.files = {{.number = 0}}}}}),
              HasSubstr("TableFiles.number: 0"));
  EXPECT_THAT(ErrorOf(TaskDone{.attempt = kAttempt,
                               .output = {.parts = std::vector<PartRecord>(kPartFilesMax + 1)}}),
              HasSubstr("TaskOutput.parts: 1025"));
}

TEST(WireCodecTest, RefusesTextsBeyondTheirLimits) {
  EXPECT_EQ(ErrorOf(CancelRun{std::string(kNameBytesMax, 'x')}), "");
  EXPECT_THAT(ErrorOf(CancelRun{std::string(kNameBytesMax + 1, 'x')}), HasSubstr("1025"));
  EXPECT_THAT(ErrorOf(StartTask{.attempt = kAttempt,
                                .borders = {.begin = std::string(kBorderBytesMax + 1, 'x')}}),
              HasSubstr("KeyBorders.begin"));
  EXPECT_THAT(ErrorOf(StartTask{.attempt = kAttempt,
                                .set_aside = {{.shard = std::string(kPathBytesMax + 1, 'x')}}}),
              HasSubstr("RecordPosition.shard"));
  EXPECT_THAT(ErrorOf(StartTask{.attempt = kAttempt,
                                .set_aside = {{.key = std::string(kGroupKeyBytesMax + 1, 'x')}}}),
              HasSubstr("RecordPosition.key"));
  EXPECT_THAT(ErrorOf(TaskDone{.attempt = kAttempt,
                               .output = {.rejects = {std::string(kRejectBytesMax + 1, 'x')}}}),
              HasSubstr("TaskOutput.rejects"));
  EXPECT_THAT(ErrorOf(SubmitRun{{.plan = std::string(kPlanBytesMax + 1, 'x')}}),
              HasSubstr("RunSpec.plan"));
}

TEST(WireCodecTest, RefusesFilesOfRejectsThatCannotBe) {
  const auto error = [](std::vector<RejectFile::Text> texts, std::vector<std::string> rejects) {
    TaskOutput output;
    output.rejects = std::move(rejects);
    output.reject_file = RejectFile{std::move(texts)};
    return ErrorOf(TaskDone{.attempt = kAttempt, .output = std::move(output)});
  };
  EXPECT_EQ(error({{7, {}}, {kRejectFileBytesMax - 7, {}}}, {"", ""}), "");
  EXPECT_THAT(error({{kRejectFileBytesMax + 1, {}}}, {""}), HasSubstr("RejectText.bytes"));
  EXPECT_THAT(error({{8, {}}, {kRejectFileBytesMax - 7, {}}}, {"", ""}), HasSubstr("RejectFile"));
  EXPECT_THAT(error({{UINT64_MAX, {}}, {2, {}}}, {"", ""}), HasSubstr("RejectText.bytes"));
  EXPECT_THAT(error({{7, {}}}, {"row\n"}), HasSubstr("TaskOutput.rejects are in a file, too"));
  EXPECT_THAT(error(std::vector<RejectFile::Text>(kChannelsMax + 2), {}),
              HasSubstr("RejectFile.texts: 1026"));
}

TEST(WireCodecTest, CutsErrorTexts) {
  const std::string text(kErrorBytesMax + 1, 'x');
  const Result<Message> read = DecodeMessage(
      EncodeMessage({.epoch = {},
                     .sequence = 1,
                     .body = TaskFailed{.attempt = kAttempt, .failure = {.message = text}}}));
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(std::get<TaskFailed>(read->body).failure.message, text.substr(1));
}

TEST(WireCodecTest, RefusesFramesBeyondTheLimitOfTheirKind) {
  const auto expect_limit = [](const MessageBody& body, std::size_t limit) {
    EXPECT_EQ(FrameBytesMax(body), limit);
    std::string frame = EncodeMessage({.epoch = {1}, .sequence = 2, .body = body});
    const std::uint32_t type = LoadLittle32(frame.data() + 16);
    frame.resize(limit + 1);
    SealEnvelope({.type = type, .epoch = {1}, .sequence = 2, .body = {}}, &frame);
    EXPECT_THAT(ErrorOf(frame), HasSubstr("the limit")) << MessageName(body);
    frame.resize(limit);
    SealEnvelope({.type = type, .epoch = {1}, .sequence = 2, .body = {}}, &frame);
    EXPECT_THAT(ErrorOf(frame), HasSubstr("damaged field number")) << MessageName(body);
  };
  expect_limit(Heartbeat{}, kControlFrameBytesMax);
  expect_limit(Goodbye{}, kControlFrameBytesMax);
  expect_limit(TaskDone{.attempt = kAttempt}, kReportFrameBytesMax);
  expect_limit(FetchData{.reader = kAttempt}, kDataFrameBytesMax);
  expect_limit(SubmitRun{}, kSubmitFrameBytesMax);
  expect_limit(StartTask{.attempt = kAttempt}, kStartFrameBytesMax);
}

TEST(WireCodecTest, CarriesARunOfAHundredThousandTasks) {
  const std::uint32_t tasks = 100'000;
  SubmitRun submit{{.name = "big", .plan = std::string(std::size_t{20} << 20, 'p')}};
  submit.spec.phases = {{.task_count = tasks,
                         .channels = 1,
                         .task_bytes = std::vector<std::uint64_t>(tasks, std::uint64_t{64} << 20)}};
  EXPECT_EQ(ErrorOf(submit), "");
  Hello hello{.worker = {1}};
  FetchData data{.reader = kAttempt, .stream_bytes = 5, .bytes = "bytes"};
  for (std::uint32_t task = 0; task < tasks; ++task) {
    hello.held.push_back(
        {.task = {.phase = {.run = {300}, .index = 0}, .index = task}, .number = 1});
    data.slices.push_back({.output = hello.held.back(),
                           .file_id = ~std::uint64_t{task},
                           .begin = std::uint64_t{1} << 30,
                           .end = (std::uint64_t{1} << 30) + (1 << 20),
                           .block_bytes_max = 1 << 18});
  }
  EXPECT_EQ(ErrorOf(hello), "");
  EXPECT_EQ(ErrorOf(data), "");
  const TableFiles table{.files = {tasks, {.number = 1, .bytes = std::uint64_t{1} << 40}}};
  EXPECT_EQ(ErrorOf(StartTask{.attempt = kAttempt, .tables = std::vector<TableFiles>(10, table)}),
            "");
}

TEST(WireCodecTest, RefusesFetchDataThatDoesNotFitTogether) {
  FetchData data{.reader = kAttempt, .offset = 3, .stream_bytes = 8, .bytes = "bytes"};
  EXPECT_EQ(ErrorOf(data), "");
  data.stream_bytes = 7;
  EXPECT_THAT(ErrorOf(data), HasSubstr("reaches beyond its stream"));
  data.offset = UINT64_MAX;
  EXPECT_THAT(ErrorOf(data), HasSubstr("reaches beyond its stream"));
  data.offset = 3, data.stream_bytes = 8;
  data.slices = {{.output = kAttempt, .begin = 2, .end = 1}};
  EXPECT_THAT(ErrorOf(data), HasSubstr("reaches beyond all files"));
  data.slices = {{.output = kAttempt, .begin = 1, .end = 2}};
  proto::WireMessage wire = Parsed(EncodeMessage({.epoch = {}, .sequence = 1, .body = data}));
  wire.mutable_fetch_data()->mutable_slices()->add_begin(7);
  EXPECT_THAT(ErrorOf(FrameOf(wire)), HasSubstr("columns of different lengths"));
  data.slices = {};
  data.bytes.resize(kDataBytesMax + 1);
  data.stream_bytes = data.bytes.size() + data.offset;
  EXPECT_THAT(ErrorOf(data), HasSubstr("FetchData.bytes"));
}

TEST(WireCodecTest, RefusesListsOutOfShape) {
  proto::WireMessage wire;
  wire.mutable_welcome()->mutable_kill()->add_run(1);
  EXPECT_THAT(ErrorOf(FrameOf(wire)), HasSubstr("columns of different lengths"));
  wire = Parsed(EncodeMessage({.epoch = {}, .sequence = 1, .body = TaskDone{.attempt = kAttempt}}));
  wire.mutable_task_done()->mutable_output()->add_counters()->set_name("b");
  EXPECT_EQ(ErrorOf(FrameOf(wire)), "");
  wire.mutable_task_done()->mutable_output()->add_counters()->set_name("b");
  EXPECT_THAT(ErrorOf(FrameOf(wire)), HasSubstr("not sorted by name"));
}

TEST(WireCodecTest, CountsAndIgnoresFieldsItDoesNotKnow) {
  proto::WireMessage wire;
  wire.mutable_heartbeat()->set_last_order(7);
  for (int i = 0; i < 3; ++i) {
    proto::Heartbeat::GetReflection()
        ->MutableUnknownFields(wire.mutable_heartbeat())
        ->AddVarint(100 + i, 5);
  }
  DecodeStats stats{.unknown_fields = 10};
  const Result<Message> message = DecodeMessage(FrameOf(wire), &stats);
  ASSERT_TRUE(message.ok()) << message.error().message();
  EXPECT_EQ(std::get<Heartbeat>(message->body).last_order, 7u);
  EXPECT_EQ(stats.unknown_fields, 13u);
}

// So that it can be refused by name: whatever else another version puts into its Hello.
TEST(WireCodecTest, ReadsAHelloOfAnotherProtocol) {
  proto::WireMessage wire;
  proto::Hello& hello = *wire.mutable_hello();
  hello.set_worker(5);
  hello.set_protocol(kProtocolVersion + 1);
  hello.set_build("2.0");
  hello.set_slots(kSlotsMax + 1);
  const Result<Message> message = DecodeMessage(FrameOf(wire));
  ASSERT_TRUE(message.ok()) << message.error().message();
  EXPECT_EQ(std::get<Hello>(message->body).worker, WorkerId{5});
  EXPECT_EQ(std::get<Hello>(message->body).protocol, kProtocolVersion + 1);
  EXPECT_EQ(std::get<Hello>(message->body).build, "2.0");
}

}  // namespace
}  // namespace millrace
