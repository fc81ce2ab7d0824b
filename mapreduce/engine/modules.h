// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_MODULES_H_
#define MAPREDUCE_ENGINE_MODULES_H_

#include <memory>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/module_image.h"

namespace millrace {

/// Loads job modules (see millrace_add_job() in cmake/MillraceAddJob.cmake) for the life of the
/// process; their jobs are then in the registry. Once: the same bytes again do nothing, under
/// whatever name. One thread at a time.
///
///   file ─▶ sealed memory (module_image.h) ─▶ its note (module_note.h) ─▶ dlopen of that memory
///
/// kInvalidArgument, naming the file, for one that can't be read, is no module, was built for
/// another version or registers no job; nothing of it has run then, but for the last.
Status LoadModules(const std::vector<std::string>& paths);

/// The same for one that was read already. The loader's own refusals have the code `refused`: it
/// may miss a library that another host has.
Status LoadModule(const std::shared_ptr<const ModuleImage>& image,
                  StatusCode refused = StatusCode::kInvalidArgument);

/// What was loaded for a path given to LoadModules; null: nothing.
std::shared_ptr<const ModuleImage> LoadedModule(const std::string& path);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_MODULES_H_
