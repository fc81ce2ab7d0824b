// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "mapreduce/engine/attempt_directory.h"
#include "mapreduce/engine/cluster_rejects.h"

namespace millrace {
namespace {

constexpr std::uint64_t kRestartMs = 300;

class RecordVisitor final : public JournalVisitor {
 public:
  Status OnSnapshot(std::string_view payload) override {
    MR_ASSIGN_OR_RETURN(records, DecodeSnapshot(payload));
    return Status::Ok();
  }
  Status OnRecord(std::string_view payload) override {
    MR_ASSIGN_OR_RETURN(JournalRecord record, DecodeRecord(payload));
    records.push_back(std::move(record));
    return Status::Ok();
  }
  std::vector<JournalRecord> records;
};

}  // namespace

void Simulation::StartMaster(int slot) {
  MasterNode& master = masters_[slot];
  master.is_restarting = false;
  if (master.is_alive) return;
  state_disk_.Revive(slot);
  out_disk_.Revive(slot);
  ++master.life;
  master.is_alive = true;
  master.paused_until_ms = 0;
  master.wake_ms = UINT64_MAX;
  master.appended = 0;
  master.is_sync_planned = false;
  master.pending.clear();
  master.durable_commits.clear();
  master.at_work.clear();
  ArmChain(-1, ++master.starts, slot, state_disk_);
  master.state_files = std::make_unique<SimFileSystem>(state_disk_, slot);
  master.out_files = std::make_unique<SimFileSystem>(out_disk_, slot);
  current_master_ = newest_master_ = slot;
  RecordVisitor visitor;
  auto journal = Journal::Open(*master.state_files, "/state", visitor);
  if (MasterDied(slot)) return;
  if (!journal.ok()) {
    Trace("master ", slot, " can't open its journal: ", journal.error().message());
    const StatusCode code = journal.error().code();
    if (code == StatusCode::kCorrupt || code == StatusCode::kInvalidArgument ||
        code == StatusCode::kInternal) {
      Violate("the journal is damaged: ", journal.error().message());
    }
    StopMaster(slot);
    return;
  }
  master.journal = *std::move(journal);
  master.scheduler =
      std::make_unique<Scheduler>(scheduler_options_, Epoch{master.journal->epoch()});
  Trace("master ", slot, " starts epoch ", master.journal->epoch(), " with ",
        visitor.records.size(), " records");
  for (const JournalRecord& record : visitor.records) {
    if (const Status status = master.scheduler->Recover(record); !status.ok()) {
      Violate("recovery: ", status.message());
      return;
    }
    if (const auto* c = std::get_if<TaskCommitted>(&record))
      master.durable_commits.insert(c->attempt);
    if (const auto* s = std::get_if<SavedTask>(&record); s != nullptr && s->committed != 0)
      master.durable_commits.insert({s->task, s->committed});
    Follow(master, record);
  }
  MasterActions actions;
  master.scheduler->Start(now_ms_, actions);
  Carry(slot, actions);
  WakeMaster(slot);
}

void Simulation::StopMaster(int slot) {
  MasterNode& master = masters_[slot];
  Trace("master ", slot, " ends");
  Note(2, static_cast<std::uint64_t>(slot), 0);
  if (!state_disk_.IsDead(slot)) state_disk_.KillProcess(slot);
  if (!out_disk_.IsDead(slot)) out_disk_.KillProcess(slot);
  master.is_alive = false;
  ++master.life;
  master.journal.reset();
  master.scheduler.reset();
  // Whoever looks after the machines starts the one again that he started last.
  const MasterNode& other = masters_[1 - slot];
  if (slot != newest_master_ && (other.is_alive || other.is_restarting)) {
    current_master_ = 1 - slot;
    return;
  }
  master.is_restarting = true;
  After(Between(1, kRestartMs), [this, slot] { StartMaster(slot); });
}

// Whether a planned crash has met this master.
bool Simulation::MasterDied(int slot) {
  if (!masters_[slot].is_alive) return true;
  if (!state_disk_.IsDead(slot) && !out_disk_.IsDead(slot)) return false;
  if (CrashIsPowerCut(-1)) {
    state_disk_.CrashMachine({slot});
    out_disk_.CrashMachine({slot});
  }
  StopMaster(slot);
  return true;
}

void Simulation::StepMaster(int slot, const MasterEvent& event) {
  MasterNode& master = masters_[slot];
  if (!master.is_alive || master.scheduler == nullptr) return;
  MasterActions actions;
  master.scheduler->Step(event, now_ms_, actions);
  Carry(slot, actions);
  WakeMaster(slot);
}

void Simulation::CheckSend(MasterNode& master, const Send& send) {
  if (const auto* answer = std::get_if<TaskAnswer>(&send.message.body)) {
    if (answer->is_committed && !master.durable_commits.contains(answer->attempt))
      Violate("S1: worker hears that ", answer->attempt, " is committed, which is not durable");
  }
  if (const auto* status = std::get_if<RunStatus>(&send.message.body)) {
    const bool is_end = status->state == RunState::kDone || status->state == RunState::kFailed;
    const auto client = std::get_if<ClientId>(&send.to);
    if (is_end && client != nullptr && status->state == RunState::kDone) {
      const std::string output = OutputOf(status->name);
      if (out_disk_.DurableFiles(output).empty())
        Violate("S1: a client hears that ", status->name, " is done, but no output is durable");
    }
  }
}

// S6.
void Simulation::Follow(MasterNode& master, const JournalRecord& record) {
  const auto end_all = [&](const TaskId& task) {
    std::erase_if(master.at_work, [&](const AttemptId& attempt) { return attempt.task == task; });
  };
  if (const auto* started = std::get_if<AttemptStarted>(&record)) {
    master.at_work.insert(started->attempt);
  } else if (const auto* failed = std::get_if<AttemptFailed>(&record)) {
    master.at_work.erase(failed->attempt);
    const TaskId& task = failed->attempt.task;
    switch (failed->blame) {
      case Blame::kTask:
        ++task_failures_[task];
        break;
      case Blame::kWorker:
        ++task_losses_[task];
        break;
      case Blame::kSource:
        ++source_failures_[task];
        break;
    }
  } else if (const auto* committed = std::get_if<TaskCommitted>(&record)) {
    if (!master.at_work.contains(committed->attempt))
      Violate("S6: ", committed->attempt, " is committed, but is not at work");
    end_all(committed->attempt.task);
  } else if (const auto* saved = std::get_if<SavedTask>(&record)) {
    for (const SavedAttempt& attempt : saved->attempts)
      master.at_work.insert({saved->task, attempt.number});
  }
}

void Simulation::Carry(int slot, MasterActions& actions) {
  MasterNode& master = masters_[slot];
  const std::uint64_t life = master.life;
  for (MasterAction& action : actions) {
    if (master.life != life) return;
    if (auto* send = std::get_if<Send>(&action)) {
      CheckSend(master, *send);
      Transmit(-1, NodeOf(send->to), MasterAddress{}, send->to, send->message);
    } else if (auto* append = std::get_if<AppendJournal>(&action)) {
      Follow(master, append->record);
      const auto sequence = master.journal->Append(EncodeRecord(append->record));
      if (!sequence.ok()) Violate("append: ", sequence.error().message());
      if (const auto* started = std::get_if<AttemptStarted>(&append->record)) {
        ++attempt_count_;
        ++attempts_of_[started->attempt.task];
        if (started->is_backup) backups_.insert(started->attempt);
      }
      // What it was to read is lost; its StartTask may still be under way.
      if (const auto* failed = std::get_if<AttemptFailed>(&append->record);
          failed != nullptr && failed->blame == Blame::kSource) {
        called_off_.insert(failed->attempt);
      }
      master.pending.push_back(std::move(append->record));
      ++master.appended;
      PlanSync(slot);
    } else if (const auto* prepare = std::get_if<PrepareRun>(&action)) {
      DoOutputStep(slot, prepare->run, false);
    } else if (const auto* publish = std::get_if<PublishRun>(&action)) {
      DoOutputStep(slot, publish->run, true);
    } else if (const auto* clean = std::get_if<CleanRun>(&action)) {
      Clean(slot, clean->output);
    } else if (const auto* note = std::get_if<millrace::Note>(&action)) {
      Trace("master: ", note->text);
    } else if (std::holds_alternative<StandDown>(action)) {
      StopMaster(slot);
    }
  }
}

void Simulation::PlanSync(int slot) {
  MasterNode& master = masters_[slot];
  if (master.is_sync_planned) return;
  master.is_sync_planned = true;
  After(Between(1, schedule_.sync_ms_max), [this, slot, life = master.life] {
    OnNode(masters_[slot], life, [this, slot] { SyncJournal(slot); });
  });
}

void Simulation::SyncJournal(int slot) {
  MasterNode& master = masters_[slot];
  master.is_sync_planned = false;
  const std::uint64_t appended = master.appended;
  const auto synced = master.journal->Sync();
  if (MasterDied(slot)) return;
  if (!synced.ok()) {
    Trace("master ", slot, ": ", synced.error().message());
    StopMaster(slot);
    return;
  }
  for (const JournalRecord& record : master.pending) {
    if (const auto* c = std::get_if<TaskCommitted>(&record))
      master.durable_commits.insert(c->attempt);
  }
  master.pending.clear();
  StepMaster(slot, JournalDurable{appended});
  if (!master.is_alive || master.appended != appended) return;
  if (master.journal->bytes_since_snapshot() < schedule_.rotate_bytes &&
      !MR_BUGGIFY("journal.rotate")) {
    return;
  }
  const Status rotated = master.journal->Rotate(EncodeSnapshot(master.scheduler->Snapshot()));
  if (MasterDied(slot)) return;
  if (!rotated.ok()) StopMaster(slot);
}

void Simulation::WakeMaster(int slot) {
  MasterNode& master = masters_[slot];
  if (!master.is_alive || master.scheduler == nullptr) return;
  const std::uint64_t next = master.scheduler->NextTimerMs().value_or(UINT64_MAX);
  if (next == UINT64_MAX || (master.wake_ms <= next && master.wake_ms > now_ms_)) return;
  const std::uint64_t at_ms = std::max(next, now_ms_ + 1);
  master.wake_ms = at_ms;
  At(at_ms, [this, slot, at_ms, life = master.life] {
    OnNode(masters_[slot], life, [this, slot, at_ms] {
      if (masters_[slot].wake_ms == at_ms) masters_[slot].wake_ms = UINT64_MAX;
      StepMaster(slot, TimerFired{});
    });
  });
}

// Of a plan as little as its rejects need.
Result<std::vector<PublishedFile>> Simulation::LastFiles(FileSystem& files, const JobRun& run,
                                                         std::vector<PublishedPart>* parts) const {
  const SimJob& job = *RunOf(run.spec().name).job;
  const std::string output = OutputOf(run.spec().name);
  std::map<std::string, std::uint64_t> counters;
  ClusterPlan plan;
  plan.inputs = job.inputs;
  RunOutputs outputs;
  OutcomePlaces places{files, output, run.id(), {}};
  for (const TaskPhase& phase : run.phases()) {
    const SimPhase& of_job = job.phases[phase.id.index];
    ClusterPhase& planned = plan.phases.emplace_back();
    planned.kind = phase.spec->kind;
    if (planned.is_map()) {
      const StageSource& source = job.job->graph().stages[of_job.stage].sources[of_job.source];
      planned.input = static_cast<std::uint32_t>(source.input);
    }
    auto& of_phase = outputs.emplace_back();
    auto& committed = places.committed.emplace_back();
    for (std::uint32_t index = 0; index < phase.tasks.size(); ++index) {
      const Task& task = phase.tasks[index];
      of_phase.push_back(task.output.get());
      committed.push_back(task.committed);
      for (const auto& [name, count] : task.output->counters) counters[name] += count;
      for (const PartRecord& part : task.output->parts)
        parts->push_back({{{phase.id, index}, task.committed}, part.path, part.bytes});
    }
  }
  std::ostringstream manifest;
  for (const auto& [name, count] : counters) manifest << name << "\t" << count << "\n";
  std::vector<PublishedFile> last = {{"_manifest", std::move(manifest).str()}};
  MR_ASSIGN_OR_RETURN(const auto rejects, ClusterRejects(plan, outputs, places).Write());
  if (rejects) last.push_back({"_rejects.tsv", "", RunRejectsPath(output)});
  last.push_back({"_SUCCESS", ""});
  return last;
}

// A master that is older than it knows must not touch what the newer one may have removed.
bool Simulation::IsNewest(int slot) {
  const Status status = masters_[slot].journal->CheckNewest();
  if (MasterDied(slot)) return false;
  if (!status.ok()) StopMaster(slot);
  return status.ok();
}

void Simulation::DoOutputStep(int slot, JobRunId id, bool publishes) {
  MasterNode& master = masters_[slot];
  const JobRun& run = *master.scheduler->FindRun(id);
  const std::string output = OutputOf(run.spec().name);
  if (!IsNewest(slot)) return;
  Status status;
  if (publishes) {
    std::vector<PublishedPart> parts;
    const auto last = LastFiles(*master.out_files, run, &parts);
    status = last.ok() ? PublishOutput(*master.out_files, output, parts, *last, /*replaces=*/false)
                       : last.error();
  } else {
    status = PrepareOutput(*master.out_files, output, {"sim", run.spec().name});
  }
  if (MasterDied(slot)) return;
  if (!status.ok()) ++output_failures_[id];
  After(Between(1, 5), [this, slot, id, publishes, status, life = master.life] {
    OnNode(masters_[slot], life, [this, slot, id, publishes, status] {
      if (publishes) {
        StepMaster(slot, PublishEnded{id, status});
      } else {
        StepMaster(slot, RunPrepared{id, status});
      }
    });
  });
}

void Simulation::Clean(int slot, const std::string& output) {
  MasterNode& master = masters_[slot];
  if (!IsNewest(slot)) return;
  const Status status = CleanOutput(*master.out_files, output, "sim");
  if (MasterDied(slot) || status.ok()) return;
  After(1'000, [this, slot, output, life = master.life] {
    OnNode(masters_[slot], life, [this, slot, output] { Clean(slot, output); });
  });
}

}  // namespace millrace
