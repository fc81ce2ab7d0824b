// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_FAULTS_TCP_PROXY_H_
#define TESTS_FAULTS_TCP_PROXY_H_

// A bad link: whoever connects to the proxy reaches a port of this machine, but connections are
// reset in the middle, bytes come late, not at all, or damaged. What happens to a connection is
// drawn when it is made, from one seed; needs no rights.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <thread>

#include "mapreduce/base/random.h"

namespace millrace {

/// What is wrong with a link. A number of bytes is drawn between a half of it and the whole; 0:
/// never. All are of one direction of one connection, drawn for each.
struct LinkFaults {
  std::uint64_t cut_bytes = 0;    ///< After so many the connection is reset.
  std::uint64_t stall_bytes = 0;  ///< After so many nothing comes any more; it stays open.
  std::uint64_t flip_bytes = 0;   ///< One bit flips in each so many.
  int delay_ms = 0;               ///< Bytes come up to so much later, in their order.
  int faulty_max = INT32_MAX;     ///< Only so many connections are faulty.
};

/// Its own thread does the work; *thread-safe*.
class TcpProxy {
 public:
  /// Forwards to 127.0.0.1 at `port`.
  TcpProxy(std::uint16_t port, const LinkFaults& faults, std::uint64_t seed);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  /// Where it listens: "tcp://127.0.0.1:PORT".
  const std::string& endpoint() const { return endpoint_; }
  /// While it is so, no byte that comes in this direction goes on; none is lost.
  void HoldRequests(bool is_held) { holds_[0] = is_held; }
  void HoldReplies(bool is_held) { holds_[1] = is_held; }

  std::uint64_t connections() const { return connections_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t cuts() const { return cuts_; }
  std::uint64_t stalls() const { return stalls_; }
  std::uint64_t flips() const { return flips_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Chunk {
    Clock::time_point due;
    std::string bytes;
  };
  struct Flow {  // One direction.
    std::uint64_t passed = 0;
    std::uint64_t cut_at = 0, stall_at = 0, next_flip_at = 0;  // 0: never.
    bool is_stalled = false, has_ended = false;
    std::deque<Chunk> chunks;
    std::size_t waiting_bytes = 0;
  };
  struct Link {
    int fds[2] = {-1, -1};  // Of who connected; of the port.
    Flow flows[2];          // From the first to the second; back.
    bool is_faulty = false;
    bool is_over = false;
  };

  void Run(const std::stop_token& stop);
  void Accept();
  void Read(Link& link, int direction);
  void Damage(Flow& flow, std::string& bytes);
  void Write(Link& link, int direction);
  void Close(Link& link, bool is_reset);
  std::uint64_t Draw(std::uint64_t about);

  const std::uint16_t port_;
  const LinkFaults faults_;
  Random random_;
  int listener_ = -1;
  std::string endpoint_;
  std::list<Link> links_;
  std::atomic<bool> holds_[2] = {false, false};
  std::atomic<std::uint64_t> connections_{0}, bytes_{0}, cuts_{0}, stalls_{0}, flips_{0};
  std::jthread thread_;
};

}  // namespace millrace

#endif  // TESTS_FAULTS_TCP_PROXY_H_
