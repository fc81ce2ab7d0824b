// SPDX-License-Identifier: Apache-2.0
#include "worker/task_execution.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"
#include "mapreduce/engine/code_identity.h"
#include "mapreduce/engine/modules.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/single_task.h"
#include "mapreduce/engine/task_report.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/engine/without_exceptions.h"
#include "mapreduce/io/descriptor.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/run_reader.h"
#include "mapreduce/shuffle/run_slice.h"
#include "worker/sandbox.h"
#include "worker/task_divergence.h"

namespace millrace {
namespace {

constexpr std::size_t kOtherBlockBytes = std::size_t{40} << 10;

Status CheckCode(const TaskAssignment& assignment) {
  const JobRegistration* const job = FindJob(assignment.job);
  if (job == nullptr || assignment.code.empty()) return Status::Ok();
  MR_ASSIGN_OR_RETURN(const std::string code,
                      CodeIdentity(reinterpret_cast<const void*>(job->define)));
  if (code == assignment.code) return Status::Ok();
  return Status::InvalidArgument("the run was planned with the code ", assignment.code,
                                 ", and this worker has ", code,
                                 "; start workers and runs from the same build");
}

std::uint64_t SliceSize(const RunSlice& slice) { return slice.bytes.end - slice.bytes.begin; }

/// See ExecuteAssignment.
class Execution {
 public:
  Execution(const TaskAssignment& assignment,
            const std::vector<std::shared_ptr<const ModuleImage>>& modules, SharedRecord* shared)
      : assignment_(assignment), modules_(modules), shared_(shared) {}

  Result<TaskSuccess> Run() {
    MR_RETURN_IF_ERROR(EnterDirectory());
    MR_RETURN_IF_ERROR(MakeOutput());
    // No code but ours has run until here.
    if (assignment_.is_sandboxed) MR_RETURN_IF_ERROR(EnterSandbox(PathsOf(assignment_)));
    for (const std::shared_ptr<const ModuleImage>& module : modules_)
      MR_RETURN_IF_ERROR(LoadModule(module, StatusCode::kUnavailable));
    MR_RETURN_IF_ERROR(CheckCode(assignment_));
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<Job> job,
                        DefineJob(assignment_.job, {assignment_.params, assignment_.date,
                                                    assignment_.output_format}));
    MR_RETURN_IF_ERROR(OpenTables(job->graph()));
    MR_ASSIGN_OR_RETURN(TaskSuccess success, assignment_.kind == TaskKind::kMap
                                                 ? RunMap(job->graph())
                                                 : RunReduce(job->graph()));
    if (assignment_.reference) MR_RETURN_IF_ERROR(FindDivergence(files_, assignment_, success));
    return success;
  }

  TaskFault FaultOf(const Status& status) {
    TaskFault fault{status.code(), status.message(), std::nullopt};
    if (assignment_.kind == TaskKind::kReduce && status.code() == StatusCode::kCorrupt)
      fault.damaged_input = FindDamaged();
    if (!fault.damaged_input && IsOwn(status)) fault.code = StatusCode::kUnavailable;
    if (status.code() == StatusCode::kBadData && AnyPieceIsOutOfReach())
      fault.code = StatusCode::kUnavailable;
    return fault;
  }

 private:
  Status EnterDirectory() {
    const std::string& directory = assignment_.directory;
    if (directory.empty() || chdir(directory.c_str()) == 0) return Status::Ok();
    const bool is_missing = errno == ENOENT || errno == ENOTDIR;
    return Status::Error(is_missing ? StatusCode::kNotFound : StatusCode::kUnavailable,
                         "cannot go to ", Printable(directory),
                         ", where the run was started: ", std::strerror(errno),
                         "; the same path must exist on every host, or ",
                         "say where the inputs are with absolute paths");
  }

  // Without parents: of a run that is over nothing must come back. Of an earlier life of this
  // attempt there may be one.
  Status MakeOutput() {
    const std::string& directory = assignment_.output_directory;
    if (directory.empty()) return Status::Ok();
    MR_RETURN_IF_ERROR(files_.RemoveTree(directory));
    MR_RETURN_IF_ERROR(files_.MakeDirectory(directory));
    return files_.SyncDirectory(ParentPath(directory));
  }

  Status OpenTables(const JobGraph& graph) {
    tables_.resize(graph.tables.size());
    for (const TaskTable& table : assignment_.tables) {
      const int index = table.stage < graph.stages.size() ? graph.stages[table.stage].table : -1;
      if (index < 0)
        return Status::InvalidArgument("the job has no such table; is it another version of it?");
      MR_ASSIGN_OR_RETURN(tables_[static_cast<std::size_t>(index)],
                          OpenTable(files_, table.files, assignment_.memory_bytes));
    }
    return Status::Ok();
  }

  SingleTaskOptions Options() {
    SingleTaskOptions options;
    options.memory_bytes = assignment_.memory_bytes;
    options.parts = static_cast<int>(assignment_.parts);
    options.compression = assignment_.compression;
    options.date = assignment_.date;
    options.rejects_max = assignment_.rejects_max;
    options.scratch_directory = assignment_.scratch_directory;
    options.block_bytes = assignment_.block_bytes;
    // One that is compared has other buffers, too: nobody may see them in what it makes.
    if (assignment_.reference && options.block_bytes == 0) options.block_bytes = kOtherBlockBytes;
    options.set_aside = assignment_.set_aside;
    options.goes_one_by_one = assignment_.goes_one_by_one;
    options.tables = tables_;
    options.on_progress = [this](std::uint64_t records, std::uint64_t bytes) {
      shared_->records.store(records, std::memory_order_relaxed);
      shared_->bytes.store(bytes, std::memory_order_relaxed);
    };
    return options;
  }

  RejectPlace Rejects() const {
    RejectPlace place;
    place.directory = assignment_.output_directory;
    return place;
  }

  // The input has the task's shards alone: they get other numbers for this time.
  Result<TaskSuccess> RunMap(const JobGraph& graph) {
    if (assignment_.stage >= graph.stages.size() ||
        assignment_.source >= graph.stages[assignment_.stage].sources.size())
      return Status::InvalidArgument("the job has no such map; is it another version of it?");
    const int input = graph.stages[assignment_.stage].sources[assignment_.source].input;
    std::vector<ExecutionInput> inputs(graph.inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].name = graph.inputs[i].name;
    MapTaskSpec spec;
    spec.stage = assignment_.stage;
    spec.source = assignment_.source;
    spec.task = assignment_.attempt.task.index;
    spec.part = assignment_.part;
    spec.output_directory = assignment_.output_directory;
    if (!assignment_.runs.empty()) spec.run = assignment_.runs.front();
    spec.split.stored_bytes = assignment_.stored_bytes;
    if (input >= 0) inputs[static_cast<std::size_t>(input)].format = assignment_.input_format;
    for (const TaskPiece& piece : assignment_.pieces) {
      if (input < 0) break;  // ExecuteMapTask says so.
      std::vector<Shard>& shards = inputs[static_cast<std::size_t>(input)].shards;
      spec.split.pieces.push_back({input, static_cast<int>(shards.size()), piece.range});
      shards.push_back(piece.file);
    }
    MR_ASSIGN_OR_RETURN(MapTaskResult result,
                        ExecuteMapTask(files_, graph, inputs, Options(), spec));
    for (ReadBlocks& blocks : result.blocks)
      blocks.shard =
          static_cast<int>(assignment_.pieces[static_cast<std::size_t>(blocks.shard)].shard);
    TaskSuccess success;
    MR_ASSIGN_OR_RETURN(success.output, OutputOf(files_, result, Rejects()));
    if (!assignment_.runs.empty()) success.runs.push_back(result.run.info);
    return success;
  }

  Result<TaskSuccess> RunReduce(const JobGraph& graph) {
    ReduceTaskSpec spec;
    spec.stage = assignment_.stage;
    spec.part = assignment_.part;
    spec.range = assignment_.range;
    spec.inputs = assignment_.inputs;
    spec.output_directory = assignment_.output_directory;
    spec.next_runs = assignment_.runs;
    MR_ASSIGN_OR_RETURN(const ReduceTaskResult result,
                        ExecuteReduceTask(files_, graph, Options(), spec));
    TaskSuccess success;
    MR_ASSIGN_OR_RETURN(success.output, OutputOf(files_, result, Rejects()));
    for (const ReduceInput& input : assignment_.inputs)
      success.output.bytes_in += InputBytes(input);
    for (const ReduceTaskResult::Next& next : result.next) success.runs.push_back(next.run.info);
    return success;
  }

  // Of a whole file only a part is read, which an index knows: it was opened once already.
  std::uint64_t InputBytes(const ReduceInput& input) {
    if (const auto* const slice = std::get_if<RunSlice>(&input)) return SliceSize(*slice);
    const auto file = RunFile::Open(files_, std::get<RunInfo>(input));
    if (!file.ok()) return 0;
    const RunBytes bytes = (*file)->SliceBytes(assignment_.range);
    return bytes.end - bytes.begin;
  }

  // The first input that is damaged.
  std::optional<std::uint32_t> FindDamaged() {
    for (std::size_t i = 0; i < assignment_.inputs.size(); ++i) {
      Status status;
      if (const auto* const info = std::get_if<RunInfo>(&assignment_.inputs[i])) {
        const auto file = RunFile::Open(files_, *info);
        status = file.ok() ? CheckRunSlice(files_, SliceOf(*info, (*file)->SliceBytes({})))
                           : file.error();
      } else if (const auto& slice = std::get<RunSlice>(assignment_.inputs[i]);
                 SliceSize(slice) > 0) {
        status = CheckRunSlice(files_, slice);
      }
      if (!status.ok()) return static_cast<std::uint32_t>(i);
    }
    return std::nullopt;
  }

  // What the file system says about an input in spite of its data: here and now, not everywhere.
  static bool IsOutOfReach(const TaskPiece& piece) {
    const std::string& path = piece.file.file.path;
    const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    char byte = 0;
    const auto at = static_cast<off_t>(piece.range.stored_begin);
    if (file.get() >= 0 && pread(file.get(), &byte, 1, at) >= 0) return false;
    switch (errno) {
      case EACCES:
      case EPERM:
      case EIO:
      case ESTALE:
      case ETIMEDOUT:
      case EREMOTEIO:
        return true;
      default:
        return false;
    }
  }
  bool AnyPieceIsOutOfReach() const {
    return std::any_of(assignment_.pieces.begin(), assignment_.pieces.end(), IsOutOfReach);
  }

  bool IsOwn(const Status& status) const {
    switch (status.code()) {
      case StatusCode::kBadData:
      case StatusCode::kNotFound:
      case StatusCode::kCannotCreate:
      case StatusCode::kCorrupt:
        break;
      default:
        return false;
    }
    const auto names = [&](const std::string& path) {
      return !path.empty() && status.message().find(path) != std::string::npos;
    };
    if (names(assignment_.scratch_directory) || names(assignment_.output_directory)) return true;
    // Of the folder above only this step speaks.
    if (status.code() == StatusCode::kCannotCreate) return true;
    for (const NewRun& run : assignment_.runs) {
      if (names(run.path)) return true;
    }
    for (const ReduceInput& input : assignment_.inputs) {
      if (names(std::visit([](const auto& of) { return of.path; }, input))) return true;
    }
    for (const TaskTable& table : assignment_.tables) {
      for (const MadeTableFile& file : table.files) {
        if (names(file.path)) return true;
      }
    }
    return false;
  }

  const TaskAssignment& assignment_;
  const std::vector<std::shared_ptr<const ModuleImage>>& modules_;
  SharedRecord* const shared_;
  std::vector<std::shared_ptr<const TableSet>> tables_;  // By JobGraph::tables.
  FileSystem& files_ = LocalFileSystem();
};

}  // namespace

ChildAnswer ExecuteAssignment(const TaskAssignment& assignment,
                              const std::vector<std::shared_ptr<const ModuleImage>>& modules,
                              SharedRecord* shared) {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 20);  // As in Execute (engine/execution.cc).
#endif
  Execution execution(assignment, modules, shared);
  Result<TaskSuccess> success =
      WithoutExceptions([&]() -> Result<TaskSuccess> { return execution.Run(); });
  if (success.ok()) return *std::move(success);
  return execution.FaultOf(success.error());
}

}  // namespace millrace
