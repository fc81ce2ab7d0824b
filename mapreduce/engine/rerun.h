// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_RERUN_H_
#define MAPREDUCE_ENGINE_RERUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/status.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/run.h"

namespace millrace {

struct RerunRequest {
  std::string output;
  std::string into;  ///< Keep the new output here; "": compare and remove it.
  int parallel = 0;  ///< These as in RunRequest: none of them can be seen in the output.
  std::uint64_t memory_bytes = kDefaultMemoryBytes;
  std::string scratch;
  std::uint64_t split_bytes = 0;
};

struct RerunReport {
  /// One clause each, what differs in the inputs first; empty: identical.
  std::vector<std::string> differences;
  std::vector<std::string> notes;  ///< What differs but can't be seen in the bytes: the code.
};

/// Runs the plan of `output`'s manifest again, beside it, and compares byte for byte. `output` is
/// only read. `progress` may be null. Errors as RunJob's and ReadManifest's; kCannotCreate where
/// `into` exists.
Result<RerunReport> RerunOutput(const RerunRequest& request, CancelToken& cancel,
                                ProgressSink* progress);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_RERUN_H_
