// SPDX-License-Identifier: Apache-2.0
#include "cli/json_report.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace millrace {
namespace {

using Json = nlohmann::ordered_json;

Json Report(const char* status, int exit_code, const RunSummary& summary) {
  Json json;
  json["status"] = status;
  json["exit"] = exit_code;
  json["error"] = nullptr;
  json["run"] = summary.run.empty() ? Json(nullptr) : Json(summary.run);
  json["output"] = summary.output;
  json["records_in"] = summary.records_in;
  json["bytes_in"] = summary.bytes_in;
  json["records_out"] = summary.records_out;
  json["rejects"] = summary.rejects;
  json["tasks_run"] = summary.tasks_run;
  json["tasks_reused"] = summary.tasks_reused;
  json["seconds"] = std::round(summary.seconds * 1e6) / 1e6;
  return json;
}

Json Plan(const RunSummary& summary) {
  Json plan;
  plan["parts"] = summary.parts;
  plan["replaces"] = summary.replaces;
  plan["inputs"] = Json::array();
  for (const InputSummary& input : summary.inputs) {
    plan["inputs"].push_back({{"name", input.name},
                              {"files", input.shard_count},
                              {"bytes", input.stored_bytes},
                              {"splits", input.split_count},
                              {"format", input.format},
                              {"whole", input.whole_count}});
  }
  plan["outputs"] = Json::array();
  for (const OutputSummary& output : summary.outputs) {
    plan["outputs"].push_back(
        {{"name", output.name}, {"format", output.format}, {"columns", output.columns}});
  }
  plan["phases"] = Json::array();
  for (const PhaseSummary& phase : summary.planned_phases) {
    plan["phases"].push_back({{"stage", phase.stage},
                              {"kind", phase.input.empty() ? "reduce" : "map"},
                              {"input", phase.input.empty() ? Json(nullptr) : Json(phase.input)},
                              {"tasks", phase.task_count},
                              {"tasks_exact", phase.is_exact},
                              {"makes_table", phase.makes_table},
                              {"tables_of", phase.table_stages},
                              {"outputs", phase.outputs}});
  }
  return plan;
}

// A path or message that is not UTF-8 must not cost the whole line.
std::string Line(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string JsonReport(const RunSummary& summary) {
  Json json = Report(summary.state == RunOutcome::kUpToDate ? "up_to_date" : "done", 0, summary);
  if (summary.state == RunOutcome::kPlanned) json["plan"] = Plan(summary);
  return Line(json);
}

std::string JsonFailure(int exit_code, const std::string& error, const std::string& output,
                        double seconds) {
  RunSummary summary;
  summary.output = output;
  summary.seconds = seconds;
  Json json = Report("failed", exit_code, summary);
  json["error"] = error;
  return Line(json);
}

}  // namespace millrace
