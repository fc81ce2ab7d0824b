// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_PEERS_H_
#define WORKER_PEERS_H_

// The data plane: how workers reach each other. Who wants something connects; what comes back comes
// on the same connection:
//
//   here                                           there
//   Connection  FetchRequest, FetchCredit  ─▶  Listener
//               ◀─  FetchData, FetchFiles, FetchRefused
//
// A socket takes two frames for each peer (kDataLimits), so that pieces of a MiB don't pile up.
// What it does not take waits here, in order, and is tried again soon; what waits for too long is
// dropped, since whoever needs it asks again.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/proto/state_machine.h"
#include "mapreduce/transport/connection.h"
#include "mapreduce/transport/listener.h"
#include "mapreduce/transport/poller.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

/// See above. One thread.
class Peers {
 public:
  /// All outlive this.
  Peers(Transport& transport, Listener& listener, Poller& poller, WorkerId self);
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;
  ~Peers();

  /// Where workers are reached, as a task's sources say.
  void Learn(const StartTask& start);
  void Send(WorkerId to, const Message& message, std::uint64_t now_ms);
  /// Nothing for this reader waits here: another piece may be read for it.
  bool IsIdle(WorkerId reader) const { return !replies_.contains(reader); }
  /// What has come; a bounded number, so call it again.
  std::vector<MessageArrived> Receive(std::uint64_t now_ms);
  /// Sends what waits, closes what is idle.
  void Tick(std::uint64_t now_ms);
  /// From now; UINT64_MAX: nothing waits.
  std::uint64_t NextTickMs() const;

  /// Frames that were none of ours, or not for here, since the start.
  std::uint64_t bad_frames() const { return bad_frames_; }
  /// Why a connection could not be made, the last time since it was asked for: no descriptors, most
  /// often. What should have gone there is lost.
  Status TakeConnectError() { return std::exchange(connect_error_, Status::Ok()); }

 private:
  // What one socket did not take yet.
  struct Outbox {
    std::deque<std::string> frames;
    std::size_t bytes = 0;
    std::uint64_t since_ms = 0;  // When it took something last.
  };
  struct Peer {
    std::unique_ptr<Connection> connection;
    Outbox outbox;
    std::uint64_t used_ms = 0;
  };
  static void Put(Outbox& outbox, std::string frame, std::uint64_t now_ms);
  template <class SendFrame>
  bool Flush(Outbox& outbox, std::uint64_t now_ms, const SendFrame& send);
  Peer* PeerOf(WorkerId id, std::uint64_t now_ms);
  void Close(std::map<WorkerId, Peer>::iterator peer);
  bool Take(WorkerId from, const Frame& frame, bool is_reply, std::vector<MessageArrived>& out);

  Transport& transport_;
  Listener& listener_;
  Poller& poller_;
  const WorkerId self_;
  std::map<WorkerId, std::string> endpoints_;
  std::map<WorkerId, Peer> peers_;      // Asked by us.
  std::map<WorkerId, Outbox> replies_;  // To those who ask us, where something waits.
  std::uint64_t bad_frames_ = 0;
  Status connect_error_;
};

}  // namespace millrace

#endif  // WORKER_PEERS_H_
