// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/task_pool.h"

#include <algorithm>
#include <new>
#include <thread>
#include <vector>

#include "mapreduce/base/mutex.h"

namespace millrace {
namespace {

/// Hands out task numbers and keeps the error that counts.
class TaskQueue {
 public:
  explicit TaskQueue(std::size_t count) : count_(count) {}

  bool Take(std::size_t* task) {
    MutexLock lock(mutex_);
    if (next_ >= count_ || !status_.ok()) return false;
    *task = next_++;
    return true;
  }
  void Fail(std::size_t task, const Status& status) {
    MutexLock lock(mutex_);
    if (!status_.ok() && task >= failed_task_) return;
    status_ = status;
    failed_task_ = task;
  }
  bool failed() {
    MutexLock lock(mutex_);
    return !status_.ok();
  }
  Status status() {
    MutexLock lock(mutex_);
    return status_;
  }

 private:
  const std::size_t count_;
  Mutex mutex_;
  std::size_t next_ MR_GUARDED_BY(mutex_) = 0;
  Status status_ MR_GUARDED_BY(mutex_);
  std::size_t failed_task_ MR_GUARDED_BY(mutex_) = 0;
};

template <class F>
Status WithoutBadAlloc(F&& f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return Status::ResourceLimit("the system gave no more memory; lower --memory or --parallel");
  }
}

void WorkThrough(TaskQueue& queue, std::size_t count, const CancelToken* cancel,
                 const std::function<Result<std::unique_ptr<Slot>>()>& make_slot) {
  std::size_t task = 0;
  if (!queue.Take(&task)) return;
  std::unique_ptr<Slot> slot;
  const Status made = WithoutBadAlloc([&] {
    MR_ASSIGN_OR_RETURN(slot, make_slot());
    return Status::Ok();
  });
  if (!made.ok()) return queue.Fail(task, made);
  do {
    const Status status = WithoutBadAlloc([&] {
      if (cancel != nullptr && cancel->cancelled()) return Status::Cancelled("cancelled");
      return slot->Run(task);
    });
    if (!status.ok()) queue.Fail(task, status);
  } while (queue.Take(&task));
  if (queue.failed()) return;
  const Status closed = WithoutBadAlloc([&] { return slot->Close(); });
  if (!closed.ok()) queue.Fail(count, closed);
}

}  // namespace

Status RunTasks(std::size_t count, int slots, const CancelToken* cancel,
                const std::function<Result<std::unique_ptr<Slot>>()>& make_slot) {
  TaskQueue queue(count);
  const std::size_t threads = std::min(count, static_cast<std::size_t>(std::max(1, slots)));
  const auto work = [&] { WorkThrough(queue, count, cancel, make_slot); };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
    if (count > 0) work();
  }
  return queue.status();
}

}  // namespace millrace
