// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/zap_handler.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace millrace {
namespace {

constexpr char kEndpoint[] = "inproc://zeromq.zap.01";
constexpr std::size_t kRefusalsMax = 16;

// Frames of a request, RFC 27.
enum RequestFrame { kVersion, kRequestId, kDomain, kAddress, kIdentity, kMechanism, kKey, kCount };

std::optional<PublicKey> KeyOf(const std::string& bytes) {
  PublicKey key;
  if (bytes.size() != key.bytes.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  return key;
}

}  // namespace

Result<std::unique_ptr<ZapHandler>> ZapHandler::Start(zmq::context_t& context,
                                                      std::shared_ptr<const AllowList> allowed) {
  try {
    zmq::socket_t socket(context, zmq::socket_type::rep);
    const int no_linger = 0;
    zmq_setsockopt(socket.handle(), ZMQ_LINGER, &no_linger, sizeof no_linger);
    socket.bind(kEndpoint);
    std::unique_ptr<ZapHandler> handler(new ZapHandler(std::move(socket), std::move(allowed)));
    handler->thread_ = std::thread([raw = handler.get()] {
      // Signals are for the owner's threads.
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, nullptr);
      raw->Serve();
    });
    return handler;
  } catch (const std::exception& error) {
    return Status::Internal("cannot start the check of keys: ", error.what());
  }
}

ZapHandler::~ZapHandler() {
  if (thread_.joinable()) thread_.join();
}

void ZapHandler::Serve() {
  try {
    while (Answer()) {
    }
  } catch (const std::exception&) {
    // No handler is left: whoever connects now is found by its messages (listener.cc).
  }
  socket_.close();
}

// False: the context ends.
bool ZapHandler::Answer() {
  std::vector<std::string> request;
  bool has_more = true;
  while (has_more) {
    zmq::message_t frame;
    try {
      if (!socket_.recv(frame)) continue;
    } catch (const zmq::error_t& error) {
      if (error.num() == EINTR) continue;
      return false;
    }
    has_more = frame.more();
    if (request.size() <= kCount) request.push_back(frame.to_string());
  }
  const bool is_allowed = IsAllowed(request);
  const std::string id = request.size() > kRequestId ? request[kRequestId] : "";
  const std::optional<PublicKey> key =
      request.size() > kKey ? KeyOf(request[kKey]) : std::optional<PublicKey>();
  const std::string user = is_allowed ? key->Hex() : "";
  const std::string_view reply[] = {
      "1.0", id, is_allowed ? "200" : "400", is_allowed ? "OK" : "unknown key", user, ""};
  for (std::size_t i = 0; i < std::size(reply); ++i) {
    const auto flags = i + 1 < std::size(reply) ? zmq::send_flags::sndmore : zmq::send_flags::none;
    socket_.send(zmq::buffer(reply[i]), flags);
  }
  return true;
}

bool ZapHandler::IsAllowed(const std::vector<std::string>& request) {
  if (request.size() != kCount || request[kVersion] != "1.0" || request[kMechanism] != "CURVE") {
    return false;
  }
  const std::optional<PublicKey> key = KeyOf(request[kKey]);
  if (key.has_value() && allowed_->Find(*key).has_value()) return true;
  MutexLock lock(mutex_);
  const std::string refusal = request[kAddress] + ": key " + (key.has_value() ? key->Hex() : "?");
  const bool is_noted = std::find(refusals_.begin(), refusals_.end(), refusal) != refusals_.end();
  if (!is_noted && refusals_.size() < kRefusalsMax) refusals_.push_back(refusal);
  return false;
}

std::vector<std::string> ZapHandler::TakeRefusals() {
  MutexLock lock(mutex_);
  std::vector<std::string> taken(refusals_.begin(), refusals_.end());
  refusals_.clear();
  return taken;
}

}  // namespace millrace
