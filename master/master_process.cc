// SPDX-License-Identifier: Apache-2.0
#include "master/master_process.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>
#include <vector>

#include "mapreduce/base/failpoint.h"
#include "mapreduce/base/random_id.h"
#include "mapreduce/engine/cluster_plan.h"
#include "mapreduce/proto/wire_codec.h"
#include "mapreduce/transport/key_self_test.h"
#include "mapreduce/transport/peer.h"
#include "mapreduce/transport/poller.h"
#include "master/journal_codec.h"

namespace millrace {
namespace {

constexpr int kMessagesPerRound = 512;  // Before what they caused is synced.
constexpr std::size_t kWantedFilesMax = 64;
constexpr char kIdName[] = "id";

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

Result<std::string> ReadId(FileSystem& files, const std::string& path) {
  MR_ASSIGN_OR_RETURN(const auto file, files.OpenForRead(path));
  std::string id(33, '\0');
  MR_ASSIGN_OR_RETURN(const std::size_t count, file->ReadAt(0, id.data(), id.size()));
  id.resize(count);
  if (!Hash128::FromHex(id)) {
    return Status::Corrupt(path, ": it should hold 32 hex digits; restore it, or give this master ",
                           "an empty --state directory");
  }
  return id;
}

// The master's id: drawn once in the life of its state directory.
Result<std::string> IdOf(FileSystem& files, const std::string& directory) {
  const std::string path = JoinPath(directory, kIdName);
  if (files.Stat(path).ok()) return ReadId(files, path);
  const Hash128 drawn{RandomId(), RandomId()};
  const std::string temporary = path + ".new";
  if (files.Stat(temporary).ok()) MR_RETURN_IF_ERROR(files.RemoveFile(temporary));
  MR_ASSIGN_OR_RETURN(const auto file, files.Create(temporary));
  MR_RETURN_IF_ERROR(file->Append(drawn.Hex()));
  MR_RETURN_IF_ERROR(file->Sync());
  MR_RETURN_IF_ERROR(file->Close());
  MR_RETURN_IF_ERROR(files.Rename(temporary, path));
  MR_RETURN_IF_ERROR(files.SyncDirectory(directory));
  return drawn.Hex();
}

// Of "<executable>+<module>".
std::string_view ExecutableOf(std::string_view code) { return code.substr(0, code.find('+')); }

bool IsReadable(int fd) {
  pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&polled, 1, 0) > 0;
}

}  // namespace

Result<std::unique_ptr<MasterProcess>> MasterProcess::Start(const MasterProcessOptions& options) {
  std::unique_ptr<MasterProcess> master(new MasterProcess(options));
  MR_RETURN_IF_ERROR(master->Open());
  MR_RETURN_IF_ERROR(master->Recover());
  return master;
}

Status MasterProcess::Open() {
  const std::string& directory = options_.state_directory;
  MR_RETURN_IF_ERROR(files_.MakeDirectories(directory));
  MR_ASSIGN_OR_RETURN(StateLock lock, StateLock::Acquire(directory));
  lock_ = std::make_unique<StateLock>(std::move(lock));
  MR_ASSIGN_OR_RETURN(id_, IdOf(files_, directory));
  MR_ASSIGN_OR_RETURN(FileStore store, FileStore::Open(files_, JoinPath(directory, "modules")));
  store_ = std::make_unique<FileStore>(std::move(store));
  MR_ASSIGN_OR_RETURN(events_, EventLog::Open(JoinPath(directory, "events")));
  // Before the journal is opened: that ends the epoch of whoever has the port.
  MR_ASSIGN_OR_RETURN(listener_, Listener::Bind(transport_, options_.listen, kControlLimits));
  MR_RETURN_IF_ERROR(TestKeys(transport_, *listener_));
  turned_away_.emplace(transport_, *listener_);
  MR_ASSIGN_OR_RETURN(output_steps_, OutputSteps::Start(files_, id_));
  return Status::Ok();
}

Status MasterProcess::Recover() {
  RecordVisitor visitor;
  MR_ASSIGN_OR_RETURN(journal_, Journal::Open(files_, options_.state_directory, visitor));
  SchedulerOptions options = options_.scheduler;
  options.cluster = std::max<std::uint64_t>(Hash64(id_), 1);
  scheduler_ = std::make_unique<Scheduler>(options, Epoch{journal_->epoch()});
  for (const JournalRecord& record : visitor.records)
    MR_RETURN_IF_ERROR(scheduler_->Recover(record));
  Log("epoch " + std::to_string(journal_->epoch()) + ", " + std::to_string(visitor.records.size()) +
      " records, " + std::to_string(scheduler_->open_run_count()) + " open runs");
  for (const JournalRecord& record : visitor.records) {
    const auto* submitted = std::get_if<RunSubmitted>(&record);
    const JobRun* const run = submitted == nullptr ? nullptr : scheduler_->FindRun(submitted->run);
    if (run != nullptr) events_->Recover(*run, scheduler_->epoch(), Now());
  }
  WriteEvents();
  MasterActions actions;
  scheduler_->Start(NowMs(), actions);
  Carry(actions);
  return Status::Ok();
}

Status MasterProcess::Run(int stop_fd) {
  Poller poller;
  poller.Add(*listener_);
  poller.Add(output_steps_->ended_fd());
  poller.Add(stop_fd);
  while (stopped_.ok()) {
    MR_RETURN_IF_ERROR(poller.Wait(TimeoutMs()).error());
    if (IsReadable(stop_fd)) return Status::Ok();
    for (int i = 0; i < kMessagesPerRound && stopped_.ok(); ++i) {
      const std::optional<Received> received = listener_->Receive();
      if (!received) break;
      Receive(*received);
    }
    for (const OutputSteps::Ended& ended : output_steps_->TakeEnded()) OnOutputStepEnded(ended);
    if (const auto next = scheduler_->NextTimerMs(); next && *next <= NowMs()) Step(TimerFired{});
    stopped_.Update(SyncJournal());
    WriteEvents();
    NoteTurnedAway();
    for (const std::string& note : note_limit_.TakeLeftOut(NowMs())) Log(note);
  }
  return stopped_;
}

int MasterProcess::TimeoutMs() const {
  if (appended_ > durable_) return 0;
  constexpr std::uint64_t kWaitMsMax = 1'000;
  const std::uint64_t now = NowMs();
  const std::uint64_t next = std::max(scheduler_->NextTimerMs().value_or(UINT64_MAX), now);
  return static_cast<int>(std::min(next - now, kWaitMsMax));
}

std::uint64_t MasterProcess::NowMs() const {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

// ---- Messages -----------------------------------------------------------------------------------

void MasterProcess::Receive(const Received& received) {
  Result<Message> message = DecodeMessage(received.frame.view());
  if (message.ok()) {
    if (IsAllowed(received, *message)) OnMessage(received.from, *std::move(message));
    return;
  }
  NoteAbout(received.from,
            "ignored what " + AddressName(received.from) + " sent: " + message.error().message());
}

// What others can cause at will is said some times a minute.
void MasterProcess::NoteAbout(const Address& peer, std::string_view text) {
  if (note_limit_.Admits(AddressName(peer), NowMs())) Log(text);
}

// Without keys anybody may do anything. With them, what somebody may not is answered, so that the
// owner of a wrong key need not guess.
bool MasterProcess::IsAllowed(const Received& received, const Message& message) {
  if (!received.key) return true;
  const KeyRole role = received.key->role;
  const bool only_asks = std::holds_alternative<AskCluster>(message.body) ||
                         std::holds_alternative<AskRunStatus>(message.body);
  std::string_view wanted = "worker";
  bool is_allowed = role == KeyRole::kWorker;
  if (!std::holds_alternative<WorkerId>(received.from)) {
    wanted = only_asks ? "submitter or viewer" : "submitter";
    is_allowed = std::holds_alternative<ClientId>(received.from) &&
                 (role == KeyRole::kSubmitter || (role == KeyRole::kViewer && only_asks));
  }
  if (const auto* hello = std::get_if<Hello>(&message.body); is_allowed && hello != nullptr) {
    // Others will expect this key where it serves.
    const Result<Endpoint> endpoint = Endpoint::Parse(hello->endpoint);
    if (endpoint.ok() && endpoint->key == received.key->key) return true;
    Answer(received.from, Refused{"it serves with another key than its own"});
    return false;
  }
  if (is_allowed) return true;
  ++wrong_role_count_;
  Answer(received.from,
         Refused{"its key " + received.key->name + " is a " + std::string(KeyRoleName(role)) +
                 "'s, and this takes a " + std::string(wanted) + "'s"});
  return false;
}

void MasterProcess::NoteTurnedAway() {
  for (const std::string& note : turned_away_->Notes(wrong_role_count_)) Log(note);
}

void MasterProcess::OnMessage(const Address& from, Message message) {
  if (const auto* client = std::get_if<ClientId>(&from)) {
    if (const auto* submit = std::get_if<SubmitRun>(&message.body); submit != nullptr) {
      if (!Admit(*client, *submit)) return;
    }
  } else if (const auto* hello = std::get_if<Hello>(&message.body)) {
    const auto* worker = std::get_if<WorkerId>(&from);
    if (worker == nullptr || hello->worker != *worker) return;
  }
  if (const auto* data = std::get_if<FileData>(&message.body)) return OnFile(from, *data);
  if (const auto* wanted = std::get_if<FileWanted>(&message.body)) {
    return Answer(from, store_->Read(*wanted));
  }
  if (IsOfNewerEpoch(from, message)) return;
  Step(MessageArrived{from, std::move(message)});
}

// A worker that follows a newer epoch than this one: either there is a newer master, and the
// journal knows it, or the worker comes from another cluster.
bool MasterProcess::IsOfNewerEpoch(const Address& from, const Message& message) {
  if (!std::holds_alternative<WorkerId>(from) || message.epoch <= scheduler_->epoch()) return false;
  stopped_.Update(journal_->CheckNewest());
  if (stopped_.ok()) {
    NoteAbout(from, "refused " + AddressName(from) + ": it has followed another master");
    Answer(from, Refused{"it has followed another master, which was at epoch " +
                         std::to_string(message.epoch.value) + ": start it anew"});
  }
  return true;
}

// What can be said of a submission without the scheduler. False: it is answered.
bool MasterProcess::Admit(ClientId from, const SubmitRun& submit) {
  const RunSpec& spec = submit.spec;
  bool is_waiting = false;
  const Status status = CheckSubmission(spec, from, &is_waiting);
  if (is_waiting) return false;
  if (status.ok()) return true;
  RunStatus refused;
  refused.name = spec.name;
  refused.state = RunState::kRefused;
  refused.code = status.code();
  refused.message = status.message();
  Answer(from, std::move(refused));
  return false;
}

Status MasterProcess::CheckSubmission(const RunSpec& spec, ClientId from, bool* is_waiting) {
  // One that is known already is not looked at again.
  if (scheduler_->StatusOf(spec.name).state != RunState::kUnknown) return Status::Ok();
  Result<ClusterPlan> plan = DecodeClusterPlan(spec.plan);
  if (!plan.ok()) {
    return Status::InvalidArgument("the master can't read the plan: ", plan.error().message(),
                                   "; install one version of Millrace on all machines");
  }
  MR_RETURN_IF_ERROR(CheckFits(*plan, spec));
  const std::string& build = options_.scheduler.build;
  if (ExecutableOf(plan->plan.code()) != ExecutableOf(build)) {
    return Status::InvalidArgument("this program is build ", ExecutableOf(plan->plan.code()),
                                   ", the cluster runs ", build,
                                   ": use the same executable on all machines");
  }
  if (!spec.output.starts_with('/') || (spec.output + "/").find("/../") != std::string::npos)
    return Status::InvalidArgument("the output ", spec.output, " is no absolute path");
  events_->SetJob(spec.name, plan->plan.job());
  for (const ModuleFile& module : plan->modules) {
    if (store_->Has(module.hash)) continue;
    if (wanted_files_.size() >= kWantedFilesMax) wanted_files_.erase(wanted_files_.begin());
    wanted_files_[module.hash.Hex()] = module.bytes;
    Answer(from, FileWanted{module.hash, store_->Received(module.hash)});
    *is_waiting = true;
    return Status::Ok();
  }
  return Status::Ok();
}

void MasterProcess::OnFile(const Address& from, const FileData& data) {
  const auto wanted = wanted_files_.find(data.hash.Hex());
  if (wanted == wanted_files_.end() || wanted->second != data.total_bytes) return;
  if (const Status status = store_->Take(data); !status.ok())
    NoteAbout(from, "a module from " + AddressName(from) + ": " + status.message());
  const bool is_there = store_->Has(data.hash);
  if (is_there) wanted_files_.erase(wanted);
  // With the end of the file as its offset it says that all has come.
  Answer(from, FileWanted{data.hash, is_there ? data.total_bytes : store_->Received(data.hash)});
}

// ---- Steps --------------------------------------------------------------------------------------

void MasterProcess::Step(const MasterEvent& event) {
  MasterActions actions;
  scheduler_->Step(event, NowMs(), actions);
  Carry(actions);
}

void MasterProcess::Carry(MasterActions& actions) {
  for (MasterAction& action : actions) {
    if (!stopped_.ok()) return;
    if (const auto* send = std::get_if<Send>(&action)) {
      SendTo(send->to, send->message);
    } else if (auto* const append = std::get_if<AppendJournal>(&action)) {
      stopped_.Update(journal_->Append(EncodeRecord(append->record)).error());
      not_durable_.push_back(std::move(append->record));
      ++appended_;
    } else if (const auto* prepare = std::get_if<PrepareRun>(&action)) {
      const RunSpec& spec = scheduler_->FindRun(prepare->run)->spec();
      StartOutputStep(PrepareStep{prepare->run, spec.output, spec.name});
    } else if (const auto* publish = std::get_if<PublishRun>(&action)) {
      StartOutputStep(PublishStepOf(*scheduler_->FindRun(publish->run)));
    } else if (const auto* clean = std::get_if<CleanRun>(&action)) {
      StartOutputStep(CleanStep{clean->run, clean->output});
    } else if (const auto* note = std::get_if<Note>(&action)) {
      Log(note->text);
    } else if (const auto* left = std::get_if<WorkerLeft>(&action)) {
      events_->Add(*left, Now());
    } else if (const auto* stand_down = std::get_if<StandDown>(&action)) {
      stopped_.Update(Status::Error(StatusCode::kStale, "a newer master is at work, of epoch ",
                                    stand_down->newer.value));
    }
  }
}

// A master that is older than it knows must not touch what the newer one has.
void MasterProcess::StartOutputStep(OutputSteps::Step step) {
  stopped_.Update(journal_->CheckNewest());
  if (stopped_.ok()) output_steps_->Add(std::move(step));
}

void MasterProcess::OnOutputStepEnded(const OutputSteps::Ended& ended) {
  if (const auto* prepare = std::get_if<PrepareStep>(&ended.step)) {
    Step(RunPrepared{prepare->run, ended.status});
  } else if (const auto* publish = std::get_if<PublishStep>(&ended.step)) {
    Step(PublishEnded{publish->run, ended.status, ended.is_final});
  } else if (!ended.status.ok()) {
    Log("left beside the output " + std::get<CleanStep>(ended.step).output + ": " +
        ended.status.message());
  }
}

void MasterProcess::SendTo(const Address& to, const Message& message) {
  std::string frame = EncodeMessage(message);
  if (frame.size() > FrameBytesMax(message.body)) {
    Log(std::string(MessageName(message.body)) + " of " + std::to_string(frame.size()) +
        " bytes is too large to be sent to " + AddressName(to));
    return;
  }
  // One that is away, or whose queue is full, asks again.
  static_cast<void>(listener_->Send(to, std::move(frame)));
}

void MasterProcess::Answer(const Address& to, MessageBody body) {
  SendTo(to, {scheduler_->epoch(), 0, std::move(body)});
}

EventTime MasterProcess::Now() const {
  const auto utc = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::milliseconds>(utc).count(), NowMs()};
}

// Not what a run depends on: where it fails, the run goes on.
void MasterProcess::WriteEvents() {
  const Status status = events_->Flush();
  if (!status.ok() && note_limit_.Admits("event logs", NowMs())) Log(status.message());
}

// A snapshot is written when there is as much journal behind the last one: so all snapshots
// together are no more than the journal. One that is too large is not written at all.
Status MasterProcess::RotateJournal() {
  const std::uint64_t bytes = journal_->bytes_since_snapshot();
  const bool is_long = bytes >= std::max(options_.rotate_bytes, snapshot_bytes_) ||
                       MR_FAILPOINT("master.rotate") != FailpointAction::kNone;
  if (!is_long || bytes < no_rotation_bytes_) return Status::Ok();
  const std::string snapshot = EncodeSnapshot(scheduler_->Snapshot());
  snapshot_bytes_ = snapshot.size();
  if (snapshot.size() > kJournalSnapshotBytesMax) {
    Log("the state of all runs takes " + std::to_string(snapshot.size()) +
        " bytes, more than a snapshot holds: the journal grows on");
    no_rotation_bytes_ = 2 * bytes;
    return Status::Ok();
  }
  no_rotation_bytes_ = 0;
  return journal_->Rotate(snapshot);
}

Status MasterProcess::SyncJournal() {
  while (appended_ > durable_) {
    const std::uint64_t appended = appended_;
    MR_RETURN_IF_ERROR(journal_->Sync().error());
    for (; durable_ < appended; ++durable_) {
      events_->Add(not_durable_.front(), *scheduler_, Now());
      not_durable_.pop_front();
    }
    Step(JournalDurable{appended});
    events_->AddEnds(*scheduler_, Now());
    MR_RETURN_IF_ERROR(stopped_);
    if (appended_ == durable_) MR_RETURN_IF_ERROR(RotateJournal());
  }
  return Status::Ok();
}

}  // namespace millrace
