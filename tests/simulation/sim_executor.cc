// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_executor.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "mapreduce/base/test_hooks.h"
#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/single_task.h"
#include "mapreduce/engine/task_report.h"
#include "mapreduce/shuffle/run_slice.h"

namespace millrace {
namespace {

std::string AttemptFolder(const AttemptId& attempt) {
  std::ostringstream path;
  path << "/spool/" << attempt.task.phase.run.value << "-" << attempt.task.phase.index << "-"
       << attempt.task.index << "-" << attempt.number;
  return std::move(path).str();
}

std::string FetchPath(const FetchKey& key) {
  std::ostringstream path;
  path << AttemptFolder(key.reader) << "/fetched-" << key.source.phase << "-" << key.source.channel
       << "-" << key.from.value;
  return std::move(path).str();
}

KeyRange RangeOf(const KeyBorders& borders) { return {borders.begin, borders.end}; }

/// What one reduce input is, so that damage can be told by whose it is.
struct InputPlace {
  std::size_t source = 0;
  AttemptId output;
  WorkerId from;
  ReduceInput input;
  bool is_foreign_file = false;
};

}  // namespace

std::string OutputOf(const std::string& run) { return "/out/" + run; }

template <class R>
Result<TaskOutput> SimExecutor::ReportOf(const AttemptId& attempt, const R& result) {
  RejectPlace place;
  place.directory = AttemptDirectory(held_[attempt].output, attempt);
  place.reported_bytes_max = knobs_.reported_reject_bytes_max;
  MR_ASSIGN_OR_RETURN(TaskOutput output, OutputOf(files_, result, place));
  output.phase_times.clear();
  return output;
}

Status SimExecutor::Start() {
  MR_RETURN_IF_ERROR(files_.RemoveTree("/spool"));
  return files_.MakeDirectories("/spool");
}

Status SimExecutor::Append(const AppendSpool& append) {
  MR_RETURN_IF_ERROR(files_.MakeDirectories(AttemptFolder(append.attempt)));
  auto& file = spools_[append.key];
  if (file == nullptr) {
    MR_ASSIGN_OR_RETURN(file, files_.Create(FetchPath(append.key)));
  }
  return file->Append(append.bytes);
}

Status SimExecutor::MakeAttemptFolders(const AttemptId& attempt, const std::string& run) {
  MR_RETURN_IF_ERROR(files_.MakeDirectories(AttemptFolder(attempt) + "/scratch"));
  Held& held = held_[attempt];
  // Without parents: of a run that is over nothing must come back.
  held.output = OutputOf(run);
  const std::string directory = AttemptDirectory(held.output, attempt);
  MR_RETURN_IF_ERROR(files_.RemoveTree(directory));  // Of an earlier life.
  MR_RETURN_IF_ERROR(files_.MakeDirectory(directory));
  return files_.SyncDirectory(ParentPath(directory));
}

NewRun SimExecutor::MakeRun(const AttemptId& attempt, std::size_t channel) {
  return {AttemptFolder(attempt) + "/run-" + std::to_string(channel), next_file_id_++};
}

std::variant<TaskOutput, TaskFailure> SimExecutor::Execute(const StartChild& start,
                                                           const SimJob& job) {
  const StartTask& task = start.task;
  for (auto at = spools_.lower_bound({task.attempt, {}, {}});
       at != spools_.end() && at->first.reader == task.attempt; at = spools_.erase(at)) {
  }
  TaskFailure failure;
  Status status = MakeAttemptFolders(task.attempt, start.run_name);
  if (status.ok()) {
    Result<TaskOutput> output =
        task.kind == TaskKind::kMap ? ExecuteMap(start, job) : ExecuteReduce(start, job, &failure);
    if (output.ok()) return *std::move(output);
    status = output.error();
  }
  // A worker's own disk or the shared one, never the inputs, of which these codes speak.
  const bool is_of_input = status.code() == StatusCode::kBadData ||
                           status.code() == StatusCode::kNotFound ||
                           status.code() == StatusCode::kCannotCreate;
  failure.code = is_of_input ? StatusCode::kUnavailable : status.code();
  failure.message = status.message();
  return failure;
}

Result<SingleTaskOptions> SimExecutor::OptionsOf(const StartChild& start, const SimJob& job) {
  const StartTask& task = start.task;
  SingleTaskOptions options;
  options.parts = job.parts;
  options.memory_bytes = std::uint64_t{1} << 20;
  options.scratch_directory = AttemptFolder(task.attempt) + "/scratch";
  options.spill_everything = knobs_.spill_everything;
  options.block_bytes = knobs_.block_bytes;
  options.goes_one_by_one = task.goes_one_by_one;
  const JobGraph& graph = job.job->graph();
  options.tables.resize(graph.tables.size());
  for (const TableFiles& table : task.tables) {
    std::vector<MadeTableFile> made;
    for (std::uint32_t index = 0; index < table.files.size(); ++index) {
      const AttemptId maker{{{task.attempt.task.phase.run, table.phase}, index},
                            table.files[index].number};
      made.push_back({JoinPath(AttemptDirectory(OutputOf(start.run_name), maker), kTableFileName),
                      table.files[index].bytes});
    }
    const int index = graph.stages[job.phases[table.phase].stage].table;
    MR_ASSIGN_OR_RETURN(options.tables[static_cast<std::size_t>(index)], OpenTable(files_, made));
  }
  return options;
}

Result<TaskOutput> SimExecutor::ExecuteMap(const StartChild& start, const SimJob& job) {
  const StartTask& task = start.task;
  const TaskId& id = task.attempt.task;
  const SimPhase& phase = job.phases[id.phase.index];
  MR_ASSIGN_OR_RETURN(const SingleTaskOptions options, OptionsOf(start, job));
  MapTaskSpec spec;
  spec.stage = phase.stage;
  spec.source = phase.source;
  spec.task = id.index;
  spec.split = phase.splits[id.index];
  spec.run = MakeRun(task.attempt, 0);
  MR_ASSIGN_OR_RETURN(const MapTaskResult result,
                      ExecuteMapTask(files_, job.job->graph(), job.inputs, options, spec));
  MR_ASSIGN_OR_RETURN(TaskOutput output, ReportOf(task.attempt, result));
  held_[task.attempt].runs = {result.run.info};
  return output;
}

Result<TaskOutput> SimExecutor::ExecuteReduce(const StartChild& start, const SimJob& job,
                                              TaskFailure* failure) {
  const StartTask& task = start.task;
  const TaskId& id = task.attempt.task;
  const std::vector<PhaseSource>& sources = job.spec.phases[id.phase.index].sources;
  const auto source_index = [&](const PhaseSource& source) {
    return static_cast<std::size_t>(std::find(sources.begin(), sources.end(), source) -
                                    sources.begin());
  };
  std::vector<InputPlace> places;
  for (const FetchedSource& fetched : start.inputs) {
    std::uint64_t at = 0;
    for (const FetchSlice& slice : fetched.slices) {
      places.push_back({source_index(fetched.key.source), slice.output, fetched.key.from,
                        RunSlice{FetchPath(fetched.key),
                                 at,
                                 slice.file_id,
                                 {slice.begin, slice.end},
                                 slice.block_bytes_max}});
      at += slice.end - slice.begin;
    }
    for (const FetchFile& file : fetched.files) {
      places.push_back({source_index(fetched.key.source), file.output, fetched.key.from,
                        RunInfo{file.path, file.file_id, file.file_bytes, file.record_count,
                                file.key_bytes, file.value_bytes, file.block_bytes_max},
                        /*is_foreign_file=*/true});
    }
  }
  for (const AttemptId& output : start.local_outputs) {
    for (std::size_t s = 0; s < sources.size(); ++s) {
      if (sources[s].phase != output.task.phase.index) continue;
      const auto held = held_.find(output);
      if (held == held_.end()) {  // Dropped since the child was started.
        failure->damaged = output;
        return Status::Unavailable("an output that the task reads is gone");
      }
      places.push_back({s, output, WorkerId(), held->second.runs[sources[s].channel]});
    }
  }
  // The order of the values: that of the inputs, whoever sent them when.
  std::sort(places.begin(), places.end(), [](const InputPlace& a, const InputPlace& b) {
    return std::pair(a.source, a.output) < std::pair(b.source, b.output);
  });
  ReduceTaskSpec spec;
  const SimPhase& phase = job.phases[id.phase.index];
  spec.stage = phase.stage;
  spec.part = id.index;
  spec.range = RangeOf(task.borders);
  for (const InputPlace& place : places) spec.inputs.push_back(place.input);
  if (MR_MUTATION("double_reduce") && !spec.inputs.empty())
    spec.inputs.push_back(spec.inputs.front());
  spec.output_directory = AttemptDirectory(OutputOf(start.run_name), task.attempt);
  for (std::uint32_t c = 0; c < job.spec.phases[id.phase.index].channels; ++c)
    spec.next_runs.push_back(MakeRun(task.attempt, c));
  MR_ASSIGN_OR_RETURN(const SingleTaskOptions options, OptionsOf(start, job));
  const Result<ReduceTaskResult> result =
      ExecuteReduceTask(files_, job.job->graph(), options, spec);
  if (!result.ok()) {
    if (result.error().code() == StatusCode::kCorrupt) {
      for (const InputPlace& place : places) {
        RunSlice slice;
        Status status;
        if (const auto* info = std::get_if<RunInfo>(&place.input)) {
          const auto file = RunFile::Open(files_, *info);
          status = file.ok() ? CheckRunSlice(files_, SliceOf(*info, (*file)->SliceBytes({})))
                             : file.error();
        } else if (const auto& fetched = std::get<RunSlice>(place.input);
                   fetched.bytes.begin < fetched.bytes.end) {
          status = CheckRunSlice(files_, fetched);
        }
        if (status.ok()) continue;
        if (place.from != WorkerId()) failure->source = place.from;
        // The next attempt gets its bytes, and then it shows whether they are damaged.
        if (place.is_foreign_file) return Status::Unavailable(status.message());
        failure->damaged = place.output;
        break;
      }
    }
    return result.error();
  }
  MR_ASSIGN_OR_RETURN(TaskOutput output, ReportOf(task.attempt, *result));
  output.bytes_in = InputBytes(start, job);
  Held& held = held_[task.attempt];
  for (const ReduceTaskResult::Next& next : result->next) {
    held.runs.push_back(next.run.info);
  }
  for (const FetchedSource& fetched : start.inputs)
    static_cast<void>(files_.RemoveFile(FetchPath(fetched.key)));
  return output;
}

std::uint64_t SimExecutor::InputBytes(const StartChild& start, const SimJob& job) const {
  const TaskId& id = start.task.attempt.task;
  if (start.task.kind == TaskKind::kMap)
    return job.phases[id.phase.index].splits[id.index].stored_bytes;
  std::uint64_t bytes = 0;
  for (const FetchedSource& fetched : start.inputs) {
    bytes += fetched.bytes;
    for (const FetchFile& file : fetched.files) bytes += file.file_bytes;
  }
  for (const AttemptId& output : start.local_outputs) {
    const auto held = held_.find(output);
    if (held == held_.end()) continue;
    for (const RunInfo& run : held->second.runs) bytes += run.file_bytes;
  }
  return bytes;
}

PieceRead SimExecutor::Read(const ReadPiece& read) {
  PieceRead answer{read.key, read.offset, ServedPiece{}, std::nullopt};
  ServedPiece piece;
  std::uint64_t at = 0;  // In the stream.
  for (const AttemptId& output : read.outputs) {
    const auto fail = [&](const Status& status) {
      answer.piece = status;
      answer.damaged = output;
      return answer;
    };
    const auto held = held_.find(output);
    if (held == held_.end() || read.key.source.channel >= held->second.runs.size())
      return fail(Status::Corrupt("the output is gone"));
    const RunInfo& info = held->second.runs[read.key.source.channel];
    const auto file = RunFile::Open(files_, info);
    if (!file.ok()) return fail(file.error());
    const RunBytes bytes = (*file)->SliceBytes(RangeOf(read.borders));
    piece.slices.push_back({output, info.file_id, bytes.begin, bytes.end, info.block_bytes_max});
    const std::uint64_t size = bytes.end - bytes.begin;
    const std::uint64_t from = std::max(at, read.offset);
    const std::uint64_t to = std::min(at + size, read.offset + read.bytes_max);
    if (from < to) {
      std::string part(to - from, '\0');
      const auto count = (*file)->ReadAt(bytes.begin + (from - at), part.data(), part.size());
      if (!count.ok()) return fail(count.error());
      if (*count != part.size()) return fail(Status::Corrupt("the run file ends too early"));
      piece.bytes += part;
    }
    at += size;
  }
  piece.stream_bytes = at;
  answer.piece = std::move(piece);
  return answer;
}

FilesListed SimExecutor::List(const ListFiles& list) const {
  FilesListed answer{list.reader_worker, list.request, std::vector<FetchFile>(), std::nullopt};
  for (const AttemptId& output : list.outputs) {
    const auto held = held_.find(output);
    if (held == held_.end() || list.request.source.channel >= held->second.runs.size()) {
      answer.files = Status::Corrupt("the output is gone");
      answer.damaged = output;
      return answer;
    }
    const RunInfo& run = held->second.runs[list.request.source.channel];
    answer.files->push_back({output, disk_ + run.path, run.file_id, run.file_bytes,
                             run.record_count, run.key_bytes, run.value_bytes,
                             run.block_bytes_max});
  }
  return answer;
}

Status SimExecutor::Drop(const DropAttempt& drop) {
  const AttemptId& attempt = drop.attempt;
  for (auto at = spools_.lower_bound({attempt, {}, {}});
       at != spools_.end() && at->first.reader == attempt; at = spools_.erase(at)) {
  }
  MR_RETURN_IF_ERROR(files_.RemoveTree(AttemptFolder(attempt)));
  const auto held = held_.find(attempt);
  if (held == held_.end()) return Status::Ok();
  if (!held->second.output.empty() && !drop.keeps_parts)
    MR_RETURN_IF_ERROR(files_.RemoveTree(AttemptDirectory(held->second.output, attempt)));
  held_.erase(held);
  return Status::Ok();
}

}  // namespace millrace
