// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/modules.h"

#include <dlfcn.h>

#include <exception>
#include <set>

#include "mapreduce/api/registry.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

std::set<const JobRegistration*> KnownJobs() {
  std::set<const JobRegistration*> known;
  for (const JobRegistration* job : AllJobs()) known.insert(job);
  return known;
}

// The file's own static constructors run here.
Status Open(const std::string& file, const std::string& path, StatusCode refused) {
  try {
    if (dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return {};
    const char* const why = dlerror();
    return Status::Error(refused, "cannot load the module ", Printable(path), ": ",
                         why == nullptr ? "unknown error" : why,
                         "; build it with millrace_add_job()");
  } catch (const std::exception& error) {
    return Status::UserCode("loading the module ", Printable(path), " threw: ", error.what());
  } catch (...) {
    return Status::UserCode("loading the module ", Printable(path), " threw");
  }
}

Status LoadModule(const std::string& path, StatusCode refused) {
  if (path.empty()) return Status::InvalidArgument("--module is empty; say which file to load");
  // Without a slash the loader would search the system's libraries.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  if (void* const loaded = dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD); loaded != nullptr) {
    dlclose(loaded);
    return {};
  }
  const std::set<const JobRegistration*> before = KnownJobs();
  MR_RETURN_IF_ERROR(Open(file, path, refused));
  bool has_jobs = false;
  for (const JobRegistration* job : AllJobs()) {
    if (before.contains(job)) continue;
    has_jobs = true;
    if (job->abi_version == kJobAbiVersion) continue;
    return Status::InvalidArgument("the module ", Printable(path),
                                   " was built with the headers of another version of Millrace; "
                                   "rebuild it with those installed with this command");
  }
  if (has_jobs) return {};
  return Status::InvalidArgument("the module ", Printable(path),
                                 " registers no job; it needs an MR_JOB line");
}

}  // namespace

Status LoadModules(const std::vector<std::string>& paths, StatusCode refused) {
  for (const std::string& path : paths) MR_RETURN_IF_ERROR(LoadModule(path, refused));
  return {};
}

}  // namespace millrace
