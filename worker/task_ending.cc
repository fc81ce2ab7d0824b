// SPDX-License-Identifier: Apache-2.0
#include "worker/task_ending.h"

#include <signal.h>
#include <string.h>

#include <sstream>
#include <string_view>

#include "mapreduce/base/size.h"
#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/tsv_writer.h"

namespace millrace {
namespace {

// A part's path goes below the output, and nowhere else.
bool IsBelow(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != path.npos) return false;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return true;
}

Status CheckSuccess(const TaskSuccess& success, const AnswerExpected& expected) {
  if (success.runs.size() != expected.runs.size())
    return Status::Corrupt("it names ", success.runs.size(), " run files");
  for (std::size_t i = 0; i < success.runs.size(); ++i) {
    if (success.runs[i].path != expected.runs[i].path ||
        success.runs[i].file_id != expected.runs[i].file_id)
      return Status::Corrupt("run file ", i, " is another");
  }
  for (const PartRecord& part : success.output.parts) {
    if (!IsBelow(part.path)) return Status::Corrupt("a part lies outside of the output");
  }
  if (success.output.table && success.output.table->path != kTableFileName)
    return Status::Corrupt("its table is another file");
  if (success.output.reject_file && !expected.has_folder)
    return Status::Corrupt("it has a file of rejects, and nowhere to leave it");
  for (const InputBlocks& blocks : success.output.input_blocks) {
    if (!expected.shard_numbers.contains(blocks.shard))
      return Status::Corrupt("it has read shard ", blocks.shard, ", which isn't the task's");
  }
  return Status::Ok();
}

std::string PlaceOf(const std::string& task, const std::optional<RecordSnapshot>& at) {
  std::ostringstream text;
  text << " in task " << task;
  if (at && !at->shard.empty()) {
    text << " at byte " << at->offset << " of " << Printable(at->shard);
  } else if (at) {
    text << " in the group of key " << ShownKey(at->key);
  }
  return std::move(text).str();
}

}  // namespace

AnswerExpected ExpectedOf(const TaskAssignment& assignment) {
  AnswerExpected expected{.kind = assignment.kind,
                          .runs = assignment.runs,
                          .input_count = assignment.inputs.size(),
                          .has_folder = !assignment.output_directory.empty()};
  for (const TaskPiece& piece : assignment.pieces) {
    expected.shard_numbers.insert(piece.shard);
    expected.shard_paths.insert(piece.file.file.path);
  }
  return expected;
}

Status CheckAnswer(const ChildAnswer& answer, const AnswerExpected& expected) {
  if (const auto* const success = std::get_if<TaskSuccess>(&answer))
    return CheckSuccess(*success, expected);
  const TaskFault& fault = std::get<TaskFault>(answer);
  if (fault.damaged_input && *fault.damaged_input >= expected.input_count)
    return Status::Corrupt("it names an input that the task doesn't have");
  return Status::Ok();
}

Status DescribeEnding(const ChildEnding& ending, const std::string& task,
                      const std::optional<RecordSnapshot>& at, const Status& answer) {
  const std::string place = PlaceOf(task, at);
  if (ending.over_memory_bytes > 0) {
    return Status::ResourceLimit("the job's code took ", FormatBytes(ending.over_memory_bytes),
                                 " of memory", place, "; it may have ",
                                 FormatBytes(ending.memory_bytes_max),
                                 ", its share of --memory and 64 MiB: grant more, or hold less");
  }
  if (ending.is_killed) return Status::Cancelled("stopped by its worker", place);
  if (ending.is_lost) return Status::Internal("nobody knows how the task's process ended", place);
  if (!ending.is_exit && ending.number == SIGKILL) {
    return Status::ResourceLimit("killed from outside (SIGKILL)", place,
                                 "; most often the system does so when memory runs ",
                                 "out: the process had ", FormatBytes(ending.memory_bytes_peak));
  }
  if (!ending.is_exit)
    return Status::UserCode("the job's code crashed with ", SignalName(ending.number), place);
  if (ending.number == kExitNoAssignment || ending.number == kExitNoAnswer)
    return Status::UserCode("the task's process could not say what it did", place,
                            ": it was left with other files than it was given");
  if (ending.number == 0 && !answer.ok() && answer.code() != StatusCode::kNotFound)
    return Status::UserCode("the task's process left a bad answer", place, ": ", answer.message());
  return Status::UserCode("the job's code ended its process with exit(", ending.number,
                          ") before the task was done,", place);
}

std::string SignalName(int signal) {
  const char* const name = sigabbrev_np(signal);
  return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal);
}

std::string ShownKey(std::string_view encoded) {
  constexpr std::size_t kShownMax = 80;
  RowBuffer row;
  AppendEscaped(row, encoded.substr(0, kShownMax));
  return "'" + Printable(row.view()) + (encoded.size() > kShownMax ? "…'" : "'");
}

}  // namespace millrace
