// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_TREE_REMOVER_H_
#define WORKER_TREE_REMOVER_H_

// Removes folders in a thread of its own, one after the other: a tree of a hundred thousand files,
// or one on a slow disk that others share, must not hold up heartbeats.

#include <deque>
#include <stop_token>
#include <string>
#include <thread>

#include "mapreduce/base/mutex.h"

namespace millrace {

/// Thread-safe.
class TreeRemover {
 public:
  TreeRemover();
  TreeRemover(const TreeRemover&) = delete;
  TreeRemover& operator=(const TreeRemover&) = delete;
  ~TreeRemover() { Stop(); }

  /// Sooner or later. An error is tried again some times; then it is left to whoever clears up.
  void Remove(std::string path);
  /// Waits for the tree that is being removed; the others stay. Later calls to Remove do nothing.
  void Stop();

 private:
  void Run(const std::stop_token& stop);

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::string> paths_ MR_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace millrace

#endif  // WORKER_TREE_REMOVER_H_
