// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/transport.h"

#include <chrono>
#include <utility>

#include "mapreduce/transport/zmq_socket.h"

namespace millrace {
namespace {

constexpr std::chrono::milliseconds kRefreshInterval(500);
constexpr std::size_t kNotesMax = 16;

}  // namespace

Transport::Context::Context(std::optional<TransportKeys> keys) : keys_(std::move(keys)) {
  zmq_ctx_set(zmq_.handle(), ZMQ_IO_THREADS, 1);  // connection_guard.h relies on it.
  zmq_ctx_set(zmq_.handle(), ZMQ_MAX_SOCKETS, kSocketsMax);
}

Transport::Context::~Context() {
  if (zap_ != nullptr) zmq_.shutdown();
}

Status Transport::Context::StartAccess() {
  if (!keys_.has_value() || zap_ != nullptr) return Status::Ok();
  if (keys_->allowed == nullptr) {
    return Status::InvalidArgument(
        "to listen with keys, a list of those who may connect is needed");
  }
  MR_ASSIGN_OR_RETURN(zap_, ZapHandler::Start(zmq_, keys_->allowed));
  return Status::Ok();
}

void Transport::Context::RefreshAccess() {
  const auto now = std::chrono::steady_clock::now();
  MutexLock lock(mutex_);
  if (!keys_.has_value() || keys_->allowed == nullptr || now < next_refresh_) return;
  next_refresh_ = now + kRefreshInterval;
  AllowList& allowed = *keys_->allowed;
  const std::uint64_t version = allowed.version();
  const Status status = allowed.Refresh();
  if (notes_.size() >= kNotesMax) return;
  if (!status.ok()) {
    notes_.push_back(status.message() + "; who was allowed before still is");
  } else if (allowed.version() != version) {
    notes_.push_back(allowed.path() + " is taken: " + std::to_string(allowed.key_count()) +
                     " keys");
  }
}

std::vector<std::string> Transport::Context::TakeNotes() {
  std::vector<std::string> notes;
  {
    MutexLock lock(mutex_);
    notes.swap(notes_);
  }
  return notes;
}

std::vector<std::string> Transport::Context::TakeRefusals() {
  std::vector<std::string> refusals;
  if (zap_ != nullptr) refusals = zap_->TakeRefusals();
  for (std::string& refusal : refusals) refusal.insert(0, "refused ");
  return refusals;
}

Transport::Transport(std::optional<TransportKeys> keys)
    : context_(std::make_shared<Context>(std::move(keys))) {}

const std::optional<TransportKeys>& Transport::keys() const { return context_->keys(); }

std::vector<std::string> Transport::TakeNotes() { return context_->TakeNotes(); }

std::vector<std::string> Transport::TakeRefusals() { return context_->TakeRefusals(); }

Transport::~Transport() = default;

}  // namespace millrace
