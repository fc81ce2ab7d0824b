// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/followers.h"

namespace millrace {

std::vector<Follower> Followers(const JobGraph& graph, std::size_t stage) {
  std::vector<Follower> followers;
  for (std::size_t later = stage + 1; later < graph.stages.size(); ++later) {
    const std::vector<StageSource>& sources = graph.stages[later].sources;
    for (std::size_t s = 0; s < sources.size(); ++s) {
      if (sources[s].stage == static_cast<int>(stage)) followers.push_back({later, s});
    }
  }
  return followers;
}

}  // namespace millrace
