// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/test_run.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include "mapreduce/api/registry.h"
#include "mapreduce/base/numbers.h"
#include "mapreduce/base/random.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/output_reader.h"
#include "mapreduce/formats/tsv_field.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/testing/task_by_task.h"

namespace millrace {
namespace {

// A job's definition is its author's code and may throw.
Status CallDefine(const TestRun::Define& define, Job& job) {
  try {
    define(job);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return Status::UserCode("the definition of the job threw: ", error.what());
  } catch (...) {
    return Status::UserCode("the definition of the job threw");
  }
  return job.Finish();
}

Result<std::string> ReadOutput(FileSystem& files, const std::string& directory,
                               const OutputFileRecord& record, Compression compression) {
  MR_ASSIGN_OR_RETURN(
      const std::unique_ptr<OutputReader> reader,
      OutputReader::Open(files, JoinPath(directory, record.path), record.bytes, compression,
                         PartFormat(OutputFormatName(OutputFormat::kParquet), record.path)));
  std::string text;
  for (;;) {
    MR_ASSIGN_OR_RETURN(const std::string_view bytes, reader->Next());
    if (bytes.empty()) return text;
    text += bytes;
  }
}

std::vector<std::string> FieldsOf(const std::string& row) {
  std::vector<std::string> fields;
  for (std::size_t begin = 0; begin <= row.size();) {
    const std::size_t end = std::min(row.find('\t', begin), row.size());
    const std::string_view field = std::string_view(row).substr(begin, end - begin);
    std::string& plain = fields.emplace_back(field.size(), '\0');
    plain.resize(DecodeTsvField(field, plain.data()).value_or(0));
    begin = end + 1;
  }
  return fields;
}

// The rows of _rejects.tsv, shards by their index instead of their path.
Result<std::vector<TestReject>> ReadRejects(const std::string& text,
                                            const std::vector<ExecutionInput>& inputs) {
  std::vector<TestReject> rejects;
  for (const std::string& row : LinesOf(text)) {
    std::vector<std::string> fields = FieldsOf(row);
    std::int64_t offset = 0;
    if (fields.size() != 5 || !ParseInt64(fields[2], &offset)) {
      return Status::Internal(kRejectsName, " has a row that is none: ", row);
    }
    TestReject& reject = rejects.emplace_back();
    reject.input = std::move(fields[0]);
    for (const ExecutionInput& input : inputs) {
      for (std::size_t i = 0; i < input.shards.size(); ++i) {
        if (input.shards[i].file.path == fields[1]) reject.shard = static_cast<int>(i);
      }
    }
    reject.offset = static_cast<std::uint64_t>(offset);
    reject.reason = std::move(fields[3]);
    reject.raw = std::move(fields[4]);
  }
  return rejects;
}

// A file of several outputs is in a folder with the output's name.
std::string OutputOf(const JobGraph& graph, const std::string& path) {
  return graph.outputs.size() == 1 ? graph.outputs.front().name : path.substr(0, path.find('/'));
}

Result<TestResult> ReadResult(FileSystem& files, const JobGraph& graph,
                              const std::vector<ExecutionInput>& inputs,
                              const ExecutionOptions& options, const ExecutionResult& execution) {
  TestResult result;
  for (const OutputSpec& output : graph.outputs) result.parts[output.name];
  for (const OutputFileRecord& file : execution.files) {
    MR_ASSIGN_OR_RETURN(std::string text,
                        ReadOutput(files, options.output_directory, file, options.compression));
    result.parts[OutputOf(graph, file.path)].push_back(std::move(text));
  }
  if (execution.rejects_file) {
    MR_ASSIGN_OR_RETURN(
        const std::string text,
        ReadOutput(files, options.output_directory, *execution.rejects_file, Compression::kNone));
    MR_ASSIGN_OR_RETURN(result.rejects, ReadRejects(text, inputs));
  }
  result.counters = execution.counters;
  result.records_in = execution.records_in;
  result.records_out = execution.records_out;
  return result;
}

Status CheckInputNames(const JobGraph& graph,
                       const std::map<std::string, std::vector<std::string>>& given) {
  for (const auto& [name, shards] : given) {
    const auto has_name = [&, &wanted = name](const InputSpec& input) {
      return input.name == wanted;
    };
    if (std::none_of(graph.inputs.begin(), graph.inputs.end(), has_name)) {
      return Status::InvalidArgument("the job has no input ", name);
    }
  }
  for (const InputSpec& input : graph.inputs) {
    if (!given.contains(input.name)) {
      return Status::InvalidArgument("the test sets no input ", input.name);
    }
  }
  return {};
}

Result<std::vector<ExecutionInput>> StoreInputs(
    FileSystem& files, const std::string& directory, const JobGraph& graph,
    const std::map<std::string, std::vector<std::string>>& given, const TestExecution& execution) {
  Random random(execution.storage_seed);
  std::vector<ExecutionInput> inputs;
  for (const InputSpec& input : graph.inputs) {
    const std::string folder = JoinPath(directory, "input-" + std::to_string(inputs.size()));
    MR_RETURN_IF_ERROR(files.MakeDirectory(folder));
    MR_ASSIGN_OR_RETURN(std::vector<Shard> shards,
                        StoreShards(folder, given.at(input.name), execution.storage, random));
    inputs.push_back({input.name, std::move(shards)});
  }
  return inputs;
}

// The same error without the directory, whose name is another one each time.
Status WithoutDirectory(const Status& status, const std::string& directory) {
  std::string message = status.message();
  const std::string begin = directory + "/";
  for (std::size_t at = 0; (at = message.find(begin, at)) != std::string::npos;) {
    message.erase(at, begin.size());
  }
  return Status::Error(status.code(), message);
}

Result<TestResult> RunGraph(JobGraph graph, const std::string& directory,
                            const std::map<std::string, std::vector<std::string>>& given,
                            const TestExecution& execution, std::uint64_t max_rejects,
                            const std::string& date) {
  FileSystem& files = LocalFileSystem();
  if (!execution.call_combiners) {
    for (StageSpec& stage : graph.stages) stage.make_combiner = nullptr;
  }
  MR_ASSIGN_OR_RETURN(const std::vector<ExecutionInput> inputs,
                      StoreInputs(files, directory, graph, given, execution));
  ExecutionOptions options;
  options.parallel = execution.parallel;
  options.memory_bytes = execution.memory_bytes;
  options.split_bytes = execution.split_bytes;
  options.parts = execution.parts;
  options.compression = execution.compression;
  options.spill_everything = execution.spill_everything;
  options.max_rejects.count = max_rejects;
  options.date = date;
  options.output_directory = JoinPath(directory, "output");
  options.scratch_directory = JoinPath(directory, "scratch");
  MR_RETURN_IF_ERROR(files.MakeDirectory(options.output_directory));
  MR_RETURN_IF_ERROR(files.MakeDirectory(options.scratch_directory));
  Random attempts(execution.attempts_seed);
  MR_ASSIGN_OR_RETURN(const ExecutionResult result,
                      execution.task_by_task ? ExecuteTaskByTask(graph, inputs, options, attempts)
                                             : Execute(graph, inputs, options));
  return ReadResult(files, graph, inputs, options, result);
}

}  // namespace

TestRun::TestRun(std::string job_name) {
  const JobRegistration* const job = FindJob(job_name);
  if (job == nullptr) {
    mistake_ = Status::InvalidArgument("no job ", job_name, " is linked into this test");
  } else {
    define_ = job->define;
  }
}

TestRun& TestRun::Shards(const std::string& name, std::vector<std::string> shards) {
  inputs_[name] = std::move(shards);
  return *this;
}

TestRun& TestRun::Param(const std::string& name, std::string value) {
  settings_.params[name] = std::move(value);
  return *this;
}

TestRun& TestRun::Date(std::string date) {
  settings_.date = std::move(date);
  return *this;
}

TestRun& TestRun::MaxRejects(std::uint64_t count) {
  max_rejects_ = count;
  return *this;
}

TestRun& TestRun::Execution(const TestExecution& execution) {
  execution_ = execution;
  return *this;
}

std::uint64_t TestRun::shard_bytes_max() const {
  std::size_t bytes = 0;
  for (const auto& [name, shards] : inputs_) {
    for (const std::string& shard : shards) bytes = std::max(bytes, shard.size());
  }
  return bytes;
}

TestResult TestRun::Run() const {
  const auto run = [this]() -> Result<TestResult> {
    MR_RETURN_IF_ERROR(mistake_);
    Job job(settings_);
    MR_RETURN_IF_ERROR(CallDefine(define_, job));
    MR_RETURN_IF_ERROR(CheckInputNames(job.graph(), inputs_));
    const TestDirectory directory;
    if (directory.path().empty()) {
      return Status::CannotCreate("cannot make a directory for the test's files");
    }
    Result<TestResult> result =
        RunGraph(job.graph(), directory.path(), inputs_, execution_, max_rejects_, settings_.date);
    if (result.ok()) return result;
    return WithoutDirectory(result.error(), directory.path());
  };
  Result<TestResult> result = run();
  if (result.ok()) return *std::move(result);
  TestResult failed;
  failed.status = result.error();
  return failed;
}

}  // namespace millrace
