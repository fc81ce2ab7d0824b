// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_CONNECTION_H_
#define MAPREDUCE_TRANSPORT_CONNECTION_H_

#include <memory>
#include <optional>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/transport/endpoint.h"
#include "mapreduce/transport/frame.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

/// To one listener, under a name of its own. One thread. When the listener goes, the connection
/// tries again, from every 50 ms to every second, for ever.
class Connection {
 public:
  /// Returns at once, whether somebody listens there or not. kInvalidArgument: CheckConnectable(),
  /// keys where the endpoint has none, or a host that ZeroMQ doesn't take. kResourceLimit: too many
  /// sockets.
  static Result<std::unique_ptr<Connection>> Connect(Transport& transport, const Endpoint& endpoint,
                                                     const Address& self,
                                                     const SocketLimits& limits);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::string& endpoint() const;

  /// Never blocks. nullopt: nothing there.
  std::optional<Frame> Receive();
  /// What Receive gave last was damaged, so it answers nothing. One flipped byte can make all that
  /// follows on a connection nonsense; then this starts over.
  void TellDamaged();

  /// Never blocks. kUnavailable: not connected now, or the listener doesn't take what it was sent
  /// before; then `frame` is as it was. Else the frame is on its way, not copied, and may be lost.
  Status Send(std::string&& frame);

  /// As Listener's.
  void Guard();

  ConnectionStats stats() const;

  /// Why the handshake with who listens there fails, and what to do; "" while it doesn't.
  std::string HandshakeTrouble();
  /// The handshake has failed in a way that another try is not likely to change: whoever listens
  /// there doesn't take this key, or one side has keys and the other none.
  bool IsRefused();

  /// For the sources of this layer.
  void* raw();

 private:
  class State;
  explicit Connection(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_CONNECTION_H_
