// SPDX-License-Identifier: Apache-2.0
// Loops unrolled by a parameter: a stage's output is of the type that the same stage takes, so a
// definition adds it as often as the parameter says.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using Node = std::int64_t;

struct Edge {
  Node a = 0, b = 0;
  MR_FIELDS(Edge, a, b)
};

struct BothWays {
  void Map(const Edge& edge, Emitter<Node, Node>& emit) {
    emit(edge.a, edge.b);
    emit(edge.b, edge.a);
  }
};
struct OwnLabel {
  void Map(const Edge& edge, Emitter<Node, Node>& emit) {
    emit(edge.a, edge.a);
    emit(edge.b, edge.b);
  }
};
struct TellNeighbours {
  Table<Node, std::vector<Node>> neighbours;
  void Map(const KeyValue<Node, Node>& label, Emitter<Node, Node>& emit) {
    emit(label.key, label.value);
    for (const Node other : neighbours.Find(label.key).value_or(std::vector<Node>()))
      emit(other, label.value);
  }
};

// After enough rounds each node has the smallest label of its component.
void Components(Job& job) {
  const auto rounds = job.Param<int>("rounds", 3, "how far a label travels");
  auto edges = job.Read<Edge>("edges");
  auto neighbours = edges.Map<BothWays>().Reduce<Collect<Node, Node>>().AsTable();
  auto labels = edges.Map<OwnLabel>().Reduce<Min>();
  for (int round = 0; round < rounds; ++round)
    labels = labels.Map<TellNeighbours>(neighbours).Reduce<Min>();
  labels.Write<Tsv>("labels");
}

constexpr char kEdges[] = "4\t3\n3\t2\n2\t1\n7\t9\n";

TEST(LoopsTest, RunAsManyStagesAsTheParameterSays) {
  const TestRun run = TestRun(Components).Input("edges", kEdges);
  EXPECT_THAT(TestRun(run).Param("rounds", "0").Run().Rows(),
              ElementsAre("1\t1", "2\t2", "3\t3", "4\t4", "7\t7", "9\t9"));
  EXPECT_THAT(TestRun(run).Param("rounds", "1").Run().Rows(),
              ElementsAre("1\t1", "2\t1", "3\t2", "4\t3", "7\t7", "9\t7"));
  EXPECT_THAT(TestRun(run).Param("rounds", "3").Run().Rows(),
              ElementsAre("1\t1", "2\t1", "3\t1", "4\t1", "7\t7", "9\t7"));
}

TEST(LoopsTest, AreDeterministic) {
  EXPECT_DETERMINISTIC(TestRun(Components).Input("edges", kEdges));
}

}  // namespace
}  // namespace millrace
