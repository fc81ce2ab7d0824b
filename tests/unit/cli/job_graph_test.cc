// SPDX-License-Identifier: Apache-2.0
#include "cli/job_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mapreduce/api/job.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

using Word = std::string;
using WordLength = std::tuple<Word, std::int64_t>;
using Words = Table<Word, std::int64_t>;

struct Known {
  void Map(const Line& line, Emitter<Word, Sourced<std::int64_t>>& emit, Context& context) {
    emit(Word(line.text), {1, context.origin()});
  }
};
struct Plain {
  void Map(const Line& line, Emitter<WordLength, std::int64_t>& emit) {
    emit({Word(line.text), 1}, 1);
  }
};
struct LookUp {
  Words words;
  void Map(const Line& line, Emitter<WordLength, std::int64_t>& emit) {
    emit({Word(line.text), 1}, words.Find(Word(line.text)).value_or(0));
  }
};
struct Add {
  void Reduce(const WordLength& key, Values<std::int64_t>& values,
              Emitter<WordLength, std::int64_t>& emit) {
    for (const std::int64_t value : values) emit(key, value);
  }
};
struct Best {
  Words words;
  void Reduce(const Word& word, Values<KeyValue<WordLength, std::int64_t>>&,
              Emitter<Word, std::int64_t>& emit) {
    emit(word, words.Find(word).value_or(0));
  }
};
struct Again {
  Words others, words, also_words;
  void Map(const KeyValue<Word, std::int64_t>& row, Emitter<Word, std::int64_t>& emit) {
    emit(row.key, row.value);
  }
};

// All that a graph can have, and names that have to be quoted.
void Everything(Job& job) {
  auto lines = job.ReadLines("lines");
  auto words = job.ReadLines("words").Map<Known>().AsTable();
  auto others = job.ReadLines("others").Map<Known>().AsTable();
  auto best = lines.Map<LookUp>(words)
                  .And(job.ReadLines("a \"b\"\\\nc").Map<Plain>())
                  .Combine<Add>()
                  .GroupBy<1>()
                  .Reduce<Best>(words);
  best.Write<Tsv>("best");
  auto counts = best.Map<Again>(others, words, words).Reduce<Sum>();
  counts.Write<Tsv>("lines").AsTable();
  lines.Map<Plain>().Write<Tsv>("copy");
}

const Job& Made() {
  static const Job* const kJob = [] {
    auto* job = new Job(JobSettings{});
    Everything(*job);
    const Status status = job->Finish();
    EXPECT_TRUE(status.ok()) << status.message();
    return job;
  }();
  return *kJob;
}

TEST(JobGraphTest, TextHasEachStageWithAllItsNeighbours) {
  EXPECT_EQ(GraphText(Made().graph()),
            "  stage-1:\n"
            "    words > map Known\n"
            "    reduce KeepFirst\n"
            "    keep as a table, for map LookUp of stage-3, reduce Best of stage-3, "
            "map Again of stage-4\n"
            "  stage-2:\n"
            "    others > map Known\n"
            "    reduce KeepFirst\n"
            "    keep as a table, for map Again of stage-4\n"
            "  stage-3:\n"
            "    lines > map LookUp (looks up in the table of stage-1)\n"
            "    a \"b\"\\\nc > map Plain\n"
            "    combine Add\n"
            "    reduce Best (groups by the key's first parts; looks up in the table of stage-1)\n"
            "    feed stage-4 (map Again)\n"
            "    write best (tsv)\n"
            "  stage-4:\n"
            "    stage-3 > map Again (fused; looks up in the tables of stage-1, stage-2)\n"
            "    combine Sum\n"
            "    reduce Sum\n"
            "    keep as a table, for nobody\n"
            "    write lines (tsv)\n"
            "  stage-5:\n"
            "    lines > map Plain\n"
            "    write copy (tsv)\n");
}

// As much of Graphviz's grammar as there is need for; anything else is no graph:
//   graph := 'digraph' id '{' (stmt ';')* '}'
//   stmt  := id '=' id | id ('->' id)? ('[' id '=' id (',' id '=' id)* ']')?
//   id    := [A-Za-z0-9_]+ | '"' (any but '"', '\\', newline | '\\' any)* '"'
class DotReader {
 public:
  using Attributes = std::map<std::string, std::string>;
  std::map<std::string, Attributes> nodes;
  std::vector<std::pair<std::pair<std::string, std::string>, Attributes>> edges;

  bool Read(std::string_view dot) {
    rest_ = dot;
    if (Id() != "digraph" || !Id() || !Take("{")) return false;
    while (!Take("}")) {
      if (!Statement() || !Take(";")) return false;
    }
    Skip();
    return rest_.empty();
  }

 private:
  void Skip() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_[0])))
      rest_.remove_prefix(1);
  }
  bool Take(std::string_view text) {
    Skip();
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  // A quoted one without the quotes, but with its escapes.
  std::optional<std::string> Id() {
    Skip();
    std::size_t end = 0;
    if (!rest_.starts_with('"')) {
      while (end < rest_.size() &&
             (std::isalnum(static_cast<unsigned char>(rest_[end])) || rest_[end] == '_'))
        ++end;
      if (end == 0) return std::nullopt;
      const std::string id(rest_.substr(0, end));
      rest_.remove_prefix(end);
      return id;
    }
    for (end = 1; end < rest_.size() && rest_[end] != '"'; ++end) {
      if (rest_[end] == '\n') return std::nullopt;
      if (rest_[end] == '\\') ++end;
    }
    if (end >= rest_.size()) return std::nullopt;
    const std::string id(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return id;
  }
  bool Statement() {
    const std::optional<std::string> first = Id();
    if (!first) return false;
    if (Take("=")) return Id().has_value();
    std::optional<std::string> second;
    if (Take("->") && !(second = Id())) return false;
    Attributes attributes;
    if (Take("[")) {
      do {
        const std::optional<std::string> name = Id();
        if (!name || !Take("=")) return false;
        const std::optional<std::string> value = Id();
        if (!value) return false;
        attributes[*name] = *value;
      } while (Take(","));
      if (!Take("]")) return false;
    }
    if (second) {
      edges.push_back({{*first, *second}, attributes});
    } else {
      nodes[*first] = attributes;
    }
    return true;
  }

  std::string_view rest_;
};

TEST(JobGraphTest, DotHasEachNodeAndEdge) {
  const std::string dot = GraphDot("every\"thing", Made().graph());
  DotReader read;
  ASSERT_TRUE(read.Read(dot)) << dot;
  std::map<std::string, std::string> shapes;
  for (const auto& [name, attributes] : read.nodes) shapes[name] = attributes.at("shape");
  EXPECT_THAT(
      shapes,
      ElementsAre(Pair("input a \\\"b\\\"\\\\\\nc", "folder"), Pair("input lines", "folder"),
                  Pair("input others", "folder"), Pair("input words", "folder"),
                  Pair("output best", "note"), Pair("output copy", "note"),
                  Pair("output lines", "note"), Pair("stage-1", "box"), Pair("stage-2", "box"),
                  Pair("stage-3", "box"), Pair("stage-4", "box"), Pair("stage-5", "box"),
                  Pair("table of stage-1", "cylinder"), Pair("table of stage-2", "cylinder"),
                  Pair("table of stage-4", "cylinder")));
  EXPECT_EQ(read.nodes["stage-3"]["label"],
            "stage-3\\ncombine Add\\nreduce Best\\nby the key's first parts");

  std::multiset<std::string> edges;
  for (const auto& [ends, attributes] : read.edges) {
    EXPECT_TRUE(read.nodes.contains(ends.first)) << ends.first;
    EXPECT_TRUE(read.nodes.contains(ends.second)) << ends.second;
    edges.insert(attributes.at("style") + ": " + ends.first + " -> " + ends.second);
  }
  EXPECT_THAT(
      edges,
      ElementsAre("bold: stage-3 -> stage-4",
                  "dashed: table of stage-1 -> stage-3",  // The map's,
                  "dashed: table of stage-1 -> stage-3",  // the reduce's.
                  "dashed: table of stage-1 -> stage-4", "dashed: table of stage-2 -> stage-4",
                  "solid: input a \\\"b\\\"\\\\\\nc -> stage-3", "solid: input lines -> stage-3",
                  "solid: input lines -> stage-5", "solid: input others -> stage-2",
                  "solid: input words -> stage-1", "solid: stage-1 -> table of stage-1",
                  "solid: stage-2 -> table of stage-2", "solid: stage-3 -> output best",
                  "solid: stage-4 -> output lines", "solid: stage-4 -> table of stage-4",
                  "solid: stage-5 -> output copy"));
  EXPECT_THAT(dot,
              HasSubstr("\"stage-3\" -> \"stage-4\" [style=bold, label=\"map Again\\nfused\"];"));
}

}  // namespace
}  // namespace millrace
