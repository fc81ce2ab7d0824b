// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_TRANSPORT_H_
#define MAPREDUCE_TRANSPORT_TRANSPORT_H_

// Frames between master, workers and clients. What a frame holds is wire_codec.h's business.
//
//   Transport transport;                                            // One per process.
//   MR_ASSIGN_OR_RETURN(const Endpoint at, Endpoint::Parse("tcp://127.0.0.1:*"));
//   MR_ASSIGN_OR_RETURN(auto listener, Listener::Bind(transport, at, kControlLimits));
//   Poller poller;
//   poller.Add(*listener);
//   while (poller.Wait(/*timeout_ms=*/1000).ok()) {
//     while (std::optional<Received> received = listener->Receive()) ...
//   }
//
// Frames may be lost, each time a connection breaks; they never come twice, nor, on one connection,
// in another order. Nothing here blocks but Poller::Wait. Connections heal by themselves.
//
// With keys all sockets speak CURVE: who connects knows the key of who listens, and is known by its
// own, which the listener's allow list must have. Without, nobody is known to anybody.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mapreduce/proto/limits.h"
#include "mapreduce/security/allow_list.h"
#include "mapreduce/security/key.h"

namespace millrace {

/// What one socket takes. All that comes in is bounded by these, see connection_guard.h.
struct SocketLimits {
  int messages_max = 0;             ///< Per peer and direction, before it must wait.
  std::size_t frame_bytes_max = 0;  ///< A larger one ends its connection.
  std::size_t connections_max = 0;  ///< Of a listener; more are cut at once.
  std::size_t newcomers_max = 0;    ///< That haven't said anything yet: beyond, the oldest goes.
  std::size_t unfinished_bytes_max = 0;  ///< Of frames that are half in, over all connections.
};

/// Control plane: small messages, and now and then a plan.
inline constexpr SocketLimits kControlLimits = {.messages_max = 64,
                                                .frame_bytes_max = kFrameBytesMax,
                                                .connections_max = 1024,
                                                .newcomers_max = 256,
                                                .unfinished_bytes_max = std::size_t{256} << 20};
/// Data plane: run file blocks.
inline constexpr SocketLimits kDataLimits = {.messages_max = 4,
                                             .frame_bytes_max = kDataFrameBytesMax,
                                             .connections_max = 1024,
                                             .newcomers_max = 256,
                                             .unfinished_bytes_max = std::size_t{128} << 20};

/// What happened to a socket's connections, since it was made.
struct ConnectionStats {
  std::uint64_t opened = 0;
  std::uint64_t open = 0;               ///< Now.
  std::uint64_t garbage = 0;            ///< Messages dropped: not one frame, or from nobody.
  std::uint64_t cut_for_garbage = 0;    ///< kGarbageMax messages of it.
  std::uint64_t cut_for_flood = 0;      ///< Unfinished bytes beyond the limits.
  std::uint64_t cut_for_room = 0;       ///< Too many connections or newcomers.
  std::uint64_t cut_for_silence = 0;    ///< Never said anything.
  std::uint64_t cut_as_foreign = 0;     ///< ipc: another user's process.
  std::uint64_t taken_over = 0;         ///< The same peer came again on another connection.
  std::uint64_t unknown_keys = 0;       ///< Refused in the handshake.
  std::uint64_t failed_handshakes = 0;  ///< No keys, other keys than ours, half of one, garbage.
  std::uint64_t cut_as_unknown = 0;     ///< Its key was taken from the list, or nobody checked it.
  std::uint64_t cut_as_impostor = 0;    ///< Under the name of a peer that has another key.
};

/// What a process proves itself with, and whom it takes.
struct TransportKeys {
  KeyPair own;
  std::shared_ptr<AllowList> allowed;  ///< Null for one that doesn't listen.
};

/// How long the kernel at the other end of a tcp connection may be silent, or may have no room for
/// what is sent, before the connection counts as gone; asked each kProbeSeconds.
inline constexpr int kSilentSecondsMax = 6, kProbeSeconds = 2;
/// Whoever connects starts over when nothing at all has come for so long after what it sent.
inline constexpr int kAnswerSecondsMax = 8;
/// A peer that is away is tried again after this, growing to the second.
inline constexpr int kReconnectMsMin = 50, kReconnectMsMax = 1'000;
inline constexpr int kHandshakeMsMax = 5'000;
/// A listener's peer says something within so long after it came, or is cut and may come again.
inline constexpr int kFirstMessageMsMax = 30'000;
/// So many messages of garbage end a connection.
inline constexpr int kGarbageMax = 3;
/// What is queued when a socket is closed may still leave for so long.
inline constexpr int kLingerMs = 500;
inline constexpr int kBacklog = 256;
inline constexpr int kSocketsMax = 8'192;  ///< Of a process: a worker connects to all others.

/// Owner of the one I/O thread, which ends when the last socket is closed. Thread-safe.
class Transport {
 public:
  explicit Transport(std::optional<TransportKeys> keys = std::nullopt);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  const std::optional<TransportKeys>& keys() const;
  /// For a log: that the allow list was read again, or what is wrong with it.
  std::vector<std::string> TakeNotes();
  /// Likewise: whose keys were refused; some, if they are many.
  std::vector<std::string> TakeRefusals();

  /// For the sources of this layer.
  class Context;
  const std::shared_ptr<Context>& context() const { return context_; }

 private:
  std::shared_ptr<Context> context_;
};

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_TRANSPORT_H_
