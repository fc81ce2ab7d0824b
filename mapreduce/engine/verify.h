// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_VERIFY_H_
#define MAPREDUCE_ENGINE_VERIFY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/status.h"

namespace millrace {

/// What a check against the manifest found.
struct VerifyReport {
  std::string run;
  std::vector<std::string> problems;  ///< One clause each; empty: all is as it was published.
  std::vector<std::string> notes;     ///< What could not be checked: inputs that are gone.
  std::uint64_t files_checked = 0, inputs_checked = 0, bytes_checked = 0;
};

/// Reads every file of `output` and compares it with the manifest's hash, looks for files that are
/// missing or not listed, then does the same with the inputs, as far as they still exist. The error
/// is for what keeps it from checking at all: no such directory, no manifest, a damaged one.
Result<VerifyReport> VerifyOutput(const std::string& output, int threads, CancelToken& cancel);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_VERIFY_H_
