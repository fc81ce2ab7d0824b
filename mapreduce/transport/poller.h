// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_POLLER_H_
#define MAPREDUCE_TRANSPORT_POLLER_H_

#include <cstdint>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/transport/connection.h"
#include "mapreduce/transport/listener.h"

namespace millrace {

/// Waits until any of several sockets and descriptors can be read; meanwhile it lets the sockets'
/// guards do their work. The thread of those sockets. What was added must live until removed.
class Poller {
 public:
  void Add(Listener& listener) { sources_.push_back({.listener = &listener}); }
  void Add(Connection& connection) { sources_.push_back({.connection = &connection}); }
  void Add(int fd) { sources_.push_back({.fd = fd}); }
  void Remove(const Listener& listener);
  void Remove(const Connection& connection);
  void Remove(int fd);

  /// How many are ready: 0 after `timeout_ms`, or when a signal came. -1: no limit. A descriptor
  /// with an error or whose other end is gone is ready, too. kInternal: a descriptor that isn't
  /// one.
  Result<int> Wait(std::int64_t timeout_ms);

  /// As of the last Wait().
  bool IsReady(const Listener& listener) const;
  bool IsReady(const Connection& connection) const;
  bool IsReady(int fd) const;

 private:
  struct Source {
    Listener* listener = nullptr;
    Connection* connection = nullptr;
    int fd = -1;
    bool is_ready = false;
  };
  Result<int> PollOnce(std::int64_t timeout_ms, bool* is_interrupted);
  void Guard();

  std::vector<Source> sources_;
};

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_POLLER_H_
