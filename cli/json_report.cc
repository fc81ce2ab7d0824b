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

// A path or message that is not UTF-8 must not cost the whole line.
std::string Line(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string JsonReport(const RunSummary& summary) {
  return Line(Report(summary.state == RunOutcome::kUpToDate ? "up_to_date" : "done", 0, summary));
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
