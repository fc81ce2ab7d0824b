// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/poller.h"

#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;

// Between two looks of the guards.
constexpr std::int64_t kGuardMs = 50;

}  // namespace

void Poller::Remove(const Listener& listener) {
  std::erase_if(sources_, [&](const Source& source) { return source.listener == &listener; });
}

void Poller::Remove(const Connection& connection) {
  std::erase_if(sources_, [&](const Source& source) { return source.connection == &connection; });
}

void Poller::Remove(int fd) {
  std::erase_if(sources_, [&](const Source& source) {
    return source.listener == nullptr && source.connection == nullptr && source.fd == fd;
  });
}

bool Poller::IsReady(const Listener& listener) const {
  return std::any_of(sources_.begin(), sources_.end(), [&](const Source& source) {
    return source.listener == &listener && source.is_ready;
  });
}

bool Poller::IsReady(const Connection& connection) const {
  return std::any_of(sources_.begin(), sources_.end(), [&](const Source& source) {
    return source.connection == &connection && source.is_ready;
  });
}

bool Poller::IsReady(int fd) const {
  return std::any_of(sources_.begin(), sources_.end(), [&](const Source& source) {
    return source.listener == nullptr && source.connection == nullptr && source.fd == fd &&
           source.is_ready;
  });
}

Result<int> Poller::Wait(std::int64_t timeout_ms) {
  const Clock::time_point start = Clock::now();
  while (true) {
    std::int64_t left = kGuardMs;
    if (timeout_ms >= 0) {
      const auto waited =
          std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
      left = std::clamp<std::int64_t>(timeout_ms - waited, 0, kGuardMs);
    }
    bool is_interrupted = false;
    MR_ASSIGN_OR_RETURN(const int ready_count, PollOnce(left, &is_interrupted));
    Guard();
    if (ready_count > 0 || is_interrupted) return ready_count;
    if (timeout_ms >= 0 && Clock::now() - start >= std::chrono::milliseconds(timeout_ms)) return 0;
  }
}

Result<int> Poller::PollOnce(std::int64_t timeout_ms, bool* is_interrupted) {
  // Made anew each time: a connection that started over has another socket.
  std::vector<zmq_pollitem_t> items(sources_.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Source& source = sources_[i];
    if (source.listener != nullptr) items[i].socket = source.listener->raw();
    if (source.connection != nullptr) items[i].socket = source.connection->raw();
    items[i].fd = source.fd;
    items[i].events = ZMQ_POLLIN;
  }
  const int polled =
      zmq_poll(items.data(), static_cast<int>(items.size()), static_cast<long>(timeout_ms));
  if (polled < 0 && zmq_errno() != EINTR) {
    return Status::Internal("cannot wait for sockets: ", zmq_strerror(zmq_errno()));
  }
  *is_interrupted = polled < 0;
  int ready_count = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    sources_[i].is_ready = polled > 0 && items[i].revents != 0;
    if (sources_[i].is_ready) ++ready_count;
  }
  return ready_count;
}

void Poller::Guard() {
  for (const Source& source : sources_) {
    if (source.listener != nullptr) source.listener->Guard();
    if (source.connection != nullptr) source.connection->Guard();
  }
}

}  // namespace millrace
