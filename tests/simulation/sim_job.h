// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_JOB_H_
#define TESTS_SIMULATION_SIM_JOB_H_

// A real job over tiny inputs, cut into the phases and tasks of a distributed run, with what the
// local runner makes of it: the oracle. Made once, used by many schedules.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/engine/execute.h"
#include "mapreduce/engine/split_plan.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

/// What the tasks of one phase execute.
struct SimPhase {
  std::size_t stage = 0;
  std::size_t source = 0;     ///< Of a map phase: of the stage's.
  std::vector<Split> splits;  ///< Of a map phase: by task.
};

struct SimJob {
  std::string name;
  std::unique_ptr<Job> job;
  std::vector<ExecutionInput> inputs;
  int parts = 1;
  std::vector<SimPhase> phases;
  RunSpec spec;  ///< Without name and plan.

  // The oracle's.
  std::map<std::string, std::string> files;  ///< The output's, by path.
  std::map<std::string, std::uint64_t> counters;
};

/// The inputs of all jobs: read-only, and never failing.
class SimInputs final : public FileSystem {
 public:
  using FileSystem::Create;
  using FileSystem::OpenForRead;
  void Add(const std::string& path, std::string contents);

  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        FileUse use) override;
  Result<FileInfo> Stat(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string&, FileUse) override {
    return kReadOnly;
  }
  Result<std::vector<FileInfo>> List(const std::string&) override { return kReadOnly; }
  Status MakeDirectory(const std::string&) override { return kReadOnly; }
  Status MakeDirectories(const std::string&) override { return kReadOnly; }
  Status RemoveFile(const std::string&) override { return kReadOnly; }
  Status RemoveTree(const std::string&) override { return kReadOnly; }
  Status Rename(const std::string&, const std::string&) override { return kReadOnly; }
  Status RenameNoReplace(const std::string&, const std::string&) override { return kReadOnly; }
  Status Exchange(const std::string&, const std::string&) override { return kReadOnly; }
  Status SyncDirectory(const std::string&) override { return kReadOnly; }
  Status SyncTree(const std::string&) override { return kReadOnly; }

 private:
  const Status kReadOnly = Status::CannotCreate("inputs are read-only");
  struct File {
    FileInfo info;
    std::string contents;
  };
  std::map<std::string, File> files_;
};

/// Those of SimJobs().
SimInputs& InputsOfSimJobs();

/// All jobs that schedules choose from: combining, order-sensitive, with secondary sort, of two
/// inputs, with rejects, of two stages, with tables; each over several inputs, split sizes and
/// parts. The last one is the smallest: two maps and one reduce.
const std::vector<std::unique_ptr<SimJob>>& SimJobs();

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_JOB_H_
