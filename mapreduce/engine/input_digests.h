// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_INPUT_DIGESTS_H_
#define MAPREDUCE_ENGINE_INPUT_DIGESTS_H_

#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

/// Reads every input of `planned` once and puts the digests into its plan; `progress` may be null.
Status DigestInputs(FileSystem& files, PlannedJob& planned, int threads, const CancelToken& cancel,
                    ProgressSink* progress);

/// Puts digests that a run found, [input][shard], into `plan`.
Status SetInputDigests(const std::vector<std::vector<Hash128>>& digests, proto::Plan& plan);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_INPUT_DIGESTS_H_
