// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_WORK_FLAGS_H_
#define CLI_WORK_FLAGS_H_

#include <cstdint>

#include "cli/arguments.h"
#include "mapreduce/base/status.h"

namespace millrace {

/// Flags that say how hard this process may work; none of them can be seen in an output.
struct WorkFlags {
  int parallel = 0;                ///< 0: the cores.
  std::uint64_t memory_bytes = 0;  ///< The default, if not given.
  std::uint64_t split_bytes = 0;   ///< 0: by the input.
};

/// --parallel, --memory and --split-size, of commands that have them.
Result<WorkFlags> ReadWorkFlags(const Arguments& arguments);

}  // namespace millrace

#endif  // CLI_WORK_FLAGS_H_
