// SPDX-License-Identifier: Apache-2.0
#include "cli/work_flags.h"

#include <optional>

#include "mapreduce/engine/run.h"

namespace millrace {
namespace {

constexpr std::uint64_t kParallelMax = 1024;

}  // namespace

Result<WorkFlags> ReadWorkFlags(const Arguments& arguments) {
  WorkFlags flags;
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> parallel,
                      CountFlag(arguments, "--parallel", 1, kParallelMax));
  flags.parallel = static_cast<int>(parallel.value_or(0));
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> memory, SizeFlag(arguments, "--memory"));
  flags.memory_bytes = memory.value_or(kDefaultMemoryBytes);
  MR_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> split,
                      SizeFlag(arguments, "--split-size"));
  flags.split_bytes = split.value_or(0);
  return flags;
}

}  // namespace millrace
