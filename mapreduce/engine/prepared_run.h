// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_PREPARED_RUN_H_
#define MAPREDUCE_ENGINE_PREPARED_RUN_H_

// What comes before a run is executed, in this process (run.h) or on a cluster, and what is told of
// it: the same for both.

#include <cstdint>
#include <optional>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/output_place.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/run.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/manifest.pb.h"

namespace millrace {

/// A request that can be executed.
struct PreparedRun {
  OutputPlace place;
  PlannedJob planned;
  std::uint64_t split_bytes = 0;
  SmallInputs small_inputs = SmallInputs::kAsOthers;
};

/// Plans `request` for so many tasks at once. Errors: PlanJob's; kCannotCreate where the output
/// would lie among the inputs; kInvalidArgument for too small a split size.
Result<PreparedRun> PrepareRun(FileSystem& files, const RunRequest& request, int parallel);

/// A summary if the output is there already (kUpToDate), kCannotCreate if something else is,
/// otherwise nothing. Reads the inputs, by `parallel` threads, where all but they agree.
/// `progress` may be null.
Result<std::optional<RunSummary>> LookAtOutput(FileSystem& files, const RunRequest& request,
                                               PreparedRun& run, int parallel, CancelToken& cancel,
                                               ProgressSink* progress);

/// What is known before anything is executed; its state is kPlanned.
RunSummary PlanSummary(const RunRequest& request, const PreparedRun& run);

/// Adds what a manifest tells of the results.
void FillFrom(const proto::Manifest& manifest, RunSummary& summary);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_PREPARED_RUN_H_
