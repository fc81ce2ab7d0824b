// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/proto/wire_values.h"

#include <string>
#include <utility>

#include "mapreduce/proto/limits.h"

namespace millrace {

void ToProto(const HeldSummary& from, proto::HeldSummary* to) {
  ToProto(from.phase, to->mutable_phase());
  to->set_output_count(from.output_count);
  to->set_outputs_hash(from.outputs_hash);
}

void FromProto(const proto::HeldSummary& from, HeldSummary* to, FieldCheck& check) {
  check.Required(from.has_phase(), from.phase(), &to->phase, "HeldSummary.phase");
  to->output_count = from.output_count();
  to->outputs_hash = from.outputs_hash();
}

void ToProto(const AttemptProgress& from, proto::AttemptProgress* to) {
  ToProto(from.attempt, to->mutable_attempt());
  to->set_records(from.records);
  to->set_bytes(from.bytes);
}

void FromProto(const proto::AttemptProgress& from, AttemptProgress* to, FieldCheck& check) {
  check.Required(from.has_attempt(), from.attempt(), &to->attempt, "AttemptProgress.attempt");
  to->records = from.records();
  to->bytes = from.bytes();
}

void ToProto(const TableFiles& from, proto::TableFiles* to) {
  to->set_phase(from.phase);
  for (const TableFiles::File& file : from.files) {
    to->add_number(file.number);
    to->add_bytes(file.bytes);
  }
}

void FromProto(const proto::TableFiles& from, TableFiles* to, FieldCheck& check) {
  to->phase = check.Within(from.phase(), 0, kPhasesMax - 1, "TableFiles.phase");
  const int count = from.number_size();
  if (from.bytes_size() != count)
    return check.Fail("TableFiles", "has columns of different lengths");
  if (!check.Count(count, kTasksMax, "TableFiles.number")) return;
  for (int i = 0; i < count; ++i) {
    to->files.push_back(
        {check.Within(from.number(i), 1, UINT32_MAX, "TableFiles.number"), from.bytes(i)});
  }
}

void ToProto(const FetchFile& from, proto::FetchFile* to) {
  ToProto(from.output, to->mutable_output());
  to->set_path(from.path);
  to->set_file_id(from.file_id);
  to->set_file_bytes(from.file_bytes);
  to->set_record_count(from.record_count);
  to->set_key_bytes(from.key_bytes);
  to->set_value_bytes(from.value_bytes);
  to->set_block_bytes_max(from.block_bytes_max);
}

void FromProto(const proto::FetchFile& from, FetchFile* to, FieldCheck& check) {
  check.Required(from.has_output(), from.output(), &to->output, "FetchFile.output");
  to->path = check.Text(from.path(), kPathBytesMax, "FetchFile.path");
  to->file_id = from.file_id();
  to->file_bytes = from.file_bytes();
  to->record_count = from.record_count();
  to->key_bytes = from.key_bytes();
  to->value_bytes = from.value_bytes();
  to->block_bytes_max = from.block_bytes_max();
}

void FromProto(const proto::FetchSlices& from, std::vector<FetchSlice>* to, FieldCheck& check) {
  std::vector<AttemptId> outputs;
  FromProto(from.output(), &outputs, check);
  const int count = static_cast<int>(outputs.size());
  if (from.file_id_size() != count || from.begin_size() != count || from.bytes_size() != count ||
      from.block_bytes_max_size() != count) {
    return check.Fail("FetchSlices", "has columns of different lengths");
  }
  to->reserve(outputs.size());
  for (int i = 0; i < count; ++i) {
    const std::uint64_t end = from.begin(i) + from.bytes(i);
    if (end < from.begin(i)) return check.Fail("FetchSlices.bytes", "reaches beyond all files");
    to->push_back({.output = outputs[static_cast<std::size_t>(i)],
                   .file_id = from.file_id(i),
                   .begin = from.begin(i),
                   .end = end,
                   .block_bytes_max = from.block_bytes_max(i)});
  }
}

namespace {

constexpr std::pair<RunState, proto::RunState> kRunStates[] = {
    {RunState::kUnknown, proto::RUN_STATE_UNKNOWN},
    {RunState::kRefused, proto::RUN_STATE_REFUSED},
    {RunState::kQueued, proto::RUN_STATE_QUEUED},
    {RunState::kRunning, proto::RUN_STATE_RUNNING},
    {RunState::kPublishing, proto::RUN_STATE_PUBLISHING},
    {RunState::kDone, proto::RUN_STATE_DONE},
    {RunState::kFailed, proto::RUN_STATE_FAILED},
};

proto::RunState ToProto(RunState state) {
  for (const auto& [value, number] : kRunStates) {
    if (value == state) return number;
  }
  return proto::RUN_STATE_UNSPECIFIED;
}

RunState StateOf(int number, FieldCheck& check) {
  for (const auto& [value, known] : kRunStates) {
    if (known == number) return value;
  }
  check.Fail("RunStatus.state", "is no state of a run");
  return RunState::kUnknown;
}

}  // namespace

void ToProto(const RunTotals& from, proto::RunTotals* to) {
  to->set_attempts(from.attempts);
  to->set_failures(from.failures);
  to->set_records_in(from.records_in);
  to->set_bytes_in(from.bytes_in);
  to->set_records_out(from.records_out);
  to->set_reject_count(from.reject_count);
  to->set_spilled_bytes(from.spilled_bytes);
  to->set_run_bytes(from.run_bytes);
  EachToProto(from.phase_times, to->mutable_phase_times());
}

void FromProto(const proto::RunTotals& from, RunTotals* to, FieldCheck& check) {
  to->attempts = from.attempts();
  to->failures = from.failures();
  to->records_in = from.records_in();
  to->bytes_in = from.bytes_in();
  to->records_out = from.records_out();
  to->reject_count = from.reject_count();
  to->spilled_bytes = from.spilled_bytes();
  to->run_bytes = from.run_bytes();
  check.Each(from.phase_times(), kPhaseTimesMax, &to->phase_times, "RunTotals.phase_times");
}

void ToProto(const RunStatus& from, proto::RunStatus* to) {
  to->set_name(from.name);
  to->set_state(ToProto(from.state));
  to->set_code(ToProto(from.code));
  to->set_message(std::string(CutError(from.message)));
  to->set_tasks_done(from.tasks_done);
  to->set_tasks_total(from.tasks_total);
  to->set_user(from.user);
  to->set_output(from.output);
  to->set_phase(from.phase);
  to->set_phase_tasks_done(from.phase_tasks_done);
  to->set_phase_tasks_total(from.phase_tasks_total);
  to->set_phase_bytes_done(from.phase_bytes_done);
  to->set_phase_bytes_total(from.phase_bytes_total);
  to->set_tasks_running(from.tasks_running);
  ToProto(from.totals, to->mutable_totals());
  for (const std::string& failure : from.failures) to->add_failures(std::string(CutError(failure)));
}

void FromProto(const proto::RunStatus& from, RunStatus* to, FieldCheck& check) {
  to->name = check.Text(from.name(), kNameBytesMax, "RunStatus.name");
  to->state = StateOf(from.state(), check);
  to->code = check.Code(from.code(), "RunStatus.code");
  to->message = check.Text(from.message(), kErrorBytesMax, "RunStatus.message");
  to->tasks_done = from.tasks_done();
  to->tasks_total = from.tasks_total();
  to->user = check.Text(from.user(), kNameBytesMax, "RunStatus.user");
  to->output = check.Text(from.output(), kPathBytesMax, "RunStatus.output");
  to->phase = check.Text(from.phase(), kNameBytesMax, "RunStatus.phase");
  to->phase_tasks_done = from.phase_tasks_done();
  to->phase_tasks_total = from.phase_tasks_total();
  to->phase_bytes_done = from.phase_bytes_done();
  to->phase_bytes_total = from.phase_bytes_total();
  to->tasks_running = from.tasks_running();
  FromProto(from.totals(), &to->totals, check);
  to->failures = check.Texts(from.failures(), kFailuresMax, kErrorBytesMax, "RunStatus.failures");
}

void ToProto(const WorkerStatus& from, proto::WorkerStatus* to) {
  to->set_worker(from.worker.value);
  to->set_host(from.host);
  to->set_endpoint(from.endpoint);
  to->set_slots(from.slots);
  to->set_slot_memory_bytes(from.slot_memory_bytes);
  to->set_slots_busy(from.slots_busy);
  to->set_takes_tasks(from.takes_tasks);
  to->set_is_set_aside(from.is_set_aside);
}

void FromProto(const proto::WorkerStatus& from, WorkerStatus* to, FieldCheck& check) {
  to->worker = check.Worker(from.worker(), "WorkerStatus.worker");
  to->host = check.Text(from.host(), kNameBytesMax, "WorkerStatus.host");
  to->endpoint = check.Text(from.endpoint(), kNameBytesMax, "WorkerStatus.endpoint");
  to->slots = check.Within(from.slots(), 0, kSlotsMax, "WorkerStatus.slots");
  to->slot_memory_bytes = from.slot_memory_bytes();
  to->slots_busy = from.slots_busy();
  to->takes_tasks = from.takes_tasks();
  to->is_set_aside = from.is_set_aside();
}

}  // namespace millrace
