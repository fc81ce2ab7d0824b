// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_JSON_LINES_PATHS_H_
#define MAPREDUCE_FORMATS_JSON_LINES_PATHS_H_

// The paths that a job reads of JSON objects, as one tree, so that a single walk over an object
// finds all of them. A path is keys, joined by dots; a number is also an array's element:
//
//   user.id    the member `id` of the member `user`, or a member called `user.id`
//   tags.0     the first element of `tags`
//   a\.b.c     the member `c` of the member `a.b`; `\\` is a backslash
//   \2024      the member `2024`: what stands behind a backslash is the key's own
//
// A member whose key is the whole rest of a path comes before one that is found further down. So
// each level of a path has two keys to look for, and a slot of its own for what was found:
//
//   user.id    edges of the top: "user.id" -> slot 0, "user" -> a node with the edge "id" -> slot 1
//   column     the first of its slots that holds something: 0, then 1

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/file_format.h"

namespace millrace {

/// The keys of a path: "a\.b.c" -> {"a.b", "c"}. Not empty.
std::vector<std::string> JsonPathKeys(std::string_view path);

/// Const once made: any thread may read.
class JsonPaths {
 public:
  /// A member (or element) that is looked for.
  struct Edge {
    std::string key;
    std::int64_t element = -1;  ///< The key as an array's index; -1 where it is none.
    int slot = -1;              ///< Where its value goes; -1: only something inside it is wanted.
    int child = -1;             ///< The node for what is inside it; -1: nothing is wanted there.
    int slots_begin = 0;        ///< All slots of this edge and of what is below it.
    int slots_end = 0;
  };
  struct Node {
    std::vector<Edge> edges;
    std::uint64_t key_lengths = 0;  ///< Bit min(n, 63): some key has n bytes.

    /// Null: nothing is wanted of this member. Linear: jobs read few columns.
    const Edge* FindKey(std::string_view key) const {
      const std::size_t bit = key.size() < 63 ? key.size() : 63;
      if (((key_lengths >> bit) & 1) == 0) return nullptr;
      for (const Edge& edge : edges) {
        if (edge.key == key) return &edge;
      }
      return nullptr;
    }
    const Edge* FindElement(std::int64_t index) const {
      for (const Edge& edge : edges) {
        if (edge.element == index) return &edge;
      }
      return nullptr;
    }
  };

  /// The request's columns; those that are not looked at have no slots.
  static JsonPaths Of(const RowRequest& request);
  /// Members of the object itself, by their whole keys.
  static JsonPaths OfKeys(const std::vector<std::string>& keys);

  const Node& top() const { return nodes_.front(); }
  const Node* child(const Edge& edge) const {
    return edge.child < 0 ? nullptr : &nodes_[static_cast<std::size_t>(edge.child)];
  }
  std::size_t slot_count() const { return slot_count_; }
  /// By column, its slots, the one that counts most first.
  const std::vector<std::vector<int>>& columns() const { return columns_; }

 private:
  struct Place {
    std::size_t node = 0;
    std::size_t edge = 0;
  };

  JsonPaths() : nodes_(1) {}
  std::size_t EdgeTo(std::size_t node, const std::string& key);
  std::vector<Place> AddPath(const std::vector<std::string>& keys);
  void NumberSlots(std::size_t node);
  void Finish(const std::vector<std::vector<Place>>& places);

  std::vector<Node> nodes_;
  std::size_t slot_count_ = 0;
  std::vector<std::vector<int>> columns_;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_JSON_LINES_PATHS_H_
