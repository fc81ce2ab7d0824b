// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_MODULES_H_
#define MAPREDUCE_ENGINE_MODULES_H_

#include <string>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

/// Loads job modules (see millrace_add_job() in cmake/MillraceAddJob.cmake) for the life of the
/// process; their jobs are then in the registry. kInvalidArgument, naming the file, for one that is
/// no module, was built for another version or registers no job. The loader's own refusals have the
/// code `refused`: it may miss a library that another host has.
Status LoadModules(const std::vector<std::string>& paths,
                   StatusCode refused = StatusCode::kInvalidArgument);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_MODULES_H_
