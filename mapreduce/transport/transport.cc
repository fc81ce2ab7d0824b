// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/transport.h"

#include "mapreduce/transport/zmq_socket.h"

namespace millrace {

Transport::Context::Context() {
  zmq_ctx_set(zmq_.handle(), ZMQ_IO_THREADS, 1);  // connection_guard.h relies on it.
  zmq_ctx_set(zmq_.handle(), ZMQ_MAX_SOCKETS, kSocketsMax);
}

Transport::Transport() : context_(std::make_shared<Context>()) {}

Transport::~Transport() = default;

}  // namespace millrace
