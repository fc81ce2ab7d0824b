// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sim_job.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "mapreduce/engine/execution.h"
#include "mapreduce/engine/followers.h"
#include "mapreduce/engine/part_ranges.h"
#include "mapreduce/engine/split_plan.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_mounts.h"
#include "tests/unit/engine/probe_jobs.h"

namespace millrace {
namespace {

[[noreturn]] void Die(const Status& status) {
  std::fprintf(stderr, "the simulation's own jobs: %s\n", status.message().c_str());
  std::abort();
}

struct SplitWords {
  void Map(const Line& line, Emitter<std::string_view, std::int64_t>& emit) {
    for (std::string_view rest = line.text; !rest.empty();) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      if (end > 0) emit(rest.substr(0, end), 1);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
};

void CountJob(Job& job) {
  job.ReadLines("lines").Map<SplitWords>().Reduce<Sum>().Write<Tsv>("counts");
}

/// The hash of a key's values one after the other: any change of their order changes it.
struct Fold {
  void Reduce(const std::string_view& key, Values<std::string_view>& values,
              Emitter<std::string_view, std::uint64_t>& emit, Context& context) {
    std::uint64_t hash = 0;
    for (const std::string_view value : values) {
      hash = Hash64(value, hash + 1);
      context.Count("values");
    }
    emit(key, hash);
  }
};

void FoldJob(Job& job) {
  job.ReadLines("lines").Map<probe::ByKey>().Reduce<Fold>().Write<Tsv>("folds");
}

struct JobShape {
  const char* name;
  void (*define)(Job&);
  int inputs;
};

constexpr JobShape kShapes[] = {
    {"count", CountJob, 1},
    {"fold", FoldJob, 1},
    {"concatenate", probe::ConcatenateJob, 1},
    {"group_by", probe::GroupByJob, 1},
    {"join", probe::JoinJob, 2},
    {"picky", probe::PickyJob, 1},
    {"look_up", probe::LookUpJob, 1},
};

std::string MakeText(Random& random, std::size_t lines, bool has_bad) {
  std::string text;
  for (std::size_t i = 0; i < lines; ++i) {
    text += "k" + std::to_string(random.Uniform(20));
    const std::uint64_t words = random.Uniform(3);
    for (std::uint64_t w = 0; w < words; ++w) text += " v" + std::to_string(random.Uniform(1000));
    if (has_bad && i % 4 == 1) text += " bad";
    text += '\n';
  }
  return text;
}

void AddPhases(SimJob& job, std::uint64_t split_bytes) {
  const JobGraph& graph = job.job->graph();
  const auto capacity = static_cast<std::uint32_t>(SampleCapacity(job.parts));
  std::vector<Split> splits = PlanSplits(job.inputs, split_bytes);
  std::vector<std::uint32_t> reduce_of_stage;
  const auto makers_of = [&](const std::vector<int>& tables) {
    std::set<std::uint32_t> makers;
    for (const int table : tables) {
      const int stage = graph.tables[static_cast<std::size_t>(table)].stage;
      makers.insert(reduce_of_stage[static_cast<std::size_t>(stage)]);
    }
    return std::vector<std::uint32_t>(makers.begin(), makers.end());
  };
  for (std::size_t stage = 0; stage < graph.stages.size(); ++stage) {
    const StageSpec& spec = graph.stages[stage];
    PhaseSpec reduce;
    reduce.name = spec.name + " reduce";
    reduce.kind = TaskKind::kReduce;
    for (std::size_t source = 0; source < spec.sources.size(); ++source) {
      const StageSource& from = spec.sources[source];
      if (from.input < 0) {
        const auto feeding = static_cast<std::size_t>(from.stage);
        const std::vector<Follower> followers = Followers(graph, feeding);
        std::uint32_t channel = 0;
        while (followers[channel].stage != stage || followers[channel].source != source) ++channel;
        reduce.sources.push_back({reduce_of_stage[feeding], channel});
        continue;
      }
      SimPhase phase{stage, source, {}};
      PhaseSpec map;
      map.name = spec.name + " map";
      for (const Split& split : splits) {
        if (split.pieces.front().input != from.input) continue;
        phase.splits.push_back(split);
        map.task_bytes.push_back(split.stored_bytes);
      }
      map.task_count = static_cast<std::uint32_t>(phase.splits.size());
      map.channels = 1;
      map.tables = makers_of(from.tables);
      map.sample_capacity = capacity;
      reduce.sources.push_back({static_cast<std::uint32_t>(job.phases.size()), 0});
      job.phases.push_back(std::move(phase));
      job.spec.phases.push_back(std::move(map));
    }
    reduce.task_count = static_cast<std::uint32_t>(job.parts);
    reduce.channels = static_cast<std::uint32_t>(Followers(graph, stage).size());
    reduce.writes_parts = !spec.writes.empty();
    reduce.makes_table = spec.table >= 0;
    reduce.tables = makers_of(TablesOfReduce(graph, stage));
    reduce.sample_capacity = capacity;
    reduce_of_stage.push_back(static_cast<std::uint32_t>(job.phases.size()));
    job.phases.push_back({stage, 0, {}});
    job.spec.phases.push_back(std::move(reduce));
  }
}

std::unique_ptr<SimJob> MakeSimJob(const JobShape& shape, std::uint64_t seed,
                                   bool is_small = false) {
  Random random(seed);
  auto sim = std::make_unique<SimJob>();
  sim->name = shape.name + std::string("-") + std::to_string(seed);
  sim->job = std::make_unique<Job>(JobSettings{{}, ""});
  shape.define(*sim->job);
  if (const Status status = sim->job->Finish(); !status.ok()) Die(status);
  sim->parts = is_small ? 1 : 1 + static_cast<int>(random.Uniform(4));

  const JobGraph& graph = sim->job->graph();
  for (std::size_t input = 0; input < graph.inputs.size(); ++input) {
    ExecutionInput& execution = sim->inputs.emplace_back();
    execution.name = graph.inputs[input].name;
    const std::uint64_t shards = is_small ? 1 : 1 + random.Uniform(3);
    for (std::uint64_t shard = 0; shard < shards; ++shard) {
      const std::string path =
          "/in/" + sim->name + "." + execution.name + "-" + std::to_string(shard);
      const bool has_bad = shape.define == probe::PickyJob;
      const std::size_t lines = is_small ? 8 : 3 + random.Uniform(25);
      InputsOfSimJobs().Add(path, MakeText(random, lines, has_bad));
      const Result<FileInfo> info = InputsOfSimJobs().Stat(path);
      Result<Shard> inspected = InspectShard(InputsOfSimJobs(), *info);
      if (!inspected.ok()) Die(inspected.error());
      execution.shards.push_back(*std::move(inspected));
    }
  }
  const std::uint64_t bytes = sim->inputs.front().shards.front().file.bytes;
  AddPhases(*sim, is_small ? bytes / 2 + 1 : 60 + random.Uniform(200));

  SimDisk disk(random);
  SimFileSystem written(disk, 0);
  SimMounts files(InputsOfSimJobs(), written, written);
  ExecutionOptions options;
  options.parts = sim->parts;
  options.memory_bytes = std::uint64_t{64} << 20;
  options.max_rejects = {.count = 1'000'000};
  options.output_directory = "/out";
  options.scratch_directory = "/scratch";
  static_cast<void>(files.MakeDirectories("/out"));
  static_cast<void>(files.MakeDirectories("/scratch"));
  const Result<ExecutionResult> result = Execution(files, graph, sim->inputs, options).Run();
  if (!result.ok()) Die(result.error());
  for (const auto& [path, contents] : disk.Files("/out")) sim->files[path.substr(5)] = contents;
  sim->counters = result->counters;
  return sim;
}

class InputFile final : public RandomAccessFile {
 public:
  InputFile(FileInfo info, const std::string& contents)
      : info_(std::move(info)), contents_(contents) {}
  Result<std::size_t> ReadAt(std::uint64_t offset, char* into, std::size_t n) override {
    if (offset >= contents_.size()) return std::size_t{0};
    return contents_.copy(into, n, offset);
  }
  Result<FileInfo> Stat() override { return info_; }

 private:
  const FileInfo info_;
  const std::string& contents_;
};

}  // namespace

void SimInputs::Add(const std::string& path, std::string contents) {
  File& file = files_[path];
  file.info.path = path;
  file.info.bytes = contents.size();
  file.info.inode = files_.size();
  file.info.device = 1;
  file.contents = std::move(contents);
}

Result<std::unique_ptr<RandomAccessFile>> SimInputs::OpenForRead(const std::string& path, FileUse) {
  const auto found = files_.find(path);
  if (found == files_.end()) return Status::NotFound(path, ": no such input");
  return std::unique_ptr<RandomAccessFile>(
      std::make_unique<InputFile>(found->second.info, found->second.contents));
}

Result<FileInfo> SimInputs::Stat(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) return Status::NotFound(path, ": no such input");
  return found->second.info;
}

SimInputs& InputsOfSimJobs() {
  static auto* const inputs = new SimInputs();
  return *inputs;
}

const std::vector<std::unique_ptr<SimJob>>& SimJobs() {
  static const auto* const jobs = [] {
    auto* made = new std::vector<std::unique_ptr<SimJob>>();
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      for (const JobShape& shape : kShapes) made->push_back(MakeSimJob(shape, seed));
    }
    made->push_back(MakeSimJob(kShapes[1], 5, /*is_small=*/true));
    return made;
  }();
  return *jobs;
}

}  // namespace millrace
