// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_FOLLOWERS_H_
#define MAPREDUCE_ENGINE_FOLLOWERS_H_

#include <cstddef>
#include <vector>

#include "mapreduce/api/graph.h"

namespace millrace {

/// A source of a stage that reads the output of an earlier stage: its map is fused with that
/// stage's reduce.
struct Follower {
  std::size_t stage = 0;
  std::size_t source = 0;  ///< Of that stage's sources.
};

/// Who reads what the reduce of `stage` emits, by stage, then source.
std::vector<Follower> Followers(const JobGraph& graph, std::size_t stage);

/// The inputs that are mapped, in the order of stages and their sources.
std::vector<int> InputsMapped(const JobGraph& graph);

/// The tables that the reduce tasks of `stage` look up in, those of the maps inside them included;
/// sorted, each once.
std::vector<int> TablesOfReduce(const JobGraph& graph, std::size_t stage);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_FOLLOWERS_H_
