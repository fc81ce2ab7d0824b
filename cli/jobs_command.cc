// SPDX-License-Identifier: Apache-2.0
#include "cli/jobs_command.h"

#include <algorithm>
#include <memory>

#include "cli/console.h"
#include "cli/job_graph.h"
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

std::string DescribeJob(const JobRegistration& registration, const Job& job, bool with_graph) {
  const JobGraph& graph = job.graph();
  std::string text = std::string(registration.name) + ": " + registration.summary + "\n\nInputs:\n";
  for (const InputSpec& input : graph.inputs) {
    text += "  " + input.name + " (" + input.format +
            (input.columns.empty() ? "" : ": " + Join(input.columns, ", ")) + ")\n";
  }
  text += "\nOutputs:\n";
  for (const OutputSpec& output : graph.outputs) {
    std::vector<std::string> columns;
    for (const OutputColumn& column : output.columns) columns.push_back(column.name);
    text += "  " + output.name + " (" + output.extension +
            (columns.empty() ? "" : ": " + Join(columns, ", ")) + ")\n";
  }
  if (!job.params().empty()) text += "\nParameters:\n" + DescribeParameters(job.params());
  if (!with_graph) return text;
  return text + "\nStages, in the order they run (a fused map runs where its records are made):\n" +
         GraphText(graph);
}

}  // namespace

int JobsCommand(const Arguments& arguments) {
  const auto show = [&arguments]() -> Status {
    MR_RETURN_IF_ERROR(LoadModules(arguments.All("--module")));
    if (arguments.argument.empty()) {
      for (const std::string flag : {"--graph", "--dot"}) {
        if (arguments.Has(flag)) {
          return Status::InvalidArgument(flag, " is of one job; write `millrace jobs JOB ", flag,
                                         "`");
        }
      }
      return WriteStdout(ListJobs());
    }
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<Job> job, DefineJob(arguments.argument, {}));
    if (arguments.Has("--dot")) return WriteStdout(GraphDot(arguments.argument, job->graph()));
    return WriteStdout(DescribeJob(*FindJob(arguments.argument), *job, arguments.Has("--graph")));
  };
  return FinishStdout(show());
}

}  // namespace millrace
