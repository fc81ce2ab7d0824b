// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/proto/wire_codec.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/descriptor.h>

#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/proto/envelope.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/proto/message_scan.h"
#include "mapreduce/proto/proto_values.h"
#include "mapreduce/proto/wire.pb.h"
#include "mapreduce/proto/wire_values.h"

namespace millrace {
namespace {

// Most messages fit: no allocation but for long strings.
constexpr std::size_t kArenaBytes = 4096;

using Type = proto::WireMessage::BodyCase;

std::size_t FrameBytesMax(std::uint32_t type) {
  switch (type) {
    case Type::kSubmitRun:
    case Type::kRunPlan:
      return kSubmitFrameBytesMax;
    case Type::kFetchFiles:
    case Type::kClusterStatus:
    case Type::kStartTask:
    case Type::kHello:
    case Type::kWelcome:
      return kStartFrameBytesMax;
    case Type::kTaskDone:
      return kReportFrameBytesMax;
    case Type::kFetchData:
      return kDataFrameBytesMax;
    default:
      return kControlFrameBytesMax;
  }
}

// ---- To protobuf, one kind each -----------------------------------------------------------------

void Put(const SubmitRun& from, proto::WireMessage* wire) {
  ToProto(from.spec, wire->mutable_submit_run()->mutable_spec());
}

void Put(const CancelRun& from, proto::WireMessage* wire) {
  wire->mutable_cancel_run()->set_name(from.name);
}

void Put(const AskRunStatus& from, proto::WireMessage* wire) {
  wire->mutable_ask_run_status()->set_name(from.name);
  wire->mutable_ask_run_status()->set_failures_seen(from.failures_seen);
}

void Put(const AskCluster&, proto::WireMessage* wire) { wire->mutable_ask_cluster(); }

void Put(const ClusterStatus& from, proto::WireMessage* wire) {
  proto::ClusterStatus* const to = wire->mutable_cluster_status();
  EachToProto(from.runs, to->mutable_runs());
  EachToProto(from.workers, to->mutable_workers());
}

void Put(const FileWanted& from, proto::WireMessage* wire) {
  ToProto(from.hash, wire->mutable_file_wanted()->mutable_hash());
  wire->mutable_file_wanted()->set_offset(from.offset);
}

void Put(const FileData& from, proto::WireMessage* wire) {
  proto::FileData* const to = wire->mutable_file_data();
  ToProto(from.hash, to->mutable_hash());
  to->set_offset(from.offset);
  to->set_total_bytes(from.total_bytes);
  to->set_bytes(from.bytes);
}

void Put(const RunStatus& from, proto::WireMessage* wire) {
  ToProto(from, wire->mutable_run_status());
}

void Put(const Hello& from, proto::WireMessage* wire) {
  proto::Hello* const to = wire->mutable_hello();
  to->set_worker(from.worker.value);
  to->set_protocol(from.protocol);
  to->set_build(from.build);
  to->set_host(from.host);
  to->set_endpoint(from.endpoint);
  to->set_slots(from.slots);
  to->set_slot_memory_bytes(from.slot_memory_bytes);
  to->set_takes_tasks(from.takes_tasks);
  ToProto(from.present, to->mutable_present());
  ToProto(from.held, to->mutable_held());
  to->set_cluster(from.cluster);
}

void Put(const Welcome& from, proto::WireMessage* wire) {
  proto::Welcome* const to = wire->mutable_welcome();
  to->set_hello(from.hello);
  to->set_heartbeat_ms(from.heartbeat_ms);
  to->set_lease_ms(from.lease_ms);
  to->set_last_order(from.last_order);
  ToProto(from.kill, to->mutable_kill());
  ToProto(from.drop, to->mutable_drop());
  to->set_cluster(from.cluster);
}

void Put(const HelloWanted&, proto::WireMessage* wire) { wire->mutable_hello_wanted(); }

void Put(const Refused& from, proto::WireMessage* wire) {
  wire->mutable_refused()->set_message(std::string(CutError(from.message)));
}

void Put(const Heartbeat& from, proto::WireMessage* wire) {
  proto::Heartbeat* const to = wire->mutable_heartbeat();
  to->set_takes_tasks(from.takes_tasks);
  to->set_last_order(from.last_order);
  EachToProto(from.present, to->mutable_present());
  EachToProto(from.held, to->mutable_held());
}

void Put(const HeartbeatAck& from, proto::WireMessage* wire) {
  wire->mutable_heartbeat_ack()->set_heartbeat(from.heartbeat);
}

void Put(const StartTask& from, proto::WireMessage* wire) {
  proto::StartTask* const to = wire->mutable_start_task();
  to->set_order(from.order);
  ToProto(from.attempt, to->mutable_attempt());
  to->set_kind(ToProto(from.kind));
  ToProto(from.borders, to->mutable_borders());
  EachToProto(from.sources, to->mutable_sources());
  EachToProto(from.set_aside, to->mutable_set_aside());
  EachToProto(from.tables, to->mutable_tables());
  to->set_goes_one_by_one(from.goes_one_by_one);
}

void Put(const PlanWanted& from, proto::WireMessage* wire) {
  wire->mutable_plan_wanted()->set_run(from.run.value);
}

void Put(const RunPlan& from, proto::WireMessage* wire) {
  proto::RunPlan* const to = wire->mutable_run_plan();
  to->set_run(from.run.value);
  to->set_name(from.name);
  to->set_output(from.output);
  to->set_plan(from.plan);
}

void Put(const KillTask& from, proto::WireMessage* wire) {
  ToProto(from.attempt, wire->mutable_kill_task()->mutable_attempt());
}

void Put(const TaskDone& from, proto::WireMessage* wire) {
  proto::TaskDone* const to = wire->mutable_task_done();
  ToProto(from.attempt, to->mutable_attempt());
  ToProto(from.output, to->mutable_output());
}

void Put(const TaskFailed& from, proto::WireMessage* wire) {
  proto::TaskFailed* const to = wire->mutable_task_failed();
  ToProto(from.attempt, to->mutable_attempt());
  ToProto(from.failure, to->mutable_failure());
}

void Put(const TaskAnswer& from, proto::WireMessage* wire) {
  proto::TaskAnswer* const to = wire->mutable_task_answer();
  ToProto(from.attempt, to->mutable_attempt());
  to->set_is_committed(from.is_committed);
}

void Put(const EndRun& from, proto::WireMessage* wire) {
  wire->mutable_end_run()->set_run(from.run.value);
}

void Put(const Goodbye&, proto::WireMessage* wire) { wire->mutable_goodbye(); }

void Put(const FetchRequest& from, proto::WireMessage* wire) {
  proto::FetchRequest* const to = wire->mutable_fetch_request();
  ToProto(from.reader, to->mutable_reader());
  ToProto(from.source, to->mutable_source());
  to->set_output_count(from.output_count);
  to->set_outputs_hash(from.outputs_hash);
  ToProto(from.borders, to->mutable_borders());
  to->set_resume_at(from.resume_at);
  to->set_credit_bytes(from.credit_bytes);
  to->set_host(from.host);
  to->set_holder(from.holder.value);
}

void Put(const FetchCredit& from, proto::WireMessage* wire) {
  proto::FetchCredit* const to = wire->mutable_fetch_credit();
  ToProto(from.reader, to->mutable_reader());
  ToProto(from.source, to->mutable_source());
  to->set_up_to(from.up_to);
}

void Put(const FetchData& from, proto::WireMessage* wire) {
  proto::FetchData* const to = wire->mutable_fetch_data();
  ToProto(from.reader, to->mutable_reader());
  ToProto(from.source, to->mutable_source());
  proto::FetchSlices* const slices = to->mutable_slices();
  for (const FetchSlice& slice : from.slices) {
    const AttemptId& output = slice.output;
    slices->mutable_output()->add_run(output.task.phase.run.value);
    slices->mutable_output()->add_phase(output.task.phase.index);
    slices->mutable_output()->add_task(output.task.index);
    slices->mutable_output()->add_number(output.number);
    slices->add_file_id(slice.file_id);
    slices->add_begin(slice.begin);
    slices->add_bytes(slice.end - slice.begin);
    slices->add_block_bytes_max(slice.block_bytes_max);
  }
  to->set_offset(from.offset);
  to->set_stream_bytes(from.stream_bytes);  // AppendData adds the bytes.
}

void Put(const FetchFiles& from, proto::WireMessage* wire) {
  proto::FetchFiles* const to = wire->mutable_fetch_files();
  ToProto(from.reader, to->mutable_reader());
  ToProto(from.source, to->mutable_source());
  EachToProto(from.files, to->mutable_files());
}

void Put(const FetchRefused& from, proto::WireMessage* wire) {
  proto::FetchRefused* const to = wire->mutable_fetch_refused();
  ToProto(from.reader, to->mutable_reader());
  ToProto(from.source, to->mutable_source());
  to->set_code(ToProto(from.code));
  if (from.damaged) ToProto(*from.damaged, to->mutable_damaged());
  to->set_message(std::string(CutError(from.message)));
}

// ---- From protobuf ------------------------------------------------------------------------------

void FromProto(const proto::SubmitRun& from, SubmitRun* to, FieldCheck& check) {
  check.Required(from.has_spec(), from.spec(), &to->spec, "SubmitRun.spec");
}

void FromProto(const proto::CancelRun& from, CancelRun* to, FieldCheck& check) {
  to->name = check.Text(from.name(), kNameBytesMax, "CancelRun.name");
}

void FromProto(const proto::AskRunStatus& from, AskRunStatus* to, FieldCheck& check) {
  to->name = check.Text(from.name(), kNameBytesMax, "AskRunStatus.name");
  to->failures_seen = from.failures_seen();
}

void FromProto(const proto::AskCluster&, AskCluster*, FieldCheck&) {}

void FromProto(const proto::ClusterStatus& from, ClusterStatus* to, FieldCheck& check) {
  check.Each(from.runs(), kStatusRunsMax, &to->runs, "ClusterStatus.runs");
  check.Each(from.workers(), kTasksMax, &to->workers, "ClusterStatus.workers");
}

void FromProto(const proto::FileWanted& from, FileWanted* to, FieldCheck& check) {
  check.Required(from.has_hash(), from.hash(), &to->hash, "FileWanted.hash");
  to->offset = from.offset();
}

void FromProto(const proto::FileData& from, FileData* to, FieldCheck& check) {
  check.Required(from.has_hash(), from.hash(), &to->hash, "FileData.hash");
  to->offset = from.offset();
  to->total_bytes = from.total_bytes();
  to->bytes = check.Text(from.bytes(), kFilePieceBytesMax, "FileData.bytes");
  if (to->offset > to->total_bytes || to->bytes.size() > to->total_bytes - to->offset) {
    check.Fail("FileData", "reaches beyond its file");
  }
}

void FromProto(const proto::Hello& from, Hello* to, FieldCheck& check) {
  to->worker = check.Worker(from.worker(), "Hello.worker");
  to->protocol = from.protocol();
  to->build = check.Text(from.build(), kNameBytesMax, "Hello.build");
  to->host = check.Text(from.host(), kNameBytesMax, "Hello.host");
  to->endpoint = check.Text(from.endpoint(), kNameBytesMax, "Hello.endpoint");
  if (to->protocol != kProtocolVersion) return;  // Enough to refuse it.
  to->slots = check.Within(from.slots(), 0, kSlotsMax, "Hello.slots");
  to->slot_memory_bytes = from.slot_memory_bytes();
  to->takes_tasks = from.takes_tasks();
  check.Required(from.has_present(), from.present(), &to->present, "Hello.present");
  check.Required(from.has_held(), from.held(), &to->held, "Hello.held");
  to->cluster = from.cluster();
}

void FromProto(const proto::Welcome& from, Welcome* to, FieldCheck& check) {
  to->hello = from.hello();
  to->heartbeat_ms = from.heartbeat_ms();
  to->lease_ms = from.lease_ms();
  to->last_order = from.last_order();
  check.Required(from.has_kill(), from.kill(), &to->kill, "Welcome.kill");
  check.Required(from.has_drop(), from.drop(), &to->drop, "Welcome.drop");
  to->cluster = from.cluster();
}

void FromProto(const proto::HelloWanted&, HelloWanted*, FieldCheck&) {}

void FromProto(const proto::Refused& from, Refused* to, FieldCheck& check) {
  to->message = check.Text(from.message(), kErrorBytesMax, "Refused.message");
}

void FromProto(const proto::Heartbeat& from, Heartbeat* to, FieldCheck& check) {
  to->takes_tasks = from.takes_tasks();
  to->last_order = from.last_order();
  check.Each(from.present(), kSlotsMax, &to->present, "Heartbeat.present");
  check.Each(from.held(), kHeldPhasesMax, &to->held, "Heartbeat.held");
}

void FromProto(const proto::HeartbeatAck& from, HeartbeatAck* to, FieldCheck&) {
  to->heartbeat = from.heartbeat();
}

void FromProto(const proto::StartTask& from, StartTask* to, FieldCheck& check) {
  to->order = from.order();
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "StartTask.attempt");
  to->kind = check.Kind(from.kind(), "StartTask.kind");
  FromProto(from.borders(), &to->borders, check);
  check.Each(from.sources(), kSourceSetsMax, &to->sources, "StartTask.sources");
  check.Each(from.set_aside(), kSetAsideMax, &to->set_aside, "StartTask.set_aside");
  check.Each(from.tables(), kTablesMax, &to->tables, "StartTask.tables");
  to->goes_one_by_one = from.goes_one_by_one();
}

void FromProto(const proto::PlanWanted& from, PlanWanted* to, FieldCheck& check) {
  to->run = check.Run(from.run(), "PlanWanted.run");
}

void FromProto(const proto::RunPlan& from, RunPlan* to, FieldCheck& check) {
  to->run = check.Run(from.run(), "RunPlan.run");
  to->name = check.Text(from.name(), kNameBytesMax, "RunPlan.name");
  to->output = check.Text(from.output(), kPathBytesMax, "RunPlan.output");
  to->plan = check.Text(from.plan(), kPlanBytesMax, "RunPlan.plan");
}

void FromProto(const proto::KillTask& from, KillTask* to, FieldCheck& check) {
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "KillTask.attempt");
}

void FromProto(const proto::TaskDone& from, TaskDone* to, FieldCheck& check) {
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "TaskDone.attempt");
  check.Required(from.has_output(), from.output(), &to->output, "TaskDone.output");
}

void FromProto(const proto::TaskFailed& from, TaskFailed* to, FieldCheck& check) {
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "TaskFailed.attempt");
  check.Required(from.has_failure(), from.failure(), &to->failure, "TaskFailed.failure");
}

void FromProto(const proto::TaskAnswer& from, TaskAnswer* to, FieldCheck& check) {
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "TaskAnswer.attempt");
  to->is_committed = from.is_committed();
}

void FromProto(const proto::EndRun& from, EndRun* to, FieldCheck& check) {
  to->run = check.Run(from.run(), "EndRun.run");
}

void FromProto(const proto::Goodbye&, Goodbye*, FieldCheck&) {}

void FromProto(const proto::FetchRequest& from, FetchRequest* to, FieldCheck& check) {
  check.Required(from.has_reader(), from.reader(), &to->reader, "FetchRequest.reader");
  check.Required(from.has_source(), from.source(), &to->source, "FetchRequest.source");
  to->output_count = check.Within(from.output_count(), 0, kTasksMax, "FetchRequest.output_count");
  to->outputs_hash = from.outputs_hash();
  FromProto(from.borders(), &to->borders, check);
  to->resume_at = from.resume_at();
  to->credit_bytes = from.credit_bytes();
  to->host = check.Text(from.host(), kNameBytesMax, "FetchRequest.host");
  to->holder = check.Worker(from.holder(), "FetchRequest.holder");
}

void FromProto(const proto::FetchCredit& from, FetchCredit* to, FieldCheck& check) {
  check.Required(from.has_reader(), from.reader(), &to->reader, "FetchCredit.reader");
  check.Required(from.has_source(), from.source(), &to->source, "FetchCredit.source");
  to->up_to = from.up_to();
}

// Takes the bytes away.
void FromProto(proto::FetchData& from, FetchData* to, FieldCheck& check) {
  check.Required(from.has_reader(), from.reader(), &to->reader, "FetchData.reader");
  check.Required(from.has_source(), from.source(), &to->source, "FetchData.source");
  check.Required(from.has_slices(), from.slices(), &to->slices, "FetchData.slices");
  to->offset = from.offset();
  to->stream_bytes = from.stream_bytes();
  check.Text(from.bytes(), kDataBytesMax, "FetchData.bytes");
  to->bytes = std::move(*from.mutable_bytes());
  if (to->offset > to->stream_bytes || to->bytes.size() > to->stream_bytes - to->offset) {
    check.Fail("FetchData", "reaches beyond its stream");
  }
}

void FromProto(const proto::FetchFiles& from, FetchFiles* to, FieldCheck& check) {
  check.Required(from.has_reader(), from.reader(), &to->reader, "FetchFiles.reader");
  check.Required(from.has_source(), from.source(), &to->source, "FetchFiles.source");
  check.Each(from.files(), kTasksMax, &to->files, "FetchFiles.files");
}

void FromProto(const proto::FetchRefused& from, FetchRefused* to, FieldCheck& check) {
  check.Required(from.has_reader(), from.reader(), &to->reader, "FetchRefused.reader");
  check.Required(from.has_source(), from.source(), &to->source, "FetchRefused.source");
  to->code = check.ErrorCode(from.code(), "FetchRefused.code");
  if (from.has_damaged()) FromProto(from.damaged(), &to->damaged.emplace(), check);
  to->message = check.Text(from.message(), kErrorBytesMax, "FetchRefused.message");
}

template <class Kind, class Proto>
void Take(Proto& from, MessageBody* body, FieldCheck& check) {
  FromProto(from, &body->emplace<Kind>(), check);
}

void FromProto(proto::WireMessage& wire, MessageBody* body, FieldCheck& check) {
  switch (wire.body_case()) {
    case Type::kSubmitRun:
      return Take<SubmitRun>(wire.submit_run(), body, check);
    case Type::kCancelRun:
      return Take<CancelRun>(wire.cancel_run(), body, check);
    case Type::kAskRunStatus:
      return Take<AskRunStatus>(wire.ask_run_status(), body, check);
    case Type::kRunStatus:
      return Take<RunStatus>(wire.run_status(), body, check);
    case Type::kHello:
      return Take<Hello>(wire.hello(), body, check);
    case Type::kWelcome:
      return Take<Welcome>(wire.welcome(), body, check);
    case Type::kHelloWanted:
      return Take<HelloWanted>(wire.hello_wanted(), body, check);
    case Type::kRefused:
      return Take<Refused>(wire.refused(), body, check);
    case Type::kHeartbeat:
      return Take<Heartbeat>(wire.heartbeat(), body, check);
    case Type::kHeartbeatAck:
      return Take<HeartbeatAck>(wire.heartbeat_ack(), body, check);
    case Type::kStartTask:
      return Take<StartTask>(wire.start_task(), body, check);
    case Type::kKillTask:
      return Take<KillTask>(wire.kill_task(), body, check);
    case Type::kTaskDone:
      return Take<TaskDone>(wire.task_done(), body, check);
    case Type::kTaskFailed:
      return Take<TaskFailed>(wire.task_failed(), body, check);
    case Type::kTaskAnswer:
      return Take<TaskAnswer>(wire.task_answer(), body, check);
    case Type::kEndRun:
      return Take<EndRun>(wire.end_run(), body, check);
    case Type::kGoodbye:
      return Take<Goodbye>(wire.goodbye(), body, check);
    case Type::kFetchRequest:
      return Take<FetchRequest>(wire.fetch_request(), body, check);
    case Type::kFetchCredit:
      return Take<FetchCredit>(wire.fetch_credit(), body, check);
    case Type::kFetchData:
      return Take<FetchData>(*wire.mutable_fetch_data(), body, check);
    case Type::kFetchRefused:
      return Take<FetchRefused>(wire.fetch_refused(), body, check);
    case Type::kPlanWanted:
      return Take<PlanWanted>(wire.plan_wanted(), body, check);
    case Type::kRunPlan:
      return Take<RunPlan>(wire.run_plan(), body, check);
    case Type::kAskCluster:
      return Take<AskCluster>(wire.ask_cluster(), body, check);
    case Type::kClusterStatus:
      return Take<ClusterStatus>(wire.cluster_status(), body, check);
    case Type::kFileWanted:
      return Take<FileWanted>(wire.file_wanted(), body, check);
    case Type::kFileData:
      return Take<FileData>(wire.file_data(), body, check);
    case Type::kFetchFiles:
      return Take<FetchFiles>(wire.fetch_files(), body, check);
    case Type::BODY_NOT_SET:
      return check.Fail("WireMessage.body", "is missing");
  }
}

// The message's number in wire.proto. The variant's order is the same; that both grow at the end
// is what a test checks.
std::uint32_t TypeOf(const MessageBody& body) {
  return static_cast<std::uint32_t>(body.index()) + 1;
}

// Tag and length of a field that `bytes` bytes follow.
std::string FieldHeader(int number, std::size_t bytes) {
  char header[2 * kVarintBytesMax];
  char* end = PutVarint(header, static_cast<std::uint64_t>(number) << 3 | 2);
  end = PutVarint(end, bytes);
  return {header, end};
}

// Appends FetchData's bytes to a body without them, so that they are copied only once: a message
// may come in pieces, which any parser merges.
void AppendData(const std::string& bytes, std::string* frame) {
  const std::string inner = FieldHeader(proto::FetchData::kBytesFieldNumber, bytes.size());
  *frame += FieldHeader(proto::WireMessage::kFetchDataFieldNumber, inner.size() + bytes.size());
  *frame += inner;
  *frame += bytes;
}

}  // namespace

std::string_view MessageName(const MessageBody& body) {
  const auto* const type = proto::WireMessage::descriptor();
  return type->FindFieldByNumber(static_cast<int>(TypeOf(body)))->message_type()->name();
}

std::size_t FrameBytesMax(const MessageBody& body) { return FrameBytesMax(TypeOf(body)); }

std::string EncodeMessage(const Message& message) {
  char room[kArenaBytes];
  google::protobuf::Arena arena(room, sizeof room);
  auto* const wire = google::protobuf::Arena::CreateMessage<proto::WireMessage>(&arena);
  std::visit([wire](const auto& body) { Put(body, wire); }, message.body);
  const auto* const data = std::get_if<FetchData>(&message.body);
  const std::size_t frame_bytes = kEnvelopeHeaderBytes + wire->ByteSizeLong();
  std::string frame;
  if (data != nullptr) frame.reserve(frame_bytes + 4 * kVarintBytesMax + data->bytes.size());
  frame.resize(frame_bytes);
  wire->SerializeWithCachedSizesToArray(
      reinterpret_cast<std::uint8_t*>(frame.data() + kEnvelopeHeaderBytes));
  if (data != nullptr && !data->bytes.empty()) AppendData(data->bytes, &frame);
  SealEnvelope({.type = static_cast<std::uint32_t>(wire->body_case()),
                .epoch = message.epoch,
                .sequence = message.sequence,
                .body = {}},
               &frame);
  return frame;
}

Result<Message> DecodeMessage(std::string_view frame, DecodeStats* stats) {
  MR_ASSIGN_OR_RETURN(const Envelope envelope, DecodeEnvelope(frame));
  if (const std::size_t bytes_max = FrameBytesMax(envelope.type); frame.size() > bytes_max) {
    return Status::Corrupt("frame: ", frame.size(), " bytes, the limit for messages of type ",
                           envelope.type, " is ", bytes_max);
  }
  char room[kArenaBytes];
  google::protobuf::Arena arena(room, sizeof room);
  auto* const wire = google::protobuf::Arena::CreateMessage<proto::WireMessage>(&arena);
  MR_ASSIGN_OR_RETURN(const MessageScan scan, ParseMessage(envelope.body, wire));
  if (stats != nullptr) stats->unknown_fields += scan.unknown_fields;
  FieldCheck check;
  if (static_cast<std::uint32_t>(wire->body_case()) != envelope.type) {
    check.Fail("WireMessage.body", "is not of the type that the frame says");
  }
  Message message{.epoch = envelope.epoch, .sequence = envelope.sequence, .body = {}};
  if (check.ok()) FromProto(*wire, &message.body, check);
  if (!check.ok()) return check.status();
  return message;
}

}  // namespace millrace
