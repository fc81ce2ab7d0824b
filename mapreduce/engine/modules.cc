// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/modules.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <string_view>

#include "mapreduce/api/registry.h"
#include "mapreduce/engine/module_note.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

// For the life of the process: the loader knows a module by its descriptor's path, which must not
// become another's.
struct Loaded {
  std::vector<std::shared_ptr<const ModuleImage>> images;
  std::map<std::string, std::shared_ptr<const ModuleImage>> by_path;  // As given.
};
Loaded& TheLoaded() {
  static Loaded* const loaded = new Loaded();  // Their code may run until the very end.
  return *loaded;
}

std::shared_ptr<const ModuleImage> FindSame(const ModuleImage& image) {
  const auto& images = TheLoaded().images;
  const auto same = std::find_if(images.begin(), images.end(), [&](const auto& other) {
    return other->bytes() == image.bytes();
  });
  return same == images.end() ? nullptr : *same;
}

std::set<const JobRegistration*> KnownJobs() {
  std::set<const JobRegistration*> known;
  for (const JobRegistration* job : AllJobs()) known.insert(job);
  return known;
}

// With our number in it, not "self": a debugger opens it, too.
std::string PathOf(const ModuleImage& image) {
  char self[32];
  const ssize_t bytes = ::readlink("/proc/self", self, sizeof self);
  const std::string_view number =
      bytes > 0 ? std::string_view(self, static_cast<std::size_t>(bytes)) : "self";
  return "/proc/" + std::string(number) + "/fd/" + std::to_string(image.fd());
}

// The file's own static constructors run here.
Status Open(const std::shared_ptr<const ModuleImage>& image, StatusCode refused) {
  const std::string name = Printable(image->name());
  try {
    if (dlopen(PathOf(*image).c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return {};
    const char* const why = dlerror();
    return Status::Error(refused, "cannot load the module ", name, ": ",
                         why == nullptr ? "unknown error" : why,
                         "; build it with millrace_add_job()");
  } catch (const std::exception& error) {
    return Status::UserCode("loading the module ", name, " threw: ", error.what());
  } catch (...) {
    return Status::UserCode("loading the module ", name, " threw");
  }
}

Result<std::shared_ptr<const ModuleImage>> ReadModule(const std::string& path) {
  if (path.empty()) return Status::InvalidArgument("--module is empty; say which file to load");
  auto image = ModuleImage::Read(path);
  if (image.ok() || image.error().code() == StatusCode::kResourceLimit) return image;
  return Status::InvalidArgument("the module can't be loaded: ", image.error().message());
}

}  // namespace

Status LoadModule(const std::shared_ptr<const ModuleImage>& image, StatusCode refused) {
  if (FindSame(*image) != nullptr) return Status::Ok();
  MR_RETURN_IF_ERROR(CheckModuleNote(image->bytes(), image->name()));
  const std::set<const JobRegistration*> before = KnownJobs();
  const Status opened = Open(image, refused);
  if (opened.ok() || opened.code() == StatusCode::kUserCode) TheLoaded().images.push_back(image);
  MR_RETURN_IF_ERROR(opened);
  bool has_jobs = false;
  for (const JobRegistration* job : AllJobs()) {
    if (before.contains(job)) continue;
    has_jobs = true;
    if (job->abi_version == kJobAbiVersion) continue;
    return Status::InvalidArgument("the module ", Printable(image->name()),
                                   " has jobs of another version than it says; rebuild it");
  }
  if (has_jobs) return Status::Ok();
  return Status::InvalidArgument("the module ", Printable(image->name()),
                                 " registers no job; it needs an MR_JOB line");
}

Status LoadModules(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    MR_ASSIGN_OR_RETURN(const std::shared_ptr<const ModuleImage> image, ReadModule(path));
    MR_RETURN_IF_ERROR(LoadModule(image));
    TheLoaded().by_path[path] = FindSame(*image);
  }
  return Status::Ok();
}

std::shared_ptr<const ModuleImage> LoadedModule(const std::string& path) {
  const auto& by_path = TheLoaded().by_path;
  const auto found = by_path.find(path);
  return found == by_path.end() ? nullptr : found->second;
}

}  // namespace millrace
