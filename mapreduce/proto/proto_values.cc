// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/proto/proto_values.h"
#include <algorithm>

#include <iterator>

#include "mapreduce/proto/limits.h"

namespace millrace {
namespace {

TaskId TaskIdOf(std::uint64_t run, std::uint32_t phase, std::uint32_t task, FieldCheck& check) {
  return {.phase = {.run = check.Run(run, "run id"),
                    .index = check.Within(phase, 0, kPhasesMax - 1, "phase number")},
          .index = check.Within(task, 0, kTasksMax - 1, "task number")};
}

AttemptId AttemptIdOf(std::uint64_t run, std::uint32_t phase, std::uint32_t task,
                      std::uint32_t number, FieldCheck& check) {
  return {.task = TaskIdOf(run, phase, task, check),
          .number = check.Within(number, 1, UINT32_MAX, "attempt number")};
}

}  // namespace

// ---- FieldCheck ---------------------------------------------------------------------------------

void FieldCheck::FailNumber(std::string_view field, std::uint64_t value, std::uint64_t min,
                            std::uint64_t max) {
  if (ok()) status_ = Status::Corrupt(field, ": ", value, " is not within ", min, " and ", max);
}

std::vector<std::string> FieldCheck::Texts(
    const google::protobuf::RepeatedPtrField<std::string>& values, std::size_t count_max,
    std::size_t bytes_max, std::string_view field) {
  if (!Count(values.size(), count_max, field)) return {};
  for (const std::string& value : values) Text(value, bytes_max, field);
  return {values.begin(), values.end()};
}

StatusCode FieldCheck::Code(int value, std::string_view field) {
  if (!proto::StatusCode_IsValid(value)) Fail(field, "is no status code");
  return static_cast<StatusCode>(value);
}

StatusCode FieldCheck::ErrorCode(int value, std::string_view field) {
  if (value == proto::STATUS_CODE_OK) Fail(field, "is no error");
  return Code(value, field);
}

TaskKind FieldCheck::Kind(int value, std::string_view field) {
  if (value == proto::TASK_KIND_REDUCE) return TaskKind::kReduce;
  if (value != proto::TASK_KIND_MAP) Fail(field, "is no kind of task");
  return TaskKind::kMap;
}

// ---- To protobuf --------------------------------------------------------------------------------

std::string_view CutError(std::string_view message) { return message.substr(0, kErrorBytesMax); }

proto::TaskKind ToProto(TaskKind kind) {
  return kind == TaskKind::kMap ? proto::TASK_KIND_MAP : proto::TASK_KIND_REDUCE;
}

void ToProto(const PhaseId& from, proto::PhaseId* to) {
  to->set_run(from.run.value);
  to->set_index(from.index);
}

void ToProto(const TaskId& from, proto::TaskId* to) {
  to->set_run(from.phase.run.value);
  to->set_phase(from.phase.index);
  to->set_task(from.index);
}

void ToProto(const AttemptId& from, proto::AttemptId* to) {
  to->set_run(from.task.phase.run.value);
  to->set_phase(from.task.phase.index);
  to->set_task(from.task.index);
  to->set_number(from.number);
}

void ToProto(const std::vector<AttemptId>& from, proto::AttemptList* to) {
  const int count = static_cast<int>(from.size());
  to->mutable_run()->Reserve(count);
  to->mutable_phase()->Reserve(count);
  to->mutable_task()->Reserve(count);
  to->mutable_number()->Reserve(count);
  for (const AttemptId& attempt : from) {
    to->add_run(attempt.task.phase.run.value);
    to->add_phase(attempt.task.phase.index);
    to->add_task(attempt.task.index);
    to->add_number(attempt.number);
  }
}

void ToProto(const Hash128& from, proto::Hash128* to) {
  to->set_high(from.high);
  to->set_low(from.low);
}

void ToProto(const PhaseSource& from, proto::PhaseSource* to) {
  to->set_phase(from.phase);
  to->set_channel(from.channel);
}

void ToProto(const PhaseSpec& from, proto::PhaseSpec* to) {
  to->set_name(from.name);
  to->set_kind(ToProto(from.kind));
  to->set_task_count(from.task_count);
  EachToProto(from.sources, to->mutable_sources());
  to->set_channels(from.channels);
  to->set_writes_parts(from.writes_parts);
  to->set_sample_capacity(from.sample_capacity);
  to->mutable_task_bytes()->Add(from.task_bytes.begin(), from.task_bytes.end());
  to->set_makes_table(from.makes_table);
  to->mutable_tables()->Add(from.tables.begin(), from.tables.end());
}

void ToProto(const RunSpec& from, proto::RunSpec* to) {
  to->set_name(from.name);
  to->set_user(from.user);
  to->set_priority(from.priority);
  to->set_parallel_max(from.parallel_max);
  to->set_memory_bytes_min(from.memory_bytes_min);
  to->set_crashed_records_max(from.crashed_records_max);
  to->set_plan(from.plan);
  EachToProto(from.phases, to->mutable_phases());
  to->set_output(from.output);
}

void ToProto(const KeyBorders& from, proto::KeyBorders* to) {
  if (from.begin) to->set_begin(*from.begin);
  if (from.end) to->set_end(*from.end);
}

void ToProto(const SourceSet& from, proto::SourceSet* to) {
  ToProto(from.source, to->mutable_source());
  to->set_worker(from.worker.value);
  to->set_endpoint(from.endpoint);
  to->set_output_count(from.output_count);
  to->set_outputs_hash(from.outputs_hash);
}

void ToProto(const RecordPosition& from, proto::RecordPosition* to) {
  to->set_shard(from.shard);
  to->set_offset(from.offset);
  to->set_key(from.key);
}

void ToProto(const PartRecord& from, proto::PartRecord* to) {
  to->set_path(from.path);
  to->set_bytes(from.bytes);
  to->set_records(from.records);
  ToProto(from.xxh128, to->mutable_xxh128());
}

void ToProto(const std::vector<std::string>& from, proto::KeySample* to) {
  to->mutable_keys()->Add(from.begin(), from.end());
}

void ToProto(const InputBlocks& from, proto::InputBlocks* to) {
  to->set_input(from.input);
  to->set_shard(from.shard);
  to->set_first_block(from.first_block);
  for (const Hash128& digest : from.digests) {
    to->add_high(digest.high);
    to->add_low(digest.low);
  }
}

void ToProto(const PhaseTime& from, proto::PhaseTime* to) {
  to->set_nanoseconds(from.nanoseconds);
  to->set_bytes(from.bytes);
}

void ToProto(const RejectFile& from, proto::RejectFile* to) {
  for (const RejectFile::Text& text : from.texts) {
    proto::RejectText* const each = to->add_texts();
    each->set_bytes(text.bytes);
    ToProto(text.xxh128, each->mutable_xxh128());
  }
}

void ToProto(const TaskOutput& from, proto::TaskOutput* to) {
  ToProto(from.digest, to->mutable_digest());
  EachToProto(from.parts, to->mutable_parts());
  for (const auto& [name, value] : from.counters) {
    proto::TaskCounter* const counter = to->add_counters();
    counter->set_name(name);
    counter->set_value(value);
  }
  to->set_records_in(from.records_in);
  to->set_records_out(from.records_out);
  to->set_bytes_in(from.bytes_in);
  to->set_run_bytes(from.run_bytes);
  to->set_reject_count(from.reject_count);
  to->mutable_rejects()->Add(from.rejects.begin(), from.rejects.end());
  // The master keeps the digests of committed tasks without the keys.
  const std::size_t channels = std::max(from.samples.size(), from.sample_digests.size());
  for (std::size_t channel = 0; channel < channels; ++channel) {
    proto::KeySample* const sample = to->add_samples();
    if (channel < from.samples.size()) ToProto(from.samples[channel], sample);
    if (channel >= from.sample_digests.size()) continue;
    const std::vector<std::uint32_t>& digests = from.sample_digests[channel];
    sample->mutable_digests()->Add(digests.begin(), digests.end());
  }
  EachToProto(from.input_blocks, to->mutable_input_blocks());
  EachToProto(from.phase_times, to->mutable_phase_times());
  to->set_spilled_bytes(from.spilled_bytes);
  if (from.table) ToProto(*from.table, to->mutable_table());
  if (from.reject_file) ToProto(*from.reject_file, to->mutable_reject_file());
}

void ToProto(const TaskFailure& from, proto::TaskFailure* to) {
  to->set_code(ToProto(from.code));
  to->set_message(std::string(CutError(from.message)));
  if (from.position) ToProto(*from.position, to->mutable_position());
  if (from.source) to->set_source(from.source->value);
  if (from.damaged) ToProto(*from.damaged, to->mutable_damaged());
  to->set_log(from.log);
}

// ---- From protobuf ------------------------------------------------------------------------------

void FromProto(const proto::PhaseId& from, PhaseId* to, FieldCheck& check) {
  *to = TaskIdOf(from.run(), from.index(), 0, check).phase;
}

void FromProto(const proto::TaskId& from, TaskId* to, FieldCheck& check) {
  *to = TaskIdOf(from.run(), from.phase(), from.task(), check);
}

void FromProto(const proto::AttemptId& from, AttemptId* to, FieldCheck& check) {
  *to = AttemptIdOf(from.run(), from.phase(), from.task(), from.number(), check);
}

void FromProto(const proto::AttemptList& from, std::vector<AttemptId>* to, FieldCheck& check) {
  const int count = from.run_size();
  if (from.phase_size() != count || from.task_size() != count || from.number_size() != count) {
    return check.Fail("AttemptList", "has columns of different lengths");
  }
  if (!check.Count(count, kTasksMax, "AttemptList")) return;
  to->reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    to->push_back(AttemptIdOf(from.run(i), from.phase(i), from.task(i), from.number(i), check));
  }
}

void FromProto(const proto::Hash128& from, Hash128* to, FieldCheck&) {
  *to = {.high = from.high(), .low = from.low()};
}

void FromProto(const proto::PhaseSource& from, PhaseSource* to, FieldCheck& check) {
  to->phase = check.Within(from.phase(), 0, kPhasesMax - 1, "PhaseSource.phase");
  to->channel = check.Within(from.channel(), 0, kChannelsMax - 1, "PhaseSource.channel");
}

void FromProto(const proto::PhaseSpec& from, PhaseSpec* to, FieldCheck& check) {
  to->name = check.Text(from.name(), kNameBytesMax, "PhaseSpec.name");
  to->kind = check.Kind(from.kind(), "PhaseSpec.kind");
  to->task_count = check.Within(from.task_count(), 0, kTasksMax, "PhaseSpec.task_count");
  check.Each(from.sources(), kPhasesMax, &to->sources, "PhaseSpec.sources");
  to->channels = check.Within(from.channels(), 0, kChannelsMax, "PhaseSpec.channels");
  to->writes_parts = from.writes_parts();
  to->sample_capacity = check.Within(from.sample_capacity(), from.channels() > 0 ? 1 : 0, kTasksMax,
                                     "PhaseSpec.sample_capacity");
  if (!check.Count(from.task_bytes_size(), kTasksMax, "PhaseSpec.task_bytes")) return;
  to->task_bytes.assign(from.task_bytes().begin(), from.task_bytes().end());
  to->makes_table = from.makes_table();
  if (!check.Count(from.tables_size(), kTablesMax, "PhaseSpec.tables")) return;
  to->tables.assign(from.tables().begin(), from.tables().end());
  for (const std::uint32_t phase : to->tables)
    check.Within(phase, 0, kPhasesMax - 1, "PhaseSpec.tables");
}

void FromProto(const proto::RunSpec& from, RunSpec* to, FieldCheck& check) {
  to->name = check.Text(from.name(), kNameBytesMax, "RunSpec.name");
  to->user = check.Text(from.user(), kNameBytesMax, "RunSpec.user");
  to->priority = from.priority();
  to->parallel_max = from.parallel_max();
  to->memory_bytes_min = from.memory_bytes_min();
  to->crashed_records_max =
      check.Within(from.crashed_records_max(), 0, kSetAsideMax, "RunSpec.crashed_records_max");
  to->plan = check.Text(from.plan(), kPlanBytesMax, "RunSpec.plan");
  check.Each(from.phases(), kPhasesMax, &to->phases, "RunSpec.phases");
  to->output = check.Text(from.output(), kPathBytesMax, "RunSpec.output");
}

void FromProto(const proto::KeyBorders& from, KeyBorders* to, FieldCheck& check) {
  if (from.has_begin()) to->begin = check.Text(from.begin(), kBorderBytesMax, "KeyBorders.begin");
  if (from.has_end()) to->end = check.Text(from.end(), kBorderBytesMax, "KeyBorders.end");
}

void FromProto(const proto::SourceSet& from, SourceSet* to, FieldCheck& check) {
  check.Required(from.has_source(), from.source(), &to->source, "SourceSet.source");
  to->worker = check.Worker(from.worker(), "SourceSet.worker");
  to->endpoint = check.Text(from.endpoint(), kNameBytesMax, "SourceSet.endpoint");
  to->output_count = check.Within(from.output_count(), 0, kTasksMax, "SourceSet.output_count");
  to->outputs_hash = from.outputs_hash();
}

void FromProto(const proto::RecordPosition& from, RecordPosition* to, FieldCheck& check) {
  to->shard = check.Text(from.shard(), kPathBytesMax, "RecordPosition.shard");
  to->offset = from.offset();
  to->key = check.Text(from.key(), kGroupKeyBytesMax, "RecordPosition.key");
}

void FromProto(const proto::PartRecord& from, PartRecord* to, FieldCheck& check) {
  to->path = check.Text(from.path(), kPathBytesMax, "PartRecord.path");
  to->bytes = from.bytes();
  to->records = from.records();
  check.Required(from.has_xxh128(), from.xxh128(), &to->xxh128, "PartRecord.xxh128");
}

void FromProto(const proto::InputBlocks& from, InputBlocks* to, FieldCheck& check) {
  const int count = from.high_size();
  if (from.low_size() != count) {
    return check.Fail("InputBlocks", "has columns of different lengths");
  }
  to->input = from.input();
  to->shard = from.shard();
  to->first_block = from.first_block();
  to->digests.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) to->digests.push_back({.high = from.high(i), .low = from.low(i)});
}

void FromProto(const proto::PhaseTime& from, PhaseTime* to, FieldCheck&) {
  to->nanoseconds = from.nanoseconds();
  to->bytes = from.bytes();
}

void FromProto(const proto::KeySample& from, std::vector<std::string>* to, FieldCheck& check) {
  *to = check.Texts(from.keys(), kTasksMax, kBorderBytesMax, "KeySample.keys");
}

// Digests come for all channels or for none.
static void TakeSamples(const google::protobuf::RepeatedPtrField<proto::KeySample>& from,
                        TaskOutput* to, FieldCheck& check) {
  if (!check.Count(from.size(), kChannelsMax, "TaskOutput.samples")) return;
  bool has_digests = false;
  bool has_keys = false;
  for (const proto::KeySample& sample : from) {
    has_digests |= sample.digests_size() > 0;
    has_keys |= sample.keys_size() > 0;
  }
  for (const proto::KeySample& sample : from) {
    if (has_keys || !has_digests) FromProto(sample, &to->samples.emplace_back(), check);
    if (!has_digests) continue;
    if (has_keys && sample.digests_size() != sample.keys_size())
      return check.Fail("KeySample.digests", "are not as many as the keys");
    to->sample_digests.emplace_back(sample.digests().begin(), sample.digests().end());
  }
}

static void FromProto(const proto::RejectText& from, RejectFile::Text* to, FieldCheck& check) {
  to->bytes = check.Within(from.bytes(), 0, kRejectFileBytesMax, "RejectText.bytes");
  check.Required(from.has_xxh128(), from.xxh128(), &to->xxh128, "RejectText.xxh128");
}

static void FromProto(const proto::RejectFile& from, RejectFile* to, FieldCheck& check) {
  check.Each(from.texts(), kChannelsMax + 1, &to->texts, "RejectFile.texts");
  std::uint64_t bytes = 0;
  for (const RejectFile::Text& text : to->texts) bytes += text.bytes;
  check.Within(bytes, 0, kRejectFileBytesMax, "RejectFile");
}

void FromProto(const proto::TaskOutput& from, TaskOutput* to, FieldCheck& check) {
  check.Required(from.has_digest(), from.digest(), &to->digest, "TaskOutput.digest");
  check.Each(from.parts(), kPartFilesMax, &to->parts, "TaskOutput.parts");
  if (!check.Count(from.counters_size(), kCountersMax, "TaskOutput.counters")) return;
  for (const proto::TaskCounter& counter : from.counters()) {
    if (!to->counters.empty() && counter.name() <= std::prev(to->counters.end())->first) {
      return check.Fail("TaskOutput.counters", "is not sorted by name");
    }
    check.Text(counter.name(), kNameBytesMax, "TaskCounter.name");
    to->counters.emplace_hint(to->counters.end(), counter.name(), counter.value());
  }
  to->records_in = from.records_in();
  to->records_out = from.records_out();
  to->bytes_in = from.bytes_in();
  to->run_bytes = from.run_bytes();
  to->reject_count = from.reject_count();
  to->rejects =
      check.Texts(from.rejects(), kChannelsMax + 1, kRejectBytesMax, "TaskOutput.rejects");
  TakeSamples(from.samples(), to, check);
  check.Each(from.input_blocks(), kInputBlocksMax, &to->input_blocks, "TaskOutput.input_blocks");
  check.Each(from.phase_times(), kPhaseTimesMax, &to->phase_times, "TaskOutput.phase_times");
  to->spilled_bytes = from.spilled_bytes();
  if (from.has_table()) FromProto(from.table(), &to->table.emplace(), check);
  if (!from.has_reject_file()) return;
  FromProto(from.reject_file(), &to->reject_file.emplace(), check);
  for (const std::string& rows : to->rejects) {
    if (!rows.empty()) return check.Fail("TaskOutput.rejects", "are in a file, too");
  }
}

void FromProto(const proto::TaskFailure& from, TaskFailure* to, FieldCheck& check) {
  to->code = check.ErrorCode(from.code(), "TaskFailure.code");
  to->message = check.Text(from.message(), kErrorBytesMax, "TaskFailure.message");
  if (from.has_position()) FromProto(from.position(), &to->position.emplace(), check);
  if (from.has_source()) to->source = check.Worker(from.source(), "TaskFailure.source");
  if (from.has_damaged()) FromProto(from.damaged(), &to->damaged.emplace(), check);
  to->log = check.Text(from.log(), kLogBytesMax, "TaskFailure.log");
}

}  // namespace millrace
