// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_PROTO_RANDOM_VALUES_H_
#define TESTS_UNIT_PROTO_RANDOM_VALUES_H_

// Random values of the structs in messages.h, such as a codec must carry, and whether two are the
// same. Both walk a struct's fields, which MR_TEST_FIELDS lists: with one more or less, the list
// doesn't compile any more, so no field can be forgotten.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

#define MR_TEST_FIELDS(Type, ...)       \
  inline auto FieldsOf(Type& struct_) { \
    auto& [__VA_ARGS__] = struct_;      \
    return std::tie(__VA_ARGS__);       \
  }

MR_TEST_FIELDS(Epoch, value)
MR_TEST_FIELDS(WorkerId, value)
MR_TEST_FIELDS(JobRunId, value)
MR_TEST_FIELDS(PhaseId, run, index)
MR_TEST_FIELDS(TaskId, phase, index)
MR_TEST_FIELDS(AttemptId, task, number)
MR_TEST_FIELDS(Hash128, high, low)
MR_TEST_FIELDS(PhaseSource, phase, channel)
MR_TEST_FIELDS(PhaseSpec, name, kind, task_count, sources, channels, writes_parts, sample_capacity,
               task_bytes, makes_table, tables)
MR_TEST_FIELDS(RunSpec, name, user, priority, parallel_max, memory_bytes_min, crashed_records_max,
               plan, phases, output)
MR_TEST_FIELDS(KeyBorders, begin, end)
MR_TEST_FIELDS(SourceSet, source, worker, endpoint, output_count, outputs_hash)
MR_TEST_FIELDS(RecordPosition, shard, offset, key)
MR_TEST_FIELDS(InputBlocks, input, shard, first_block, digests)
MR_TEST_FIELDS(PhaseTime, nanoseconds, bytes)
MR_TEST_FIELDS(PartRecord, path, bytes, records, xxh128)
MR_TEST_FIELDS(RejectFile::Text, bytes, xxh128)
MR_TEST_FIELDS(RejectFile, texts)
MR_TEST_FIELDS(TaskOutput, digest, parts, counters, records_in, records_out, bytes_in, run_bytes,
               reject_count, rejects, reject_file, samples, sample_digests, input_blocks,
               phase_times, spilled_bytes, table)
MR_TEST_FIELDS(TaskFailure, code, message, position, source, damaged, log)
MR_TEST_FIELDS(SubmitRun, spec)
MR_TEST_FIELDS(CancelRun, name)
MR_TEST_FIELDS(AskRunStatus, name, failures_seen)
MR_TEST_FIELDS(RunTotals, attempts, failures, records_in, bytes_in, records_out, reject_count,
               spilled_bytes, run_bytes, phase_times)
MR_TEST_FIELDS(RunStatus, name, state, code, message, tasks_done, tasks_total, user, output, phase,
               phase_tasks_done, phase_tasks_total, phase_bytes_done, phase_bytes_total,
               tasks_running, totals, failures)
MR_TEST_FIELDS(WorkerStatus, worker, host, endpoint, slots, slots_busy, slot_memory_bytes,
               takes_tasks, is_set_aside)
MR_TEST_FIELDS(ClusterStatus, runs, workers)
MR_TEST_FIELDS(FileWanted, hash, offset)
MR_TEST_FIELDS(FileData, hash, offset, total_bytes, bytes)
MR_TEST_FIELDS(Hello, worker, host, endpoint, protocol, build, slots, slot_memory_bytes,
               takes_tasks, present, held, cluster)
MR_TEST_FIELDS(Welcome, hello, heartbeat_ms, lease_ms, last_order, kill, drop, cluster)
MR_TEST_FIELDS(Refused, message)
MR_TEST_FIELDS(AttemptProgress, attempt, records, bytes)
MR_TEST_FIELDS(HeldSummary, phase, output_count, outputs_hash)
MR_TEST_FIELDS(Heartbeat, takes_tasks, last_order, present, held)
MR_TEST_FIELDS(HeartbeatAck, heartbeat)
MR_TEST_FIELDS(TableFiles::File, number, bytes)
MR_TEST_FIELDS(TableFiles, phase, files)
MR_TEST_FIELDS(StartTask, order, attempt, kind, borders, sources, set_aside, tables,
               goes_one_by_one)
MR_TEST_FIELDS(PlanWanted, run)
MR_TEST_FIELDS(RunPlan, run, name, output, plan)
MR_TEST_FIELDS(KillTask, attempt)
MR_TEST_FIELDS(TaskDone, attempt, output)
MR_TEST_FIELDS(TaskFailed, attempt, failure)
MR_TEST_FIELDS(TaskAnswer, attempt, is_committed)
MR_TEST_FIELDS(EndRun, run)
MR_TEST_FIELDS(FetchSlice, output, file_id, begin, end, block_bytes_max)
MR_TEST_FIELDS(FetchRequest, reader, holder, source, output_count, outputs_hash, borders, resume_at,
               credit_bytes, host)
MR_TEST_FIELDS(FetchFile, output, path, file_id, file_bytes, record_count, key_bytes, value_bytes,
               block_bytes_max)
MR_TEST_FIELDS(FetchFiles, reader, source, files)
MR_TEST_FIELDS(FetchCredit, reader, source, up_to)
MR_TEST_FIELDS(FetchData, reader, source, slices, offset, stream_bytes, bytes)
MR_TEST_FIELDS(FetchRefused, reader, source, code, damaged, message)
MR_TEST_FIELDS(Message, epoch, sequence, body)

// ---- Comparing ----------------------------------------------------------------------------------

template <class T>
bool Same(const T& a, const T& b) {
  if constexpr (std::is_empty_v<T>) {
    return true;
  } else if constexpr (requires(T & value) { FieldsOf(value); }) {
    return std::apply(
        [&b](auto&... fields) {
          return std::apply([&](auto&... others) { return (Same(fields, others) && ...); },
                            FieldsOf(const_cast<T&>(b)));
        },
        FieldsOf(const_cast<T&>(a)));
  } else {
    return a == b;
  }
}
template <class T>
bool Same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const T& x, const T& y) { return Same(x, y); });
}
template <class... T>
bool Same(const std::variant<T...>& a, const std::variant<T...>& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&b](const auto& value) {
        return Same(value, std::get<std::remove_cvref_t<decltype(value)>>(b));
      },
      a);
}

// ---- Making -------------------------------------------------------------------------------------

/// `Derived` may know more types: it has a Fill or a Mend for them, beside those here.
template <class Derived>
class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : random_(seed) {}

  /// `kind` chooses the alternative.
  template <class... T>
  void FillKind(std::size_t kind, std::variant<T...>* value) {
    std::size_t at = 0;
    ((at++ == kind ? derived().Fill(&value->template emplace<T>()) : void()), ...);
  }

  /// Of any size, 0 and the largest often.
  std::uint64_t Number() {
    switch (random_.Uniform(8)) {
      case 0:
        return 0;
      case 1:
        return UINT64_MAX;
      default:
        return random_.Next() >> random_.Uniform(64);
    }
  }
  std::uint64_t Below(std::uint64_t n) { return random_.Uniform(n); }
  std::string Bytes() {
    std::string bytes(random_.Uniform(20), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_.Next());
    return bytes;
  }
  std::string Text() {
    static constexpr const char* kLetters[] = {"a", "Z", "7", "-", " ", "\n", "é", "水", "𝄞"};
    std::string text;
    for (std::uint64_t i = random_.Uniform(12); i > 0; --i) text += kLetters[random_.Uniform(9)];
    return text;
  }

  void Fill(bool* value) { *value = random_.Uniform(2) == 1; }
  void Fill(std::int32_t* value) { *value = static_cast<std::int32_t>(Number()); }
  void Fill(std::uint32_t* value) { *value = static_cast<std::uint32_t>(Number()); }
  void Fill(std::uint64_t* value) { *value = Number(); }
  void Fill(std::string* value) { *value = Bytes(); }
  void Fill(StatusCode* value) { *value = static_cast<StatusCode>(random_.Uniform(13)); }
  void Fill(TaskKind* value) { *value = static_cast<TaskKind>(random_.Uniform(2)); }
  void Fill(RunState* value) { *value = static_cast<RunState>(random_.Uniform(7)); }
  template <class T>
  void Fill(std::optional<T>* value) {
    if (random_.Uniform(2) == 0) return value->reset();
    derived().Fill(&value->emplace());
  }
  template <class T>
  void Fill(std::vector<T>* values) {
    values->resize(random_.Uniform(5));
    for (T& value : *values) derived().Fill(&value);
  }
  void Fill(std::map<std::string, std::uint64_t>* values) {
    for (std::uint64_t i = random_.Uniform(5); i > 0; --i) (*values)[Bytes()] = Number();
  }
  /// A struct: each field, and then what of them must fit.
  template <class T>
  requires std::is_aggregate_v<T>
  void Fill(T* value) {
    if constexpr (!std::is_empty_v<T>) {
      std::apply([this](auto&... fields) { (derived().Fill(&fields), ...); }, FieldsOf(*value));
    }
    derived().Mend(value);
  }

  template <class T>
  void Mend(T*) {}
  void Mend(JobRunId* id) { id->value += id->value == 0; }
  void Mend(WorkerId* id) { id->value += id->value == 0; }
  void Mend(PhaseId* id) { id->index %= kPhasesMax; }
  void Mend(TaskId* id) { id->index %= kTasksMax; }
  void Mend(AttemptId* id) { id->number += id->number == 0; }
  void Mend(PhaseSource* source) {
    source->phase %= kPhasesMax;
    source->channel %= kChannelsMax;
  }
  void Mend(PhaseSpec* phase) {
    phase->name = Text();
    phase->task_count %= kTasksMax + 1;
    phase->channels %= kChannelsMax + 1;
    phase->sample_capacity = 1 + phase->sample_capacity % kTasksMax;
    for (std::uint32_t& maker : phase->tables) maker %= kPhasesMax;
  }
  void Mend(RunSpec* spec) {
    spec->name = Text();
    spec->user = Text();
    spec->crashed_records_max %= kSetAsideMax + 1;
  }
  void Mend(TableFiles::File* file) { file->number += file->number == 0; }
  void Mend(TableFiles* table) { table->phase %= kPhasesMax; }
  void Mend(SourceSet* sources) {
    sources->endpoint = Text();
    sources->output_count %= kTasksMax + 1;
  }
  void Mend(TaskFailure* failure) { MendError(&failure->code); }
  void Mend(RejectFile::Text* text) { text->bytes %= kRejectFileBytesMax / 8; }
  void Mend(TaskOutput* output) {
    if (output->reject_file) output->rejects.assign(output->reject_file->texts.size(), "");
    output->sample_digests.resize(output->samples.size());
    bool has_some = false;
    for (std::size_t i = 0; i < output->samples.size(); ++i) {
      output->sample_digests[i].resize(output->samples[i].size());
      has_some |= !output->samples[i].empty();
    }
    if (!has_some) output->sample_digests.clear();
  }
  void Mend(FileData* data) {
    data->offset >>= 1;
    data->total_bytes = data->offset + data->bytes.size() + (data->total_bytes >> 2);
  }
  void Mend(WorkerStatus* status) {
    status->host = Text();
    status->endpoint = Text();
    status->slots %= kSlotsMax + 1;
  }
  void Mend(CancelRun* cancel) { cancel->name = Text(); }
  void Mend(AskRunStatus* ask) { ask->name = Text(); }
  void Mend(RunStatus* status) {
    status->name = Text();
    status->user = Text();
    status->phase = Text();
  }
  void Mend(Hello* hello) {
    hello->build = Text();
    hello->host = Text();
    hello->endpoint = Text();
    hello->protocol = kProtocolVersion;
    hello->slots %= kSlotsMax + 1;
  }
  void Mend(RunPlan* plan) { plan->name = Text(); }
  void Mend(FetchSlice* slice) {
    if (slice->end < slice->begin) std::swap(slice->begin, slice->end);
  }
  void Mend(FetchRequest* request) {
    request->output_count %= kTasksMax + 1;
    request->host = Text();
  }
  void Mend(FetchData* data) {
    data->offset >>= 1;
    data->stream_bytes = data->offset + data->bytes.size() + (data->stream_bytes >> 2);
  }
  void Mend(FetchRefused* refused) { MendError(&refused->code); }
  void MendError(StatusCode* code) {
    if (*code == StatusCode::kOk) *code = StatusCode::kInternal;
  }

 private:
  Derived& derived() { return static_cast<Derived&>(*this); }

  Random random_;
};

class RandomMessages : public RandomValues<RandomMessages> {
 public:
  using RandomValues::RandomValues;

  Message OfKind(std::size_t kind) {
    Message message{.epoch = {Number()}, .sequence = Number(), .body = {}};
    FillKind(kind, &message.body);
    return message;
  }
};

}  // namespace millrace

#endif  // TESTS_UNIT_PROTO_RANDOM_VALUES_H_
