// SPDX-License-Identifier: Apache-2.0
#include "master/journal_codec.h"

#include <google/protobuf/arena.h>

#include <utility>
#include <variant>

#include "mapreduce/base/bytes.h"
#include "mapreduce/proto/journal.pb.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/proto/message_scan.h"
#include "mapreduce/proto/proto_values.h"

namespace millrace {

// Elements of lists: EachToProto and FieldCheck::Each find these by their arguments, hence not in
// an unnamed namespace.

static void ToProto(const SavedAttempt& from, proto::SavedAttempt* to) {
  to->set_number(from.number);
  to->set_worker(from.worker.value);
  to->set_is_backup(from.is_backup);
  to->set_set_aside_count(from.set_aside_count);
}

static void ToProto(const SavedCrash& from, proto::SavedCrash* to) {
  ToProto(from.position, to->mutable_position());
  to->set_attempts(from.attempts);
}

static void FromProto(const proto::SavedAttempt& from, SavedAttempt* to, FieldCheck& check) {
  to->number = check.Within(from.number(), 1, UINT32_MAX, "SavedAttempt.number");
  to->worker = check.Worker(from.worker(), "SavedAttempt.worker");
  to->set_aside_count = from.set_aside_count();
  to->is_backup = from.is_backup();
}

static void FromProto(const proto::SavedCrash& from, SavedCrash* to, FieldCheck& check) {
  check.Required(from.has_position(), from.position(), &to->position, "SavedCrash.position");
  to->attempts = from.attempts();
}

namespace {

// Most records fit: no allocation but for long strings.
constexpr std::size_t kArenaBytes = 4096;

// ---- Enums --------------------------------------------------------------------------------------

constexpr std::pair<Blame, proto::Blame> kBlames[] = {
    {Blame::kTask, proto::BLAME_TASK},
    {Blame::kWorker, proto::BLAME_WORKER},
    {Blame::kSource, proto::BLAME_SOURCE},
};

proto::Blame ToProto(Blame blame) {
  for (const auto& [value, number] : kBlames) {
    if (value == blame) return number;
  }
  return proto::BLAME_UNSPECIFIED;
}

Blame BlameOf(int number, FieldCheck& check) {
  for (const auto& [value, known] : kBlames) {
    if (known == number) return value;
  }
  check.Fail("AttemptFailed.blame", "is nobody's");
  return Blame::kTask;
}

// ---- To protobuf --------------------------------------------------------------------------------

void Put(const RunSubmitted& from, proto::JournalRecord* record) {
  proto::RunSubmitted* const to = record->mutable_run_submitted();
  to->set_run(from.run.value);
  ToProto(from.spec, to->mutable_spec());
}

void Put(const AttemptStarted& from, proto::JournalRecord* record) {
  proto::AttemptStarted* const to = record->mutable_attempt_started();
  ToProto(from.attempt, to->mutable_attempt());
  to->set_worker(from.worker.value);
  to->set_is_backup(from.is_backup);
}

void Put(const TaskCommitted& from, proto::JournalRecord* record) {
  proto::TaskCommitted* const to = record->mutable_task_committed();
  ToProto(from.attempt, to->mutable_attempt());
  to->set_worker(from.worker.value);
  ToProto(from.output, to->mutable_output());
}

void Put(const AttemptFailed& from, proto::JournalRecord* record) {
  proto::AttemptFailed* const to = record->mutable_attempt_failed();
  ToProto(from.attempt, to->mutable_attempt());
  to->set_worker(from.worker.value);
  to->set_blame(ToProto(from.blame));
  ToProto(from.failure, to->mutable_failure());
  to->set_sets_record_aside(from.sets_record_aside);
}

void Put(const BordersFixed& from, proto::JournalRecord* record) {
  proto::BordersFixed* const to = record->mutable_borders_fixed();
  ToProto(from.phase, to->mutable_phase());
  to->mutable_borders()->Add(from.borders.begin(), from.borders.end());
}

void Put(const RunPublishing& from, proto::JournalRecord* record) {
  record->mutable_run_publishing()->set_run(from.run.value);
}

void Put(const RunEnded& from, proto::JournalRecord* record) {
  proto::RunEnded* const to = record->mutable_run_ended();
  to->set_run(from.run.value);
  to->set_code(ToProto(from.code));
  to->set_message(std::string(CutError(from.message)));
}

void Put(const SavedPhase& from, proto::JournalRecord* record) {
  proto::SavedPhase* const to = record->mutable_saved_phase();
  ToProto(from.phase, to->mutable_phase());
  EachToProto(from.samples, to->mutable_samples());
  to->set_has_borders(from.has_borders);
  to->mutable_borders()->Add(from.borders.begin(), from.borders.end());
}

void Put(const SavedTask& from, proto::JournalRecord* record) {
  proto::SavedTask* const to = record->mutable_saved_task();
  ToProto(from.task, to->mutable_task());
  to->set_attempts_started(from.attempts_started);
  to->set_committed(from.committed);
  to->set_holder(from.holder.value);
  if (from.digest) ToProto(*from.digest, to->mutable_digest());
  if (from.output) ToProto(*from.output, to->mutable_output());
  EachToProto(from.attempts, to->mutable_attempts());
  to->set_failures(from.failures);
  to->set_losses(from.losses);
  to->set_source_failures(from.source_failures);
  for (const WorkerId worker : from.failed_on) to->add_failed_on(worker.value);
  EachToProto(from.crashes, to->mutable_crashes());
  EachToProto(from.set_aside, to->mutable_set_aside());
  ToProto(from.last_failure, to->mutable_last_failure());
  to->set_given_up(from.given_up);
}

// ---- From protobuf ------------------------------------------------------------------------------

void FromProto(const proto::RunSubmitted& from, RunSubmitted* to, FieldCheck& check) {
  to->run = check.Run(from.run(), "RunSubmitted.run");
  check.Required(from.has_spec(), from.spec(), &to->spec, "RunSubmitted.spec");
}

void FromProto(const proto::AttemptStarted& from, AttemptStarted* to, FieldCheck& check) {
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "AttemptStarted.attempt");
  to->worker = check.Worker(from.worker(), "AttemptStarted.worker");
  to->is_backup = from.is_backup();
}

void FromProto(const proto::TaskCommitted& from, TaskCommitted* to, FieldCheck& check) {
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "TaskCommitted.attempt");
  to->worker = check.Worker(from.worker(), "TaskCommitted.worker");
  check.Required(from.has_output(), from.output(), &to->output, "TaskCommitted.output");
}

void FromProto(const proto::AttemptFailed& from, AttemptFailed* to, FieldCheck& check) {
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "AttemptFailed.attempt");
  to->worker = check.Worker(from.worker(), "AttemptFailed.worker");
  to->blame = BlameOf(from.blame(), check);
  check.Required(from.has_failure(), from.failure(), &to->failure, "AttemptFailed.failure");
  to->sets_record_aside = from.sets_record_aside();
  if (to->sets_record_aside && !to->failure.position) {
    check.Fail("AttemptFailed.sets_record_aside", "sets no record aside");
  }
}

void FromProto(const proto::BordersFixed& from, BordersFixed* to, FieldCheck& check) {
  check.Required(from.has_phase(), from.phase(), &to->phase, "BordersFixed.phase");
  to->borders = check.Texts(from.borders(), kTasksMax, kBorderBytesMax, "BordersFixed.borders");
}

void FromProto(const proto::RunPublishing& from, RunPublishing* to, FieldCheck& check) {
  to->run = check.Run(from.run(), "RunPublishing.run");
}

void FromProto(const proto::RunEnded& from, RunEnded* to, FieldCheck& check) {
  to->run = check.Run(from.run(), "RunEnded.run");
  to->code = check.Code(from.code(), "RunEnded.code");
  to->message = check.Text(from.message(), kErrorBytesMax, "RunEnded.message");
}

void FromProto(const proto::SavedPhase& from, SavedPhase* to, FieldCheck& check) {
  check.Required(from.has_phase(), from.phase(), &to->phase, "SavedPhase.phase");
  check.Each(from.samples(), kChannelsMax, &to->samples, "SavedPhase.samples");
  to->has_borders = from.has_borders();
  to->borders = check.Texts(from.borders(), kTasksMax, kBorderBytesMax, "SavedPhase.borders");
}

void FromProto(const proto::SavedTask& from, SavedTask* to, FieldCheck& check) {
  check.Required(from.has_task(), from.task(), &to->task, "SavedTask.task");
  to->attempts_started = from.attempts_started();
  to->given_up = from.given_up();
  to->committed = check.Within(from.committed(), 0, from.attempts_started(), "SavedTask.committed");
  to->holder = {from.holder()};
  if (from.has_digest()) FromProto(from.digest(), &to->digest.emplace(), check);
  if (from.has_output()) FromProto(from.output(), &to->output.emplace(), check);
  check.Each(from.attempts(), kTasksMax, &to->attempts, "SavedTask.attempts");
  to->failures = from.failures();
  to->losses = from.losses();
  to->source_failures = from.source_failures();
  if (!check.Count(from.failed_on_size(), kTasksMax, "SavedTask.failed_on")) return;
  for (const std::uint64_t worker : from.failed_on()) {
    to->failed_on.push_back(check.Worker(worker, "SavedTask.failed_on"));
  }
  check.Each(from.crashes(), kTasksMax, &to->crashes, "SavedTask.crashes");
  check.Each(from.set_aside(), kTasksMax, &to->set_aside, "SavedTask.set_aside");
  check.Required(from.has_last_failure(), from.last_failure(), &to->last_failure,
                 "SavedTask.last_failure");
}

template <class Kind, class Proto>
void Take(const Proto& from, JournalRecord* record, FieldCheck& check) {
  FromProto(from, &record->emplace<Kind>(), check);
}

void FromProto(const proto::JournalRecord& from, JournalRecord* to, FieldCheck& check) {
  using Body = proto::JournalRecord::BodyCase;
  switch (from.body_case()) {
    case Body::kRunSubmitted:
      return Take<RunSubmitted>(from.run_submitted(), to, check);
    case Body::kAttemptStarted:
      return Take<AttemptStarted>(from.attempt_started(), to, check);
    case Body::kTaskCommitted:
      return Take<TaskCommitted>(from.task_committed(), to, check);
    case Body::kAttemptFailed:
      return Take<AttemptFailed>(from.attempt_failed(), to, check);
    case Body::kBordersFixed:
      return Take<BordersFixed>(from.borders_fixed(), to, check);
    case Body::kRunPublishing:
      return Take<RunPublishing>(from.run_publishing(), to, check);
    case Body::kRunEnded:
      return Take<RunEnded>(from.run_ended(), to, check);
    case Body::kSavedPhase:
      return Take<SavedPhase>(from.saved_phase(), to, check);
    case Body::kSavedTask:
      return Take<SavedTask>(from.saved_task(), to, check);
    case Body::BODY_NOT_SET:
      return check.Fail("JournalRecord.body", "is missing");
  }
}

void AppendVarint(std::uint64_t value, std::string* out) {
  char bytes[kVarintBytesMax];
  out->append(bytes, PutVarint(bytes, value));
}

// Takes a varint off the front; false if there is none.
bool TakeVarint(std::string_view* bytes, std::uint64_t* value) {
  const char* const begin = bytes->data();
  const char* const end = GetVarint(begin, begin + bytes->size(), value);
  if (end == nullptr) return false;
  bytes->remove_prefix(static_cast<std::size_t>(end - begin));
  return true;
}

}  // namespace

std::string EncodeRecord(const JournalRecord& record) {
  char room[kArenaBytes];
  google::protobuf::Arena arena(room, sizeof room);
  auto* const to = google::protobuf::Arena::CreateMessage<proto::JournalRecord>(&arena);
  std::visit([to](const auto& body) { Put(body, to); }, record);
  return to->SerializeAsString();
}

Result<JournalRecord> DecodeRecord(std::string_view bytes) {
  char room[kArenaBytes];
  google::protobuf::Arena arena(room, sizeof room);
  auto* const from = google::protobuf::Arena::CreateMessage<proto::JournalRecord>(&arena);
  MR_ASSIGN_OR_RETURN(const MessageScan scan, ParseMessage(bytes, from));
  if (scan.unknown_fields > 0) {
    return Status::InvalidArgument(
        "a journal record has fields that this version doesn't know: go on with the version that "
        "wrote it, or a later one");
  }
  FieldCheck check;
  JournalRecord record;
  FromProto(*from, &record, check);
  if (!check.ok()) return check.status();
  return record;
}

std::string EncodeSnapshot(const std::vector<JournalRecord>& records) {
  std::string snapshot;
  AppendVarint(records.size(), &snapshot);
  for (const JournalRecord& record : records) {
    const std::string bytes = EncodeRecord(record);
    AppendVarint(bytes.size(), &snapshot);
    snapshot += bytes;
  }
  return snapshot;
}

Result<std::vector<JournalRecord>> DecodeSnapshot(std::string_view bytes) {
  std::uint64_t count = 0;
  if (!TakeVarint(&bytes, &count)) return Status::Corrupt("snapshot: no record count");
  if (count > bytes.size()) return Status::Corrupt("snapshot: cut off");  // A record has a length.
  std::vector<JournalRecord> records;  // Grows with what is there, not with what was said.
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t record_bytes = 0;
    if (!TakeVarint(&bytes, &record_bytes) || record_bytes > bytes.size()) {
      return Status::Corrupt("snapshot: cut off in record ", i);
    }
    Result<JournalRecord> record = DecodeRecord(bytes.substr(0, record_bytes));
    if (!record.ok()) return record.error().Annotate("snapshot: record ", i);
    records.push_back(*std::move(record));
    bytes.remove_prefix(record_bytes);
  }
  if (!bytes.empty()) return Status::Corrupt("snapshot: ", bytes.size(), " bytes too many");
  return records;
}

}  // namespace millrace
