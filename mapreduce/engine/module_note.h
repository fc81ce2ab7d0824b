// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_MODULE_NOTE_H_
#define MAPREDUCE_ENGINE_MODULE_NOTE_H_

// What a job module's file says of itself: MR_JOB leaves a ModuleNote (mapreduce/api/registry.h) as
// an ELF note in it, one for each job. It is read from the file's bytes, which are not trusted:
//
//   header ─▶ program headers ─▶ each PT_NOTE := (name_bytes:u32 content_bytes:u32 type:u32
//                                                 name content, each padded)*
//
// Nothing of the module runs for that, as it would in dlopen().

#include <string_view>

#include "mapreduce/base/status.h"

namespace millrace {

/// kInvalidArgument, with a sentence about "the module `name`", unless `elf` is a shared object for
/// this machine whose notes, at least one, are all of this version's ABI. Cost: some microseconds.
Status CheckModuleNote(std::string_view elf, std::string_view name);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_MODULE_NOTE_H_
