// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/tcp_proxy.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

namespace millrace {
namespace {

constexpr int kTickMs = 2;
constexpr std::size_t kChunkBytes = 64 << 10;
constexpr std::size_t kWaitingBytesMax = 1 << 20;  // Beyond, it does not read: backpressure.

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

TcpProxy::TcpProxy(std::uint16_t port, const LinkFaults& faults, std::uint64_t seed)
    : port_(port), faults_(faults), random_(seed) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

TcpProxy::~TcpProxy() {
  thread_.request_stop();
  thread_.join();
  for (Link& link : links_) Close(link, /*is_reset=*/false);
  close(listener_);
}

void TcpProxy::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<pollfd> polled = {{.fd = listener_, .events = POLLIN, .revents = 0}};
    for (const Link& link : links_) {
      for (const int side : {0, 1}) {
        const Flow& in = link.flows[side];
        const bool is_read = !in.has_ended && in.waiting_bytes < kWaitingBytesMax;
        const short events = is_read ? POLLIN : 0;
        polled.push_back({.fd = is_read ? link.fds[side] : -1, .events = events, .revents = 0});
      }
    }
    poll(polled.data(), polled.size(), kTickMs);
    std::size_t at = 1;
    for (Link& link : links_) {
      for (const int side : {0, 1}) {
        if (polled[at++].revents != 0 && !link.is_over) Read(link, side);
      }
      for (const int direction : {0, 1}) {
        if (!link.is_over) Write(link, direction);
      }
    }
    std::erase_if(links_, [](const Link& link) { return link.is_over; });
    if (polled[0].revents != 0) Accept();
  }
}

void TcpProxy::Accept() {
  Link link;
  link.fds[0] = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (link.fds[0] < 0) return;
  link.fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port_);
  if (connect(link.fds[1], reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Close(link, /*is_reset=*/true);
  }
  for (const int fd : link.fds) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  link.is_faulty = connections_ < static_cast<std::uint64_t>(faults_.faulty_max);
  ++connections_;
  if (link.is_faulty) {
    for (Flow& flow : link.flows) {
      flow.cut_at = Draw(faults_.cut_bytes);
      flow.stall_at = Draw(faults_.stall_bytes);
      flow.next_flip_at = Draw(faults_.flip_bytes);
    }
  }
  links_.push_back(std::move(link));
}

void TcpProxy::Read(Link& link, int direction) {
  Flow& flow = link.flows[direction];
  std::string bytes(kChunkBytes, '\0');
  const ssize_t count = read(link.fds[direction], bytes.data(), bytes.size());
  if (count < 0 && errno != EAGAIN && errno != EINTR) return Close(link, /*is_reset=*/true);
  if (count < 0) return;
  if (count == 0) {
    flow.has_ended = true;
    return;
  }
  bytes.resize(static_cast<std::size_t>(count));
  bytes_ += bytes.size();
  if (link.is_faulty) Damage(flow, bytes);
  const auto delay = std::chrono::milliseconds(
      faults_.delay_ms == 0 ? 0 : random_.Uniform(static_cast<std::uint64_t>(faults_.delay_ms)));
  if (bytes.empty()) return;
  flow.waiting_bytes += bytes.size();
  flow.chunks.push_back({Clock::now() + delay, std::move(bytes)});
}

// Bits flip; behind where it stalls all is lost.
void TcpProxy::Damage(Flow& flow, std::string& bytes) {
  const std::uint64_t start = flow.passed;
  flow.passed += bytes.size();
  while (flow.next_flip_at != 0 && flow.next_flip_at < flow.passed) {
    if (flow.next_flip_at >= start) {
      bytes[flow.next_flip_at - start] ^= static_cast<char>(1 << random_.Uniform(8));
      ++flips_;
    }
    flow.next_flip_at += Draw(faults_.flip_bytes);
  }
  if (flow.stall_at == 0 || flow.passed < flow.stall_at) return;
  if (!flow.is_stalled) {
    ++stalls_;
    bytes.resize(flow.stall_at - start);
  } else {
    bytes.clear();
  }
  flow.is_stalled = true;
}

void TcpProxy::Write(Link& link, int direction) {
  Flow& flow = link.flows[direction];
  const int to = link.fds[1 - direction];
  while (!flow.chunks.empty() && flow.chunks.front().due <= Clock::now() && !holds_[direction]) {
    std::string& bytes = flow.chunks.front().bytes;
    const ssize_t count = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return Close(link, /*is_reset=*/true);
    if (count < 0) return;
    flow.waiting_bytes -= static_cast<std::size_t>(count);
    bytes.erase(0, static_cast<std::size_t>(count));
    if (bytes.empty()) flow.chunks.pop_front();
  }
  if (flow.cut_at != 0 && flow.passed >= flow.cut_at && flow.waiting_bytes == 0) {
    ++cuts_;
    return Close(link, /*is_reset=*/true);
  }
  if (flow.has_ended && flow.chunks.empty()) Close(link, /*is_reset=*/false);
}

void TcpProxy::Close(Link& link, bool is_reset) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};  // A reset, and what was sent may be lost.
  for (int& fd : link.fds) {
    if (fd < 0) continue;
    if (is_reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    fd = -1;
  }
  link.is_over = true;
}

std::uint64_t TcpProxy::Draw(std::uint64_t about) {
  return about == 0 ? 0 : about / 2 + random_.Uniform(about / 2 + 1) + 1;
}

}  // namespace millrace
