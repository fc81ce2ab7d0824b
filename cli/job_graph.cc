// SPDX-License-Identifier: Apache-2.0
#include "cli/job_graph.h"

#include <cstddef>
#include <set>
#include <utility>
#include <vector>

#include "mapreduce/engine/followers.h"

namespace millrace {
namespace {

const InputSpec& InputOf(const JobGraph& graph, const StageSource& source) {
  return graph.inputs[static_cast<std::size_t>(source.input)];
}

const StageSpec& StageOf(const JobGraph& graph, const StageSource& source) {
  return graph.stages[static_cast<std::size_t>(source.stage)];
}

const OutputSpec& OutputOf(const JobGraph& graph, const StageWrite& write) {
  return graph.outputs[static_cast<std::size_t>(write.output)];
}

// A stage makes one table at most, so it names it. By stage, each once.
std::vector<std::string> MakersOf(const JobGraph& graph, const std::vector<int>& tables) {
  std::set<int> stages;
  for (const int table : tables) stages.insert(graph.tables[static_cast<std::size_t>(table)].stage);
  std::vector<std::string> names;
  for (const int stage : stages)
    names.push_back(graph.stages[static_cast<std::size_t>(stage)].name);
  return names;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// "looks up in the tables of stage-1, stage-2"; "" where there are none.
std::string Lookups(const JobGraph& graph, const std::vector<int>& tables) {
  const std::vector<std::string> makers = MakersOf(graph, tables);
  if (makers.empty()) return "";
  return std::string("looks up in the table") + (makers.size() > 1 ? "s" : "") + " of " +
         Joined(makers);
}

std::string InParentheses(const std::string& text) { return text.empty() ? "" : " (" + text + ")"; }

std::string SourceText(const JobGraph& graph, const StageSource& source) {
  const bool is_fused = source.input < 0;
  const std::string& from = is_fused ? StageOf(graph, source).name : InputOf(graph, source).name;
  std::string remark = Lookups(graph, source.tables);
  if (is_fused) remark = remark.empty() ? "fused" : "fused; " + remark;
  return from + " > map " + source.map_name + InParentheses(remark);
}

// Who looks up in a table: "map ShareOut of stage-5, reduce Pay of stage-5".
std::string UsersOf(const JobGraph& graph, int table) {
  const auto has = [table](const std::vector<int>& tables) {
    return std::set<int>(tables.begin(), tables.end()).contains(table);
  };
  std::vector<std::string> users;
  for (const StageSpec& stage : graph.stages) {
    for (const StageSource& source : stage.sources) {
      if (has(source.tables)) users.push_back("map " + source.map_name + " of " + stage.name);
    }
    if (has(stage.reduce_tables))
      users.push_back("reduce " + stage.reduce_name + " of " + stage.name);
  }
  return users.empty() ? "nobody" : Joined(users);
}

std::string ReduceText(const JobGraph& graph, const StageSpec& stage) {
  std::string remark = stage.group_bytes == nullptr ? "" : "groups by the key's first parts";
  if (const std::string lookups = Lookups(graph, stage.reduce_tables); !lookups.empty())
    remark += (remark.empty() ? "" : "; ") + lookups;
  return "reduce " + stage.reduce_name + InParentheses(remark);
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string Quoted(std::string_view text) { return "\"" + Escaped(text) + "\""; }

// Names of nodes: an input and an output may have the same name.
std::string InputNode(const InputSpec& input) { return Quoted("input " + input.name); }
std::string OutputNode(const OutputSpec& output) { return Quoted("output " + output.name); }
std::string TableNode(const std::string& maker) { return Quoted("table of " + maker); }

std::string Node(const std::string& node, const char* shape, std::string_view label) {
  return "  " + node + " [shape=" + shape + ", label=" + Quoted(label) + "];\n";
}

std::string Edge(const std::string& from, const std::string& to, const std::string& label,
                 const char* style) {
  return "  " + from + " -> " + to + " [style=" + style +
         (label.empty() ? "" : ", label=" + Quoted(label)) + "];\n";
}

std::string StageNode(const StageSpec& stage) {
  std::string label = stage.name;
  if (!stage.combine_name.empty()) label += "\ncombine " + stage.combine_name;
  if (stage.has_reduce()) label += "\nreduce " + stage.reduce_name;
  if (stage.group_bytes != nullptr) label += "\nby the key's first parts";
  return Node(Quoted(stage.name), "box", label);
}

std::string EdgesOf(const JobGraph& graph, const StageSpec& stage) {
  const std::string node = Quoted(stage.name);
  std::string edges;
  for (const StageSource& source : stage.sources) {
    const std::string map = "map " + source.map_name;
    edges += source.input >= 0
                 ? Edge(InputNode(InputOf(graph, source)), node, map, "solid")
                 : Edge(Quoted(StageOf(graph, source).name), node, map + "\nfused", "bold");
    for (const std::string& maker : MakersOf(graph, source.tables))
      edges += Edge(TableNode(maker), node, map + "\nlooks up", "dashed");
  }
  for (const std::string& maker : MakersOf(graph, stage.reduce_tables))
    edges += Edge(TableNode(maker), node, "reduce " + stage.reduce_name + "\nlooks up", "dashed");
  if (stage.table >= 0) edges += Edge(node, TableNode(stage.name), "", "solid");
  for (const StageWrite& write : stage.writes)
    edges += Edge(node, OutputNode(OutputOf(graph, write)), "", "solid");
  return edges;
}

}  // namespace

std::string GraphText(const JobGraph& graph) {
  std::string text;
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    const StageSpec& stage = graph.stages[s];
    std::vector<std::string> lines;
    for (const StageSource& source : stage.sources) lines.push_back(SourceText(graph, source));
    if (!stage.combine_name.empty()) lines.push_back("combine " + stage.combine_name);
    if (stage.has_reduce()) lines.push_back(ReduceText(graph, stage));
    if (stage.table >= 0) lines.push_back("keep as a table, for " + UsersOf(graph, stage.table));
    for (const Follower& follower : Followers(graph, s)) {
      const StageSpec& later = graph.stages[follower.stage];
      lines.push_back("feed " + later.name + " (map " + later.sources[follower.source].map_name +
                      ")");
    }
    for (const StageWrite& write : stage.writes) {
      const OutputSpec& output = OutputOf(graph, write);
      lines.push_back("write " + output.name + " (" + output.extension + ")");
    }
    text += "  " + stage.name + ":\n";
    for (const std::string& line : lines) text += "    " + line + "\n";
  }
  return text;
}

std::string GraphDot(std::string_view job, const JobGraph& graph) {
  std::string dot = "digraph " + Quoted(job) + " {\n  rankdir=LR;\n";
  for (const InputSpec& input : graph.inputs)
    dot += Node(InputNode(input), "folder", input.name + "\n" + input.format);
  for (const StageSpec& stage : graph.stages) {
    dot += StageNode(stage);
    if (stage.table >= 0) dot += Node(TableNode(stage.name), "cylinder", "table of " + stage.name);
  }
  for (const OutputSpec& output : graph.outputs)
    dot += Node(OutputNode(output), "note", output.name + "\n" + output.extension);
  for (const StageSpec& stage : graph.stages) dot += EdgesOf(graph, stage);
  return dot + "}\n";
}

}  // namespace millrace
