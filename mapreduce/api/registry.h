// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_REGISTRY_H_
#define MAPREDUCE_API_REGISTRY_H_

// Jobs by name. One line registers a job, in the program it is linked into or in a module that
// the program loads:
//
//   MR_JOB(toplist, TopList, "the most played tracks of each country")

#include <cstdint>
#include <string_view>
#include <vector>

#include "mapreduce/api/abi_version.h"

namespace millrace {

class Job;

/// One registered job. Lives as long as the program.
struct JobRegistration {
  std::uint64_t abi_version;  ///< kJobAbiVersion where the job was compiled.
  const char* name;
  const char* summary;  ///< One line.
  void (*define)(Job&);
  const JobRegistration* next = nullptr;
};

/// Makes a job known. Not thread-safe: at start-up and while loading a module.
void RegisterJob(JobRegistration* job);
/// Null if there is none of that name.
const JobRegistration* FindJob(std::string_view name);
/// All jobs by name; of two with one name the one registered last.
std::vector<const JobRegistration*> AllJobs();

/// What a module says of itself before any of its code runs: an ELF note "Millrace" of type
/// kType, which a loader finds in the file (mapreduce/engine/module_note.h).
struct ModuleNote {
  static constexpr std::uint32_t kType = 1;
  static constexpr std::uint32_t kFormatVersion = 1;
  std::uint32_t name_bytes = sizeof("Millrace");
  std::uint32_t content_bytes = 16;
  std::uint32_t type = kType;
  char name[12] = "Millrace";
  std::uint32_t format_version = kFormatVersion;
  std::uint32_t reserved = 0;
  std::uint64_t abi_version = kJobAbiVersion;
};
static_assert(sizeof(ModuleNote) == 40);

#define MR_JOB(name, define, summary)                                                              \
  namespace {                                                                                      \
  [[gnu::section(".note.millrace"),                                                                \
    gnu::used]] alignas(8) constexpr ::millrace::ModuleNote millrace_note_##name{};                \
  struct MillraceRegister_##name {                                                                 \
    MillraceRegister_##name() { ::millrace::RegisterJob(&registration); }                          \
    ::millrace::JobRegistration registration{::millrace::kJobAbiVersion, #name, summary, &define}; \
  } millrace_register_##name;                                                                      \
  }

}  // namespace millrace

#endif  // MAPREDUCE_API_REGISTRY_H_
