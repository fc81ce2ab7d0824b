// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <utility>

#include "gtest/gtest.h"
#include "mapreduce/transport/poller.h"

namespace millrace {
namespace {

constexpr int kPatienceMs = 10'000;

std::string BigEndian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string Property(const std::string& name, const std::string& value) {
  return static_cast<char>(name.size()) + name + BigEndian(value.size(), 4) + value;
}

}  // namespace

bool Eventually(const std::function<bool()>& is_true, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::size_t ResidentBytes() {
  std::size_t pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident_pages;
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

RawPeer::RawPeer(const std::string& endpoint) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int port = std::stoi(endpoint.substr(endpoint.rfind(':') + 1));
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ADD_FAILURE() << "no connection to " << endpoint;
  }
}

RawPeer::~RawPeer() {
  if (fd_ >= 0) ::close(fd_);
}

void RawPeer::ShakeHands(const std::string& routing_id) {
  std::string greeting = "\xff" + std::string(8, '\0') + "\x7f\x03";
  greeting += std::string(1, '\0') + "NULL";
  greeting.resize(64, '\0');
  const std::string body =
      "\x05READY" + Property("Socket-Type", "DEALER") + Property("Identity", routing_id);
  Write(greeting);
  Write("\x04" + std::string(1, static_cast<char>(body.size())) + body);
  // The other side's greeting and READY: a message that comes before it is ready ends all.
  constexpr std::size_t kGreetingBytes = 64;
  std::string answer;
  while (answer.size() < kGreetingBytes + 2 ||
         answer.size() < kGreetingBytes + 2 + static_cast<unsigned char>(answer[65])) {
    pollfd item = {.fd = fd_, .events = POLLIN, .revents = 0};
    char buffer[256];
    const ssize_t got =
        ::poll(&item, 1, kPatienceMs) == 1 ? ::recv(fd_, buffer, sizeof buffer, 0) : -1;
    if (got <= 0) {
      ADD_FAILURE() << "no handshake";
      return;
    }
    answer.append(buffer, static_cast<std::size_t>(got));
  }
}

bool RawPeer::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd item = {.fd = fd_, .events = POLLOUT | POLLRDHUP, .revents = 0};
    if (::poll(&item, 1, kPatienceMs) <= 0 || (item.revents & POLLRDHUP) != 0) return false;
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawPeer::Reset() {
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(std::exchange(fd_, -1));
}

bool RawPeer::IsCut() {
  char buffer[4096];
  while (!is_cut_) {
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) is_cut_ = true;
  }
  return true;
}

std::string ZmtpFrame(std::string_view payload, bool has_more) {
  std::string frame(1, static_cast<char>(has_more ? 1 : 0));
  if (payload.size() > 255) {
    frame[0] = static_cast<char>(frame[0] | 2);
    frame += BigEndian(payload.size(), 8);
  } else {
    frame += static_cast<char>(payload.size());
  }
  return frame.append(payload);
}

EchoServer::EchoServer(const std::string& endpoint, const SocketLimits& limits,
                       std::optional<TransportKeys> keys)
    : transport_(std::move(keys)) {
  const Result<Endpoint> parsed = Endpoint::Parse(endpoint);
  if (!parsed.ok()) {
    ADD_FAILURE() << parsed.error().message();
    return;
  }
  Result<std::unique_ptr<Listener>> listener = Listener::Bind(transport_, *parsed, limits);
  if (!listener.ok()) {
    ADD_FAILURE() << listener.error().message();
    return;
  }
  listener_ = *std::move(listener);
  endpoint_ = listener_->endpoint();
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

void EchoServer::Run(const std::stop_token& stop) {
  Poller poller;
  poller.Add(*listener_);
  while (!stop.stop_requested()) {
    if (!poller.Wait(/*timeout_ms=*/20).ok()) return;
    while (std::optional<Received> received = listener_->Receive()) {
      frame_count_.fetch_add(1);
      (void)listener_->Send(received->from, std::string(received->frame.view()));
    }
  }
}

ConnectionStats EchoServer::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  ConnectionStats stats;
  if (listener_ != nullptr) stats = listener_->stats();
  listener_.reset();
  return stats;
}

std::unique_ptr<Connection> ConnectTo(Transport& transport, const std::string& endpoint,
                                      const Address& self, const SocketLimits& limits) {
  const Result<Endpoint> parsed = Endpoint::Parse(endpoint);
  if (parsed.ok()) {
    Result<std::unique_ptr<Connection>> made =
        Connection::Connect(transport, *parsed, self, limits);
    if (made.ok()) return *std::move(made);
    ADD_FAILURE() << made.error().message();
  }
  ADD_FAILURE() << endpoint;
  return nullptr;
}

bool SendSoon(Connection& connection, std::string frame) {
  return Eventually([&] { return connection.Send(std::move(frame)).ok(); });
}

std::string ReceiveSoon(Connection& connection) {
  std::string got;
  Eventually([&] {
    std::optional<Frame> frame = connection.Receive();
    if (frame.has_value()) got = std::string(frame->view());
    return frame.has_value();
  });
  return got;
}

}  // namespace millrace
