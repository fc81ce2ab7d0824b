// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_STAGED_RUN_H_
#define MAPREDUCE_ENGINE_STAGED_RUN_H_

// A plan executed into a directory that nobody sees yet: what `run` publishes and `rerun` compares.

#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/manifest.pb.h"

namespace millrace {

struct StagedRun {
  proto::Manifest manifest;
  ExecutionResult execution;
};

/// Executes `planned` into options.output_directory and completes it with manifest and _SUCCESS.
/// Date, parts and compression come from the plan, which gets its digests.
Result<StagedRun> StageRun(FileSystem& files, PlannedJob& planned, ExecutionOptions options);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_STAGED_RUN_H_
