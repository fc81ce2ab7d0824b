// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_ENDING_H_
#define WORKER_TASK_ENDING_H_

// What the end of a child means: whether its answer can be believed, and if there is none, why, in
// words.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mapreduce/api/shared_record.h"
#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "worker/task_assignment.h"

namespace millrace {

/// Exit codes of the child that a job's code is unlikely to use; it said the rest on stderr.
inline constexpr int kExitNoAssignment = 64;  ///< Its descriptors are not what they should be.
inline constexpr int kExitNoAnswer = 74;      ///< The answer can't be written.

/// An attempt that failed.
struct FailedTask {
  TaskFailure failure;                         ///< But for whose input was damaged.
  std::optional<std::uint32_t> damaged_input;  ///< Of TaskAssignment::inputs.
};

/// How a child ended.
struct ChildEnding {
  bool is_lost = false;  ///< Somebody else has waited for it: nobody knows how it ended.
  bool is_exit = false;
  int number = 0;                       ///< Exit code, or the signal's.
  std::uint64_t memory_bytes_peak = 0;  ///< With files it had mapped.
  bool is_killed = false;               ///< By us, on request.
  std::uint64_t over_memory_bytes = 0;  ///< By us, for what it had; 0: not so.
  std::uint64_t memory_bytes_max = 0;

  bool is_clean() const { return !is_lost && is_exit && number == 0; }
};

/// What an answer has to agree with.
struct AnswerExpected {
  TaskKind kind = TaskKind::kMap;
  std::set<std::uint32_t> shard_numbers;
  std::set<std::string> shard_paths;
  std::vector<NewRun> runs;
  std::size_t input_count = 0;
  bool has_folder = false;  ///< For files beside the run's output.
};
AnswerExpected ExpectedOf(const TaskAssignment& assignment);

/// kCorrupt for files and numbers that the assignment doesn't have.
Status CheckAnswer(const ChildAnswer& answer, const AnswerExpected& expected);

/// Why there is no result. `at`: the record it was at; `answer`: what is wrong with its answer.
/// kUserCode; kResourceLimit for one that was killed for memory, or from outside; kCancelled for
/// one that was killed on request; kInternal for one that is lost.
Status DescribeEnding(const ChildEnding& ending, const std::string& task,
                      const std::optional<RecordSnapshot>& at, const Status& answer);

/// "SIGSEGV" and so on; "signal 77".
std::string SignalName(int signal);

/// An encoded key for a message: escaped, in quotes, cut.
std::string ShownKey(std::string_view encoded);

}  // namespace millrace

#endif  // WORKER_TASK_ENDING_H_
