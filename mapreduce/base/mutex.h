// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_MUTEX_H_
#define MAPREDUCE_BASE_MUTEX_H_

// std::mutex with the names that clang's thread safety analysis checks (-Wthread-safety):
//
//   Mutex mutex_;
//   int count_ MR_GUARDED_BY(mutex_) = 0;
//   void Add() MR_EXCLUDES(mutex_) { MutexLock lock(mutex_); ++count_; }

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define MR_THREAD_ATTRIBUTE_(x) __attribute__((x))
#else
#define MR_THREAD_ATTRIBUTE_(x)
#endif

#define MR_CAPABILITY(x) MR_THREAD_ATTRIBUTE_(capability(x))
#define MR_SCOPED_CAPABILITY MR_THREAD_ATTRIBUTE_(scoped_lockable)
#define MR_GUARDED_BY(x) MR_THREAD_ATTRIBUTE_(guarded_by(x))
#define MR_PT_GUARDED_BY(x) MR_THREAD_ATTRIBUTE_(pt_guarded_by(x))
#define MR_REQUIRES(...) MR_THREAD_ATTRIBUTE_(requires_capability(__VA_ARGS__))
#define MR_EXCLUDES(...) MR_THREAD_ATTRIBUTE_(locks_excluded(__VA_ARGS__))
#define MR_ACQUIRE(...) MR_THREAD_ATTRIBUTE_(acquire_capability(__VA_ARGS__))
#define MR_TRY_ACQUIRE(...) MR_THREAD_ATTRIBUTE_(try_acquire_capability(__VA_ARGS__))
#define MR_RELEASE(...) MR_THREAD_ATTRIBUTE_(release_capability(__VA_ARGS__))
#define MR_RETURN_CAPABILITY(x) MR_THREAD_ATTRIBUTE_(lock_returned(x))
#define MR_NO_THREAD_SAFETY_ANALYSIS MR_THREAD_ATTRIBUTE_(no_thread_safety_analysis)

namespace millrace {

class CondVar;

/// Not recursive.
class MR_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() MR_ACQUIRE() { mutex_.lock(); }
  void Unlock() MR_RELEASE() { mutex_.unlock(); }
  bool TryLock() MR_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

/// Holds the mutex for its scope.
class MR_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MR_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() MR_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Wait in a loop that checks the condition: wake-ups may be spurious.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  /// Gives the mutex up while waiting.
  void Wait(Mutex& mutex) MR_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  /// As Wait, but at most about `duration`; false when that has passed.
  template <class Duration>
  bool WaitFor(Mutex& mutex, Duration duration) MR_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const std::cv_status status = condition_.wait_for(lock, duration);
    lock.release();
    return status == std::cv_status::no_timeout;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_MUTEX_H_
