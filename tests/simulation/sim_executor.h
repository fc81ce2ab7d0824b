// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_EXECUTOR_H_
#define TESTS_SIMULATION_SIM_EXECUTOR_H_

// What the shell of a worker does with files: it executes attempts by the engine's own code on
// simulated disks, keeps what was fetched, and reads pieces for others. So the bytes are real.
//
//   /spool/<attempt>/   run files of its channels, what it fetched, its scratch: this worker's disk
//   /out/...            parts (master/run_output.h): a disk that all share

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mapreduce/engine/single_task.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/shuffle/merge_passes.h"
#include "mapreduce/shuffle/run_reader.h"
#include "tests/simulation/sim_host.h"
#include "tests/simulation/sim_job.h"
#include "worker/worker.h"

namespace millrace {

/// Of one schedule: how tasks are executed. Nothing of it may be seen in the bytes.
struct ExecutorKnobs {
  bool spill_everything = false;
  std::size_t block_bytes = 0;  ///< Of run files; 0: as the engine likes.
  std::uint64_t reported_reject_bytes_max = 0;
};

/// One life of a worker's shell. One thread.
class SimExecutor {
 public:
  /// `disk`: what others on its host call its own disk, `others`: theirs (sim_host.h).
  SimExecutor(FileSystem& files, const ExecutorKnobs& knobs, std::uint64_t file_id_seed,
              std::string disk, SimHost::Disks others)
      : files_(files, std::move(others)),
        knobs_(knobs),
        next_file_id_(file_id_seed),
        disk_(std::move(disk)) {}

  /// Empties the spool.
  Status Start();
  Status Append(const AppendSpool& append);
  std::variant<TaskOutput, TaskFailure> Execute(const StartChild& start, const SimJob& job);
  /// What the attempt reads.
  std::uint64_t InputBytes(const StartChild& start, const SimJob& job) const;
  PieceRead Read(const ReadPiece& read);
  FilesListed List(const ListFiles& list) const;
  Status Drop(const DropAttempt& drop);

 private:
  struct Held {
    std::vector<RunInfo> runs;  // By channel.
    std::string output;         // Of the run.
  };
  Result<TaskOutput> ExecuteMap(const StartChild& start, const SimJob& job);
  Result<SingleTaskOptions> OptionsOf(const StartChild& start, const SimJob& job);
  Result<TaskOutput> ExecuteReduce(const StartChild& start, const SimJob& job,
                                   TaskFailure* failure);
  Status MakeAttemptFolders(const AttemptId& attempt, const std::string& run);
  /// What a worker reports, but for what a real clock measured: a schedule is repeated by its seed.
  template <class R>
  Result<TaskOutput> ReportOf(const AttemptId& attempt, const R& result);
  NewRun MakeRun(const AttemptId& attempt, std::size_t channel);

  SimHost files_;
  const ExecutorKnobs knobs_;
  std::uint64_t next_file_id_;
  const std::string disk_;
  std::map<AttemptId, Held> held_;
  std::map<FetchKey, std::unique_ptr<WritableFile>> spools_;  // Being fetched.
};

/// Where a run's output goes.
std::string OutputOf(const std::string& run);

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_EXECUTOR_H_
