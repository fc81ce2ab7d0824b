// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/connection.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

#include "mapreduce/base/random_id.h"
#include "mapreduce/transport/connection_guard.h"
#include "mapreduce/transport/peer.h"
#include "mapreduce/transport/zmq_socket.h"

namespace millrace {
namespace {

constexpr int kEvents =
    ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | kHandshakeEvents;
constexpr int kGarbageFramesPerCall = 10'000;

using Clock = std::chrono::steady_clock;

std::string Nonce() {
  const std::array<std::uint64_t, 2> drawn{RandomId(), RandomId()};
  static_assert(sizeof drawn == kNonceBytes);
  std::string nonce(kNonceBytes, '\0');
  std::memcpy(nonce.data(), drawn.data(), kNonceBytes);
  return nonce;
}

}  // namespace

class Connection::State {
 public:
  State(std::shared_ptr<Transport::Context> context, Endpoint endpoint, const Address& self,
        const SocketLimits& limits)
      : context_(std::move(context)),
        endpoint_(std::move(endpoint)),
        self_(self),
        nonce_(Nonce()),
        limits_(limits) {}

  Status Open();
  std::optional<Frame> Receive();
  void TellDamaged() { unanswered_since_ = unanswered_before_last_; }
  Status Send(std::string&& frame);
  void Guard();
  void StartOverIfStuck();
  std::string HandshakeTrouble();
  bool IsRefused();

  void* raw() { return socket_->raw(); }
  const Endpoint& endpoint() const { return endpoint_; }
  ConnectionStats stats() {
    guard_->ReadEvents();
    ConnectionStats stats = guard_->stats();
    stats.opened += before_.opened;
    stats.unknown_keys += before_.unknown_keys;
    stats.failed_handshakes += before_.failed_handshakes;
    return stats;
  }

 private:
  const std::shared_ptr<Transport::Context> context_;
  const Endpoint endpoint_;
  const Address self_;
  const std::string nonce_;
  const SocketLimits limits_;
  std::optional<ZmqSocket> socket_;
  std::optional<ConnectionGuard> guard_;
  ConnectionStats before_;  // Of sockets that this has started over from.
  Clock::time_point may_start_over_at_;
  std::optional<Clock::time_point> unanswered_since_;  // The first that was sent since one came.
  std::optional<Clock::time_point> unanswered_before_last_;  // Before the last one came.
  bool is_skipping_ = false;
};

Status Connection::State::Open() {
  MR_ASSIGN_OR_RETURN(ZmqSocket socket, ZmqSocket::Make(context_, zmq::socket_type::dealer,
                                                        endpoint_, limits_, kEvents));
  MR_RETURN_IF_ERROR(socket.SetCurveClient(endpoint_));
  const std::string id = RoutingIdOf(self_, nonce_);
  MR_RETURN_IF_ERROR(socket.SetOption(ZMQ_ROUTING_ID, id.data(), id.size()));
  if (socket_.has_value()) MR_RETURN_IF_ERROR(socket_->SetOption(ZMQ_LINGER, 0));
  if (zmq_connect(socket.raw(), endpoint_.text.c_str()) != 0) {
    return Status::InvalidArgument("cannot connect to ", endpoint_.text, ": ",
                                   zmq_strerror(zmq_errno()));
  }
  ConnectionGuard::Options options{.limits = limits_, .is_ipc = endpoint_.is_ipc};
  if (guard_) {
    before_ = stats();
    options.failed_handshake = guard_->failed_handshake();
  }
  guard_.reset();
  socket_ = std::move(socket);
  guard_.emplace(socket_->monitor(), options);
  is_skipping_ = false;
  unanswered_since_.reset();
  unanswered_before_last_.reset();
  may_start_over_at_ = Clock::now() + std::chrono::milliseconds(kReconnectMsMax);
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
      unanswered_before_last_ = std::exchange(unanswered_since_, std::nullopt);
      return frame;
    }
  }
  return std::nullopt;
}

Status Connection::State::Send(std::string&& frame) {
  const int error = SendFrame(raw(), &frame);
  if (error == 0) {
    if (!unanswered_since_) unanswered_since_ = Clock::now();
    return Status::Ok();
  }
  if (error == EAGAIN) {
    return Status::Unavailable(endpoint_.text, " is not there, or does not take its messages");
  }
  return Status::Internal("sending to ", endpoint_.text, ": ", zmq_strerror(error));
}

void Connection::State::Guard() {
  if (Clock::now() >= may_start_over_at_) StartOverIfStuck();
  if (socket_->IsReadable()) return;
  if (guard_->OnEmpty() && !socket_->IsReadable()) guard_->OnEmpty();
}

// ZeroMQ tries again after a lost connection, but not after a handshake that the other side refused
// or did not understand: whoever it was may be gone, and a key may be on the list by now. Nor where
// something in between, a proxy or a tunnel, takes everything and passes nothing on, or has damaged
// the length of a frame, so that nothing behind it makes sense.
void Connection::State::StartOverIfStuck() {
  const Clock::time_point now = Clock::now();
  may_start_over_at_ = now + std::chrono::milliseconds(kReconnectMsMax);
  if (unanswered_since_ && now - *unanswered_since_ > std::chrono::seconds(kAnswerSecondsMax)) {
    static_cast<void>(Open());
    return;
  }
  guard_->ReadEvents();
  const ConnectionStats& stats = guard_->stats();
  const bool has_failed = stats.unknown_keys + stats.failed_handshakes > 0;
  if (has_failed && guard_->failed_handshake()) static_cast<void>(Open());
}

std::string Connection::State::HandshakeTrouble() {
  guard_->ReadEvents();
  if (!guard_->failed_handshake()) return "";
  const auto [event, value] = *guard_->failed_handshake();
  const bool has_keys = context_->keys().has_value();
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
    return "it does not take this key: is it on the allow list there (allowed.keys), under the "
           "right role?";
  }
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
      value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
    return has_keys ? "it works without keys: leave --keys away, or give it keys"
                    : "it insists on keys: give them with --keys DIR";
  }
  if (has_keys) return "the handshake fails: is master.key the key of who listens there?";
  return "something listens there, but ends the connection before it begins";
}

bool Connection::State::IsRefused() {
  guard_->ReadEvents();
  const auto& failed = guard_->failed_handshake();
  return failed && (failed->event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ||
                    failed->value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH);
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

void Connection::TellDamaged() { state_->TellDamaged(); }

void Connection::Guard() { state_->Guard(); }

ConnectionStats Connection::stats() const { return state_->stats(); }

std::string Connection::HandshakeTrouble() { return state_->HandshakeTrouble(); }

bool Connection::IsRefused() { return state_->IsRefused(); }

void* Connection::raw() { return state_->raw(); }

}  // namespace millrace
