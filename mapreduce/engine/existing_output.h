// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_EXISTING_OUTPUT_H_
#define MAPREDUCE_ENGINE_EXISTING_OUTPUT_H_

#include <string>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/manifest.pb.h"

namespace millrace {

/// What stands where a run's output shall go.
struct ExistingOutput {
  enum class State {
    kAbsent,    ///< Nothing.
    kUpToDate,  ///< A complete output of the same plan, by content hashes.
    kInTheWay,  ///< Anything else.
  };
  State state = State::kAbsent;
  std::string why;           ///< kInTheWay: a clause, "it was made by a different plan: …".
  proto::Manifest manifest;  ///< kUpToDate.
};

/// Compares what is at `output` with `planned`. Cheap things first: the inputs are read only when
/// all else agrees; then `planned` has their digests. `progress` may be null.
Result<ExistingOutput> ExamineOutput(FileSystem& files, const std::string& output,
                                     PlannedJob& planned, int threads, const CancelToken& cancel,
                                     ProgressSink* progress);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_EXISTING_OUTPUT_H_
