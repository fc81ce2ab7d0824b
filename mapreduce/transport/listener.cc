// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/listener.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "mapreduce/transport/connection_guard.h"
#include "mapreduce/transport/peer.h"
#include "mapreduce/transport/zmq_socket.h"

namespace millrace {
namespace {

constexpr int kEvents =
    ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | kHandshakeEvents;
// Receive() never blocks, not on garbage either: it stops after so many frames of it.
constexpr int kGarbageFramesPerCall = 10'000;
constexpr mode_t kSocketFileMode = 0600;

Status InUse(const Endpoint& endpoint) {
  return Status::Unavailable("cannot listen on ", endpoint.text,
                             ": another process does; stop it, or choose another address");
}

// ZeroMQ removes whatever has the name of an ipc socket before it binds.
Status CheckIpcPath(const Endpoint& endpoint) {
  struct stat info;
  if (::lstat(endpoint.path.c_str(), &info) != 0) return Status::Ok();
  if (!S_ISSOCK(info.st_mode)) {
    return Status::CannotCreate("cannot listen on ", endpoint.text,
                                ": a file of this name is in the way; remove it, or choose "
                                "another path");
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, endpoint.path.c_str(), endpoint.path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Status::ResourceLimit("cannot make a socket: ", std::strerror(errno));
  const int failed = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  const bool is_dead = failed != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return is_dead ? Status::Ok() : InUse(endpoint);
}

Status BindError(const Endpoint& endpoint, int error) {
  switch (error) {
    case EADDRINUSE:
      return InUse(endpoint);
    case EADDRNOTAVAIL:
    case ENODEV:
      return Status::InvalidArgument("cannot listen on ", endpoint.text,
                                     ": this machine has no such address");
    case EMFILE:
    case ENFILE:
      return Status::ResourceLimit("cannot listen on ", endpoint.text,
                                   ": too many open files; raise their limit (ulimit -n)");
    default:
      return Status::CannotCreate("cannot listen on ", endpoint.text, ": ", zmq_strerror(error));
  }
}

Result<std::string> BoundEndpoint(void* socket) {
  char text[256];
  std::size_t size = sizeof text;
  if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size) != 0) {
    return Status::Internal("a listener has no endpoint: ", zmq_strerror(zmq_errno()));
  }
  return std::string(text);
}

// Whom the handler of keys has let in (zap_handler.h). ZeroMQ lets in anybody where it is gone.
std::optional<AllowedKey> KeyOf(const AllowList& allowed, Frame& frame) {
  const char* const user = zmq_msg_gets(static_cast<zmq_msg_t*>(frame.raw()), "User-Id");
  const std::optional<PublicKey> key =
      user == nullptr ? std::nullopt : PublicKey::FromHex(std::string_view(user));
  return key ? allowed.Find(*key) : std::nullopt;
}

// A process has few descriptors where the system says so: some must stay for what it is there for.
SocketLimits WithinDescriptors(SocketLimits limits) {
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return limits;
  const auto most = static_cast<std::size_t>(descriptors.rlim_cur);
  limits.connections_max = std::min(limits.connections_max, most / 2);
  limits.newcomers_max = std::min(limits.newcomers_max, most / 4);
  return limits;
}

int SourceOf(Frame& frame) { return zmq_msg_get(static_cast<zmq_msg_t*>(frame.raw()), ZMQ_SRCFD); }

}  // namespace

class Listener::State {
 public:
  State(std::shared_ptr<Transport::Context> context, ZmqSocket socket, std::string endpoint,
        const ConnectionGuard::Options& options)
      : context_(std::move(context)),
        socket_(std::move(socket)),
        endpoint_(std::move(endpoint)),
        allowed_(options.allowed),
        guard_(socket_.monitor(), options) {}

  std::optional<Received> Receive();
  Status Send(const Address& to, std::string&& frame);
  void Guard();

  void* raw() { return socket_.raw(); }
  const std::string& endpoint() const { return endpoint_; }
  ConnectionStats stats() {
    guard_.ReadEvents();
    return guard_.stats();
  }

 private:
  // Of a message that has more frames than it should. False: there are still more.
  bool SkipFrames();
  // A message, or nothing if it was dropped.
  std::optional<Received> Take(Frame id);

  const std::shared_ptr<Transport::Context> context_;
  ZmqSocket socket_;
  const std::string endpoint_;
  const std::shared_ptr<const AllowList> allowed_;
  ConnectionGuard guard_;
  bool is_skipping_ = false;
};

std::optional<Received> Listener::State::Receive() {
  for (int i = 0; i < kGarbageFramesPerCall; ++i) {
    if (is_skipping_ && !SkipFrames()) return std::nullopt;
    Frame id;
    if (!socket_.Receive(&id)) {
      if (guard_.OnEmpty()) continue;
      return std::nullopt;
    }
    if (std::optional<Received> received = Take(std::move(id))) return received;
  }
  return std::nullopt;
}

std::optional<Received> Listener::State::Take(Frame id) {
  Received received;
  if (!socket_.HasMore() || !socket_.Receive(&received.frame)) return std::nullopt;
  is_skipping_ = socket_.HasMore();
  const int fd = SourceOf(received.frame);
  const bool is_heard = guard_.OnFrame(fd, received.frame.view().size());
  const std::optional<Address> from = AddressOf(id.view());
  // Without a descriptor: a protocol of before ZeroMQ 4, which random bytes may look like.
  if (fd < 0 || is_skipping_ || !from.has_value() || received.frame.view().empty()) {
    guard_.OnGarbage(fd);
    return std::nullopt;
  }
  if (!is_heard) return std::nullopt;
  if (allowed_ != nullptr) {
    received.key = KeyOf(*allowed_, received.frame);
    if (!received.key) {
      guard_.CutAsUnknown(fd);
      return std::nullopt;
    }
  }
  const PublicKey key = received.key ? received.key->key : PublicKey{};
  if (!guard_.OnMessage(fd, *from, id.view(), key)) {
    return std::nullopt;
  }
  received.from = *from;
  return received;
}

bool Listener::State::SkipFrames() {
  int fd = -1;
  for (int i = 0; i < kGarbageFramesPerCall; ++i) {
    Frame frame;
    if (!socket_.Receive(&frame)) return false;
    fd = SourceOf(frame);
    guard_.OnFrame(fd, frame.view().size());
    is_skipping_ = socket_.HasMore();
    if (!is_skipping_) return true;
  }
  guard_.CutForGarbage(fd);  // Nobody sends so many by mistake.
  return false;
}

Status Listener::State::Send(const Address& to, std::string&& frame) {
  const std::string id = guard_.RoutingIdOfOpen(to);
  if (id.empty()) return Status::Unavailable(AddressName(to), " is not connected");
  int error = 0;
  do {
    error = zmq_send(raw(), id.data(), id.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ? zmq_errno() : 0;
  } while (error == EINTR);
  // Room is checked with the name; what follows is taken in any case.
  if (error == 0) error = SendFrame(raw(), &frame);
  if (error == 0) return Status::Ok();
  if (error == EHOSTUNREACH) return Status::Unavailable(AddressName(to), " is not connected");
  if (error == EAGAIN) return Status::Unavailable(AddressName(to), " does not take its messages");
  return Status::Internal("sending to ", AddressName(to), ": ", zmq_strerror(error));
}

void Listener::State::Guard() {
  context_->RefreshAccess();
  if (socket_.IsReadable()) return;
  if (guard_.OnEmpty() && !socket_.IsReadable()) guard_.OnEmpty();
}

Result<std::unique_ptr<Listener>> Listener::Bind(Transport& transport, const Endpoint& endpoint,
                                                 const SocketLimits& limits) {
  const std::optional<TransportKeys>& keys = transport.keys();
  MR_RETURN_IF_ERROR(CheckListenable(endpoint, keys.has_value()));
  MR_RETURN_IF_ERROR(transport.context()->StartAccess());
  if (endpoint.is_ipc) MR_RETURN_IF_ERROR(CheckIpcPath(endpoint));
  MR_ASSIGN_OR_RETURN(
      ZmqSocket socket,
      ZmqSocket::Make(transport.context(), zmq::socket_type::router, endpoint, limits, kEvents));
  MR_RETURN_IF_ERROR(socket.SetOption(ZMQ_ROUTER_MANDATORY, 1));
  MR_RETURN_IF_ERROR(socket.SetCurveServer());
  // Without it the second connection of a name stays deaf for good, docs/decisions/0015.
  MR_RETURN_IF_ERROR(socket.SetOption(ZMQ_ROUTER_HANDOVER, 1));
  if (zmq_bind(socket.raw(), endpoint.text.c_str()) != 0) return BindError(endpoint, zmq_errno());
  if (endpoint.is_ipc) ::chmod(endpoint.path.c_str(), kSocketFileMode);
  MR_ASSIGN_OR_RETURN(const std::string bound, BoundEndpoint(socket.raw()));
  MR_ASSIGN_OR_RETURN(const Endpoint real, Endpoint::Parse(bound));
  const ConnectionGuard::Options options = {.limits = WithinDescriptors(limits),
                                            .is_listener = true,
                                            .is_ipc = endpoint.is_ipc,
                                            .port = real.port,
                                            .allowed = keys ? keys->allowed : nullptr};
  return std::unique_ptr<Listener>(new Listener(
      std::make_unique<State>(transport.context(), std::move(socket), bound, options)));
}

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}

Listener::~Listener() = default;

const std::string& Listener::endpoint() const { return state_->endpoint(); }

std::optional<Received> Listener::Receive() { return state_->Receive(); }

Status Listener::Send(const Address& to, std::string&& frame) {
  return state_->Send(to, std::move(frame));
}

void Listener::Guard() { state_->Guard(); }

ConnectionStats Listener::stats() const { return state_->stats(); }

void* Listener::raw() { return state_->raw(); }

}  // namespace millrace
