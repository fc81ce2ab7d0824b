// SPDX-License-Identifier: Apache-2.0
#include "worker/tree_remover.h"

#include <chrono>
#include <utility>

#include "mapreduce/io/file_system.h"

namespace millrace {
namespace {

constexpr int kTriesMax = 5;
constexpr std::chrono::seconds kBetweenTries{1};

}  // namespace

TreeRemover::TreeRemover() : thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void TreeRemover::Remove(std::string path) {
  MutexLock lock(mutex_);
  paths_.push_back(std::move(path));
  changed_.NotifyAll();
}

void TreeRemover::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    thread_.request_stop();
    changed_.NotifyAll();
  }
  thread_.join();
}

void TreeRemover::Run(const std::stop_token& stop) {
  int tries = 0;
  while (true) {
    std::string path;
    {
      MutexLock lock(mutex_);
      while (paths_.empty() && !stop.stop_requested()) changed_.Wait(mutex_);
      if (stop.stop_requested()) return;
      path = paths_.front();
    }
    const bool is_gone = LocalFileSystem().RemoveTree(path).ok();
    MutexLock lock(mutex_);
    if (is_gone || ++tries == kTriesMax) {
      paths_.pop_front();
      tries = 0;
    } else if (!stop.stop_requested()) {
      changed_.WaitFor(mutex_, kBetweenTries);
    }
  }
}

}  // namespace millrace
