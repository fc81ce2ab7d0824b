// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/followers.h"

#include <set>

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

std::vector<int> InputsMapped(const JobGraph& graph) {
  std::vector<int> inputs;
  for (const StageSpec& stage : graph.stages) {
    for (const StageSource& source : stage.sources) {
      if (source.input >= 0) inputs.push_back(source.input);
    }
  }
  return inputs;
}

std::vector<int> TablesOfReduce(const JobGraph& graph, std::size_t stage) {
  const std::vector<int>& own = graph.stages[stage].reduce_tables;
  std::set<int> tables(own.begin(), own.end());
  for (const Follower& follower : Followers(graph, stage)) {
    const StageSource& source = graph.stages[follower.stage].sources[follower.source];
    tables.insert(source.tables.begin(), source.tables.end());
  }
  return {tables.begin(), tables.end()};
}

}  // namespace millrace
