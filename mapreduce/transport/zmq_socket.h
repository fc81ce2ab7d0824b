// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_ZMQ_SOCKET_H_
#define MAPREDUCE_TRANSPORT_ZMQ_SOCKET_H_

// What Listener and Connection share of ZeroMQ. For the sources of this layer alone.

#include <memory>
#include <string>
#include <zmq.hpp>

#include "mapreduce/base/status.h"
#include "mapreduce/transport/endpoint.h"
#include "mapreduce/transport/frame.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

class Transport::Context {
 public:
  Context();
  zmq::context_t& zmq() { return zmq_; }

 private:
  zmq::context_t zmq_;
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

 private:
  ZmqSocket() = default;
  void Close();
  Status SetOptions(const Endpoint& endpoint, const SocketLimits& limits);
  Status StartMonitor(int events);

  std::shared_ptr<Transport::Context> context_;
  zmq::socket_t socket_;
  zmq::socket_t monitor_;
};

/// Hands `frame` over without a copy and without waiting. 0, or errno; then `frame` is as it was.
int SendFrame(void* socket, std::string* frame);

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_ZMQ_SOCKET_H_
