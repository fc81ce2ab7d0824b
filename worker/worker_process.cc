// SPDX-License-Identifier: Apache-2.0
#include "worker/worker_process.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <utility>

#include "mapreduce/base/random_id.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/code_identity.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/wire_codec.h"
#include "mapreduce/transport/key_self_test.h"
#include "worker/host_id.h"
#include "worker/local_address.h"
#include "worker/task_orphans.h"

namespace millrace {
namespace {

constexpr int kControlFramesPerTurn = 64;
constexpr int kReadsPerTurn = 16;             // Of a MiB at most.
constexpr std::uint64_t kReadMsPerTurn = 20;  // Disks may be slow, and heartbeats can't wait.
constexpr std::uint64_t kLookMs = 10'000;     // A master that is silent for so long is lost.
constexpr std::uint64_t kHandshakeLookMs = 1'000;
constexpr std::uint64_t kComplainMs = 60'000;    // Between two notes about that.
constexpr std::uint64_t kTimeoutMsMax = 60'000;  // Of one wait.
constexpr std::uint64_t kHelloMs = 10;           // Between two tries of the first words.

std::uint64_t NowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

// As others are told it. One who listens everywhere names the address that the master sees.
Result<Endpoint> EndpointForOthers(const WorkerProcessOptions& options, const Listener& listener) {
  Endpoint endpoint = options.advertise;
  if (endpoint.text.empty()) {
    MR_ASSIGN_OR_RETURN(endpoint, Endpoint::Parse(listener.endpoint()));
    if (endpoint.host == "0.0.0.0" || endpoint.host == "[::]") {
      Result<std::string> host =
          LocalAddressTowards(options.master, endpoint.host == "0.0.0.0" ? AF_INET : AF_UNSPEC);
      if (!host.ok()) {
        return Status::InvalidArgument(host.error().message(),
                                       "; say where others find this worker with --advertise, or "
                                       "listen on tcp://[::]:* where the master's address is IPv6");
      }
      MR_ASSIGN_OR_RETURN(endpoint,
                          Endpoint::Parse("tcp://" + *host + ":" + std::to_string(endpoint.port)));
    }
  }
  if (options.keys) endpoint.key = options.keys->own.public_key;
  return endpoint;
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(const WorkerProcessOptions& options) {
  std::unique_ptr<WorkerProcess> process(new WorkerProcess(options));
  MR_RETURN_IF_ERROR(process->Open(options));
  return process;
}

Status WorkerProcess::Open(const WorkerProcessOptions& options) {
  log_ = options.log;
  master_endpoint_ = options.master.text;
  MR_RETURN_IF_ERROR(AdoptOrphans());
  MR_ASSIGN_OR_RETURN(keeper_, TaskKeeper::Start());
  MR_ASSIGN_OR_RETURN(spool_, Spool::Open(options.spool_directory));
  MR_ASSIGN_OR_RETURN(modules_, ModuleCache::Open(JoinPath(spool_->shared_directory(), "modules"),
                                                  JoinPath(spool_->directory(), "modules")));
  module_images_ = std::make_unique<ModuleImages>(*modules_, options.module_signers);
  module_fetcher_ = std::make_unique<ModuleFetcher>(*modules_);
  const WorkerId id{RandomId()};
  MR_ASSIGN_OR_RETURN(listener_, Listener::Bind(transport_, options.listen, kDataLimits));
  MR_RETURN_IF_ERROR(TestKeys(transport_, *listener_));
  turned_away_.emplace(transport_, *listener_);
  MR_ASSIGN_OR_RETURN(const Endpoint endpoint, EndpointForOthers(options, *listener_));
  MR_ASSIGN_OR_RETURN(control_,
                      Connection::Connect(transport_, options.master, id, kControlLimits));
  poller_.Add(*control_);
  poller_.Add(keeper_->end_fd());
  peers_ = std::make_unique<Peers>(transport_, *listener_, poller_, id);
  runner_ = std::make_unique<TaskRunner>(
      TaskRunner::Options{options.worker.slot_memory_bytes, keeper_.get(), options.sandbox},
      *spool_, held_, *module_images_, *module_fetcher_, poller_);

  WorkerOptions worker = options.worker;
  worker.host = HostName();
  worker.endpoint = endpoint.TextWithKey();
  worker.host_id = options.reads_directly ? HostId() : "";
  MR_ASSIGN_OR_RETURN(worker.build, ProgramBuild());
  if (worker.spool_bytes_max == UINT64_MAX) {
    MR_ASSIGN_OR_RETURN(worker.spool_bytes_max, HalfOfFreeBytes(spool_->directory()));
  }
  std::ostringstream text;
  text << "starts as " << id << " at " << endpoint.text << ", " << worker.slots << " slots of "
       << FormatBytes(worker.slot_memory_bytes) << ", spool " << spool_->directory() << " up to "
       << FormatBytes(worker.spool_bytes_max);
  log_(std::move(text).str());
  log_(DescribeSandbox(options.sandbox.is_on, FindSandboxSupport()));
  if (endpoint.is_loopback() && !options.listen.is_loopback()) {
    log_("others are told " + endpoint.text +
         ", which only this machine reaches: for workers on "
         "others give --advertise, or the master's address in --master");
  }
  worker_ = std::make_unique<Worker>(id, worker);
  now_ms_ = heard_ms_ = NowMs();
  next_note_ms_ = now_ms_ + kLookMs;
  WorkerActions actions;
  worker_->Start(now_ms_, actions);
  Carry(actions);
  return Status::Ok();
}

WorkerProcess::~WorkerProcess() {
  worker_.reset();
  runner_.reset();
  peers_.reset();
  control_.reset();
  listener_.reset();
  if (spool_ == nullptr) return;
  const Status status = spool_->Remove();
  if (!status.ok()) log_(status.message());
}

void WorkerProcess::Drain() {
  now_ms_ = NowMs();
  log_("drains: finishes what it is at, and leaves when nobody needs its outputs any more");
  Step(DrainWanted{});
}

Result<std::optional<Status>> WorkerProcess::Run(int stop_fd) {
  poller_.Add(stop_fd);
  while (!left_) {
    const Result<int> ready = poller_.Wait(TimeoutMs());
    const bool must_stop = ready.ok() && poller_.IsReady(stop_fd);
    if (!ready.ok() || must_stop) {
      poller_.Remove(stop_fd);
      if (must_stop) return std::optional<Status>();
      return ready.error();
    }
    if (poller_.IsReady(keeper_->end_fd())) {
      poller_.Remove(stop_fd);
      return Status::ResourceLimit(
          "the worker's helper process (millrace-keeper) is gone, most often since memory ran out "
          "or somebody killed it; without it tasks could outlive the worker, which ends: start it "
          "again");
    }
    Turn();
  }
  poller_.Remove(stop_fd);
  return left_;
}

std::int64_t WorkerProcess::TimeoutMs() const {
  const bool can_read = std::any_of(reads_.begin(), reads_.end(), [this](const ReadPiece& read) {
    return peers_->IsIdle(read.key.reader_worker);
  });
  if (can_read || !events_.empty()) return 0;
  const std::uint64_t now_ms = NowMs();
  const std::uint64_t at_ms =
      std::min({worker_->NextTimerMs(), runner_->NextTimerMs(), module_fetcher_->NextTimerMs(),
                next_note_ms_, next_handshake_note_ms_});
  const std::uint64_t wait_ms = std::min(at_ms > now_ms ? at_ms - now_ms : 0, peers_->NextTickMs());
  const std::uint64_t most_ms = unsent_hello_.empty() ? kTimeoutMsMax : kHelloMs;
  return static_cast<std::int64_t>(std::min(wait_ms, most_ms));
}

void WorkerProcess::Turn() {
  now_ms_ = NowMs();
  SendUnsentHello();
  ReceiveControl();
  for (MessageArrived& arrived : peers_->Receive(now_ms_)) Step(std::move(arrived));
  std::vector<WorkerEvent> events;
  runner_->Tick(now_ms_, events);
  for (WorkerEvent& event : events) Step(std::move(event));
  ServeReads();
  now_ms_ = NowMs();
  if (worker_->NextTimerMs() <= now_ms_) Step(TimerFired{});
  AskForModules();
  peers_->Tick(now_ms_);
  NoteWhatIsWrong();
}

void WorkerProcess::Step(WorkerEvent event) {
  events_.push_back(std::move(event));
  while (!events_.empty()) {
    WorkerEvent next = std::move(events_.front());
    events_.pop_front();
    WorkerActions actions;
    now_ms_ = NowMs();  // What came before it may have taken long.
    worker_->Step(std::move(next), now_ms_, actions);
    Carry(actions);
  }
}

void WorkerProcess::Carry(WorkerActions& actions) {
  for (WorkerAction& action : actions) {
    if (const auto* send = std::get_if<Send>(&action)) {
      CarrySend(*send);
    } else if (auto* start = std::get_if<StartChild>(&action)) {
      runner_->Start(std::move(*start), now_ms_);
    } else if (const auto* kill = std::get_if<KillChild>(&action)) {
      runner_->Kill(kill->attempt);
    } else if (const auto* append = std::get_if<AppendSpool>(&action)) {
      const Status status = spool_->Append(append->key, append->bytes);
      if (!status.ok()) events_.push_back(SpoolFailed{append->attempt, status});
    } else if (auto* read = std::get_if<ReadPiece>(&action)) {
      // A stream has one at a time; an older one is of a request that was repeated.
      std::erase_if(reads_, [&](const ReadPiece& older) { return older.key == read->key; });
      reads_.push_back(std::move(*read));
    } else if (const auto* list = std::get_if<ListFiles>(&action)) {
      events_.push_back(held_.List(*list));
    } else if (const auto* drop = std::get_if<DropAttempt>(&action)) {
      runner_->Drop(*drop);
    } else if (const auto* leave = std::get_if<Leave>(&action)) {
      left_ = leave->status;
    } else if (const auto* note = std::get_if<Note>(&action)) {
      log_(note->text);
    }
  }
}

void WorkerProcess::CarrySend(const Send& send) {
  if (std::holds_alternative<MasterAddress>(send.to)) {
    SendToMaster(send.message);
  } else if (const auto* to = std::get_if<WorkerId>(&send.to)) {
    peers_->Send(*to, send.message, now_ms_);
  }
}

// What can't be sent is lost: the brain says it again. But for the first words, which are spoken
// before there is a connection: they go out as soon as there is one.
void WorkerProcess::SendToMaster(const Message& message) {
  std::string frame = EncodeMessage(message);
  const bool is_hello = std::holds_alternative<Hello>(message.body);
  if (is_hello) unsent_hello_.clear();
  if (!control_->Send(std::move(frame)).ok() && is_hello) unsent_hello_ = std::move(frame);
}

void WorkerProcess::SendUnsentHello() {
  if (!unsent_hello_.empty() && control_->Send(std::move(unsent_hello_)).ok())
    unsent_hello_.clear();
}

void WorkerProcess::ReceiveControl() {
  for (int i = 0; i < kControlFramesPerTurn; ++i) {
    const std::optional<Frame> frame = control_->Receive();
    if (!frame) return;
    Result<Message> message = DecodeMessage(frame->view());
    if (message.ok()) {
      OnMaster(*std::move(message));
    } else {
      control_->TellDamaged();
      ++bad_frames_;
    }
  }
}

void WorkerProcess::OnMaster(Message message) {
  if (is_lost_) log_("the master is back");
  is_lost_ = false;
  heard_ms_ = now_ms_;
  if (const auto* data = std::get_if<FileData>(&message.body)) {
    module_fetcher_->Take(*data, now_ms_);
    return;
  }
  if (const auto* start = std::get_if<StartTask>(&message.body)) peers_->Learn(*start);
  Step(MessageArrived{MasterAddress{}, std::move(message)});
}

void WorkerProcess::ServeReads() {
  int count = 0;
  const std::uint64_t end_ms = NowMs() + kReadMsPerTurn;
  for (auto at = reads_.begin();
       at != reads_.end() && count < kReadsPerTurn && (count == 0 || NowMs() < end_ms);) {
    if (!peers_->IsIdle(at->key.reader_worker)) {
      ++at;
      continue;
    }
    const ReadPiece read = std::move(*at);
    reads_.erase(at);
    ++count;
    Step(held_.Read(read));  // May add others, and erase some.
    at = reads_.begin();
  }
}

// Sequence 0: it must not make a heartbeat look late that was sent before.
void WorkerProcess::AskForModules() {
  for (const FileWanted& wanted : module_fetcher_->TakeQuestions(now_ms_))
    SendToMaster({worker_->epoch(), 0, wanted});
}

// The same trouble once a minute.
void WorkerProcess::NoteHandshakeTrouble() {
  if (now_ms_ < next_handshake_note_ms_) return;
  next_handshake_note_ms_ = now_ms_ + kHandshakeLookMs;
  const std::string trouble = control_->HandshakeTrouble();
  if (trouble.empty()) return;
  next_handshake_note_ms_ = now_ms_ + kComplainMs;
  log_("cannot connect to the master at " + master_endpoint_ + ": " + trouble);
}

void WorkerProcess::NoteWhatIsWrong() {
  NoteHandshakeTrouble();
  if (now_ms_ < next_note_ms_) return;
  next_note_ms_ = now_ms_ + kLookMs;
  const bool may_complain = !is_lost_ || now_ms_ - lost_note_ms_ >= kComplainMs;
  if (now_ms_ - heard_ms_ >= kLookMs && may_complain) {
    is_lost_ = true;
    lost_note_ms_ = now_ms_;
    std::ostringstream text;
    text << "the master at " << master_endpoint_ << " has not been heard of for "
         << (now_ms_ - heard_ms_) / 1000 << " s; waiting for it";
    log_(std::move(text).str());
  }
  for (const std::string& note : turned_away_->Notes()) log_(note);
  const Status connect_error = peers_->TakeConnectError();
  if (!connect_error.ok()) log_("cannot connect to a worker: " + connect_error.message());
  const std::uint64_t bad_frames = bad_frames_ + peers_->bad_frames();
  if (bad_frames == noted_bad_frames_) return;
  log_("ignored " + FormatCount(bad_frames - noted_bad_frames_) +
       " messages that no master or worker of this version sends");
  noted_bad_frames_ = bad_frames;
}

}  // namespace millrace
