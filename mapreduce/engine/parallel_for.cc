// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/parallel_for.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "mapreduce/base/mutex.h"

namespace millrace {
namespace {

class Loop {
 public:
  Loop(std::size_t count, const std::function<Status(std::size_t)>& f) : count_(count), f_(f) {}

  void Work() {
    while (!failed_.load(std::memory_order_relaxed)) {
      const std::size_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= count_) return;
      const Status status = Call(index);
      if (status.ok()) continue;
      failed_.store(true, std::memory_order_relaxed);
      MutexLock lock(mutex_);
      if (index < error_index_) {
        error_index_ = index;
        error_ = status;
      }
    }
  }

  Status TakeError() {
    MutexLock lock(mutex_);
    return error_;
  }

 private:
  Status Call(std::size_t index) {
    try {
      return f_(index);
    } catch (const std::bad_alloc&) {
      return Status::ResourceLimit("out of memory; close other programs or use a larger machine");
    }
  }

  const std::size_t count_;
  const std::function<Status(std::size_t)>& f_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  Mutex mutex_;
  std::size_t error_index_ MR_GUARDED_BY(mutex_) = std::numeric_limits<std::size_t>::max();
  Status error_ MR_GUARDED_BY(mutex_);
};

}  // namespace

Status ParallelFor(std::size_t count, int threads, const std::function<Status(std::size_t)>& f) {
  Loop loop(count, f);
  {
    std::vector<std::jthread> helpers;
    const std::size_t wanted = std::min<std::size_t>(count, threads > 1 ? threads : 1);
    try {
      while (helpers.size() + 1 < wanted) helpers.emplace_back([&loop] { loop.Work(); });
    } catch (const std::system_error&) {
      // No more threads to be had: those that run do it all.
    }
    loop.Work();
  }
  return loop.TakeError();
}

}  // namespace millrace
