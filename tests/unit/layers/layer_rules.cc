// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/layers/layer_rules.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <optional>
#include <utility>

namespace millrace {
namespace {

namespace fs = std::filesystem;

// Each layer and those right before it; the closure is what it may include.
const std::map<std::string, std::set<std::string>>& DirectLayers() {
  static const std::map<std::string, std::set<std::string>> direct = {
      {"base", {}},
      {"proto", {"base"}},
      {"security", {"base"}},
      {"transport", {"proto", "security"}},
      {"io", {"proto"}},
      {"formats", {"io"}},
      {"shuffle", {"io"}},
      {"api", {"formats", "shuffle"}},
      {"engine", {"api"}},
      {"testing", {"engine"}},
      {"master", {"engine", "transport"}},
      {"worker", {"engine", "transport"}},
      {"cli", {"master", "worker"}},
  };
  return direct;
}

std::vector<std::string_view> PathParts(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    parts.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

// The layers a file may include, or nothing said: all of them.
std::optional<std::set<std::string>> VisibleTo(std::string_view path) {
  const std::vector<std::string_view> parts = PathParts(path);
  std::string layer = LayerOf(path);
  if (parts[0] == "tests") {
    if (parts.size() < 4 || parts[1] != "unit") return std::nullopt;
    layer = parts[2];
    if (layer == "jobs") return std::set<std::string>{"api", "formats", "testing", "jobs"};
  }
  const auto allowed = AllowedLayers().find(layer);
  if (allowed == AllowedLayers().end()) return std::nullopt;
  std::set<std::string> visible = allowed->second;
  if (parts[0] == "tests" && layer == "api")
    visible.insert("testing");  // Jobs, as users test them.
  return visible;
}

struct Include {
  std::string path;
  bool is_quoted = false;
};

// `#include "x"`, `# include <x>`; anything else is no include.
std::optional<Include> ParseInclude(std::string_view line) {
  const auto skip_spaces = [&line] {
    while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) line.remove_prefix(1);
  };
  skip_spaces();
  if (line.empty() || line[0] != '#') return std::nullopt;
  line.remove_prefix(1);
  skip_spaces();
  if (line.substr(0, 7) != "include") return std::nullopt;
  line.remove_prefix(7);
  skip_spaces();
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return std::nullopt;
  const bool is_quoted = line[0] == '"';
  line.remove_prefix(1);
  const std::size_t end = line.find(is_quoted ? '"' : '>');
  if (end == std::string_view::npos) return std::nullopt;
  return Include{std::string(line.substr(0, end)), is_quoted};
}

bool EndsWithAnyOf(std::string_view text, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return text.ends_with(end); });
}

bool IsCode(std::string_view path) { return EndsWithAnyOf(path, {".h", ".cc"}); }
// Other projects' headers that Google's style writes in quotes.
bool IsForeign(std::string_view path) {
  for (const std::string_view project :
       {"gtest/", "gmock/", "benchmark/", "google/", "CLI/", "nlohmann/"}) {
    if (path.starts_with(project)) return true;
  }
  return false;
}

// What a user's project looks like has paths and guards of its own.
bool IsOutsideProject(std::string_view path) {
  return path.starts_with("tests/install/") || path.starts_with("docs/examples/");
}

bool IsPublicHeader(std::string_view path) {
  const std::string layer = LayerOf(path);
  return path.ends_with(".h") && (layer == "api" || layer == "formats" || layer == "testing");
}

// MAPREDUCE_API_JOB_H_ for mapreduce/api/job.h.
std::string GuardFor(std::string_view path) {
  std::string guard;
  for (const char c : path) {
    guard += std::isalnum(static_cast<unsigned char>(c))
                 ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
                 : '_';
  }
  return guard + "_";
}

class FileCheck {
 public:
  FileCheck(const fs::path& root, std::string path, std::vector<std::string>& violations)
      : root_(root), path_(std::move(path)), violations_(violations) {}

  void Run() {
    std::ifstream file(root_ / path_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
    CheckLicense(lines);
    if (!IsCode(path_)) return;
    if (path_.ends_with(".h") && !IsOutsideProject(path_)) CheckGuard(lines);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (const auto include = ParseInclude(lines[i])) CheckInclude(*include, i + 1);
    }
  }

 private:
  void CheckLicense(const std::vector<std::string>& lines) {
    // After `#!`, where there is one.
    const std::size_t at = !lines.empty() && lines[0].starts_with("#!") ? 1 : 0;
    const bool is_slashed = IsCode(path_) || path_.ends_with(".proto");
    const std::string wanted =
        std::string(is_slashed ? "// " : "# ") + "SPDX-License-Identifier: Apache-2.0";
    if (lines.size() <= at || lines[at] != wanted) Report(at + 1, "say \"" + wanted + "\"");
  }

  void CheckGuard(const std::vector<std::string>& lines) {
    const std::string wanted = "#ifndef " + GuardFor(path_);
    const auto first = std::find_if(lines.begin(), lines.end(),
                                    [](const std::string& line) { return line.starts_with("#"); });
    if (first == lines.end() || *first != wanted) Report(1, "the header guard is not " + wanted);
  }

  void CheckInclude(const Include& include, std::size_t line) {
    if (!include.is_quoted || IsForeign(include.path)) {
      CheckForeign(include, line);
      return;
    }
    const std::string layer = LayerOf(include.path);
    const bool is_message = include.path.ends_with(".pb.h");
    const bool is_generated = is_message || fs::exists(root_ / (include.path + ".in"));
    const bool is_own =
        IsOutsideProject(path_) && fs::exists((root_ / path_).parent_path() / include.path);
    if (!is_generated && !is_own && !fs::exists(root_ / include.path)) {
      Report(line, "includes \"" + include.path + "\", which is no path from the root");
      return;
    }
    const auto visible = VisibleTo(path_);
    if (!visible) return;
    if (!layer.empty() && !visible->contains(layer)) {
      Report(line, "includes \"" + include.path + "\": this folder must not know " + layer);
    } else if (layer.empty() && !path_.starts_with("tests/")) {
      Report(line, "includes \"" + include.path + "\", which belongs to no layer");
    } else if (is_message && !MaySpeakProtobuf()) {
      Report(line, "includes \"" + include.path + "\": messages stay in engine, master and worker");
    }
  }

  // Engine, master and worker; and of proto what turns messages into plain values, which is why
  // nobody else needs to: its sources, and the three headers those share, which aren't installed.
  bool MaySpeakProtobuf() const {
    const std::string layer = LayerOf(path_);
    if (layer == "proto") {
      return path_.ends_with(".cc") || path_ == "mapreduce/proto/proto_values.h" ||
             path_ == "mapreduce/proto/message_scan.h" || path_ == "mapreduce/proto/wire_values.h";
    }
    return layer == "engine" || layer == "master" || layer == "worker" ||
           path_.starts_with("tests/");
  }

  // Clashing versions of these in a user's program are why they stay out of public headers.
  void CheckForeign(const Include& include, std::size_t line) {
    CheckSockets(include, line);
    if (!IsPublicHeader(path_)) return;
    for (const std::string_view foreign : {"google/", "absl/", "CLI/", "nlohmann/"}) {
      if (include.path.starts_with(foreign)) {
        Report(line, "a public header includes <" + include.path + ">");
      }
    }
  }

  // ZeroMQ ends in transport: in its sources, and the two headers they share.
  void CheckSockets(const Include& include, std::size_t line) {
    if (!include.path.starts_with("zmq") || path_.starts_with("tests/")) return;
    if (LayerOf(path_) == "transport" &&
        (path_.ends_with(".cc") || path_ == "mapreduce/transport/zap_handler.h" ||
         path_ == "mapreduce/transport/zmq_socket.h")) {
      return;
    }
    Report(line, "includes <" + include.path + ">: sockets stay in mapreduce/transport");
  }

  void Report(std::size_t line, std::string_view what) {
    violations_.push_back(path_ + ":" + std::to_string(line) + ": " + std::string(what));
  }

  const fs::path& root_;
  const std::string path_;
  std::vector<std::string>& violations_;
};

bool IsChecked(const std::string& path, const fs::directory_entry& entry) {
  const std::string name = entry.path().filename();
  if (IsCode(path) || EndsWithAnyOf(path, {".proto", ".cmake", ".cmake.in", ".sh"})) return true;
  if (name == "CMakeLists.txt" || path == ".ci/run" || path == "tests/install/run") {
    return true;
  }
  return path.starts_with("scripts/") && name.find('.') == std::string::npos;
}

}  // namespace

std::string LayerOf(std::string_view path) {
  const std::vector<std::string_view> parts = PathParts(path);
  if (parts.size() < 2) return "";
  if (parts[0] == "mapreduce") return parts.size() < 3 ? "" : std::string(parts[1]);
  for (const std::string_view layer : {"master", "worker", "cli", "jobs"}) {
    if (parts[0] == layer) return std::string(layer);
  }
  return "";
}

const std::map<std::string, std::set<std::string>>& AllowedLayers() {
  static const std::map<std::string, std::set<std::string>> allowed = [] {
    std::map<std::string, std::set<std::string>> closure;
    for (const auto& [layer, direct] : DirectLayers()) {
      std::vector<std::string> open = {layer};
      while (!open.empty()) {
        const std::string next = open.back();
        open.pop_back();
        if (!closure[layer].insert(next).second) continue;
        for (const std::string& before : DirectLayers().at(next)) open.push_back(before);
      }
    }
    closure["jobs"] = {"api", "formats", "jobs"};  // Not what those build on: a job needs no other.
    return closure;
  }();
  return allowed;
}

std::vector<std::string> CheckTree(const fs::path& root, int* files_checked) {
  std::vector<std::string> violations;
  int count = 0;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    const std::string path = fs::relative(it->path(), root).generic_string();
    if (it->is_directory()) {
      const bool is_hidden = path.starts_with(".") && path != ".ci";
      if (is_hidden || path == "build") it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file() || !IsChecked(path, *it)) continue;
    ++count;
    FileCheck(root, path, violations).Run();
  }
  std::sort(violations.begin(), violations.end());
  if (files_checked != nullptr) *files_checked = count;
  return violations;
}

}  // namespace millrace
