// SPDX-License-Identifier: Apache-2.0
#include "cli/cluster_client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "cli/key_flags.h"
#include "mapreduce/base/random_id.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/proto/wire_codec.h"
#include "mapreduce/transport/endpoint.h"
#include "mapreduce/transport/poller.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint64_t kSilenceMs = 5'000;
constexpr std::uint64_t kFirstAskAgainMs = 20;  // While the connection is being made.
constexpr std::int64_t kCancelCheckMs = 100;

std::uint64_t MsSince(Clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
}

}  // namespace

Status NoMaster(const std::string& endpoint, const std::string& trouble) {
  if (!trouble.empty()) {
    return Status::Unavailable("no master answers at ", Printable(endpoint), ": ", trouble);
  }
  return Status::Unavailable("no master answers at ", Printable(endpoint),
                             "; is it running there? `millrace master` starts one");
}

Result<std::unique_ptr<ClusterClient>> ClusterClient::Connect(
    const std::string& text, const std::optional<KeyFolder>& keys) {
  MR_ASSIGN_OR_RETURN(Endpoint endpoint, Endpoint::Parse(text));
  if (keys) endpoint.key = keys->master;
  const ClientId self{RandomId()};
  std::unique_ptr<ClusterClient> client(new ClusterClient(TransportKeysOf(keys)));
  MR_ASSIGN_OR_RETURN(client->connection_,
                      Connection::Connect(client->transport_, endpoint, self, kControlLimits));
  return client;
}

void ClusterClient::Tell(MessageBody body) {
  static_cast<void>(connection_->Send(EncodeMessage({Epoch(), ++last_sequence_, std::move(body)})));
}

std::optional<Message> ClusterClient::Receive(std::int64_t timeout_ms) {
  std::optional<Frame> frame = connection_->Receive();
  if (!frame) {
    Poller poller;
    poller.Add(*connection_);
    if (!poller.Wait(timeout_ms).ok()) return std::nullopt;
    frame = connection_->Receive();
  }
  if (!frame) return std::nullopt;
  Result<Message> message = DecodeMessage(frame->view());
  if (message.ok()) return *std::move(message);
  connection_->TellDamaged();  // It is asked for again.
  return std::nullopt;
}

Status ClusterClient::Ask(const Question& question,
                          const std::function<bool(const MessageBody&)>& take) {
  Clock::time_point start = Clock::now();  // Of its silence.
  std::uint64_t next_send_ms = 0;
  std::uint64_t wait_ms = kFirstAskAgainMs;
  bool is_silence_told = false;
  for (;;) {
    if (question.cancel != nullptr) MR_RETURN_IF_ERROR(question.cancel->Check());
    const std::uint64_t now_ms = MsSince(start);
    // One whose master has answered before waits: somebody may be writing the list of keys.
    const bool is_refused = connection_->IsRefused() && (!was_answered_ || now_ms >= kSilenceMs);
    if (is_refused || now_ms >= question.patience_ms) {
      return NoMaster(endpoint(), connection_->HandshakeTrouble());
    }
    if (now_ms >= kSilenceMs && !is_silence_told && question.on_silence != nullptr) {
      is_silence_told = true;
      question.on_silence();
    }
    if (now_ms >= next_send_ms) {
      const bool is_sent =
          connection_->Send(EncodeMessage({Epoch(), ++last_sequence_, question.body})).ok();
      if (is_sent) wait_ms = question.again_ms;
      next_send_ms = now_ms + wait_ms;
    }
    const auto left = static_cast<std::int64_t>(next_send_ms - std::min(next_send_ms, now_ms));
    const std::optional<Message> message =
        Receive(std::clamp<std::int64_t>(left, 1, kCancelCheckMs));
    if (!message) continue;
    was_answered_ = true;
    if (take(message->body)) return Status::Ok();
    if (const auto* refused = std::get_if<Refused>(&message->body)) {
      return Status::Unavailable("the master refuses this: ", Printable(refused->message));
    }
    next_send_ms -= std::min(next_send_ms, MsSince(start));
    start = Clock::now();
  }
}

Result<ClusterStatus> ClusterClient::AskCluster(const CancelToken* cancel) {
  ClusterStatus status;
  MR_RETURN_IF_ERROR(Ask({.body = millrace::AskCluster{}, .cancel = cancel, .on_silence = {}},
                         [&](const MessageBody& body) {
                           const auto* answer = std::get_if<ClusterStatus>(&body);
                           if (answer != nullptr) status = *answer;
                           return answer != nullptr;
                         }));
  return status;
}

Result<RunStatus> ClusterClient::AskRun(const std::string& name, const CancelToken* cancel) {
  RunStatus status;
  MR_RETURN_IF_ERROR(Ask({.body = AskRunStatus{name, 0}, .cancel = cancel, .on_silence = {}},
                         [&](const MessageBody& body) {
                           const auto* answer = std::get_if<RunStatus>(&body);
                           if (answer == nullptr || answer->name != name) return false;
                           status = *answer;
                           return true;
                         }));
  return status;
}

}  // namespace millrace
