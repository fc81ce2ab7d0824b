// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/connection_guard.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <string_view>
#include <utility>

#include "mapreduce/transport/zmq_socket.h"

namespace millrace {
namespace {

constexpr std::chrono::milliseconds kCheckInterval(20);
// What the decoder reads at once.
constexpr std::uint64_t kDecoderBytes = 8192;
// Beside a frame: the decoder's read, the handshake.
constexpr std::uint64_t kSlackBytes = std::uint64_t{256} << 10;
// How often a clock is read where the socket never gets empty.
constexpr std::uint64_t kDeliveriesPerLook = 64;
// Frame header: flags and length. At least so many bytes of each frame are no payload.
constexpr std::uint64_t kFrameHeaderBytes = 2;
// One that has no key on the list yet speaks of itself at most.
constexpr std::uint64_t kUnknownBytesMax = std::uint64_t{4} << 20;
constexpr std::size_t kOwnersMax = 100'000;

// Each frame costs 64 bytes beside its own: a frame in one piece grows this process by its size,
// empty frames by 32 times theirs. More than this times what connections hold, and these may be
// more frames than messages.
constexpr std::uint64_t kGrowthPerByte = 4;
constexpr std::uint64_t kGrowthPerByteMax = 32;
constexpr std::uint64_t kGrowthBytesMin = std::uint64_t{256} << 20;  // The owner's own.

// 0: unknown.
std::uint64_t ResidentBytes() {
  const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[128];
  const ssize_t got = ::read(fd, buffer, sizeof buffer);
  ::close(fd);
  std::string_view text(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
  text.remove_prefix(std::min(text.find(' ') + 1, text.size()));  // Behind all pages.
  std::uint64_t pages = 0;
  std::from_chars(text.data(), text.data() + text.size(), pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<ino_t> SocketInode(int fd) {
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISSOCK(info.st_mode)) return std::nullopt;
  return info.st_ino;
}

bool IsOfPort(int fd, std::uint16_t port) {
  sockaddr_storage address;
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  std::uint16_t bound = 0;
  if (address.ss_family == AF_INET) bound = reinterpret_cast<sockaddr_in&>(address).sin_port;
  if (address.ss_family == AF_INET6) bound = reinterpret_cast<sockaddr_in6&>(address).sin6_port;
  return ntohs(bound) == port;
}

bool IsOfThisUser(int fd) {
  ucred peer;
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

}  // namespace

ConnectionGuard::Watched* ConnectionGuard::Find(int fd) {
  const auto found = watched_.find(fd);
  return found == watched_.end() ? nullptr : &found->second;
}

// ---- What the monitor tells ---------------------------------------------------------------------

void ConnectionGuard::ReadEvents() {
  is_up_to_date_ = true;
  while (true) {
    zmq_msg_t head, address;
    zmq_msg_init(&head);
    if (zmq_msg_recv(&head, monitor_, ZMQ_DONTWAIT) < 0) {
      zmq_msg_close(&head);
      return;
    }
    std::uint16_t event = 0;
    std::int32_t value = -1;
    if (zmq_msg_size(&head) >= sizeof event + sizeof value) {
      const char* const data = static_cast<const char*>(zmq_msg_data(&head));
      std::memcpy(&event, data, sizeof event);
      std::memcpy(&value, data + sizeof event, sizeof value);
    }
    zmq_msg_close(&head);
    zmq_msg_init(&address);
    zmq_msg_recv(&address, monitor_, ZMQ_DONTWAIT);  // Both come at once.
    zmq_msg_close(&address);
    if (event == ZMQ_EVENT_ACCEPTED || event == ZMQ_EVENT_CONNECTED) OnOpened(value);
    if (event == ZMQ_EVENT_DISCONNECTED || event == ZMQ_EVENT_CLOSED) OnClosed(value);
    if ((event & kHandshakeEvents) != 0) OnHandshake(event, value);
  }
}

void ConnectionGuard::OnHandshake(int event, int value) {
  if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return failed_handshake_.reset();
  // Of two sides that don't understand each other one may just close: what was known stays.
  if (event != ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL || !failed_handshake_) {
    failed_handshake_ = {event, value};
  }
  ++(event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? stats_.unknown_keys : stats_.failed_handshakes);
}

void ConnectionGuard::OnOpened(int fd) {
  OnClosed(fd);  // Should its end have been missed.
  ++stats_.opened;
  Watched watched;
  watched.since = Clock::now();
  const std::optional<ino_t> inode = SocketInode(fd);
  const bool is_ours = inode.has_value() &&
                       (!options_.is_listener || options_.is_ipc || IsOfPort(fd, options_.port));
  // Gone again, its end is the next event. Of ipc nobody knows any more who it was.
  watched.is_open = is_ours;
  watched.is_cut = !is_ours && options_.is_ipc;
  watched.inode = inode.value_or(0);
  Watched& added = watched_[fd] = watched;
  if (!is_ours) return;
  ++stats_.open;
  if (options_.is_ipc && !IsOfThisUser(fd)) {
    Cut(fd, added, stats_.cut_as_foreign);
  } else if (options_.is_listener && stats_.open > options_.limits.connections_max) {
    Cut(fd, added, stats_.cut_for_room);
  } else if (options_.is_listener && stats_.open > options_.limits.newcomers_max) {
    MakeRoom();
  }
}

void ConnectionGuard::OnClosed(int fd) {
  Watched* const watched = Find(fd);
  if (watched == nullptr || !watched->is_open) return;
  watched->is_open = false;
  --stats_.open;
  if (!watched->address.has_value()) return;
  const auto found = by_address_.find(*watched->address);
  if (found != by_address_.end() && found->second == fd) by_address_.erase(found);
}

// Whoever has something to say stays: of those that came and said nothing, the oldest goes.
void ConnectionGuard::MakeRoom() {
  std::size_t newcomers = 0;
  auto oldest = watched_.end();
  for (auto it = watched_.begin(); it != watched_.end(); ++it) {
    const Watched& watched = it->second;
    if (!watched.is_open || watched.is_cut || watched.has_spoken) continue;
    ++newcomers;
    if (oldest == watched_.end() || watched.since < oldest->second.since) oldest = it;
  }
  if (newcomers > options_.limits.newcomers_max) {
    Cut(oldest->first, oldest->second, stats_.cut_for_room);
  }
}

void ConnectionGuard::Cut(int fd, Watched& watched, std::uint64_t& reason) {
  if (!watched.is_open || watched.is_cut) return;
  watched.is_cut = true;
  ++reason;
  if (SocketInode(fd) == watched.inode) ::shutdown(fd, SHUT_RDWR);
}

// ---- What was received --------------------------------------------------------------------------

bool ConnectionGuard::OnFrame(int fd, std::size_t bytes) {
  // The monitor tells of a connection before its first message can come. It is asked once in a
  // batch: whose a message is that waited while its descriptor changed hands, nobody can tell.
  if (!is_up_to_date_) ReadEvents();
  Watched* const watched = Find(fd);
  if (watched == nullptr) return !options_.is_ipc;
  watched->finished += bytes + kFrameHeaderBytes;
  watched->was_heard = true;
  ++deliveries_;
  if (is_sampled_) {
    if (deliveries_ >= DeliveriesOfOneRound()) Check();
  } else if (deliveries_ % kDeliveriesPerLook == 0) {
    is_up_to_date_ = false;
    if (Clock::now() - sampled_at_ >= kCheckInterval) Sample();
  }
  return !watched->is_cut;
}

// Where none is open, the connection has come since the events were read, perhaps with the number
// of one that has gone.
ConnectionGuard::Watched* ConnectionGuard::FindOpen(int fd) {
  Watched* watched = Find(fd);
  if (watched == nullptr || !watched->is_open || watched->is_cut) {
    ReadEvents();
    watched = Find(fd);
  }
  return watched;
}

void ConnectionGuard::OnGarbage(int fd) {
  ++stats_.garbage;
  Watched* const watched = FindOpen(fd);
  if (watched != nullptr && ++watched->garbage >= kGarbageMax) {
    Cut(fd, *watched, stats_.cut_for_garbage);
  }
}

void ConnectionGuard::CutForGarbage(int fd) {
  if (Watched* const watched = FindOpen(fd)) Cut(fd, *watched, stats_.cut_for_garbage);
}

// A worker draws its id when it starts, so an id has one key.
bool ConnectionGuard::OwnsName(const Address& from, const PublicKey& key) {
  const auto* const worker = std::get_if<WorkerId>(&from);
  if (options_.allowed == nullptr || worker == nullptr) return true;
  if (owners_.size() >= kOwnersMax) {
    std::erase_if(owners_,
                  [this](const auto& owner) { return !by_address_.contains(owner.first); });
  }
  return owners_.try_emplace(*worker, key).first->second == key;
}

std::string ConnectionGuard::RoutingIdOfOpen(const Address& address) const {
  const auto found = by_address_.find(address);
  if (found == by_address_.end()) return "";
  const Watched& watched = watched_.at(found->second);
  return watched.address == address ? watched.routing_id : "";
}

bool ConnectionGuard::OnMessage(int fd, const Address& from, std::string_view routing_id,
                                const PublicKey& key) {
  Watched* watched = Find(fd);
  if (watched == nullptr || !watched->is_open || watched->address != from) {
    // It has come since they were read, perhaps with the number of one that has gone.
    ReadEvents();
    watched = Find(fd);
  }
  if (!OwnsName(from, key)) {
    if (watched != nullptr) Cut(fd, *watched, stats_.cut_as_impostor);
    return false;
  }
  if (watched == nullptr || !watched->is_open) return true;
  watched->has_spoken = true;
  watched->routing_id = routing_id;
  watched->key = key;
  if (watched->address == from) return true;
  if (watched->address) {
    const auto before = by_address_.find(*watched->address);
    if (before != by_address_.end() && before->second == fd) by_address_.erase(before);
  }
  watched->address = from;
  const auto [at, is_new] = by_address_.try_emplace(from, fd);
  if (is_new || at->second == fd) return true;
  Watched* const old = Find(at->second);
  if (old != nullptr && old->key != key) {
    watched->address.reset();
    Cut(fd, *watched, stats_.cut_as_impostor);
    return false;
  }
  // ZeroMQ has given the name to the new connection, and forgotten to close the old one.
  if (old != nullptr) Cut(at->second, *old, stats_.taken_over);
  at->second = fd;
  return true;
}

void ConnectionGuard::CutAsUnknown(int fd) {
  if (Watched* const watched = Find(fd)) Cut(fd, *watched, stats_.cut_as_unknown);
}

// Those whose keys are on the list no more, and those whose keys are not known yet: they come
// again.
void ConnectionGuard::CutUnlisted() {
  if (options_.allowed == nullptr) return;
  const std::uint64_t version = options_.allowed->version();
  if (std::exchange(list_version_, version) == version) return;
  for (auto& [fd, watched] : watched_) {
    if (!watched.is_open) continue;
    if (!watched.has_spoken) {
      Cut(fd, watched, stats_.cut_for_room);
    } else if (!options_.allowed->Find(watched.key)) {
      Cut(fd, watched, stats_.cut_as_unknown);
    }
  }
}

// ---- Checks -------------------------------------------------------------------------------------

std::uint64_t ConnectionGuard::DeliveriesOfOneRound() const {
  // Twice: connections that wake up and fall asleep change the order of turns.
  const auto per_connection = static_cast<std::uint64_t>(options_.limits.messages_max) + 2;
  return 2 * per_connection * (stats_.open + 1);
}

bool ConnectionGuard::OnEmpty() {
  is_up_to_date_ = false;
  if (is_sampled_) {
    Check();
    return false;
  }
  if (Clock::now() - sampled_at_ < kCheckInterval) return false;
  Sample();
  return true;
}

void ConnectionGuard::Sample() {
  ReadEvents();
  sampled_at_ = Clock::now();
  deliveries_ = 0;
  is_sampled_ = true;
  if (options_.is_ipc) return;
  std::uint64_t held = 0;
  for (auto& [fd, watched] : watched_) {
    if (!watched.is_open || watched.is_cut) continue;
    SampleOne(fd, watched);
    held += watched.held();
  }
  if (!options_.is_listener) return;
  resident_ = ResidentBytes();
  resident_before_ = resident_before_ == 0 ? resident_ : std::min(resident_before_, resident_);
  explained_ = std::max(explained_, std::min(resident_, resident_before_ + kGrowthPerByte * held));
}

void ConnectionGuard::SampleOne(int fd, Watched& watched) {
  tcp_info info = {};
  socklen_t size = sizeof info;
  int queued = 0;
  // In this order: what comes in between makes `read` too small, never too large.
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
  if (::ioctl(fd, FIONREAD, &queued) != 0) return;
  const std::uint64_t received = info.tcpi_bytes_received;
  const std::uint64_t unread = std::min(received, static_cast<std::uint64_t>(queued));
  watched.read = std::max(watched.read, received - unread);
  // Messages of the number's last owner may have come late.
  watched.finished = std::min(watched.finished, received);
}

void ConnectionGuard::Check() {
  is_sampled_ = false;
  CutUnlisted();
  const Clock::time_point now = Clock::now();
  std::uint64_t unfinished_sum = 0;
  Largest largest;
  for (auto& [fd, watched] : watched_) {
    if (!watched.is_open || watched.is_cut) continue;
    if (watched.was_heard && watched.previous > kDecoderBytes) {
      watched.finished = std::max(watched.finished, watched.previous - kDecoderBytes);
    }
    watched.previous = watched.read;
    watched.was_heard = false;
    const std::uint64_t unfinished = watched.held();
    const bool is_unknown = options_.allowed != nullptr && !watched.has_spoken;
    const std::uint64_t frame_bytes_max = std::min<std::uint64_t>(
        options_.limits.frame_bytes_max, is_unknown ? kUnknownBytesMax : UINT64_MAX);
    if (unfinished > frame_bytes_max + kSlackBytes) {
      Cut(fd, watched, stats_.cut_for_flood);
      continue;
    }
    if (options_.is_listener && !watched.has_spoken &&
        now - watched.since > std::chrono::milliseconds(kFirstMessageMsMax)) {
      Cut(fd, watched, stats_.cut_for_silence);
      continue;
    }
    unfinished_sum += unfinished;
    if (unfinished > kSlackBytes) largest.emplace(unfinished, fd);
  }
  CheckSum(unfinished_sum, largest);
}

void ConnectionGuard::ForgetGrowth() { resident_ = resident_before_ = explained_ = 0; }

void ConnectionGuard::CheckSum(std::uint64_t unfinished_sum, const Largest& largest) {
  if (largest.empty()) return ForgetGrowth();
  std::uint64_t sum_max = options_.limits.unfinished_bytes_max;
  if (options_.is_listener) {
    const std::uint64_t growth = resident_ > explained_ ? resident_ - explained_ : 0;
    // Of a growth that is for the larger part the owner's own no peer is guilty.
    if (growth > kGrowthBytesMin && growth / 2 <= kGrowthPerByteMax * unfinished_sum) {
      sum_max = unfinished_sum - 1;  // The largest goes; who is next, the next check tells.
      ForgetGrowth();
    }
  }
  for (const auto& [bytes, fd] : largest) {
    if (unfinished_sum <= sum_max) break;
    Cut(fd, watched_.at(fd), stats_.cut_for_flood);
    unfinished_sum -= bytes;
  }
}

}  // namespace millrace
