// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_CLUSTER_CLIENT_H_
#define CLI_CLUSTER_CLIENT_H_

// A client's conversation with a master: ask until there is an answer. A master that restarts
// meanwhile, or a connection that breaks, only takes time.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/security/key_folder.h"
#include "mapreduce/transport/connection.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

/// One thread at a time.
class ClusterClient {
 public:
  /// `endpoint`: of --master; `keys`: of --keys. kInvalidArgument for an endpoint that can't be.
  static Result<std::unique_ptr<ClusterClient>> Connect(const std::string& endpoint,
                                                        const std::optional<KeyFolder>& keys);
  ClusterClient(const ClusterClient&) = delete;
  ClusterClient& operator=(const ClusterClient&) = delete;

  const std::string& endpoint() const { return connection_->endpoint(); }

  /// How to ask.
  struct Question {
    MessageBody body;
    std::uint64_t again_ms = 1'000;      ///< Between two times.
    std::uint64_t patience_ms = 10'000;  ///< Without any answer; UINT64_MAX: for ever.
    const CancelToken* cancel = nullptr;
    /// Told once a silent master has been asked for some seconds.
    std::function<void()> on_silence;
  };
  /// Sends the question again and again until a message comes that `take` is true for.
  /// kUnavailable: none came in time, or the master refuses this client; kCancelled.
  Status Ask(const Question& question, const std::function<bool(const MessageBody&)>& take);
  /// Sends without waiting; may be lost.
  void Tell(MessageBody body);

  // The usual questions.
  Result<ClusterStatus> AskCluster(const CancelToken* cancel);
  Result<RunStatus> AskRun(const std::string& name, const CancelToken* cancel);

 private:
  explicit ClusterClient(std::optional<TransportKeys> keys) : transport_(std::move(keys)) {}
  std::optional<Message> Receive(std::int64_t timeout_ms);

  Transport transport_;
  std::unique_ptr<Connection> connection_;
  std::uint64_t last_sequence_ = 0;
  bool was_answered_ = false;
};

/// "no master answers at tcp://…": what to do about it. `trouble`: Connection::HandshakeTrouble().
Status NoMaster(const std::string& endpoint, const std::string& trouble = "");

}  // namespace millrace

#endif  // CLI_CLUSTER_CLIENT_H_
