// SPDX-License-Identifier: Apache-2.0
#include "cli/jobs_command.h"

#include <algorithm>
#include <memory>

#include "cli/console.h"
#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"
#include "mapreduce/engine/modules.h"
#include "mapreduce/engine/plan.h"

namespace millrace {
namespace {

std::string Padded(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

std::string Join(const std::vector<std::string>& texts, const std::string& separator) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : separator) + text;
  return joined;
}

std::string ListJobs() {
  std::size_t width = 0;
  for (const JobRegistration* job : AllJobs()) {
    width = std::max(width, std::string_view(job->name).size() + 2);
  }
  std::string text;
  for (const JobRegistration* job : AllJobs()) {
    text += Padded(job->name, width) + job->summary + "\n";
  }
  return text;
}

std::string DescribeParameters(const std::vector<ParamInfo>& params) {
  std::size_t width = 0;
  for (const ParamInfo& param : params) {
    width = std::max(width, param.name.size() + param.default_value.size() + 3);
  }
  std::string text;
  for (const ParamInfo& param : params) {
    const std::string choices = param.choices.empty() ? "" : ", one of " + Join(param.choices, " ");
    text += "  " + Padded(param.name + "=" + param.default_value, width) + param.help + " (" +
            param.type + choices + ")\n";
  }
  return text;
}

// "plays > map CountPlay > combine Sum > reduce Sum > write toplist".
std::string DescribeStage(const JobGraph& graph, const StageSpec& stage) {
  const auto source = [&graph](const StageSource& from) {
    const std::string name = from.input >= 0
                                 ? graph.inputs[static_cast<std::size_t>(from.input)].name
                                 : graph.stages[static_cast<std::size_t>(from.stage)].name;
    return name + " > map " + from.map_name;
  };
  std::string rest;
  if (!stage.combine_name.empty()) rest += " > combine " + stage.combine_name;
  if (stage.has_reduce()) rest += " > reduce " + stage.reduce_name;
  for (const StageWrite& write : stage.writes) {
    rest += " > write " + graph.outputs[static_cast<std::size_t>(write.output)].name;
  }
  std::string text = "  " + stage.name + ":\n";
  for (std::size_t i = 0; i < stage.sources.size(); ++i) {
    const bool is_last = i + 1 == stage.sources.size();
    text += "    " + source(stage.sources[i]) + (is_last ? rest : " >") + "\n";
  }
  return text;
}

std::string DescribeJob(const JobRegistration& registration, const Job& job, bool with_graph) {
  const JobGraph& graph = job.graph();
  std::string text = std::string(registration.name) + ": " + registration.summary + "\n\nInputs:\n";
  for (const InputSpec& input : graph.inputs) {
    text += "  " + input.name + " (" + input.format +
            (input.columns.empty() ? "" : ": " + Join(input.columns, ", ")) + ")\n";
  }
  text += "\nOutputs:\n";
  for (const OutputSpec& output : graph.outputs) {
    text += "  " + output.name + " (" + output.extension + ")\n";
  }
  if (!job.params().empty()) text += "\nParameters:\n" + DescribeParameters(job.params());
  if (!with_graph) return text;
  text += "\nStages:\n";
  for (const StageSpec& stage : graph.stages) text += DescribeStage(graph, stage);
  return text;
}

}  // namespace

int JobsCommand(const Arguments& arguments) {
  const auto show = [&arguments]() -> Status {
    MR_RETURN_IF_ERROR(LoadModules(arguments.All("--module")));
    if (arguments.argument.empty()) {
      if (!arguments.Has("--graph")) return WriteStdout(ListJobs());
      return Status::InvalidArgument("--graph is of one job; write `millrace jobs JOB --graph`");
    }
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<Job> job, DefineJob(arguments.argument, {}));
    return WriteStdout(DescribeJob(*FindJob(arguments.argument), *job, arguments.Has("--graph")));
  };
  return FinishStdout(show());
}

}  // namespace millrace
