// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_RUN_MANIFEST_H_
#define MAPREDUCE_ENGINE_RUN_MANIFEST_H_

#include <string>
#include <vector>

#include "mapreduce/engine/execute.h"
#include "mapreduce/proto/manifest.pb.h"
#include "mapreduce/proto/plan.pb.h"

namespace millrace {

/// What a manifest tells of a run beside its results. All outlive it.
struct ManifestFacts {
  const proto::Plan& plan;  ///< With the digests of its inputs.
  std::vector<std::string> stages;
  std::vector<std::string> outputs;
};

/// The manifest of a run, wherever it was executed.
proto::Manifest MakeManifest(const ManifestFacts& facts, const ExecutionResult& execution);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_RUN_MANIFEST_H_
