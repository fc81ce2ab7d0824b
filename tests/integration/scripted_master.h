// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_INTEGRATION_SCRIPTED_MASTER_H_
#define TESTS_INTEGRATION_SCRIPTED_MASTER_H_

// A master that decides nothing: it welcomes workers, answers their heartbeats, sends them the plan
// and the module that a test gave it, and keeps all else that they say for the test.
//
//   ScriptedMaster master;
//   Process worker(Command({"worker", "--master", master.endpoint(), ...}), root_);
//   const WorkerId id = master.AwaitWorker();
//   master.Send(id, StartTask{...});
//   const std::optional<TaskDone> done = master.Await<TaskDone>(id);

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "mapreduce/proto/messages.h"
#include "mapreduce/proto/wire_codec.h"
#include "mapreduce/transport/listener.h"
#include "mapreduce/transport/poller.h"
#include "mapreduce/transport/transport.h"

namespace millrace {

/// See above. One thread.
class ScriptedMaster {
 public:
  static constexpr std::chrono::seconds kPatience{30};

  explicit ScriptedMaster(std::optional<TransportKeys> keys = std::nullopt)
      : transport_(std::move(keys)) {
    auto listener =
        Listener::Bind(transport_, *Endpoint::Parse("tcp://127.0.0.1:*"), kControlLimits);
    EXPECT_TRUE(listener.ok());
    listener_ = *std::move(listener);
    poller_.Add(*listener_);
  }

  RunPlan plan;                      ///< Sent to whoever asks.
  std::string module;                ///< Its bytes; empty: it is lost.
  int files_wanted = 0;              ///< Questions for it.
  bool refuses = false;              ///< Each worker.
  std::map<WorkerId, Hello> hellos;  ///< The last one of each.
  int heartbeats = 0;

  const std::string& endpoint() const { return listener_->endpoint(); }
  Transport& transport() { return transport_; }

  void Send(WorkerId to, MessageBody body) {
    SendFrame(to, EncodeMessage({Epoch{1}, ++sequence_, std::move(body)}));
  }
  /// Tries until it is on its way.
  void Order(WorkerId to, MessageBody body) {
    std::string frame = EncodeMessage({Epoch{1}, ++sequence_, std::move(body)});
    EXPECT_TRUE(AwaitThat([&] { return listener_->Send(to, std::move(frame)).ok(); }));
  }
  void SendFrame(WorkerId to, std::string frame) {
    static_cast<void>(listener_->Send(to, std::move(frame)));
  }

  /// A worker that no earlier call has returned; it was welcomed.
  WorkerId AwaitWorker() {
    WorkerId found;
    EXPECT_TRUE(AwaitThat([&] {
      for (const auto& [id, hello] : hellos) {
        if (!known_.contains(id)) found = id;
      }
      return found != WorkerId();
    }));
    known_.insert(found);
    return found;
  }
  /// The next message of this kind; nothing, and the test fails, if none comes.
  template <class Body>
  std::optional<Body> Await(WorkerId from) {
    std::optional<Body> found;
    EXPECT_TRUE(AwaitThat([&] {
      for (auto at = said_.begin(); at != said_.end(); ++at) {
        auto* const body = std::get_if<Body>(&at->second);
        if (at->first != from || body == nullptr) continue;
        found = std::move(*body);
        said_.erase(at);
        return true;
      }
      return false;
    })) << "no answer";
    return found;
  }
  /// Serves until `is_so`; false: it took too long.
  template <class Claim>
  bool AwaitThat(const Claim& is_so) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      if (!poller_.Wait(20).ok()) return false;
      Serve();
    }
    return true;
  }

 private:
  void Serve() {
    while (const std::optional<Received> received = listener_->Receive()) {
      const auto* const from = std::get_if<WorkerId>(&received->from);
      const Result<Message> message = DecodeMessage(received->frame.view());
      ASSERT_NE(from, nullptr);
      ASSERT_TRUE(message.ok()) << message.error().message();
      Answer(*from, *message);
    }
  }
  void Answer(WorkerId from, const Message& message) {
    if (const auto* hello = std::get_if<Hello>(&message.body)) {
      if (refuses) return Send(from, Refused{"it is another build"});
      if (message.epoch != Epoch{1}) return Send(from, HelloWanted{});
      hellos[from] = *hello;
      Send(from, Welcome{message.sequence, 500, 20'000, 0, {}, {}, /*cluster=*/1});
    } else if (std::holds_alternative<Heartbeat>(message.body)) {
      ++heartbeats;
      Send(from, HeartbeatAck{message.sequence});
    } else if (std::holds_alternative<PlanWanted>(message.body)) {
      Send(from, plan);
    } else if (const auto* wanted = std::get_if<FileWanted>(&message.body)) {
      ++files_wanted;
      Send(from, FileData{wanted->hash, wanted->offset, module.size(),
                          module.substr(std::min<std::size_t>(wanted->offset, module.size()),
                                        kFilePieceBytesMax)});
    } else {
      said_.emplace_back(from, message.body);
    }
  }

  Transport transport_;
  std::unique_ptr<Listener> listener_;
  Poller poller_;
  std::uint64_t sequence_ = 0;
  std::set<WorkerId> known_;
  std::deque<std::pair<WorkerId, MessageBody>> said_;
};

}  // namespace millrace

#endif  // TESTS_INTEGRATION_SCRIPTED_MASTER_H_
