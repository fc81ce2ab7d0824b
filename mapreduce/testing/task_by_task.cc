// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/testing/task_by_task.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/base/cancel.h"
#include "mapreduce/engine/followers.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/part_ranges.h"
#include "mapreduce/engine/reject_limit.h"
#include "mapreduce/engine/reject_order.h"
#include "mapreduce/engine/single_task.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/shuffle/key_sampler.h"

namespace millrace {
namespace {

// One of so many attempts is killed, or doubled.
constexpr std::uint64_t kKilledShare = 4;
constexpr std::uint64_t kDoubledShare = 4;
// A killed attempt has heard of at most so many blocks or batches.
constexpr std::uint64_t kProgressMax = 6;

class TaskByTask {
 public:
  TaskByTask(const JobGraph& graph, const std::vector<ExecutionInput>& inputs,
             const ExecutionOptions& options, Random& random)
      : graph_(graph),
        inputs_(inputs),
        options_(options),
        random_(random),
        runs_(graph.stages.size()),
        tables_(graph.tables.size()) {
    for (std::size_t stage = 0; stage < graph.stages.size(); ++stage)
      runs_[stage].resize(graph.stages[stage].sources.size());
  }

  Result<ExecutionResult> Run() {
    for (std::size_t stage = 0; stage < graph_.stages.size(); ++stage) {
      for (std::size_t source = 0; source < graph_.stages[stage].sources.size(); ++source) {
        if (graph_.stages[stage].sources[source].input >= 0)
          MR_RETURN_IF_ERROR(RunMaps(stage, source));
      }
      if (graph_.stages[stage].has_reduce()) MR_RETURN_IF_ERROR(RunReduces(stage));
    }
    MR_RETURN_IF_ERROR(CheckRejects(/*is_final=*/true));
    MR_RETURN_IF_ERROR(WriteRejects());
    for (const auto& of_output : files_by_output_) {
      for (const OutputFileRecord& file : of_output) {
        result_.records_out += file.records;
        result_.files.push_back(file);
      }
    }
    return std::move(result_);
  }

 private:
  // Where one attempt works.
  struct Place {
    std::string scratch, output;
  };

  Result<Place> NewPlace() {
    const std::string folder =
        JoinPath(options_.scratch_directory, "attempt-" + std::to_string(attempts_++));
    const Place place{folder + "/scratch", folder + "/output"};
    MR_RETURN_IF_ERROR(files_.MakeDirectories(place.scratch));
    MR_RETURN_IF_ERROR(files_.MakeDirectories(place.output));
    return place;
  }

  SingleTaskOptions OptionsIn(const Place& place) {
    SingleTaskOptions options;
    options.memory_bytes = options_.memory_bytes >> random_.Uniform(3);
    options.parts = options_.parts;
    options.compression = options_.compression;
    options.date = options_.date;
    options.scratch_directory = place.scratch;
    options.spill_everything = options_.spill_everything || random_.Uniform(4) == 0;
    options.tables = tables_;
    return options;
  }

  // What `attempt(options, place)` makes of a task, after what may go wrong.
  template <class Outcome, class F>
  Result<Outcome> Attempt(std::string_view task, F&& attempt) {
    if (random_.Uniform(kKilledShare) == 0) {
      MR_ASSIGN_OR_RETURN(const Place place, NewPlace());
      SingleTaskOptions options = OptionsIn(place);
      CancelToken killed;
      std::uint64_t left = random_.Uniform(kProgressMax);
      if (left == 0) killed.Cancel();
      options.cancel = &killed;
      options.on_progress = [&](std::uint64_t, std::uint64_t) {
        if (left > 0 && --left == 0) killed.Cancel();
      };
      static_cast<void>(attempt(options, place));  // Whatever it made is nobody's.
    }
    MR_ASSIGN_OR_RETURN(const Place place, NewPlace());
    MR_ASSIGN_OR_RETURN(Outcome outcome, attempt(OptionsIn(place), place));
    if (random_.Uniform(kDoubledShare) == 0) {
      MR_ASSIGN_OR_RETURN(const Place other_place, NewPlace());
      MR_ASSIGN_OR_RETURN(const Outcome other, attempt(OptionsIn(other_place), other_place));
      if (other.digest != outcome.digest) {
        return Status::Error(StatusCode::kDiverged, "two attempts of ", task,
                             " made different records: the job's code is not deterministic");
      }
    }
    MR_RETURN_IF_ERROR(Publish(outcome, place));
    return outcome;
  }

  template <class Outcome>
  Status Publish(const Outcome& outcome, const Place& place) {
    for (const OutputFileRecord& file : outcome.files) {
      const std::string to = JoinPath(options_.output_directory, file.path);
      MR_RETURN_IF_ERROR(files_.MakeDirectories(ParentPath(to)));
      MR_RETURN_IF_ERROR(files_.RenameNoReplace(JoinPath(place.output, file.path), to));
    }
    for (const auto& [name, count] : outcome.counters) result_.counters[name] += count;
    ++result_.tasks_run;
    return Status::Ok();
  }

  void CollectFiles(std::size_t stage, const std::vector<OutputFileRecord>& files) {
    for (std::size_t w = 0; w < files.size(); ++w) {
      const auto output = static_cast<std::size_t>(graph_.stages[stage].writes[w].output);
      files_by_output_.resize(graph_.outputs.size());
      files_by_output_[output].push_back(files[w]);
    }
  }

  Status RunMaps(std::size_t stage, std::size_t source) {
    const int input = graph_.stages[stage].sources[source].input;
    const bool has_reduce = graph_.stages[stage].has_reduce();
    std::vector<Split> splits;
    if (has_reduce) {
      for (Split& split : PlanSplits(inputs_, options_.split_bytes)) {
        if (split.pieces.front().input == input) splits.push_back(std::move(split));
      }
    } else {
      splits = PlanParts(inputs_, input, options_.parts);
    }
    for (std::size_t task = 0; task < splits.size(); ++task) {
      MapTaskSpec spec;
      spec.stage = stage;
      spec.source = source;
      spec.task = task;
      spec.split = splits[task];
      spec.part = task;
      const auto attempt = [&](const SingleTaskOptions& options, const Place& place) {
        spec.run = NewRunIn(place, 0);
        spec.output_directory = place.output;
        return ExecuteMapTask(files_, graph_, inputs_, options, spec);
      };
      MR_ASSIGN_OR_RETURN(const MapTaskResult made,
                          Attempt<MapTaskResult>("a map of " + graph_.stages[stage].name, attempt));
      result_.records_in += made.records_read;
      MR_RETURN_IF_ERROR(AddRejects(made.rejects, /*is_reduce=*/false));
      CollectFiles(stage, made.files);
      if (has_reduce) runs_[stage][source].push_back(made.run);
    }
    return CheckRejects(/*is_final=*/false);
  }

  std::vector<KeyRange> Ranges(std::size_t stage) const {
    KeySampler sampler(SampleCapacity(options_.parts));
    for (const std::vector<TaskRun>& of_source : runs_[stage]) {
      for (const TaskRun& run : of_source) {
        for (const std::string& key : run.sample) sampler.Offer(key);
      }
    }
    return PartRanges(sampler.Borders(options_.parts), options_.parts);
  }

  Status RunReduces(std::size_t stage) {
    const std::vector<Follower> followers = Followers(graph_, stage);
    const std::vector<KeyRange> ranges = Ranges(stage);
    std::vector<std::vector<RejectRows>> next_rejects(followers.size());
    std::vector<MadeTableFile> table;
    for (std::size_t part = 0; part < ranges.size(); ++part) {
      ReduceTaskSpec spec;
      spec.stage = stage;
      spec.part = part;
      spec.range = ranges[part];
      for (const std::vector<TaskRun>& of_source : runs_[stage]) {
        for (const TaskRun& run : of_source) spec.inputs.emplace_back(run.info);
      }
      std::vector<std::string> outputs;
      const auto attempt = [&](const SingleTaskOptions& options, const Place& place) {
        outputs.push_back(place.output);
        spec.output_directory = place.output;
        spec.next_runs.clear();
        for (std::size_t i = 0; i < followers.size(); ++i)
          spec.next_runs.push_back(NewRunIn(place, i));
        return ExecuteReduceTask(files_, graph_, options, spec);
      };
      MR_ASSIGN_OR_RETURN(
          ReduceTaskResult made,
          Attempt<ReduceTaskResult>("a reduce of " + graph_.stages[stage].name, attempt));
      MR_RETURN_IF_ERROR(AddRejects(made.rejects, /*is_reduce=*/true));
      CollectFiles(stage, made.files);
      for (std::size_t i = 0; i < followers.size(); ++i) {
        next_rejects[i].push_back(made.next[i].rejects);
        runs_[followers[i].stage][followers[i].source].push_back(made.next[i].run);
      }
      // Equal in all attempts that were not killed; the last of them has it.
      if (made.table)
        table.push_back({JoinPath(outputs.back(), made.table->path), made.table->bytes});
    }
    if (graph_.stages[stage].table >= 0) {
      MR_ASSIGN_OR_RETURN(tables_[static_cast<std::size_t>(graph_.stages[stage].table)],
                          OpenTable(files_, table, options_.memory_bytes));
    }
    for (const std::vector<RejectRows>& of_follower : next_rejects) {
      for (const RejectRows& rows : of_follower)
        MR_RETURN_IF_ERROR(AddRejects(rows, /*is_reduce=*/true));
    }
    return CheckRejects(/*is_final=*/false);
  }

  NewRun NewRunIn(const Place& place, std::size_t channel) {
    return {place.scratch + "/run-" + std::to_string(channel), ++file_ids_};
  }

  Status AddRejects(const RejectRows& rejects, bool is_reduce) {
    std::string rows = rejects.rows;
    if (!rejects.path.empty()) {
      MR_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, files_.Map(rejects.path));
      rows = file->bytes();
    }
    result_.rejects += rejects.count;
    has_late_ = has_late_ || (is_reduce && HaveLate(rows));
    rejects_ += rows;
    return Status::Ok();
  }

  Status CheckRejects(bool is_final) const {
    std::vector<std::string> first;
    for (std::string_view rest = rejects_; !rest.empty() && first.size() < kRejectsShownMax;) {
      const std::string_view row = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(row.size() + 1, rest.size()));
      const RejectRow parsed = ParseRejectRow(row);
      first.push_back(DescribeReject({.input = parsed.input,
                                      .shard = parsed.shard,
                                      .offset = parsed.offset,
                                      .reason = parsed.reason,
                                      .raw = {}}));
    }
    return CheckRejectLimit(options_.max_rejects, result_.rejects, result_.records_in, is_final,
                            first);
  }

  Status WriteRejects() {
    if (result_.rejects == 0) return Status::Ok();
    if (has_late_ || !AreInOrder(InputsMapped(graph_))) rejects_ = OrderRejects(rejects_, inputs_);
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                        files_.Create(JoinPath(options_.output_directory, kRejectsName)));
    MR_RETURN_IF_ERROR(file->Append(rejects_));
    MR_RETURN_IF_ERROR(file->Close());
    result_.rejects_file = {kRejectsName, rejects_.size(), result_.rejects, HashOf128(rejects_)};
    return Status::Ok();
  }

  FileSystem& files_ = LocalFileSystem();
  const JobGraph& graph_;
  const std::vector<ExecutionInput>& inputs_;
  const ExecutionOptions& options_;
  Random& random_;
  std::uint64_t attempts_ = 0;
  std::uint64_t file_ids_ = 0;
  std::vector<std::vector<std::vector<TaskRun>>> runs_;  // [stage][source][task]
  std::vector<std::shared_ptr<const TableSet>> tables_;
  std::vector<std::vector<OutputFileRecord>> files_by_output_;
  std::string rejects_;  // Rows, in the order of the tasks.
  bool has_late_ = false;
  ExecutionResult result_;
};

}  // namespace

Result<ExecutionResult> ExecuteTaskByTask(const JobGraph& graph,
                                          const std::vector<ExecutionInput>& inputs,
                                          const ExecutionOptions& options, Random& random) {
  return TaskByTask(graph, inputs, options, random).Run();
}

}  // namespace millrace
