// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_CODE_IDENTITY_H_
#define MAPREDUCE_ENGINE_CODE_IDENTITY_H_

// Which code ran: the linker's build-id of the executable, and of the module that holds the job
// where that is another file. A build-id is a hash of what was linked, so the same sources built
// the same way have the same one, and any change of code has another.

#include <string>

#include "mapreduce/base/status.h"

namespace millrace {

/// "<executable>", or "<executable>+<module>" where `function` lies in a loaded module. Each is the
/// hex build-id, or "file-" and the XXH3-128 of the file where the linker left none.
/// kInternal where `function` is in no loaded object.
Result<std::string> CodeIdentity(const void* function);

/// Of the executable alone: "<executable>" as above. Master and workers must have the same one.
Result<std::string> ProgramBuild();

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_CODE_IDENTITY_H_
