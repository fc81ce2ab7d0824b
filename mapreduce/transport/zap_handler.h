// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_ZAP_HANDLER_H_
#define MAPREDUCE_TRANSPORT_ZAP_HANDLER_H_

// Decides for ZeroMQ which keys may connect (ZAP, RFC 27). Without a handler ZeroMQ takes every
// key, also when one was there and is gone: so listeners ask again for each message (listener.cc).
// For the sources of this layer alone.

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "mapreduce/base/mutex.h"
#include "mapreduce/base/status.h"
#include "mapreduce/security/allow_list.h"

namespace millrace {

class ZapHandler {
 public:
  /// One for each context, before anything is bound. kInternal.
  static Result<std::unique_ptr<ZapHandler>> Start(zmq::context_t& context,
                                                   std::shared_ptr<const AllowList> allowed);
  /// The context must have been shut down.
  ~ZapHandler();
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  /// "10.0.0.7: key 4f1c…", those who were refused since the last call; some, if they are many.
  std::vector<std::string> TakeRefusals() MR_EXCLUDES(mutex_);

 private:
  ZapHandler(zmq::socket_t socket, std::shared_ptr<const AllowList> allowed)
      : socket_(std::move(socket)), allowed_(std::move(allowed)) {}
  void Serve();
  bool Answer();
  bool IsAllowed(const std::vector<std::string>& request);

  zmq::socket_t socket_;  // The thread's.
  const std::shared_ptr<const AllowList> allowed_;
  Mutex mutex_;
  std::deque<std::string> refusals_ MR_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_ZAP_HANDLER_H_
