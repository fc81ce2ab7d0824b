// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/key_self_test.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "mapreduce/base/bytes.h"
#include "mapreduce/transport/connection.h"
#include "mapreduce/transport/endpoint.h"
#include "mapreduce/transport/poller.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience(5);
constexpr std::int64_t kStepMs = 5;

// Where this process reaches its own listener.
Result<Endpoint> OwnEndpoint(const Listener& listener, const PublicKey& key) {
  MR_ASSIGN_OR_RETURN(Endpoint endpoint, Endpoint::Parse(listener.endpoint()));
  if (endpoint.host == "0.0.0.0" || endpoint.host == "[::]") {
    const std::string host = endpoint.is_ipv6() ? "[::1]" : "127.0.0.1";
    const std::string text = "tcp://" + host + ":" + std::to_string(endpoint.port);
    MR_ASSIGN_OR_RETURN(endpoint, Endpoint::Parse(text));
  }
  endpoint.key = key;
  return endpoint;
}

enum class Fate { kTaken, kRefused, kUndecided };

// What becomes of one that connects with `own`.
Result<Fate> FateOf(const KeyPair& own, const Endpoint& endpoint, Listener& listener) {
  Transport transport{TransportKeys{own, nullptr}};
  const ClientId self{LoadLittle64(reinterpret_cast<const char*>(own.public_key.bytes.data()))};
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                      Connection::Connect(transport, endpoint, self, kControlLimits));
  Poller poller;
  poller.Add(*connection);
  poller.Add(listener);
  for (const Clock::time_point end = Clock::now() + kPatience; Clock::now() < end;) {
    static_cast<void>(connection->Send("key self-test"));
    MR_RETURN_IF_ERROR(poller.Wait(kStepMs).error());
    while (const std::optional<Received> received = listener.Receive()) {
      if (received->from == Address(self)) return Fate::kTaken;
    }
    if (connection->stats().unknown_keys > 0) return Fate::kRefused;
  }
  return Fate::kUndecided;
}

Status NothingCameThrough(const Listener& listener) {
  return Status::Unavailable("nothing came through to ", listener.endpoint(),
                             " from this machine itself within 5 s, so nobody may reach it: look ",
                             "at its firewall, and whether the loopback is up");
}

}  // namespace

Status TestKeys(Transport& transport, Listener& listener) {
  if (!transport.keys()) return Status::Ok();
  const PublicKey& here = transport.keys()->own.public_key;
  MR_ASSIGN_OR_RETURN(const Endpoint endpoint, OwnEndpoint(listener, here));
  MR_ASSIGN_OR_RETURN(const Fate stranger, FateOf(KeyPair::Make(), endpoint, listener));
  if (stranger == Fate::kUndecided) return NothingCameThrough(listener);
  if (stranger == Fate::kTaken) {
    return Status::Internal("a key that nobody knows was not refused at ", listener.endpoint(),
                            ": keys are not checked here, so nothing is served");
  }
  const KeyPair guest = KeyPair::Make();
  transport.keys()->allowed->Add({KeyRole::kViewer, "self-test", guest.public_key});
  const Result<Fate> known = FateOf(guest, endpoint, listener);
  transport.keys()->allowed->Forget(guest.public_key);
  MR_RETURN_IF_ERROR(known.error());
  if (*known == Fate::kTaken) return Status::Ok();
  return NothingCameThrough(listener);
}

}  // namespace millrace
