// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/json_lines_paths.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace millrace {
namespace {

// "0", "12"; -1 for all else, also "012".
std::int64_t ElementOf(const std::string& key) {
  std::int64_t element = -1;
  const char* const end = key.data() + key.size();
  const std::from_chars_result result = std::from_chars(key.data(), end, element);
  const bool is_element = result.ec == std::errc() && result.ptr == end && key.front() != '-' &&
                          (key.front() != '0' || key.size() == 1);
  return is_element ? element : -1;
}

}  // namespace

std::vector<std::string> JsonPathKeys(std::string_view path) {
  std::vector<std::string> keys(1);
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\' && i + 1 < path.size()) {
      keys.back().push_back(path[++i]);
    } else if (path[i] == '.') {
      keys.emplace_back();
    } else {
      keys.back().push_back(path[i]);
    }
  }
  return keys;
}

JsonPaths JsonPaths::Of(const RowRequest& request) {
  JsonPaths paths;
  std::vector<std::vector<Place>> places;
  for (const ColumnRequest& column : request.columns) {
    places.emplace_back();
    if (column.is_used()) places.back() = paths.AddPath(JsonPathKeys(column.name));
  }
  paths.Finish(places);
  return paths;
}

JsonPaths JsonPaths::OfKeys(const std::vector<std::string>& keys) {
  JsonPaths paths;
  std::vector<std::vector<Place>> places;
  for (const std::string& key : keys) places.push_back(paths.AddPath({key}));
  paths.Finish(places);
  return paths;
}

std::size_t JsonPaths::EdgeTo(std::size_t node, const std::string& key) {
  std::vector<Edge>& edges = nodes_[node].edges;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (edges[i].key == key) return i;
  }
  edges.push_back({.key = key, .element = ElementOf(key)});
  nodes_[node].key_lengths |= std::uint64_t{1} << std::min<std::size_t>(key.size(), 63);
  return edges.size() - 1;
}

// The places of its values, the one that counts most first.
std::vector<JsonPaths::Place> JsonPaths::AddPath(const std::vector<std::string>& keys) {
  std::vector<Place> places;
  std::size_t node = 0;
  for (std::size_t level = 0; level < keys.size(); ++level) {
    std::string rest = keys[level];
    for (std::size_t i = level + 1; i < keys.size(); ++i) rest += "." + keys[i];
    places.push_back({node, EdgeTo(node, rest)});
    nodes_[node].edges[places.back().edge].slot = 0;  // Numbered in the end.
    if (level + 1 == keys.size()) break;
    const std::size_t edge = EdgeTo(node, keys[level]);
    if (nodes_[node].edges[edge].child < 0) {
      nodes_[node].edges[edge].child = static_cast<int>(nodes_.size());
      nodes_.emplace_back();
    }
    node = static_cast<std::size_t>(nodes_[node].edges[edge].child);
  }
  return places;
}

// Depth first, so that the slots below an edge follow each other.
void JsonPaths::NumberSlots(std::size_t node) {
  for (Edge& edge : nodes_[node].edges) {
    edge.slots_begin = static_cast<int>(slot_count_);
    if (edge.slot >= 0) edge.slot = static_cast<int>(slot_count_++);
    if (edge.child >= 0) NumberSlots(static_cast<std::size_t>(edge.child));
    edge.slots_end = static_cast<int>(slot_count_);
  }
}

void JsonPaths::Finish(const std::vector<std::vector<Place>>& places) {
  NumberSlots(0);
  for (const std::vector<Place>& of_column : places) {
    std::vector<int>& slots = columns_.emplace_back();
    for (const Place& place : of_column) {
      slots.push_back(nodes_[place.node].edges[place.edge].slot);
    }
  }
}

}  // namespace millrace
