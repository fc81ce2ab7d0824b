// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_WORKER_PROCESS_H_
#define WORKER_WORKER_PROCESS_H_

// The shell around the worker's brain (worker.h): one thread that waits for sockets, children and
// time, tells the brain, and does what it says. It blocks nowhere else.
//
//   master ◀─ control: a connection ─▶ ┐
//   workers ◀─ data (peers.h) ───────▶ ┼ this ─ Worker
//   children (task_runner.h) ─────────▶ ┘    └─ Spool, HeldRuns, ModuleCache

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/transport/connection.h"
#include "mapreduce/transport/endpoint.h"
#include "mapreduce/transport/listener.h"
#include "mapreduce/transport/poller.h"
#include "mapreduce/transport/transport.h"
#include "mapreduce/transport/turned_away.h"
#include "worker/held_runs.h"
#include "worker/module_cache.h"
#include "worker/module_fetcher.h"
#include "worker/module_images.h"
#include "worker/peers.h"
#include "worker/sandbox.h"
#include "worker/spool.h"
#include "worker/task_runner.h"
#include "worker/worker.h"

namespace millrace {

struct WorkerProcessOptions {
  Endpoint master;
  Endpoint listen;     ///< Of the data plane.
  Endpoint advertise;  ///< Where others find that, if not there: a forwarded port. May be empty.
  std::optional<TransportKeys> keys;  ///< Then `master` has its key.
  std::string spool_directory;
  /// All but host, endpoint, build and host_id, which are found out. spool_bytes_max UINT64_MAX:
  /// half of what is free.
  WorkerOptions worker;
  ModuleSigners module_signers;  ///< Empty: job modules need no signature.
  SandboxOptions sandbox;        ///< Of tasks.
  bool reads_directly = true;    ///< Other workers' files on this host, and they ours.
  std::function<void(const std::string&)> log;
};

/// See above. One thread, the one that starts it.
class WorkerProcess {
 public:
  /// Errors: Spool's, Listener's, Connection's. Requires: no children of the process; signals that
  /// mustn't end it are blocked already, since threads are started here.
  static Result<std::unique_ptr<WorkerProcess>> Start(const WorkerProcessOptions& options);
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  /// Kills and waits for children, closes sockets, removes its folder of the spool.
  ~WorkerProcess();

  /// Works until `stop_fd` can be read: nothing; or until the worker leaves: Ok after a drain,
  /// kInvalidArgument if the master refuses it. kInternal: it can't go on; kResourceLimit: its
  /// keeper is gone (task_keeper.h).
  Result<std::optional<Status>> Run(int stop_fd);
  /// Takes nothing new and leaves when nobody needs anything any more.
  void Drain();

  const std::string& endpoint() const { return listener_->endpoint(); }
  WorkerId id() const { return worker_->id(); }

 private:
  explicit WorkerProcess(const WorkerProcessOptions& options) : transport_(options.keys) {}
  Status Open(const WorkerProcessOptions& options);
  std::int64_t TimeoutMs() const;
  void Turn();
  void Step(WorkerEvent event);
  void Carry(WorkerActions& actions);
  void CarrySend(const Send& send);
  void ReceiveControl();
  void OnMaster(Message message);
  void SendToMaster(const Message& message);
  void SendUnsentHello();
  void ServeReads();
  void AskForModules();
  void NoteHandshakeTrouble();
  void NoteWhatIsWrong();

  std::function<void(const std::string&)> log_;
  std::string master_endpoint_;
  std::uint64_t now_ms_ = 0;
  std::uint64_t heard_ms_ = 0;  // Of the master.
  std::uint64_t next_handshake_note_ms_ = 0;
  std::uint64_t next_note_ms_ = 0;  // When to see whether there is something to complain about.
  bool is_lost_ = false;            // The master, as was said,
  std::uint64_t lost_note_ms_ = 0;  // and when.
  std::string unsent_hello_;        // There was no connection.
  std::uint64_t bad_frames_ = 0, noted_bad_frames_ = 0;
  std::optional<Status> left_;
  std::deque<WorkerEvent> events_;  // What doing an action gave.
  std::deque<ReadPiece> reads_;     // Not done yet: their readers have not taken the last one.

  // In the order in which they need each other.
  std::unique_ptr<TaskKeeper> keeper_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<ModuleCache> modules_;
  std::unique_ptr<ModuleImages> module_images_;
  std::unique_ptr<ModuleFetcher> module_fetcher_;
  HeldRuns held_;
  Transport transport_;
  Poller poller_;
  std::unique_ptr<Listener> listener_;
  std::optional<TurnedAway> turned_away_;
  std::unique_ptr<Connection> control_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<TaskRunner> runner_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace millrace

#endif  // WORKER_WORKER_PROCESS_H_
