// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_MASTER_PROCESS_H_
#define MASTER_MASTER_PROCESS_H_

// The shell around the scheduler: one loop, in one thread, that owns the socket, the journal and
// the clock.
//
//   frames ─▶ decode, check ─▶ Scheduler::Step ─▶ actions: Send, AppendJournal, outputs
//   all that is there has been stepped ─▶ Journal::Sync ─▶ Step(JournalDurable) ─▶ Send ...
//
// So one sync makes durable what all those messages have caused. What takes long, making and
// publishing outputs, has a thread of its own (output_steps.h).
//
// Files of the state directory, beside the journal's (journal_format.h):
//
//   lock     held while the master is alive (state_lock.h)
//   id       32 hex digits: which master this is, for what it leaves beside outputs
//   modules  by content (file_store.h)
//   events   a log of each run, for people and programs (event_log.h)

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/transport/endpoint.h"
#include "mapreduce/transport/listener.h"
#include "mapreduce/transport/transport.h"
#include "mapreduce/transport/turned_away.h"
#include "master/event_log.h"
#include "master/file_store.h"
#include "master/journal.h"
#include "master/note_limit.h"
#include "master/output_steps.h"
#include "master/scheduler.h"
#include "master/state_lock.h"

namespace millrace {

struct MasterProcessOptions {
  Endpoint listen;
  std::string state_directory;
  std::optional<TransportKeys> keys;
  SchedulerOptions scheduler;
  std::uint64_t rotate_bytes = std::uint64_t{64} << 20;  ///< Of journal between two snapshots.
  std::function<void(const std::string&)> log;           ///< One line each; in the loop's thread.
};

/// One thread.
class MasterProcess {
 public:
  /// Takes the lock, recovers from the journal, listens. kUnavailable: another master has the
  /// directory; kCorrupt: the journal is damaged; kCannotCreate: the endpoint is taken; others as
  /// the file system says.
  static Result<std::unique_ptr<MasterProcess>> Start(const MasterProcessOptions& options);
  MasterProcess(const MasterProcess&) = delete;
  MasterProcess& operator=(const MasterProcess&) = delete;

  /// With the real port.
  const std::string& endpoint() const { return listener_->endpoint(); }
  /// Ok when `stop_fd` is readable; else why this master can't go on: kStale: a newer one is at
  /// work; what the journal said. Whatever it was, the next master goes on from the journal.
  Status Run(int stop_fd);

 private:
  explicit MasterProcess(const MasterProcessOptions& options)
      : options_(options), transport_(options.keys) {}
  Status Open();
  Status Recover();

  void Receive(const Received& received);
  bool IsAllowed(const Received& received, const Message& message);
  void NoteTurnedAway();
  void OnMessage(const Address& from, Message message);
  bool Admit(ClientId from, const SubmitRun& submit);
  Status CheckSubmission(const RunSpec& spec, ClientId from, bool* is_waiting);
  void OnFile(const Address& from, const FileData& data);
  bool IsOfNewerEpoch(const Address& from, const Message& message);
  void OnOutputStepEnded(const OutputSteps::Ended& ended);
  void Step(const MasterEvent& event);
  void Carry(MasterActions& actions);
  void StartOutputStep(OutputSteps::Step step);
  void SendTo(const Address& to, const Message& message);
  EventTime Now() const;
  void NoteAbout(const Address& peer, std::string_view text);
  void WriteEvents();
  void Answer(const Address& to, MessageBody body);
  Status SyncJournal();
  Status RotateJournal();
  int TimeoutMs() const;
  std::uint64_t NowMs() const;
  void Log(std::string_view text) const { options_.log(std::string(text)); }

  const MasterProcessOptions options_;
  FileSystem& files_ = LocalFileSystem();
  std::unique_ptr<StateLock> lock_;
  std::string id_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<FileStore> store_;
  std::unique_ptr<OutputSteps> output_steps_;
  Transport transport_;
  std::unique_ptr<Listener> listener_;
  std::optional<TurnedAway> turned_away_;
  std::uint64_t wrong_role_count_ = 0;

  std::uint64_t appended_ = 0;           // Records of this epoch,
  std::uint64_t durable_ = 0;            // and how many of them the scheduler knows to be durable.
  std::uint64_t snapshot_bytes_ = 0;     // Of the last one.
  std::uint64_t no_rotation_bytes_ = 0;  // Of journal, before another snapshot is tried.
  std::map<std::string, std::uint64_t> wanted_files_;  // By hex: modules of runs to be submitted.
  std::unique_ptr<EventLog> events_;
  std::deque<JournalRecord> not_durable_;  // Appended: for the event log.
  NoteLimit note_limit_;                   // Of what others make this one say.
  Status stopped_;                         // Why the loop must end.
};

}  // namespace millrace

#endif  // MASTER_MASTER_PROCESS_H_
