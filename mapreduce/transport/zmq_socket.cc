// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/zmq_socket.h"

#include <atomic>
#include <cstring>
#include <utility>

namespace millrace {
namespace {

// Below, a copy is cheaper than a second owner.
constexpr std::size_t kCopiedBytesMax = 512;

// Command name, nonce, flags and authenticator around a frame's bytes.
constexpr std::size_t kCurveBytes = 64;
constexpr char kZapDomain[] = "millrace";

void DeleteString(void* /*data*/, void* owner) { delete static_cast<std::string*>(owner); }

std::string MonitorName() {
  static std::atomic<std::uint64_t> next = 0;
  return "inproc://millrace-monitor-" + std::to_string(next.fetch_add(1));
}

}  // namespace

Result<ZmqSocket> ZmqSocket::Make(std::shared_ptr<Transport::Context> context,
                                  zmq::socket_type type, const Endpoint& endpoint,
                                  const SocketLimits& limits, int monitored_events) {
  ZmqSocket socket;
  socket.context_ = std::move(context);
  try {
    socket.socket_ = zmq::socket_t(socket.context_->zmq(), type);
    socket.monitor_ = zmq::socket_t(socket.context_->zmq(), zmq::socket_type::pair);
  } catch (const zmq::error_t& error) {
    return Status::ResourceLimit("cannot make a socket for ", endpoint.text, ": ", error.what(),
                                 "; raise the limit of open files (ulimit -n)");
  }
  MR_RETURN_IF_ERROR(socket.SetOptions(endpoint, limits));
  MR_RETURN_IF_ERROR(socket.StartMonitor(monitored_events));
  return socket;
}

ZmqSocket& ZmqSocket::operator=(ZmqSocket&& other) noexcept {
  if (this == &other) return *this;
  Close();
  socket_ = std::move(other.socket_);
  monitor_ = std::move(other.monitor_);
  context_ = std::move(other.context_);
  return *this;
}

void ZmqSocket::Close() {
  // The monitor first: its other side must not wait for one that is gone.
  if (socket_.handle() != nullptr) zmq_socket_monitor(raw(), nullptr, 0);
  Frame event;
  if (monitor_.handle() != nullptr) {
    while (zmq_msg_recv(static_cast<zmq_msg_t*>(event.raw()), monitor(), ZMQ_DONTWAIT) >= 0) {
    }
  }
  monitor_.close();
  socket_.close();
}

Status ZmqSocket::SetOption(int option, const void* value, std::size_t size) {
  if (zmq_setsockopt(raw(), option, value, size) == 0) return Status::Ok();
  return Status::Internal("socket option ", option, ": ", zmq_strerror(zmq_errno()));
}

Status ZmqSocket::SetOptions(const Endpoint& endpoint, const SocketLimits& limits) {
  // CURVE's box around a frame counts, too.
  const auto frame_bytes_max =
      static_cast<std::int64_t>(limits.frame_bytes_max + (context_->keys() ? kCurveBytes : 0));
  MR_RETURN_IF_ERROR(SetOption(ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof frame_bytes_max));
  const std::pair<int, int> options[] = {
      {ZMQ_RCVHWM, limits.messages_max},
      {ZMQ_SNDHWM, limits.messages_max},
      {ZMQ_HANDSHAKE_IVL, kHandshakeMsMax},
      {ZMQ_CONNECT_TIMEOUT, kHandshakeMsMax},
      // Not ZeroMQ's heartbeats: one on a connection that was reset while its messages waited ends
      // the process (libzmq's issue 4364).
      {ZMQ_TCP_KEEPALIVE, 1},
      {ZMQ_TCP_KEEPALIVE_IDLE, kProbeSeconds},
      {ZMQ_TCP_KEEPALIVE_INTVL, kProbeSeconds},
      {ZMQ_TCP_KEEPALIVE_CNT, kSilentSecondsMax / kProbeSeconds},
      {ZMQ_TCP_MAXRT, kSilentSecondsMax * 1000},
      {ZMQ_RECONNECT_IVL, kReconnectMsMin},
      {ZMQ_RECONNECT_IVL_MAX, kReconnectMsMax},
      {ZMQ_LINGER, kLingerMs},
      {ZMQ_BACKLOG, kBacklog},
      {ZMQ_IMMEDIATE, 1},  // Nothing is queued for a peer that isn't there.
      {ZMQ_IPV6, endpoint.is_ipv6() ? 1 : 0},
  };
  for (const auto& [option, value] : options) MR_RETURN_IF_ERROR(SetOption(option, value));
  return Status::Ok();
}

Status ZmqSocket::StartMonitor(int events) {
  // Unlimited: the I/O thread would wait for room, and with it all sockets.
  const int unlimited = 0, no_linger = 0;
  zmq_setsockopt(monitor(), ZMQ_RCVHWM, &unlimited, sizeof unlimited);
  zmq_setsockopt(monitor(), ZMQ_LINGER, &no_linger, sizeof no_linger);
  const std::string name = MonitorName();
  if (zmq_socket_monitor(raw(), name.c_str(), events) != 0 ||
      zmq_connect(monitor(), name.c_str()) != 0) {
    return Status::ResourceLimit("cannot monitor a socket: ", zmq_strerror(zmq_errno()),
                                 "; raise the limit of open files (ulimit -n)");
  }
  return Status::Ok();
}

bool ZmqSocket::Receive(Frame* frame) {
  int result = 0;
  do {
    result = zmq_msg_recv(static_cast<zmq_msg_t*>(frame->raw()), raw(), ZMQ_DONTWAIT);
  } while (result < 0 && zmq_errno() == EINTR);
  return result >= 0;
}

bool ZmqSocket::HasMore() {
  int more = 0;
  std::size_t size = sizeof more;
  return zmq_getsockopt(raw(), ZMQ_RCVMORE, &more, &size) == 0 && more != 0;
}

bool ZmqSocket::IsReadable() {
  int events = 0;
  std::size_t size = sizeof events;
  return zmq_getsockopt(raw(), ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

Status ZmqSocket::SetCurveServer() {
  if (!context_->keys()) return Status::Ok();
  const SecretKey& secret = context_->keys()->own.secret_key;
  MR_RETURN_IF_ERROR(SetOption(ZMQ_CURVE_SERVER, 1));
  MR_RETURN_IF_ERROR(SetOption(ZMQ_CURVE_SECRETKEY, secret.data(), kKeyBytes));
  return SetOption(ZMQ_ZAP_DOMAIN, kZapDomain, sizeof kZapDomain - 1);
}

Status ZmqSocket::SetCurveClient(const Endpoint& server) {
  if (!context_->keys()) return Status::Ok();
  if (!server.key) {
    return Status::InvalidArgument(server.text, ": it is not known whose key to expect there");
  }
  const KeyPair& own = context_->keys()->own;
  MR_RETURN_IF_ERROR(SetOption(ZMQ_CURVE_SERVERKEY, server.key->bytes.data(), kKeyBytes));
  MR_RETURN_IF_ERROR(SetOption(ZMQ_CURVE_PUBLICKEY, own.public_key.bytes.data(), kKeyBytes));
  return SetOption(ZMQ_CURVE_SECRETKEY, own.secret_key.data(), kKeyBytes);
}

int SendFrame(void* socket, std::string* frame) {
  zmq_msg_t message;
  std::string* owner = nullptr;
  int failed = 0;
  if (frame->size() <= kCopiedBytesMax) {
    failed = zmq_msg_init_size(&message, frame->size());
    if (failed == 0) std::memcpy(zmq_msg_data(&message), frame->data(), frame->size());
  } else {
    owner = new std::string(std::move(*frame));
    failed = zmq_msg_init_data(&message, owner->data(), owner->size(), DeleteString, owner);
    if (failed != 0) {
      *frame = std::move(*owner);
      delete owner;
    }
  }
  if (failed != 0) return zmq_errno();
  while (zmq_msg_send(&message, socket, ZMQ_DONTWAIT) < 0) {
    const int error = zmq_errno();
    if (error == EINTR) continue;
    if (owner != nullptr) *frame = std::move(*owner);
    zmq_msg_close(&message);  // Deletes the owner.
    return error;
  }
  if (owner == nullptr) frame->clear();
  return 0;
}

}  // namespace millrace
