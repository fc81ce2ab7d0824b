// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_INTEGRATION_RAW_PEER_H_
#define TESTS_INTEGRATION_RAW_PEER_H_

// What the tests of transport share: a peer that speaks as it likes, over a plain TCP socket, and a
// listener in a thread of its own that sends back what it gets.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "mapreduce/transport/connection.h"
#include "mapreduce/transport/listener.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

/// Whether `is_true` gets true before long; asks again and again.
bool Eventually(const std::function<bool()>& is_true,
                std::chrono::milliseconds patience = std::chrono::seconds(10));

/// Of this process, in bytes.
std::size_t ResidentBytes();

class RawPeer {
 public:
  /// To 127.0.0.1 at the port of `endpoint`.
  explicit RawPeer(const std::string& endpoint);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  /// ZMTP 3.0, mechanism NULL, as a DEALER of this name.
  void ShakeHands(const std::string& routing_id);
  /// False: the other side has closed, or does not take all of it within ten seconds.
  bool Write(std::string_view bytes);
  /// Ends the connection at once, with what is still under way.
  void Reset();
  /// Whether the other side has closed; reads what it sent before.
  bool IsCut();

 private:
  int fd_ = -1;
  bool is_cut_ = false;
};

/// Of a peer's name.
inline constexpr std::string_view kAnyNonce = "sixteen bytes...";

/// A ZMTP frame.
std::string ZmtpFrame(std::string_view payload, bool has_more);

/// Sends each frame back to whom it came from.
class EchoServer {
 public:
  EchoServer(const std::string& endpoint, const SocketLimits& limits,
             std::optional<TransportKeys> keys = std::nullopt);
  /// Ends the thread, and says what happened.
  ConnectionStats Stop();
  const std::string& endpoint() const { return endpoint_; }
  std::uint64_t frame_count() const { return frame_count_.load(); }

 private:
  void Run(const std::stop_token& stop);

  Transport transport_;
  std::unique_ptr<Listener> listener_;
  std::string endpoint_;
  std::atomic<std::uint64_t> frame_count_ = 0;
  std::jthread thread_;
};

/// A connection under the name `self`; the test fails where it can't be made.
std::unique_ptr<Connection> ConnectTo(Transport& transport, const std::string& endpoint,
                                      const Address& self,
                                      const SocketLimits& limits = kControlLimits);

/// Sends until the connection takes it.
bool SendSoon(Connection& connection, std::string frame);

/// The next frame; empty: none came within ten seconds.
std::string ReceiveSoon(Connection& connection);

}  // namespace millrace

#endif  // TESTS_INTEGRATION_RAW_PEER_H_
