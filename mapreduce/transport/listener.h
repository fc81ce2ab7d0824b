// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_LISTENER_H_
#define MAPREDUCE_TRANSPORT_LISTENER_H_

#include <memory>
#include <optional>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/transport/endpoint.h"
#include "mapreduce/transport/frame.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

struct Received {
  Address from;
  Frame frame;  ///< Any bytes, at least one.
  /// With keys: who it is, as of the allow list. Without: nullopt, and anybody.
  std::optional<AllowedKey> key;
};

/// Where many peers connect to. One thread. A peer has one connection: when it comes again, the new
/// one counts and the old one is cut.
class Listener {
 public:
  /// kInvalidArgument: CheckListenable(), keys without an allow list, or this machine doesn't have
  /// the address. kUnavailable: another process listens there. kCannotCreate: not allowed, or a
  /// file is in the way of ipc. kResourceLimit: too many sockets.
  static Result<std::unique_ptr<Listener>> Bind(Transport& transport, const Endpoint& endpoint,
                                                const SocketLimits& limits);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// With the real port in place of `*`.
  const std::string& endpoint() const;

  /// Never blocks. nullopt: nothing there. Call it until then, so that the guard can tell floods
  /// from what only waits to be received. Messages of several frames, of none, or from nobody are
  /// dropped.
  std::optional<Received> Receive();

  /// Never blocks. kUnavailable: the peer isn't connected, or has not taken what it was sent
  /// before; then `frame` is as it was. Else the frame is on its way, not copied, and may be lost.
  Status Send(const Address& to, std::string&& frame);

  /// What Receive() does on the way, for an owner with nothing to receive: call it, or Receive(),
  /// every 50 ms. Poller does.
  void Guard();

  ConnectionStats stats() const;

  /// For the sources of this layer.
  void* raw();

 private:
  class State;
  explicit Listener(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_LISTENER_H_
