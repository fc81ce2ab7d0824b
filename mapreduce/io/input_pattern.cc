// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/input_pattern.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

namespace millrace {
namespace {

// However it is spelled, a file has one place among the others.
std::string WholePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  return (error ? std::filesystem::path(path) : whole).lexically_normal().string();
}

void SortShards(std::vector<FileInfo>* shards) {
  std::vector<std::pair<std::string, FileInfo*>> places;
  places.reserve(shards->size());
  for (FileInfo& shard : *shards) places.emplace_back(WholePath(shard.path), &shard);
  std::sort(places.begin(), places.end(),
            [](const auto& a, const auto& b) { return ShardOrderLess(a.first, b.first); });
  std::vector<FileInfo> sorted;
  sorted.reserve(shards->size());
  for (const auto& [place, shard] : places) sorted.push_back(std::move(*shard));
  *shards = std::move(sorted);
}

bool HasWildcard(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

bool IsHidden(std::string_view name) { return name.front() == '.' || name.front() == '_'; }

// Matches one character against `[...]` at pattern[*at]; moves *at behind it. A `[` without its
// `]` is a plain character.
bool MatchesBracket(std::string_view pattern, std::size_t* at, unsigned char c) {
  std::size_t i = *at + 1;
  const bool is_negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (is_negated) ++i;
  const std::size_t close = pattern.find(']', i + 1);  // A `]` right at the start is a member.
  if (close == std::string_view::npos) {
    ++*at;
    return c == '[';
  }
  bool is_member = false;
  while (i < close) {
    const auto low = static_cast<unsigned char>(pattern[i]);
    unsigned char high = low;
    if (i + 2 < close && pattern[i + 1] == '-') {
      high = static_cast<unsigned char>(pattern[i + 2]);
      i += 2;
    }
    ++i;
    is_member |= low <= c && c <= high;
  }
  *at = close + 1;
  return is_member != is_negated;
}

// Classic backtracking: only the last `*` is ever taken back, so it is quadratic at worst.
bool MatchesGlob(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0;
  std::size_t star = std::string_view::npos, star_n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_n = n;
      continue;
    }
    std::size_t next = p + 1;
    bool matches = false;
    if (p < pattern.size()) {
      if (pattern[p] == '[') {
        next = p;
        matches = MatchesBracket(pattern, &next, static_cast<unsigned char>(name[n]));
      } else {
        matches = pattern[p] == '?' || pattern[p] == name[n];
      }
    }
    if (matches) {
      p = next;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star;
      n = ++star_n;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// A wildcard does not match the first character of a hidden name.
bool MatchesName(std::string_view pattern, std::string_view name) {
  if (IsHidden(name) && pattern.front() != name.front()) return false;
  return MatchesGlob(pattern, name);
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Walks the file system along the components of one pattern.
class Expander {
 public:
  explicit Expander(FileSystem& files) : files_(files) {}

  // `directory`: the path so far, "" for here. `components`: what is still to be matched.
  Status Expand(const std::string& directory, const std::vector<std::string>& components,
                std::size_t index, bool only_directories) {
    // Spelled-out components need no listing: folders on the way may be unreadable.
    std::string path = directory;
    for (; index < components.size() && !HasWildcard(components[index]); ++index) {
      path = JoinPath(path, components[index]);
    }
    if (index == components.size()) {
      const Result<FileInfo> info = files_.Stat(path);
      if (!info.has_value()) {
        return info.error().code() == StatusCode::kNotFound ? Status::Ok() : info.error();
      }
      return Take(*info, only_directories);
    }
    const std::string& component = components[index];
    const bool is_last = index + 1 == components.size();
    if (component == "**") {
      if (is_last) return TakeAllBelow(path);
      MR_RETURN_IF_ERROR(Expand(path, components, index + 1, only_directories));
    }
    std::vector<FileInfo> entries;
    MR_RETURN_IF_ERROR(ListIfThere(path, &entries));
    const Status entered = Enter(path);
    if (!entered.ok()) return entered;
    for (const FileInfo& entry : entries) {
      const std::string_view name = BaseName(entry.path);
      if (component == "**") {
        if (!entry.is_directory || IsHidden(name)) continue;
        MR_RETURN_IF_ERROR(Expand(Named(path, name), components, index, only_directories));
      } else if (MatchesName(component, name)) {
        FileInfo named = entry;
        named.path = Named(path, name);
        if (is_last) {
          MR_RETURN_IF_ERROR(Take(named, only_directories));
        } else if (entry.is_directory) {
          MR_RETURN_IF_ERROR(Expand(named.path, components, index + 1, only_directories));
        }
      }
    }
    above_.pop_back();
    return Status::Ok();
  }

  std::vector<FileInfo> Sorted() && {
    std::vector<FileInfo> sorted;
    for (auto& [path, info] : found_) sorted.push_back(std::move(info));
    std::sort(sorted.begin(), sorted.end(),
              [](const FileInfo& a, const FileInfo& b) { return ShardOrderLess(a.path, b.path); });
    return sorted;
  }

 private:
  // Paths stay as the user began them: below "" there is no "./".
  static std::string Named(const std::string& directory, std::string_view name) {
    return JoinPath(directory, name);
  }

  Status ListIfThere(const std::string& path, std::vector<FileInfo>* entries) {
    Result<std::vector<FileInfo>> listed = files_.List(path.empty() ? "." : path);
    if (listed.has_value()) {
      *entries = *std::move(listed);
      return Status::Ok();
    }
    return listed.error().code() == StatusCode::kNotFound ? Status::Ok() : listed.error();
  }

  Status Take(const FileInfo& info, bool only_directories) {
    if (info.is_directory) return TakeAllBelow(info.path);
    if (!only_directories) found_.emplace(info.path, info);
    return Status::Ok();
  }

  Status TakeAllBelow(const std::string& path) {
    std::vector<FileInfo> entries;
    MR_RETURN_IF_ERROR(ListIfThere(path, &entries));
    MR_RETURN_IF_ERROR(Enter(path));
    for (FileInfo& entry : entries) {
      const std::string_view name = BaseName(entry.path);
      if (IsHidden(name)) continue;
      entry.path = Named(path, name);
      MR_RETURN_IF_ERROR(Take(entry, /*only_directories=*/false));
    }
    above_.pop_back();
    return Status::Ok();
  }

  // Remembers the folder while its contents are walked: a link back to it would never end.
  Status Enter(const std::string& path) {
    std::pair<std::uint64_t, std::uint64_t> id{0, 0};
    const Result<FileInfo> info = files_.Stat(path.empty() ? "." : path);
    if (info.has_value()) id = {info->device, info->inode};
    // Linear: folders are nested a few deep. A `**` enters its own start twice, under one path.
    for (const Above& above : above_) {
      if (id.second != 0 && above.id == id && above.path != path) {
        return Status::InvalidArgument(path, " is a link back to ", above.path,
                                       ", a folder above it; remove the link or name the files");
      }
    }
    above_.push_back({path, id});
    return Status::Ok();
  }

  struct Above {
    std::string path;
    std::pair<std::uint64_t, std::uint64_t> id;
  };

  FileSystem& files_;
  std::vector<Above> above_;
  std::map<std::string, FileInfo> found_;  // By path: `**` can come to a file twice.
};

}  // namespace

Result<std::string> WithDate(std::string_view what, std::string_view pattern,
                             std::string_view date) {
  static constexpr std::string_view kDate = "{date}";
  std::string text;
  while (true) {
    const std::size_t at = pattern.find(kDate);
    text += pattern.substr(0, at);
    if (at == std::string_view::npos) return text;
    if (date.empty()) {
      return Status::InvalidArgument(what, " '", pattern, "' holds {date}; add --date");
    }
    text += date;
    pattern.remove_prefix(at + kDate.size());
  }
}

std::string_view ShardName(std::string_view path) {
  if (path.ends_with(".zst")) return path.substr(0, path.size() - 4);
  if (path.ends_with(".gz")) return path.substr(0, path.size() - 3);
  return path;
}

bool ShardOrderLess(std::string_view a, std::string_view b) {
  const int order = ShardName(a).compare(ShardName(b));
  return order != 0 ? order < 0 : a < b;
}

Result<std::vector<FileInfo>> ExpandPattern(FileSystem& files, std::string_view pattern,
                                            std::string_view date) {
  MR_ASSIGN_OR_RETURN(const std::string text, WithDate("the input", pattern, date));
  std::vector<std::string> components;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t slash = std::min(text.find('/', from), text.size());
    if (slash > from) components.push_back(text.substr(from, slash - from));
    from = slash + 1;
  }
  const bool only_directories = text.ends_with('/');
  const std::string root = text.starts_with('/') ? "/" : "";

  std::vector<FileInfo> found;
  if (!components.empty() || !root.empty()) {
    Expander expander(files);
    MR_RETURN_IF_ERROR(expander.Expand(root, components, 0, only_directories));
    found = std::move(expander).Sorted();
  }
  if (found.empty() && HasWildcard(text)) {
    const Result<FileInfo> exact = files.Stat(text);
    if (exact.has_value() && !exact->is_directory) found.push_back(*exact);
  }
  if (found.empty()) {
    return Status::NotFound("the input '", pattern, "' matches no file",
                            text == pattern ? "" : " (" + text + ")",
                            "; check the path, and that it holds more than hidden files");
  }
  return found;
}

Result<std::vector<FileInfo>> ExpandPatterns(FileSystem& files,
                                             const std::vector<std::string>& patterns,
                                             std::string_view date) {
  std::vector<FileInfo> all;
  for (const std::string& pattern : patterns) {
    MR_ASSIGN_OR_RETURN(std::vector<FileInfo> found, ExpandPattern(files, pattern, date));
    all.insert(all.end(), std::move_iterator(found.begin()), std::move_iterator(found.end()));
  }
  SortShards(&all);
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string_view> by_id;
  std::map<std::string, std::string_view> by_path;
  for (const FileInfo& info : all) {
    const auto [same_path, is_new_path] = by_path.emplace(WholePath(info.path), info.path);
    auto same = same_path->second;
    bool is_new = is_new_path;
    if (info.inode != 0) {
      const auto [same_id, is_new_id] =
          by_id.emplace(std::pair{info.device, info.inode}, info.path);
      if (!is_new_id) same = same_id->second;
      is_new = is_new && is_new_id;
    }
    if (!is_new) {
      return Status::InvalidArgument(
          "the input file ", info.path, " is matched twice",
          same == info.path ? "" : " (also as " + std::string(same) + ")", "; name it once");
    }
  }
  return all;
}

}  // namespace millrace
