// SPDX-License-Identifier: Apache-2.0
#include "worker/peers.h"

#include <algorithm>
#include <utility>

#include "mapreduce/proto/wire_codec.h"
#include "mapreduce/transport/endpoint.h"

namespace millrace {
namespace {

constexpr std::uint64_t kRetryMs = 1;        // A piece is gone in less.
constexpr std::uint64_t kDropMs = 5'000;     // The other side has asked again by then.
constexpr std::uint64_t kIdleMs = 60'000;    // A connection that is not used is closed.
constexpr std::size_t kWaitingMax = 10'000;  // Frames for one peer; small ones, but for a few.
constexpr std::size_t kWaitingBytesMax = std::size_t{8} << 20;  // Or one frame.
constexpr std::size_t kEndpointsMax = 100'000;
constexpr int kFramesPerTurn = 16;  // Of each socket: the loop has other things to do.

bool IsReply(const MessageBody& body) {
  return std::holds_alternative<FetchData>(body) || std::holds_alternative<FetchFiles>(body) ||
         std::holds_alternative<FetchRefused>(body);
}

bool IsQuestion(const MessageBody& body) {
  return std::holds_alternative<FetchRequest>(body) || std::holds_alternative<FetchCredit>(body);
}

}  // namespace

Peers::Peers(Transport& transport, Listener& listener, Poller& poller, WorkerId self)
    : transport_(transport), listener_(listener), poller_(poller), self_(self) {
  poller_.Add(listener_);
}

Peers::~Peers() {
  poller_.Remove(listener_);
  while (!peers_.empty()) Close(peers_.begin());
}

void Peers::Learn(const StartTask& start) {
  if (endpoints_.size() > kEndpointsMax)
    std::erase_if(endpoints_, [this](const auto& entry) { return !peers_.contains(entry.first); });
  for (const SourceSet& set : start.sources) {
    if (set.worker == self_) continue;
    std::string& endpoint = endpoints_[set.worker];
    if (endpoint == set.endpoint) continue;
    endpoint = set.endpoint;
    if (const auto peer = peers_.find(set.worker); peer != peers_.end()) Close(peer);
  }
}

// What finds no room is lost.
void Peers::Put(Outbox& outbox, std::string frame, std::uint64_t now_ms) {
  if (outbox.frames.empty()) outbox.since_ms = now_ms;
  const bool fits =
      outbox.frames.size() < kWaitingMax && outbox.bytes + frame.size() <= kWaitingBytesMax;
  if (!fits && !outbox.frames.empty()) return;
  outbox.bytes += frame.size();
  outbox.frames.push_back(std::move(frame));
}

// Sends from the front on; false if something is left.
template <class SendFrame>
bool Peers::Flush(Outbox& outbox, std::uint64_t now_ms, const SendFrame& send) {
  while (!outbox.frames.empty()) {
    const std::size_t bytes = outbox.frames.front().size();
    const Status status = send(std::move(outbox.frames.front()));
    if (status.code() == StatusCode::kUnavailable) {
      if (now_ms - outbox.since_ms < kDropMs) return false;
      outbox.frames.clear();
      outbox.bytes = 0;
      return true;
    }
    outbox.bytes -= bytes;
    outbox.frames.pop_front();  // Sent, or nothing that could be.
    outbox.since_ms = now_ms;
  }
  return true;
}

// Null where it can't be reached.
Peers::Peer* Peers::PeerOf(WorkerId id, std::uint64_t now_ms) {
  const auto found = peers_.find(id);
  if (found != peers_.end()) return &found->second;
  const auto known = endpoints_.find(id);
  if (known == endpoints_.end()) return nullptr;
  const Result<Endpoint> endpoint = Endpoint::Parse(known->second);
  if (!endpoint.ok()) return nullptr;
  auto connection = Connection::Connect(transport_, *endpoint, self_, kDataLimits);
  if (!connection.ok()) {
    connect_error_ = connection.error().Annotate(known->second);
    return nullptr;
  }
  Peer& peer = peers_[id];
  peer.connection = *std::move(connection);
  peer.used_ms = now_ms;
  poller_.Add(*peer.connection);
  return &peer;
}

void Peers::Close(std::map<WorkerId, Peer>::iterator peer) {
  poller_.Remove(*peer->second.connection);
  peers_.erase(peer);
}

void Peers::Send(WorkerId to, const Message& message, std::uint64_t now_ms) {
  std::string frame = EncodeMessage(message);
  if (IsReply(message.body)) {
    Outbox& outbox = replies_[to];
    Put(outbox, std::move(frame), now_ms);
    if (Flush(outbox, now_ms,
              [&](std::string&& next) { return listener_.Send(to, std::move(next)); }))
      replies_.erase(to);
    return;
  }
  Peer* const peer = PeerOf(to, now_ms);
  if (peer == nullptr) return;
  peer->used_ms = now_ms;
  Put(peer->outbox, std::move(frame), now_ms);
  Flush(peer->outbox, now_ms,
        [&](std::string&& next) { return peer->connection->Send(std::move(next)); });
}

bool Peers::Take(WorkerId from, const Frame& frame, bool is_reply,
                 std::vector<MessageArrived>& out) {
  Result<Message> message = DecodeMessage(frame.view());
  if (message.ok() && (is_reply ? IsReply(message->body) : IsQuestion(message->body))) {
    out.push_back({from, *std::move(message)});
    return true;
  }
  ++bad_frames_;
  return false;
}

std::vector<MessageArrived> Peers::Receive(std::uint64_t now_ms) {
  std::vector<MessageArrived> arrived;
  for (int i = 0; i < kFramesPerTurn; ++i) {
    const std::optional<Received> received = listener_.Receive();
    if (!received) break;
    const bool is_of_worker = !received->key || received->key->role == KeyRole::kWorker;
    if (const auto* from = std::get_if<WorkerId>(&received->from);
        from != nullptr && is_of_worker) {
      static_cast<void>(Take(*from, received->frame, /*is_reply=*/false, arrived));
    } else {
      ++bad_frames_;
    }
  }
  for (auto& [id, peer] : peers_) {
    for (int i = 0; i < kFramesPerTurn; ++i) {
      const std::optional<Frame> frame = peer.connection->Receive();
      if (!frame) break;
      peer.used_ms = now_ms;
      if (!Take(id, *frame, /*is_reply=*/true, arrived)) peer.connection->TellDamaged();
    }
  }
  return arrived;
}

void Peers::Tick(std::uint64_t now_ms) {
  for (auto at = replies_.begin(); at != replies_.end();) {
    const WorkerId to = at->first;
    const bool is_empty = Flush(at->second, now_ms, [&](std::string&& frame) {
      return listener_.Send(to, std::move(frame));
    });
    at = is_empty ? replies_.erase(at) : std::next(at);
  }
  for (auto at = peers_.begin(); at != peers_.end();) {
    Peer& peer = at->second;
    Flush(peer.outbox, now_ms,
          [&](std::string&& frame) { return peer.connection->Send(std::move(frame)); });
    const auto next = std::next(at);
    if (peer.outbox.frames.empty() && now_ms - peer.used_ms > kIdleMs) Close(at);
    at = next;
  }
}

std::uint64_t Peers::NextTickMs() const {
  const bool waits = !replies_.empty() || std::any_of(peers_.begin(), peers_.end(), [](auto& peer) {
    return !peer.second.outbox.frames.empty();
  });
  return waits ? kRetryMs : UINT64_MAX;
}

}  // namespace millrace
