// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TASK_CODEC_H_
#define WORKER_TASK_CODEC_H_

// Assignments and answers as bytes: task.proto in the frame of proto/envelope.h, so that one that
// is torn, or missing, is noticed. The child's answer is foreign: a job's code runs in there.

#include <string>
#include <string_view>

#include "mapreduce/base/status.h"
#include "worker/task_assignment.h"

namespace millrace {

/// Of a frame. Larger ones are not made, and not read.
inline constexpr std::size_t kAssignmentBytesMax = std::size_t{48} << 20;
inline constexpr std::size_t kAnswerBytesMax = std::size_t{16} << 20;

/// kResourceLimit for more than kAssignmentBytesMax.
Result<std::string> EncodeAssignment(const TaskAssignment& assignment);
/// kCorrupt, saying what is wrong.
Result<TaskAssignment> DecodeAssignment(std::string_view frame);

/// Messages are cut at kErrorBytesMax. kResourceLimit, saying what there is too much of, for an
/// answer that could not be decoded.
Result<std::string> EncodeAnswer(const ChildAnswer& answer);
/// kCorrupt, saying what is wrong. Whether the files are those asked for: the caller's to compare.
Result<ChildAnswer> DecodeAnswer(std::string_view frame);

}  // namespace millrace

#endif  // WORKER_TASK_CODEC_H_
