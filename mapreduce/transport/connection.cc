// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/connection.h"

#include <cerrno>
#include <utility>

#include "mapreduce/transport/connection_guard.h"
#include "mapreduce/transport/peer.h"
#include "mapreduce/transport/zmq_socket.h"

namespace millrace {
namespace {

constexpr int kEvents = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED;
constexpr int kGarbageFramesPerCall = 10'000;

}  // namespace

class Connection::State {
 public:
  State(std::shared_ptr<Transport::Context> context, Endpoint endpoint, const Address& self,
        const SocketLimits& limits)
      : context_(std::move(context)),
        endpoint_(std::move(endpoint)),
        self_(self),
        limits_(limits) {}

  Status Open();
  std::optional<Frame> Receive();
  Status Send(std::string&& frame);
  void Guard();

  void* raw() { return socket_->raw(); }
  const Endpoint& endpoint() const { return endpoint_; }
  ConnectionStats stats() {
    guard_->ReadEvents();
    return guard_->stats();
  }

 private:
  const std::shared_ptr<Transport::Context> context_;
  const Endpoint endpoint_;
  const Address self_;
  const SocketLimits limits_;
  std::optional<ZmqSocket> socket_;
  std::optional<ConnectionGuard> guard_;
  bool is_skipping_ = false;
};

Status Connection::State::Open() {
  MR_ASSIGN_OR_RETURN(ZmqSocket socket, ZmqSocket::Make(context_, zmq::socket_type::dealer,
                                                        endpoint_, limits_, kEvents));
  const std::string id = RoutingIdOf(self_);
  MR_RETURN_IF_ERROR(socket.SetOption(ZMQ_ROUTING_ID, id.data(), id.size()));
  if (socket_.has_value()) MR_RETURN_IF_ERROR(socket_->SetOption(ZMQ_LINGER, 0));
  if (zmq_connect(socket.raw(), endpoint_.text.c_str()) != 0) {
    return Status::InvalidArgument("cannot connect to ", endpoint_.text, ": ",
                                   zmq_strerror(zmq_errno()));
  }
  guard_.reset();
  socket_ = std::move(socket);
  guard_.emplace(socket_->monitor(),
                 ConnectionGuard::Options{.limits = limits_, .is_ipc = endpoint_.is_ipc});
  is_skipping_ = false;
  return Status::Ok();
}

std::optional<Frame> Connection::State::Receive() {
  for (int i = 0; i < kGarbageFramesPerCall; ++i) {
    Frame frame;
    if (!socket_->Receive(&frame)) {
      if (guard_->OnEmpty()) continue;
      return std::nullopt;
    }
    const int fd = zmq_msg_get(static_cast<zmq_msg_t*>(frame.raw()), ZMQ_SRCFD);
    const bool is_heard = guard_->OnFrame(fd, frame.view().size());
    const bool has_more = socket_->HasMore();
    const bool is_first = !std::exchange(is_skipping_, has_more);
    if (!is_first) continue;
    if (has_more || frame.view().empty()) {
      guard_->OnGarbage(fd);
    } else if (is_heard) {
      return frame;
    }
  }
  return std::nullopt;
}

Status Connection::State::Send(std::string&& frame) {
  const int error = SendFrame(raw(), &frame);
  if (error == 0) return Status::Ok();
  if (error == EAGAIN) {
    return Status::Unavailable(endpoint_.text, " is not there, or does not take its messages");
  }
  return Status::Internal("sending to ", endpoint_.text, ": ", zmq_strerror(error));
}

void Connection::State::Guard() {
  if (socket_->IsReadable()) return;
  if (guard_->OnEmpty() && !socket_->IsReadable()) guard_->OnEmpty();
}

Result<std::unique_ptr<Connection>> Connection::Connect(Transport& transport,
                                                        const Endpoint& endpoint,
                                                        const Address& self,
                                                        const SocketLimits& limits) {
  MR_RETURN_IF_ERROR(CheckConnectable(endpoint));
  auto state = std::make_unique<State>(transport.context(), endpoint, self, limits);
  MR_RETURN_IF_ERROR(state->Open());
  return std::unique_ptr<Connection>(new Connection(std::move(state)));
}

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}

Connection::~Connection() = default;

const std::string& Connection::endpoint() const { return state_->endpoint().text; }

std::optional<Frame> Connection::Receive() { return state_->Receive(); }

Status Connection::Send(std::string&& frame) { return state_->Send(std::move(frame)); }

Status Connection::Reconnect() { return state_->Open(); }

void Connection::Guard() { state_->Guard(); }

ConnectionStats Connection::stats() const { return state_->stats(); }

void* Connection::raw() { return state_->raw(); }

}  // namespace millrace
