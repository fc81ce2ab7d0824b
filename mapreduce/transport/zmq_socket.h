// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_ZMQ_SOCKET_H_
#define MAPREDUCE_TRANSPORT_ZMQ_SOCKET_H_

// What Listener and Connection share of ZeroMQ. For the sources of this layer alone.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "mapreduce/base/mutex.h"
#include "mapreduce/base/status.h"
#include "mapreduce/transport/endpoint.h"
#include "mapreduce/transport/frame.h"
#include "mapreduce/transport/transport.h"
#include "mapreduce/transport/zap_handler.h"

namespace millrace {

class Transport::Context {
 public:
  explicit Context(std::optional<TransportKeys> keys);
  ~Context();
  zmq::context_t& zmq() { return zmq_; }
  const std::optional<TransportKeys>& keys() const { return keys_; }
  /// Before anything is bound: from now on somebody checks keys, if there are any. One thread.
  Status StartAccess();
  /// Looks whether the allow list has changed, now and then. Thread-safe, as TakeNotes().
  void RefreshAccess() MR_EXCLUDES(mutex_);
  std::vector<std::string> TakeNotes() MR_EXCLUDES(mutex_);
  std::vector<std::string> TakeRefusals();

 private:
  const std::optional<TransportKeys> keys_;
  Mutex mutex_;
  std::vector<std::string> notes_ MR_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point next_refresh_ MR_GUARDED_BY(mutex_);
  // In this order: the context is shut down, the handler ends, the context goes.
  zmq::context_t zmq_;
  std::unique_ptr<ZapHandler> zap_;
};

/// A socket with the monitor that tells of its connections. Closes both before it lets go of the
/// context.
class ZmqSocket {
 public:
  /// All options are set, nothing is bound or connected. kResourceLimit: too many sockets.
  static Result<ZmqSocket> Make(std::shared_ptr<Transport::Context> context, zmq::socket_type type,
                                const Endpoint& endpoint, const SocketLimits& limits,
                                int monitored_events);
  ZmqSocket(ZmqSocket&&) = default;
  ZmqSocket& operator=(ZmqSocket&& other) noexcept;
  ~ZmqSocket() { Close(); }

  void* raw() { return socket_.handle(); }
  void* monitor() { return monitor_.handle(); }
  Status SetOption(int option, const void* value, std::size_t size);
  Status SetOption(int option, int value) { return SetOption(option, &value, sizeof value); }
  /// One frame without waiting: false when there is none.
  bool Receive(Frame* frame);
  bool HasMore();
  /// POLLIN, as of now.
  bool IsReadable();
  /// Of a listener: its peers must prove who they are. Of a connection: `server` is who must be
  /// there. Nothing without keys.
  Status SetCurveServer();
  Status SetCurveClient(const Endpoint& server);

 private:
  ZmqSocket() = default;
  void Close();
  Status SetOptions(const Endpoint& endpoint, const SocketLimits& limits);
  Status StartMonitor(int events);

  std::shared_ptr<Transport::Context> context_;
  zmq::socket_t socket_;
  zmq::socket_t monitor_;
};

/// What the monitors of listeners and connections tell beside opened and closed descriptors.
inline constexpr int kHandshakeEvents =
    ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

/// Hands `frame` over without a copy and without waiting. 0, or errno; then `frame` is as it was.
int SendFrame(void* socket, std::string* frame);

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_ZMQ_SOCKET_H_
