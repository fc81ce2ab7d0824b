// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_MODULES_H_
#define CLI_MODULES_H_

#include <string>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// Loads job modules (see millrace_add_job() in cmake/MillraceAddJob.cmake) for the life of the
/// process; their jobs are then in the registry. kInvalidArgument, naming the file, for one that is
/// no module, was built for another version or registers no job.
Status LoadModules(const std::vector<std::string>& paths);

}  // namespace millrace

#endif  // CLI_MODULES_H_
