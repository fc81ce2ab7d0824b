// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_TEXT_QUEUE_H_
#define MAPREDUCE_FORMATS_TEXT_QUEUE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/base/mutex.h"

namespace millrace {

/// Text on its way from one thread to another. Bounded: who puts waits where much is there.
/// Thread-safe; one puts, one takes.
class TextQueue {
 public:
  /// False: nobody takes any more.
  bool Put(std::string_view text) MR_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (text_.size() >= kBytesMax && !is_refused_) changed_.Wait(mutex_);
    if (is_refused_) return false;
    text_.append(text);
    changed_.NotifyAll();
    return true;
  }
  /// No more comes.
  void End() MR_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    has_ended_ = true;
    changed_.NotifyAll();
  }
  /// Whoever puts does it in vain from now on.
  void Refuse() MR_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    is_refused_ = true;
    changed_.NotifyAll();
  }

  /// Replaces `text` by what has come, waiting for some; empty at the end.
  void Take(std::string* text) MR_EXCLUDES(mutex_) {
    text->clear();
    MutexLock lock(mutex_);
    while (text_.empty() && !has_ended_) changed_.Wait(mutex_);
    std::swap(*text, text_);
    changed_.NotifyAll();
  }

 private:
  static constexpr std::size_t kBytesMax = std::size_t{1} << 20;

  Mutex mutex_;
  CondVar changed_;
  std::string text_ MR_GUARDED_BY(mutex_);
  bool has_ended_ MR_GUARDED_BY(mutex_) = false;
  bool is_refused_ MR_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_TEXT_QUEUE_H_
