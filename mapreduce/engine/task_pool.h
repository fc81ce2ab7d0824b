// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_TASK_POOL_H_
#define MAPREDUCE_ENGINE_TASK_POOL_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "mapreduce/base/cancel.h"
#include "mapreduce/base/status.h"

namespace millrace {

/// What one thread of the pool keeps from task to task.
class Slot {
 public:
  virtual ~Slot() = default;
  /// Tasks of a slot come in the order in which they start.
  virtual Status Run(std::size_t task) = 0;
  /// Behind the slot's last task, if all went well.
  virtual Status Close() = 0;
};

/// Runs tasks 0 … count-1 on up to `slots` threads, each with a slot of its own, starting them in
/// the order `starts` (empty: 0, 1, 2 …). After an error no larger task starts, smaller ones still
/// run, and the error of the smallest task is returned: which one it is depends neither on timing
/// nor on `starts`. std::bad_alloc is kResourceLimit; any other exception, which only a job's code
/// throws, kUserCode.
///
/// `on_failure` (may be null) hears of every task that was started and will not finish, whatever
/// the reason, from the task's thread: who waits for it must wait no longer.
Status RunTasks(std::size_t count, int slots, const CancelToken* cancel,
                const std::function<Result<std::unique_ptr<Slot>>()>& make_slot,
                const std::function<void(std::size_t task)>& on_failure = nullptr,
                const std::vector<std::size_t>& starts = {});

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_TASK_POOL_H_
