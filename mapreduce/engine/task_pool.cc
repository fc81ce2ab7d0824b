// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/task_pool.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "mapreduce/base/mutex.h"
#include "mapreduce/engine/signal_stack.h"
#include "mapreduce/engine/without_exceptions.h"

namespace millrace {
namespace {

/// Hands out task numbers and keeps the error that counts.
class TaskQueue {
 public:
  TaskQueue(std::size_t count, const std::vector<std::size_t>& starts)
      : count_(count), starts_(starts) {}

  bool Take(std::size_t* task) {
    MutexLock lock(mutex_);
    while (next_ < count_) {
      *task = starts_.empty() ? next_ : starts_[next_];
      ++next_;
      if (status_.ok() || *task < failed_task_) return true;
    }
    return false;
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
  const std::vector<std::size_t>& starts_;
  Mutex mutex_;
  std::size_t next_ MR_GUARDED_BY(mutex_) = 0;
  Status status_ MR_GUARDED_BY(mutex_);
  std::size_t failed_task_ MR_GUARDED_BY(mutex_) = 0;
};

/// Runs the tasks of one thread.
void WorkThrough(TaskQueue& queue, std::size_t count, const CancelToken* cancel,
                 const std::function<Result<std::unique_ptr<Slot>>()>& make_slot,
                 const std::function<void(std::size_t)>& on_failure) {
  std::size_t task = 0;
  if (!queue.Take(&task)) return;
  const auto fail = [&](const Status& status) {
    queue.Fail(task, status);
    if (on_failure != nullptr) on_failure(task);
  };
  std::unique_ptr<Slot> slot;
  const Status made = WithoutExceptions([&] {
    MR_ASSIGN_OR_RETURN(slot, make_slot());
    return Status::Ok();
  });
  if (!made.ok()) return fail(made);
  do {
    const Status status = WithoutExceptions([&] {
      if (cancel != nullptr && cancel->cancelled()) return Status::Cancelled("cancelled");
      return slot->Run(task);
    });
    if (!status.ok()) fail(status);
  } while (queue.Take(&task));
  if (queue.failed()) return;
  const Status closed = WithoutExceptions([&] { return slot->Close(); });
  if (!closed.ok()) queue.Fail(count, closed);
}

}  // namespace

Status RunTasks(std::size_t count, int slots, const CancelToken* cancel,
                const std::function<Result<std::unique_ptr<Slot>>()>& make_slot,
                const std::function<void(std::size_t task)>& on_failure,
                const std::vector<std::size_t>& starts) {
  TaskQueue queue(count, starts);
  const std::size_t threads = std::min(count, static_cast<std::size_t>(std::max(1, slots)));
  const auto work = [&] {
    const SignalStack stack;  // So that a job's stack overflow can still be reported.
    WorkThrough(queue, count, cancel, make_slot, on_failure);
  };
  {
    std::vector<std::jthread> others;
    others.reserve(threads);
    try {
      while (others.size() + 1 < threads) others.emplace_back(work);
    } catch (const std::system_error&) {
      // The system gives no more threads: those there are do the work.
    } catch (const std::bad_alloc&) {
    }
    if (count > 0) work();
  }
  return queue.status();
}

}  // namespace millrace
