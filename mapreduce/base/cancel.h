// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_CANCEL_H_
#define MAPREDUCE_BASE_CANCEL_H_

#include <atomic>

#include "mapreduce/base/status.h"

namespace millrace {

/// Says to all who share it: stop soon. Never taken back. Thread-safe; Cancel() may be called from
/// a signal handler.
class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;

  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  /// One relaxed load.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  /// kCancelled once cancelled.
  Status Check() const;

 private:
  static_assert(std::atomic<bool>::is_always_lock_free);
  std::atomic<bool> cancelled_{false};
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_CANCEL_H_
