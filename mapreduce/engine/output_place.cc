// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/output_place.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

// Most file systems allow names of 255 bytes; ours add up to 17.
constexpr std::size_t kNameBytesMax = 230;

std::string ShortHash(const std::string& path) { return HashOf128(path).Hex().substr(0, 16); }

// `path` without "." and ".." and, as far as it exists, without symbolic links.
std::string RealPath(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return (error ? path.lexically_normal() : real).string();
}

}  // namespace

Result<OutputPlace> OutputPlace::Resolve(const std::string& typed) {
  if (typed.empty()) return Status::InvalidArgument("--output is empty; say where the output goes");
  if (typed.find('\0') != std::string::npos) {
    return Status::InvalidArgument("--output holds a NUL byte; choose another name");
  }
  std::error_code error;
  fs::path path = fs::absolute(typed, error);
  if (error) {
    return Status::CannotCreate("cannot tell the working directory (", error.message(),
                                "); use an absolute path for --output");
  }
  while (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  if (path.filename() == "." || path.filename() == "..") path = RealPath(path);
  if (!path.has_filename()) {
    return Status::InvalidArgument("--output ", Printable(typed),
                                   " is the root directory; choose a directory below it");
  }
  const std::string name = path.filename().string();
  OutputPlace place{.typed = typed};
  place.output = (fs::path(RealPath(path.parent_path())) / name).string();
  const std::string hidden = name.size() <= kNameBytesMax ? name : ShortHash(name);
  place.work = (fs::path(place.output).parent_path() / ("." + hidden + ".millrace")).string();
  place.retired = place.work + "-old";
  return place;
}

std::string OutputPlace::RerunWork() const { return work + "-rerun"; }

std::string OutputPlace::ScratchBelow(const std::string& scratch) const {
  return (fs::path(scratch) / (".millrace-" + ShortHash(output))).string();
}

Status CreatedDirectories::Make(const std::string& path) {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path at = path; !at.empty() && !fs::exists(at, error); at = at.parent_path()) {
    missing.push_back(at);
    if (at == at.parent_path()) break;
  }
  std::reverse(missing.begin(), missing.end());
  for (const fs::path& directory : missing) {
    if (!directory.has_filename()) continue;  // "a/": made as "a".
    const Status status = files_.MakeDirectory(directory.string());
    if (!status.ok() && !fs::is_directory(directory, error)) return status;
    if (status.ok()) made_.push_back(directory.string());
  }
  return {};
}

CreatedDirectories::~CreatedDirectories() {
  for (auto directory = made_.rbegin(); directory != made_.rend(); ++directory) {
    std::error_code error;
    if (!fs::remove(*directory, error)) return;  // Not empty: somebody else uses it by now.
  }
}

}  // namespace millrace
