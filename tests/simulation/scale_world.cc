// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/scale_world.h"

#include <time.h>

#include <algorithm>

#include "mapreduce/base/hash.h"
#include "master/journal_codec.h"

namespace millrace {
namespace {

constexpr std::uint64_t kSyncMs = 5;
constexpr std::uint64_t kDelayMsMax = 4;
constexpr std::uint64_t kStartMsMax = 500;    // Workers start within so long.
constexpr std::uint64_t kBytesOfMs = 10'000;  // What a child reads in a ms.
constexpr std::uint64_t kSliceBytes = 4;

// What else the machine does meanwhile hardly counts.
std::uint64_t CpuNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

// What depends on a task or a pair of nodes alone.
std::uint64_t Draw(std::uint64_t a, std::uint64_t b, std::uint64_t salt) {
  const std::uint64_t words[] = {a, b};
  return Hash64({reinterpret_cast<const char*>(words), sizeof words}, salt);
}

std::uint64_t DelayMs(std::uint64_t from, std::uint64_t to) {
  return 1 + Draw(from, to, 1) % kDelayMsMax;
}

// Children stay below the time from which on they may be taken for stragglers.
std::uint64_t ChildMs(const TaskId& task) {
  const std::uint64_t draw = Draw(task.phase.index, task.index, 2);
  return task.phase.index == 0 ? 4'000 + draw % 5'500 : 3'000 + draw % 2'000;
}

TaskOutput OutputOf(const TaskId& task) {
  TaskOutput output;
  output.digest = {Draw(task.phase.index, task.index, 3), Draw(task.phase.index, task.index, 4)};
  output.records_in = output.records_out = 1'000;
  output.bytes_in = ChildMs(task) * kBytesOfMs;
  output.counters["rows"] = 1'000;
  if (task.phase.index == 0) {
    output.run_bytes = output.bytes_in / 10;
    const std::uint64_t key = Draw(task.index, 0, 5);
    output.samples = {{{reinterpret_cast<const char*>(&key), sizeof key}}};
  } else {
    output.parts.push_back({"part-" + std::to_string(task.index), 1'000, 1'000, output.digest});
  }
  return output;
}

RunSpec Spec(const ScaleOptions& options) {
  RunSpec spec;
  spec.name = "large";
  spec.user = "ann";
  spec.plan = "plan";
  PhaseSpec& map = spec.phases.emplace_back();
  map.name = "stage-1 map";
  map.task_count = options.map_count;
  map.channels = 1;
  PhaseSpec& reduce = spec.phases.emplace_back();
  reduce.name = "stage-1 reduce";
  reduce.kind = TaskKind::kReduce;
  reduce.task_count = options.part_count;
  reduce.sources = {{0, 0}};
  reduce.writes_parts = true;
  return spec;
}

}  // namespace

ScaleWorld::ScaleWorld(const ScaleOptions& options)
    : options_(options),
      nodes_(options.worker_count),
      committed_maps_(options.map_count),
      last_worker_(options.map_count),
      seen_(options.map_count) {
  StartMaster();
  for (std::uint32_t index = 0; index < options_.worker_count; ++index)
    After(1 + Draw(index, 0, 6) % kStartMsMax, StartWorker{index});
  After(1, ToMaster{life_, MessageArrived{ClientId{1}, {Epoch(), 1, SubmitRun{Spec(options_)}}}});
}

// ---- Time ---------------------------------------------------------------------------------------

void ScaleWorld::After(std::uint64_t delay_ms, Event event) {
  queue_[now_ms_ + std::max<std::uint64_t>(1, delay_ms)].push_back(std::move(event));
}

bool ScaleWorld::RunUntil(const std::function<bool()>& is_reached, std::uint64_t now_ms_max) {
  while (!queue_.empty() && violation_.empty() && !is_over_) {
    if (is_reached()) return true;
    auto now = queue_.extract(queue_.begin());
    now_ms_ = now.key();
    if (now_ms_ > now_ms_max) {
      Violate("it takes too long");
      return false;
    }
    for (Event& event : now.mapped()) std::visit([this](auto& what) { On(what); }, event);
  }
  return violation_.empty() && is_reached();
}

bool ScaleWorld::RunToEnd(std::uint64_t now_ms_max) {
  RunUntil([this] { return is_over_; }, now_ms_max);
  return is_done_ && violation_.empty();
}

void ScaleWorld::KillWorkerAt(std::uint64_t at_ms, std::uint32_t worker) {
  After(at_ms - std::min(at_ms, now_ms_), KillWorker{worker});
}

void ScaleWorld::On(ToMaster& arrived) {
  if (arrived.life == life_) StepMaster(arrived.event);
}

void ScaleWorld::On(ToWorker& arrived) {
  WorkerNode& node = nodes_[arrived.index];
  if (node.worker == nullptr) return;
  ++figures_.events;
  WorkerActions actions;
  node.worker->Step(arrived.event, now_ms_, actions);
  Carry(arrived.index, actions);
  PlanWake(arrived.index);
}

void ScaleWorld::On(const WakeMaster& wake) {
  if (wake.life != life_ || wake.at_ms != master_wake_ms_) return;
  master_wake_ms_ = UINT64_MAX;
  StepMaster(TimerFired{});
}

void ScaleWorld::On(const WakeWorker& wake) {
  WorkerNode& node = nodes_[wake.index];
  if (wake.at_ms != node.wake_ms) return;
  node.wake_ms = UINT64_MAX;
  ToWorker timer{wake.index, TimerFired{}};
  On(timer);
}

// ---- The master ---------------------------------------------------------------------------------

void ScaleWorld::KillMaster() {
  scheduler_.reset();
  ++life_;
  master_wake_ms_ = UINT64_MAX;
  records_.resize(durable_count_);
  undurable_.clear();
  is_syncing_ = false;
}

void ScaleWorld::Recover(Scheduler& scheduler) {
  const auto recover = [&](const JournalRecord& record) {
    const Status status = scheduler.Recover(record);
    if (!status.ok()) Violate("recovery: ", status.message());
  };
  if (!snapshot_.empty()) {
    const Result<std::vector<JournalRecord>> saved = DecodeSnapshot(snapshot_);
    if (!saved.ok()) return Violate("the snapshot: ", saved.error().message());
    for (const JournalRecord& record : *saved) recover(record);
  }
  for (const std::string& bytes : records_) {
    const Result<JournalRecord> record = DecodeRecord(bytes);
    if (!record.ok()) return Violate("the journal: ", record.error().message());
    recover(*record);
  }
}

void ScaleWorld::StartMaster(bool takes_snapshot) {
  ++life_;
  restart_ = {};
  decode_begin_ns_ = CpuNs();
  decode_begin_v_ms_ = now_ms_;
  decode_master_ns_ = figures_.master_ns;
  scheduler_ = std::make_unique<Scheduler>(options_.scheduler, Epoch{life_});
  Recover(*scheduler_);
  MasterActions actions;
  if (takes_snapshot) {
    const std::uint64_t begin_ns = CpuNs();
    snapshot_ = EncodeSnapshot(scheduler_->Snapshot());
    records_.clear();
    decode_begin_ns_ += CpuNs() - begin_ns;  // Not a part of the recovery.
  }
  base_count_ = durable_count_ = records_.size();
  scheduler_->Start(now_ms_, actions);
  restart_.recovered_ns = CpuNs() - decode_begin_ns_;
  Carry(actions);
  PlanWake();
}

void ScaleWorld::StepMaster(const MasterEvent& event) {
  ++figures_.events;
  MasterActions actions;
  const std::uint64_t begin_ns = CpuNs();
  scheduler_->Step(event, now_ms_, actions);
  const std::uint64_t step_ns = CpuNs() - begin_ns;
  figures_.master_ns += step_ns;
  figures_.slowest_step_ns = std::max(figures_.slowest_step_ns, step_ns);
  batch_ns_ += step_ns;
  if (++figures_.master_events % kStepsOfBatch == 0)
    figures_.batch_ns.push_back(std::exchange(batch_ns_, 0));
  Carry(actions);
  PlanWake();
}

void ScaleWorld::PlanWake() {
  const std::uint64_t next = scheduler_->NextTimerMs().value_or(UINT64_MAX);
  if (next >= master_wake_ms_) return;
  master_wake_ms_ = std::max(next, now_ms_ + 1);
  After(master_wake_ms_ - now_ms_, WakeMaster{life_, master_wake_ms_});
}

void ScaleWorld::Carry(MasterActions& actions) {
  for (MasterAction& action : actions) {
    if (auto* send = std::get_if<Send>(&action)) {
      const auto* to = std::get_if<WorkerId>(&send->to);
      if (to == nullptr) continue;
      if (const auto* start = std::get_if<StartTask>(&send->message.body)) OnStartSent(*to, *start);
      After(DelayMs(0, to->value),
            ToWorker{static_cast<std::uint32_t>(to->value - 1),
                     MessageArrived{MasterAddress{}, std::move(send->message)}});
    } else if (auto* append = std::get_if<AppendJournal>(&action)) {
      records_.push_back(EncodeRecord(append->record));
      OnAppended(append->record);
      undurable_.push_back(std::move(append->record));
    } else if (const auto* prepare = std::get_if<PrepareRun>(&action)) {
      After(1, ToMaster{life_, RunPrepared{prepare->run, Status::Ok()}});
    } else if (const auto* publish = std::get_if<PublishRun>(&action)) {
      After(1, ToMaster{life_, PublishEnded{publish->run, Status::Ok()}});
    } else if (const auto* stand_down = std::get_if<StandDown>(&action)) {
      Violate("there is an epoch ", stand_down->newer.value);
    }
  }
  Sync();
}

void ScaleWorld::Sync() {
  if (is_syncing_ || durable_count_ == records_.size()) return;
  is_syncing_ = true;
  After(kSyncMs, SyncEnds{life_, records_.size()});
}

void ScaleWorld::On(const SyncEnds& sync) {
  if (sync.life != life_) return;
  is_syncing_ = false;
  const auto count = static_cast<std::ptrdiff_t>(sync.record_count - durable_count_);
  for (std::ptrdiff_t i = 0; i < count; ++i) OnDurable(undurable_[static_cast<std::size_t>(i)]);
  undurable_.erase(undurable_.begin(), undurable_.begin() + count);
  durable_count_ = sync.record_count;
  StepMaster(JournalDurable{durable_count_ - base_count_});
}

void ScaleWorld::OnAppended(const JournalRecord& record) {
  if (const auto* started = std::get_if<AttemptStarted>(&record)) {
    ++(started->attempt.task.phase.index == 0 ? figures_.map_starts : figures_.part_starts);
  } else if (const auto* failed = std::get_if<AttemptFailed>(&record)) {
    figures_.failures += failed->blame != Blame::kWorker;
  }
}

void ScaleWorld::OnDurable(const JournalRecord& record) {
  if (const auto* committed = std::get_if<TaskCommitted>(&record)) {
    const TaskId& task = committed->attempt.task;
    if (task.phase.index == 0) {
      committed_maps_[task.index].push_back(committed->attempt.number);
    } else {
      if (!checked_.contains(committed->attempt))
        Violate(committed->attempt, " is committed, but never had its inputs");
      if (!committed_parts_.insert(task.index).second) Violate(task, " is committed twice");
    }
  } else if (const auto* ended = std::get_if<RunEnded>(&record)) {
    is_over_ = true;
    is_done_ = ended->code == StatusCode::kOk;
    end_ms_ = now_ms_;
    if (!is_done_) Violate("the run failed: ", ended->message);
  }
}

void ScaleWorld::OnStartSent(WorkerId to, const StartTask& start) {
  if (restart_.first_dispatch_ns == 0) {
    restart_.first_dispatch_ns = CpuNs() - decode_begin_ns_;
    restart_.master_dispatch_ns = restart_.recovered_ns + figures_.master_ns - decode_master_ns_;
    restart_.first_dispatch_v_ms = now_ms_ - decode_begin_v_ms_;
  }
  for (const SourceSet& source : start.sources)
    figures_.sources_without_endpoint += source.endpoint.empty();
  const TaskId& task = start.attempt.task;
  if (task.phase.index != 0) return;
  const auto now = static_cast<std::uint32_t>(to.value);
  const std::uint32_t before = std::exchange(last_worker_[task.index], now);
  if (before == 0 || before == now || nodes_[before - 1].worker != nullptr) return;
  WorkerNode& dead = nodes_[before - 1];
  dead.last_rerun_ms = now_ms_ - dead.killed_ms;
  if (dead.first_rerun_ms == 0) dead.first_rerun_ms = dead.last_rerun_ms;
}

std::uint64_t ScaleWorld::committed_maps() const {
  const JobRun* const run = scheduler_->FindRun(JobRunId{1});
  return run == nullptr || run->is_over() ? 0 : run->phases().front().committed_count;
}

// ---- Workers ------------------------------------------------------------------------------------

void ScaleWorld::On(const StartWorker& start) {
  WorkerOptions options;
  options.host = "host-" + std::to_string(start.index);
  options.endpoint = options.host + ":7000";
  options.slots = options_.slots;
  options.slot_memory_bytes = std::uint64_t{1} << 30;
  WorkerNode& node = nodes_[start.index];
  node.worker = std::make_unique<Worker>(WorkerId{start.index + 1}, options);
  WorkerActions actions;
  node.worker->Start(now_ms_, actions);
  Carry(start.index, actions);
  PlanWake(start.index);
}

void ScaleWorld::On(const KillWorker& kill) {
  nodes_[kill.index].worker.reset();
  nodes_[kill.index].killed_ms = now_ms_;
}

void ScaleWorld::PlanWake(std::uint32_t index) {
  WorkerNode& node = nodes_[index];
  const std::uint64_t next = node.worker->NextTimerMs();
  if (next >= node.wake_ms) return;
  node.wake_ms = std::max(next, now_ms_ + 1);
  After(node.wake_ms - now_ms_, WakeWorker{index, node.wake_ms});
}

void ScaleWorld::Carry(std::uint32_t index, WorkerActions& actions) {
  const WorkerId id{index + 1};
  for (WorkerAction& action : actions) {
    if (auto* send = std::get_if<Send>(&action)) {
      figures_.fetch_requests += std::holds_alternative<FetchRequest>(send->message.body);
      if (const auto* to = std::get_if<WorkerId>(&send->to)) {
        After(DelayMs(id.value, to->value), ToWorker{static_cast<std::uint32_t>(to->value - 1),
                                                     MessageArrived{id, std::move(send->message)}});
      } else {
        After(DelayMs(id.value, 0), ToMaster{life_, MessageArrived{id, std::move(send->message)}});
      }
    } else if (const auto* start = std::get_if<StartChild>(&action)) {
      StartChildOf(index, *start);
    } else if (const auto* kill = std::get_if<KillChild>(&action)) {
      // What it would have said later finds nobody.
      TaskFailure failure{StatusCode::kCancelled, "killed", {}, {}, {}};
      After(1, ToWorker{index, ChildEnded{kill->attempt, std::move(failure)}});
    } else if (const auto* read = std::get_if<ReadPiece>(&action)) {
      After(1, ToWorker{index, Read(*read)});
    } else if (const auto* leave = std::get_if<Leave>(&action)) {
      Violate(id, " leaves: ", leave->status.message());
    }
  }
}

void ScaleWorld::StartChildOf(std::uint32_t index, const StartChild& start) {
  const AttemptId& id = start.task.attempt;
  if (id.task.phase.index != 0) CheckInputs(start);
  const std::uint64_t child_ms = ChildMs(id.task);
  if (id.task.phase.index != 0) {  // A map ends before anybody asks how far it is.
    After(child_ms / 2,
          ToWorker{index, ChildProgressed{id, 500, child_ms * kBytesOfMs / 2, std::nullopt}});
  }
  After(child_ms, ToWorker{index, ChildEnded{id, OutputOf(id.task)}});
}

void ScaleWorld::CheckInputs(const StartChild& start) {
  const AttemptId& id = start.task.attempt;
  ++check_count_;
  std::uint64_t count = 0;
  const auto check = [&](const AttemptId& output) {
    const std::uint32_t map = output.task.index;
    if (output.task.phase != PhaseId{id.task.phase.run, 0} || map >= seen_.size())
      return Violate(id, " reads ", output);
    if (std::exchange(seen_[map], check_count_) == check_count_)
      return Violate(id, " reads ", output.task, " twice");
    const std::vector<std::uint32_t>& committed = committed_maps_[map];
    if (std::find(committed.begin(), committed.end(), output.number) == committed.end())
      return Violate(id, " reads ", output, ", which was not committed");
    ++count;
  };
  for (const FetchedSource& source : start.inputs) {
    for (const FetchSlice& slice : source.slices) check(slice.output);
    if (source.bytes != source.slices.size() * kSliceBytes)
      Violate(id, " has ", source.bytes, " bytes of ", source.slices.size(), " slices");
  }
  for (const AttemptId& output : start.local_outputs) check(output);
  if (count != options_.map_count) Violate(id, " reads ", count, " of ", options_.map_count);
  checked_.insert(id);
}

PieceRead ScaleWorld::Read(const ReadPiece& read) const {
  ServedPiece piece;
  piece.stream_bytes = read.outputs.size() * kSliceBytes;
  for (const AttemptId& output : read.outputs)
    piece.slices.push_back({output, 1, 0, kSliceBytes, kSliceBytes});
  piece.bytes.assign(std::min(read.bytes_max, piece.stream_bytes - read.offset), 'x');
  return {read.key, read.offset, std::move(piece), std::nullopt};
}

}  // namespace millrace
