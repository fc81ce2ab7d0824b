// SPDX-License-Identifier: Apache-2.0
#include "master/output_steps.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/cluster_outcome.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/io/errno_status.h"

namespace millrace {
namespace {

// What goes into the output: the committed parts and the files about them.
struct Publication {
  std::vector<PublishedPart> parts;
  std::vector<PublishedFile> last;
  bool replaces = false;
};

Result<Publication> PublicationOf(FileSystem& files, const PublishStep& step) {
  MR_ASSIGN_OR_RETURN(const ClusterPlan plan, DecodeClusterPlan(step.plan));
  std::vector<std::vector<const TaskOutput*>> outputs;
  Publication publication;
  publication.replaces = plan.force;
  for (std::uint32_t phase = 0; phase < step.outputs.size(); ++phase) {
    auto& list = outputs.emplace_back();
    for (std::uint32_t task = 0; task < step.outputs[phase].size(); ++task) {
      const TaskOutput& output = step.outputs[phase][task];
      list.push_back(&output);
      for (const PartRecord& part : output.parts) {
        const AttemptId attempt{{{step.run, phase}, task}, step.committed[phase][task]};
        publication.parts.push_back({attempt, part.path, part.bytes});
      }
    }
  }
  MR_ASSIGN_OR_RETURN(
      const ClusterOutcome outcome,
      AssembleOutcome(plan, outputs, {files, step.output, step.run, step.committed}));
  publication.last.push_back({kManifestName, outcome.manifest_text});
  if (outcome.execution.rejects_file)
    publication.last.push_back({kRejectsName, "", RunRejectsPath(step.output)});
  publication.last.push_back({kSuccessName, ""});
  return publication;
}

}  // namespace

PublishStep PublishStepOf(const JobRun& run) {
  PublishStep step{run.id(), run.spec().output, run.spec().plan, {}, {}};
  for (const TaskPhase& phase : run.phases()) {
    auto& committed = step.committed.emplace_back();
    auto& outputs = step.outputs.emplace_back();
    for (const Task& task : phase.tasks) {
      committed.push_back(task.committed);
      // One whose run files are lost, and that has to run again for nobody, has its output still.
      TaskOutput& output =
          outputs.emplace_back(task.output != nullptr ? *task.output : TaskOutput());
      output.sample_digests.clear();
    }
  }
  return step;
}

Result<std::unique_ptr<OutputSteps>> OutputSteps::Start(FileSystem& files, std::string master) {
  Descriptor fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (fd.get() < 0) return WriteErrno("making", "an event", errno);
  return std::unique_ptr<OutputSteps>(new OutputSteps(files, std::move(master), std::move(fd)));
}

OutputSteps::OutputSteps(FileSystem& files, std::string master, Descriptor ended_fd)
    : files_(files),
      master_(std::move(master)),
      ended_fd_(std::move(ended_fd)),
      thread_([this] { Run(); }) {}

OutputSteps::~OutputSteps() {
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  wakes_.NotifyAll();
  thread_.join();
}

void OutputSteps::Add(Step step) {
  {
    MutexLock lock(mutex_);
    steps_.push_back(std::move(step));
  }
  wakes_.NotifyAll();
}

std::vector<OutputSteps::Ended> OutputSteps::TakeEnded() {
  std::uint64_t count = 0;
  static_cast<void>(!read(ended_fd_.get(), &count, sizeof count));
  MutexLock lock(mutex_);
  return std::exchange(ended_, {});
}

void OutputSteps::Run() {
  for (;;) {
    Step step;
    {
      MutexLock lock(mutex_);
      while (steps_.empty() && !is_stopping_) wakes_.Wait(mutex_);
      if (is_stopping_) return;
      step = std::move(steps_.front());
      steps_.pop_front();
    }
    Ended ended = Do(std::move(step));
    {
      MutexLock lock(mutex_);
      ended_.push_back(std::move(ended));
    }
    const std::uint64_t one = 1;
    static_cast<void>(!write(ended_fd_.get(), &one, sizeof one));
  }
}

OutputSteps::Ended OutputSteps::Do(Step step) {
  Ended ended;
  try {
    if (const auto* prepare = std::get_if<PrepareStep>(&step)) {
      ended.status = PrepareOutput(files_, prepare->output, {master_, prepare->name});
    } else if (const auto* clean = std::get_if<CleanStep>(&step)) {
      ended.status = CleanOutput(files_, clean->output, master_);
    } else {
      PublishStep& publish = std::get<PublishStep>(step);
      const Result<Publication> publication = PublicationOf(files_, publish);
      const StatusCode code = publication.ok() ? StatusCode::kOk : publication.error().code();
      // What was committed stays as it is; a disk may not.
      ended.is_final = !publication.ok() && code != StatusCode::kUnavailable &&
                       code != StatusCode::kResourceLimit;
      ended.status = publication.ok() ? PublishOutput(files_, publish.output, publication->parts,
                                                      publication->last, publication->replaces)
                                      : publication.error();
      publish.plan.clear();
      publish.outputs.clear();
    }
  } catch (const std::bad_alloc&) {
    ended.status = Status::ResourceLimit("the master is out of memory");
  }
  ended.step = std::move(step);
  return ended;
}

}  // namespace millrace
