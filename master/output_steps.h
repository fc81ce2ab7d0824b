// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_OUTPUT_STEPS_H_
#define MASTER_OUTPUT_STEPS_H_

// Carries out what the scheduler wants done to outputs, on a thread of its own: moving thousands of
// parts and syncing them may take minutes, and the master's loop never waits. One step after the
// other, in the order in which they were asked for, so that what an ended run left is gone before
// the next run begins at the same place.

#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "mapreduce/base/mutex.h"
#include "mapreduce/base/status.h"
#include "mapreduce/io/descriptor.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/messages.h"
#include "master/job_run.h"
#include "master/run_output.h"

namespace millrace {

struct PrepareStep {
  JobRunId run;
  std::string output;
  std::string name;
};

struct PublishStep {
  JobRunId run;
  std::string output;
  std::string plan;
  std::vector<std::vector<std::uint32_t>> committed;  ///< By phase, task: the attempt's number.
  std::vector<std::vector<TaskOutput>> outputs;       ///< By phase, task.
};

struct CleanStep {
  JobRunId run;
  std::string output;
};

/// All that is needed of a run to publish it. Requires: it is complete.
PublishStep PublishStepOf(const JobRun& run);

/// See above. Thread-safe.
class OutputSteps {
 public:
  using Step = std::variant<PrepareStep, PublishStep, CleanStep>;
  struct Ended {
    Step step;  ///< Without the plan and the outputs.
    Status status;
    bool is_final = false;  ///< Another try would end the same.
  };

  /// `files` outlives it. `master`: OutputOwner's.
  static Result<std::unique_ptr<OutputSteps>> Start(FileSystem& files, std::string master);
  OutputSteps(const OutputSteps&) = delete;
  OutputSteps& operator=(const OutputSteps&) = delete;
  /// Finishes the step that is under way, and leaves the others.
  ~OutputSteps();

  void Add(Step step);
  /// Readable when TakeEnded() has something.
  int ended_fd() const { return ended_fd_.get(); }
  std::vector<Ended> TakeEnded();

 private:
  OutputSteps(FileSystem& files, std::string master, Descriptor ended_fd);
  void Run();
  Ended Do(Step step);

  FileSystem& files_;
  const std::string master_;
  const Descriptor ended_fd_;
  Mutex mutex_;
  CondVar wakes_;
  bool is_stopping_ MR_GUARDED_BY(mutex_) = false;
  std::deque<Step> steps_ MR_GUARDED_BY(mutex_);
  std::vector<Ended> ended_ MR_GUARDED_BY(mutex_);
  std::thread thread_;  // Last: it uses the rest.
};

}  // namespace millrace

#endif  // MASTER_OUTPUT_STEPS_H_
