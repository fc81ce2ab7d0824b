// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/plan.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <map>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "mapreduce/api/registry.h"
#include "mapreduce/engine/canonical_hasher.h"
#include "mapreduce/engine/closest_name.h"
#include "mapreduce/engine/code_identity.h"
#include "mapreduce/engine/input_formats.h"
#include "mapreduce/engine/input_patterns.h"
#include "mapreduce/engine/parallel_for.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/formats/output_rows_file.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {
namespace {

constexpr std::uint64_t kBytesPerPart = std::uint64_t{256} << 20;
constexpr std::uint64_t kDefaultPartsMax = 1000;

// Looking at a file mostly waits for the disk, so some more threads than cores pay.
constexpr int kInspectThreadsMin = 8;

Result<const JobRegistration*> FindJobOrSuggest(const std::string& name) {
  if (const JobRegistration* const job = FindJob(name); job != nullptr) return job;
  std::vector<std::string> names;
  for (const JobRegistration* job : AllJobs()) names.emplace_back(job->name);
  return Status::InvalidArgument("there is no job ", Printable(name), DidYouMean(name, names),
                                 "; `millrace jobs` lists them, --module loads more");
}

// The job's complaint; about an unknown parameter with a suggestion.
Status Complaint(const Job& job, const std::string& job_name, const JobSettings& settings,
                 const Status& error) {
  std::vector<std::string> names;
  for (const ParamInfo& param : job.params()) names.push_back(param.name);
  for (const auto& [name, value] : settings.params) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    if (error.message() != "the job has no parameter " + name) continue;
    return Status::InvalidArgument("the job ", job_name, " has no parameter ", Printable(name),
                                   DidYouMean(name, names), "; `millrace jobs ", job_name,
                                   "` lists them");
  }
  return error.Annotate("job ", job_name);
}

// Runs the job's own code, which may throw.
Status CallDefine(const JobRegistration& registration, Job& job) {
  try {
    registration.define(job);
    return {};
  } catch (const std::bad_alloc&) {
    return Status::ResourceLimit("out of memory while defining the job ", registration.name);
  } catch (const std::exception& error) {
    return Status::UserCode("the definition of the job ", registration.name,
                            " threw: ", error.what());
  } catch (...) {
    return Status::UserCode("the definition of the job ", registration.name, " threw");
  }
}

std::vector<std::string> InputNames(const JobGraph& graph) {
  std::vector<std::string> names;
  for (const InputSpec& input : graph.inputs) names.push_back(input.name);
  return names;
}

// The working directory, where some path is relative to it; otherwise "".
Result<std::string> BaseDirectory(const std::vector<MatchedInput>& inputs) {
  const auto is_relative = [](const FileInfo& file) { return !file.path.starts_with('/'); };
  const bool is_any = std::any_of(inputs.begin(), inputs.end(), [&](const MatchedInput& input) {
    return std::any_of(input.files.begin(), input.files.end(), is_relative);
  });
  if (!is_any) return std::string();
  std::error_code error;
  const std::filesystem::path directory = std::filesystem::current_path(error);
  if (error) {
    return Status::NotFound("cannot tell the working directory (", error.message(),
                            "); use absolute paths for --input");
  }
  return directory.string();
}

Status CheckUtf8(const proto::Plan& plan) {
  const auto check = [](const std::string& what, const std::string& text,
                        const char* what_to_do = "rename it") {
    if (IsUtf8(text)) return Status::Ok();
    return Status::InvalidArgument(what, " '", Printable(text),
                                   "' is not UTF-8, so no manifest can hold it; ", what_to_do);
  };
  for (const proto::Parameter& parameter : plan.parameters()) {
    MR_RETURN_IF_ERROR(
        check("the parameter " + parameter.name(), parameter.value(), "say another value"));
  }
  MR_RETURN_IF_ERROR(check("the working directory", plan.directory()));
  for (const proto::PlanInput& input : plan.inputs()) {
    MR_RETURN_IF_ERROR(check("the format of " + input.name(), input.format(), "say another value"));
    for (const proto::InputShard& shard : input.shards()) {
      MR_RETURN_IF_ERROR(check("the input file", shard.path()));
    }
  }
  return {};
}

// Of an input whose files are told apart by their names alone.
Status CheckDistinctNames(const InputSpec& input, const std::vector<FileInfo>& shards) {
  if (!input.has_distinct_names) return {};
  std::map<std::string_view, std::string_view> paths;
  for (const FileInfo& shard : shards) {
    const std::string_view path = ShardName(shard.path);
    const auto [known, is_new] = paths.emplace(path.substr(path.rfind('/') + 1), shard.path);
    if (is_new) continue;
    return Status::InvalidArgument("the input ", input.name, " has two files named ",
                                   Printable(known->first), ": ", Printable(known->second), " and ",
                                   Printable(shard.path),
                                   "; the job tells them apart by that name alone, so rename one");
  }
  return {};
}

Status InspectShards(FileSystem& files, const std::vector<MatchedInput>& matched, int threads,
                     std::vector<ExecutionInput>& inputs) {
  std::vector<std::pair<std::size_t, std::size_t>> all;  // (input, shard).
  for (std::size_t i = 0; i < matched.size(); ++i) {
    inputs[i].shards.resize(matched[i].files.size());
    for (std::size_t s = 0; s < matched[i].files.size(); ++s) all.emplace_back(i, s);
  }
  return ParallelFor(all.size(), threads, [&](std::size_t n) {
    const std::size_t input = all[n].first;
    const std::size_t shard = all[n].second;
    MR_ASSIGN_OR_RETURN(inputs[input].shards[shard],
                        InspectShard(files, matched[input].files[shard]));
    return Status::Ok();
  });
}

JobSettings SettingsOf(const PlanRequest& request) {
  return {.params = request.params, .date = request.date, .output_format = request.output_format};
}

// What shards say of their columns may stand in another file, whose bytes no digest has: a schema,
// a directory's table of contents.
Hash128 LayoutHash(const std::vector<Shard>& shards) {
  CanonicalHasher hasher("millrace layout 1");
  const ShardLayout* last = nullptr;
  for (const Shard& shard : shards) {
    const ShardLayout* const layout = shard.layout.get();
    const bool is_same =
        layout == last || (layout != nullptr && last != nullptr &&
                           layout->columns == last->columns && layout->dialect == last->dialect);
    hasher.AddNumber(layout == nullptr ? 0 : is_same ? 1 : 2);
    last = layout;
    if (layout == nullptr || is_same) continue;
    hasher.AddText(layout->dialect);
    hasher.AddNumber(layout->columns.size());
    for (const std::string& column : layout->columns) hasher.AddText(column);
  }
  return hasher.Digest();
}

// The plan of a defined job over these files, one list per input.
Result<PlannedJob> PlanFiles(FileSystem& files, const PlanRequest& request,
                             std::unique_ptr<Job> job, const std::vector<MatchedInput>& matched,
                             int threads) {
  PlannedJob planned{.job = std::move(job)};
  proto::Plan& plan = planned.plan;
  plan.set_job(request.job);
  plan.set_date(request.date);
  plan.set_compression(std::string(CompressionName(request.compression)));
  for (const OutputSpec& output : planned.job->graph().outputs) {
    if (output.format == OutputFormat::kTsv) continue;
    MR_RETURN_IF_ERROR(CheckRowsFile(output.format, request.compression));
    plan.set_output_format(std::string(OutputFormatName(output.format)));
  }
  MR_ASSIGN_OR_RETURN(const JobRegistration* const registration, FindJobOrSuggest(request.job));
  MR_ASSIGN_OR_RETURN(*plan.mutable_code(),
                      CodeIdentity(reinterpret_cast<const void*>(registration->define)));
  MR_ASSIGN_OR_RETURN(*plan.mutable_directory(), BaseDirectory(matched));

  std::map<std::string, std::string> values;  // Sorted by name.
  for (const ParamInfo& param : planned.job->params()) values[param.name] = param.value;
  for (const auto& [name, value] : values) {
    proto::Parameter& parameter = *plan.add_parameters();
    parameter.set_name(name);
    parameter.set_value(value);
  }

  for (const std::string& name : InputNames(planned.job->graph())) {
    const std::vector<FileInfo>& input_files = matched[planned.inputs.size()].files;
    MR_RETURN_IF_ERROR(
        CheckDistinctNames(planned.job->graph().inputs[planned.inputs.size()], input_files));
    planned.inputs.push_back({.name = name});
    proto::PlanInput& input = *plan.add_inputs();
    input.set_name(name);
    for (const FileInfo& file : input_files) {
      proto::InputShard& shard = *input.add_shards();
      shard.set_path(file.path);
      shard.set_stored_bytes(file.bytes);
      planned.stored_bytes += file.bytes;
    }
  }
  plan.set_parts(static_cast<std::uint32_t>(
      request.parts > 0 ? request.parts : DefaultParts(planned.stored_bytes)));
  threads = std::max(threads, kInspectThreadsMin);
  MR_RETURN_IF_ERROR(InspectShards(files, matched, threads, planned.inputs));
  MR_RETURN_IF_ERROR(ResolveFormats(files, planned.job->graph(), matched, threads, planned.inputs));
  for (std::size_t i = 0; i < planned.inputs.size(); ++i) {
    const FileFormat& format = planned.inputs[i].format;
    if (format.is_lines()) continue;
    proto::PlanInput& input = *plan.mutable_inputs(static_cast<int>(i));
    input.set_format(FormatSpec(format));
    input.set_layout(LayoutHash(planned.inputs[i].shards).Hex());
  }
  MR_RETURN_IF_ERROR(CheckUtf8(plan));
  return planned;
}

}  // namespace

Result<std::unique_ptr<Job>> DefineJob(const std::string& name, const JobSettings& settings) {
  MR_ASSIGN_OR_RETURN(const JobRegistration* const registration, FindJobOrSuggest(name));
  if (!settings.date.empty() && !IsCalendarDate(settings.date)) {
    return Status::InvalidArgument("--date '", Printable(settings.date),
                                   "' is no day of the calendar; write YYYY-MM-DD");
  }
  auto job = std::make_unique<Job>(settings);
  MR_RETURN_IF_ERROR(CallDefine(*registration, *job));
  if (const Status status = job->Finish(); !status.ok()) {
    return Complaint(*job, name, settings, status);
  }
  return job;
}

Result<PlannedJob> PlanJob(FileSystem& files, const PlanRequest& request,
                           const std::vector<std::string>& specs, int threads) {
  MR_ASSIGN_OR_RETURN(std::unique_ptr<Job> job, DefineJob(request.job, SettingsOf(request)));
  if (job->graph().needs_date && request.date.empty()) {
    return Status::InvalidArgument("the job ", request.job,
                                   " needs --date: the day its output is of; write YYYY-MM-DD");
  }
  const std::vector<std::string> names = InputNames(job->graph());
  MR_ASSIGN_OR_RETURN(const std::vector<InputPatterns> inputs,
                      AssignPatterns(request.job, names, specs));
  MR_ASSIGN_OR_RETURN(const auto formats, AssignFormats(job->graph(), request.formats));
  std::vector<MatchedInput> matched;
  for (const InputPatterns& input : inputs) {
    const auto said = formats.find(input.name);
    Result<MatchedInput> found =
        MatchInput(files, input, request.date,
                   said == formats.end() ? std::nullopt : std::optional(said->second));
    if (!found.ok()) {
      if (found.error().code() != StatusCode::kNotFound) return found.error();
      return Status::NotFound(found.error().message(), UnknownInputHint(input, names));
    }
    matched.push_back(*std::move(found));
  }
  return PlanFiles(files, request, std::move(job), matched, threads);
}

Result<PlannedJob> PlanAgain(FileSystem& files, const proto::Plan& plan, int threads) {
  PlanRequest request{
      .job = plan.job(), .date = plan.date(), .parts = static_cast<int>(plan.parts())};
  MR_ASSIGN_OR_RETURN(request.compression, ParseCompression(plan.compression()));
  for (const proto::Parameter& parameter : plan.parameters()) {
    request.params[parameter.name()] = parameter.value();
  }
  if (!plan.output_format().empty()) {
    MR_ASSIGN_OR_RETURN(request.output_format, ParseOutputFormat(plan.output_format()));
  }
  MR_ASSIGN_OR_RETURN(std::unique_ptr<Job> job, DefineJob(request.job, SettingsOf(request)));
  std::vector<MatchedInput> matched;
  for (const std::string& name : InputNames(job->graph())) {
    const auto input = std::find_if(plan.inputs().begin(), plan.inputs().end(),
                                    [&name](const auto& each) { return each.name() == name; });
    if (input == plan.inputs().end()) {
      return Status::InvalidArgument("the job ", plan.job(), " now has the input ", name,
                                     ", which it hadn't; run it anew");
    }
    matched.emplace_back();
    if (!input->format().empty()) {
      MR_ASSIGN_OR_RETURN(matched.back().format, ParseFileFormat(input->format()));
    }
    for (const proto::InputShard& shard : input->shards()) {
      Result<FileInfo> file = files.Stat(shard.path());
      if (!file.ok()) return file.error().Annotate("input ", name);
      matched.back().files.push_back(*std::move(file));
    }
  }
  return PlanFiles(files, request, std::move(job), matched, threads);
}

int DefaultParts(std::uint64_t stored_bytes) {
  const std::uint64_t parts =
      stored_bytes / kBytesPerPart + (stored_bytes % kBytesPerPart == 0 ? 0 : 1);
  return static_cast<int>(std::clamp<std::uint64_t>(parts, 1, kDefaultPartsMax));
}

Result<Compression> ParseCompression(const std::string& name) {
  for (const Compression each : {Compression::kNone, Compression::kZstd, Compression::kGzip}) {
    if (CompressionName(each) == name) return each;
  }
  return Status::InvalidArgument("unknown compression '", Printable(name),
                                 "'; choose none, zstd or gzip");
}

}  // namespace millrace
