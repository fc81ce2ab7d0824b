// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/output_overlap.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

// `path` without "." and ".." and, as far as it exists, without symbolic links.
std::string RealPath(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return (error ? path.lexically_normal() : real).string();
}

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> components;
  for (const fs::path& component : fs::path(path)) {
    const std::string text = component.string();
    if (!text.empty() && text != "/" && text != ".") components.push_back(text);
  }
  return components;
}

bool IsHidden(const std::string& name) { return name[0] == '.' || name[0] == '_'; }

bool IsGlob(const std::string& text) { return text.find_first_of("*?[") != std::string::npos; }

bool MatchesName(const std::string& glob, const std::string& name) {
  if (IsHidden(name) && glob[0] != name[0]) return false;
  return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
}

// Whether the pattern from component `p` on matches the path from component `n` on, or a directory
// on its way. Exponential only in the number of `**`, of which people write one.
bool Matches(const std::vector<std::string>& pattern, std::size_t p,
             const std::vector<std::string>& path, std::size_t n) {
  if (p == pattern.size()) {  // A matched directory is all below it, but what is hidden.
    for (std::size_t i = n; i < path.size(); ++i) {
      if (IsHidden(path[i])) return false;
    }
    return true;
  }
  if (pattern[p] == "**") {
    for (std::size_t i = n; i < path.size(); ++i) {
      if (Matches(pattern, p + 1, path, i)) return true;
      if (IsHidden(path[i])) return false;
    }
    return false;
  }
  return n < path.size() && MatchesName(pattern[p], path[n]) &&
         Matches(pattern, p + 1, path, n + 1);
}

bool IsInside(const std::string& path, const std::string& directory) {
  return path == directory ||
         (path.starts_with(directory) && (directory == "/" || path[directory.size()] == '/'));
}

}  // namespace

bool MatchesInside(const std::string& pattern, const std::string& directory) {
  // The part without wildcards may go through symbolic links; the rest is matched by name.
  std::vector<std::string> rest = Components(pattern);
  fs::path literal = pattern.starts_with('/') ? "/" : ".";
  std::size_t literal_count = 0;
  while (literal_count < rest.size() && !IsGlob(rest[literal_count])) {
    literal /= rest[literal_count++];
  }
  rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(literal_count));
  const std::string root = RealPath(literal);
  const std::string inside = directory + "/part-00000.tsv";
  if (!IsInside(inside, root)) return false;
  return Matches(rest, 0, Components(inside.substr(root == "/" ? 0 : root.size())), 0);
}

Status CheckOverlap(FileSystem& files, const OutputPlace& place, std::string_view date,
                    const std::vector<std::string>& specs,
                    const std::vector<ExecutionInput>& inputs) {
  for (const std::string& spec : specs) {
    // As for reading: NAME= is a name only where the job has that input.
    const std::size_t equals = spec.find('=');
    const bool has_name = equals != std::string::npos &&
                          std::any_of(inputs.begin(), inputs.end(), [&](const auto& input) {
                            return input.name == std::string_view(spec).substr(0, equals);
                          });
    const std::string path = has_name ? spec.substr(equals + 1) : spec;
    MR_ASSIGN_OR_RETURN(const std::string pattern, WithDate("the input", path, date));
    if (!MatchesInside(pattern, place.output)) continue;
    return Status::CannotCreate("--output ", Printable(place.typed), " lies inside the input ",
                                Printable(pattern), "; choose another --output");
  }
  for (fs::path above = fs::path(place.output).parent_path(); above.has_relative_path();
       above = above.parent_path()) {
    if (!files.Stat((above / kManifestName).string()).ok()) continue;
    return Status::CannotCreate("--output ", Printable(place.typed), " lies inside the output ",
                                Printable(above.string()), "; choose another --output");
  }
  if (!files.Stat(place.output).ok()) return {};  // No input can lie in what doesn't exist.
  const std::string output = RealPath(place.output);
  for (const ExecutionInput& input : inputs) {
    for (const Shard& shard : input.shards) {
      if (!IsInside(RealPath(shard.file.path), output)) continue;
      return Status::CannotCreate("the input ", Printable(shard.file.path), " lies in --output ",
                                  Printable(place.typed),
                                  ", which would be replaced; choose another --output");
    }
  }
  return {};
}

}  // namespace millrace
