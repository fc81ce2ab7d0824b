// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_CONNECTION_GUARD_H_
#define MAPREDUCE_TRANSPORT_CONNECTION_GUARD_H_

// Bounds what a socket's peers can make this process hold. ZeroMQ's own limits count whole messages
// and single frames: a message of ever more frames passes both and fills memory without end
// (docs/decisions/0015). So each connection is watched from outside. Its descriptor comes from the
// socket's monitor; with
//
//   read      bytes that the process has read of it: TCP_INFO's received less the kernel's queue
//   finished  a lower bound for the place behind the last message that was delivered
//
// it holds at most read - finished bytes, if nothing complete waits for delivery. That is so when
// the socket was found empty *after* `read` was sampled; or when so many messages have been
// delivered since that each connection had its turn for all it may queue (ZeroMQ serves them in
// turn). A peer that sends single frames can then hold one frame, complete or not, and one read of
// the decoder (8 KiB). Who holds more is cut by shutdown(): ZeroMQ sees the end and frees the
// unfinished message. A stalled owner delays the check, but no stall makes a good peer guilty.
//
// `finished` grows by each delivered frame, and to `read` of the check before last once something
// was delivered since the last one: it ended behind that. So what is no frame (the
// handshake) adds up only where nothing is ever delivered.
//
// Descriptors get used again. The monitor tells when one was closed, and before a cut the socket's
// inode is compared; should another socket of this process take the number in between, a few
// instructions' time, it is that one which loses its connection, and heals.
//
// A frame costs 64 bytes beside its own, so bytes are not all. While a frame is half in, a listener
// looks at what its process holds: when that is 256 MiB more than four times what connections hold
// explains, or did explain at a time when more waited (what was freed may stay resident), and the
// unfinished bytes, were they empty frames, explain half of it, the largest is cut. So such frames
// take 256 MiB, as much as messages had taken before, or what the owner has grown by meanwhile. A
// good peer can be hit whose large frame comes in while the owner itself grows by 256 MiB: it comes
// again.
//
// ipc has no byte counts. Its peers are processes of the same user, others are cut.
//
// One thread: the socket's.

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mapreduce/proto/messages.h"
#include "mapreduce/security/allow_list.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

class ConnectionGuard {
 public:
  /// The monitor's event and its value.
  struct FailedHandshake {
    int event = 0;
    int value = 0;
  };
  struct Options {
    SocketLimits limits;
    bool is_listener = false;
    bool is_ipc = false;
    std::uint16_t port = 0;                    ///< Where a tcp listener listens.
    std::shared_ptr<const AllowList> allowed;  ///< Of a listener with keys.
    /// Of the connection before this one, which started over.
    std::optional<FailedHandshake> failed_handshake;
  };

  /// `monitor` is the PAIR socket that the monitor's events come from.
  ConnectionGuard(void* monitor, const Options& options)
      : monitor_(monitor), options_(options), failed_handshake_(options.failed_handshake) {
    if (options.allowed != nullptr) list_version_ = options.allowed->version();
  }

  /// A frame of `bytes` was received. False: it is of a connection that isn't to be heard.
  bool OnFrame(int fd, std::size_t bytes);
  /// A whole message of nobody's, or of several frames.
  void OnGarbage(int fd);
  /// A message that may be passed on. An older connection of `from` is cut. False: the name is that
  /// of another key, and the new connection is cut instead. `key` is nobody's without keys.
  bool OnMessage(int fd, const Address& from, std::string_view routing_id, const PublicKey& key);
  /// Of the open connection that `address` was heard on last; "" if there is none.
  std::string RoutingIdOfOpen(const Address& address) const;
  /// A message of one that is not on the allow list.
  void CutAsUnknown(int fd);
  /// Ends the connection for sending garbage, without counting to three.
  void CutForGarbage(int fd);

  /// The socket was found empty. True: samples were taken, so look into it once more.
  bool OnEmpty();

  /// That of the last handshake, unless it succeeded.
  const std::optional<FailedHandshake>& failed_handshake() const { return failed_handshake_; }

  const ConnectionStats& stats() const { return stats_; }
  /// Descriptors that may have changed are read from the monitor.
  void ReadEvents();

 private:
  using Clock = std::chrono::steady_clock;
  struct Watched {
    ino_t inode = 0;
    bool is_open = true;
    bool is_cut = false;
    bool has_spoken = false;
    int garbage = 0;
    Clock::time_point since;
    std::optional<Address> address;
    std::string routing_id;
    PublicKey key;
    std::uint64_t read = 0;      ///< As of the last sample.
    std::uint64_t previous = 0;  ///< As of the last check.
    std::uint64_t finished = 0;
    bool was_heard = false;  ///< Since the last check.

    /// The most that it can hold: `read` and not `finished`.
    std::uint64_t held() const { return read > finished ? read - finished : 0; }
  };

  void OnOpened(int fd);
  void OnClosed(int fd);
  void OnHandshake(int event, int value);
  void MakeRoom();
  void CutUnlisted();
  bool OwnsName(const Address& from, const PublicKey& key);
  void Sample();
  void SampleOne(int fd, Watched& watched);
  void Check();
  /// Unfinished bytes and descriptors. Of two equal ones, one will do.
  using Largest = std::map<std::uint64_t, int, std::greater<>>;
  void CheckSum(std::uint64_t unfinished_sum, const Largest& largest);
  void ForgetGrowth();
  void Cut(int fd, Watched& watched, std::uint64_t& reason);
  Watched* Find(int fd);
  Watched* FindOpen(int fd);
  std::uint64_t DeliveriesOfOneRound() const;

  void* const monitor_;
  const Options options_;
  std::map<int, Watched> watched_;  ///< Closed ones stay until their number comes again.
  std::map<Address, int> by_address_;
  std::map<WorkerId, PublicKey> owners_;  ///< Of workers' names, as long as we live.
  bool is_up_to_date_ = false;            ///< With the monitor.
  bool is_sampled_ = false;               ///< Since the last check.
  Clock::time_point sampled_at_ = Clock::now();
  // Of the process, bytes; 0 while no frame is half in.
  std::uint64_t resident_ = 0;         ///< As of the last sample.
  std::uint64_t resident_before_ = 0;  ///< The least since the first frame was half in.
  std::uint64_t explained_ = 0;        ///< The most since then that what was held explains.
  std::uint64_t deliveries_ = 0;       ///< Since the last sample.
  std::uint64_t list_version_ = 0;     ///< Of the allow list, when all were checked.
  std::optional<FailedHandshake> failed_handshake_;
  ConnectionStats stats_;
};

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_CONNECTION_GUARD_H_
