// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/closest_name.h"

#include <algorithm>
#include <cstddef>

namespace millrace {
namespace {

// Longer names are no names of ours; the bound keeps the quadratic distance cheap.
constexpr std::size_t kNameBytesMax = 64;

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string DidYouMean(std::string_view typed, const std::vector<std::string>& names) {
  if (typed.empty() || typed.size() > kNameBytesMax) return "";
  const std::string* nearest = nullptr;
  std::size_t nearest_distance = 0;
  for (const std::string& name : names) {
    if (name.size() > kNameBytesMax) continue;
    const std::size_t distance = EditDistance(typed, name);
    if (distance > std::max(typed.size(), name.size()) / 3) continue;
    if (nearest == nullptr || distance < nearest_distance) {
      nearest = &name;
      nearest_distance = distance;
    }
  }
  if (nearest == nullptr) {
    const auto begins = [typed](const std::string& name) { return name.starts_with(typed); };
    if (std::count_if(names.begin(), names.end(), begins) == 1) {
      nearest = &*std::find_if(names.begin(), names.end(), begins);
    }
  }
  return nearest == nullptr ? "" : "; did you mean " + *nearest + "?";
}

}  // namespace millrace
