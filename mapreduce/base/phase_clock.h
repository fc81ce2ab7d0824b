// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_BASE_PHASE_CLOCK_H_
#define MAPREDUCE_BASE_PHASE_CLOCK_H_

// Where a task's time goes: the table at the end of every run. A thread is in one phase at a time
// and says when it changes; that costs one reading of the CPU's time stamp counter. How long a tick
// is comes from the steady clock, read at the timer's start and at each Flush.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace {

enum class Phase {
  kRead,
  kDecompress,
  kMap,
  kCombine,
  kSort,
  kSpill,
  kMerge,
  kReduce,
  kWrite,
  kCount
};

inline constexpr std::size_t kPhaseCount = static_cast<std::size_t>(Phase::kCount);

/// "read", "decompress", "map" …
std::string_view PhaseName(Phase phase);

/// Nanoseconds and bytes per phase. One thread at a time.
class PhaseTimes {
 public:
  void Add(Phase phase, std::uint64_t nanoseconds, std::uint64_t bytes) {
    Entry& entry = entries_[static_cast<std::size_t>(phase)];
    entry.nanoseconds += nanoseconds;
    entry.bytes += bytes;
  }
  void Merge(const PhaseTimes& other);
  std::uint64_t nanoseconds(Phase phase) const {
    return entries_[static_cast<std::size_t>(phase)].nanoseconds;
  }
  std::uint64_t bytes(Phase phase) const { return entries_[static_cast<std::size_t>(phase)].bytes; }

 private:
  struct Entry {
    std::uint64_t nanoseconds = 0;
    std::uint64_t bytes = 0;
  };
  std::array<Entry, kPhaseCount> entries_;
};

/// Attributes the time since the last Switch to the phase that was current. One thread at a time.
/// `times` gets it at Flush() and at destruction, and must outlive the timer.
///
///   const Phase previous = timer.Switch(Phase::kSort);
///   Sort();
///   timer.Switch(previous);
class PhaseTimer {
 public:
  explicit PhaseTimer(PhaseTimes& times, Phase phase = Phase::kMap)
      : times_(times),
        phase_(phase),
        flushed_at_(Clock::now()),
        flushed_ticks_(Ticks()),
        switched_ticks_(flushed_ticks_) {}
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;
  ~PhaseTimer() { Flush(); }

  /// Makes `phase` the current one; returns the one before.
  Phase Switch(Phase phase) {
    const std::uint64_t now = Ticks();
    ticks_[static_cast<std::size_t>(phase_)] += now - switched_ticks_;
    switched_ticks_ = now;
    const Phase previous = phase_;
    phase_ = phase;
    return previous;
  }
  Phase phase() const { return phase_; }

  /// Counts bytes that went through `phase`.
  void AddBytes(Phase phase, std::uint64_t bytes) { times_.Add(phase, 0, bytes); }

  /// Adds the time so far to `times`, whose sum is then the time since the timer's start.
  void Flush();

 private:
  using Clock = std::chrono::steady_clock;

  static std::uint64_t Ticks() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();  // <x86intrin.h> takes 0.7 s of each compilation.
#else
    return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
#endif
  }

  PhaseTimes& times_;
  Phase phase_;
  Clock::time_point flushed_at_;
  std::uint64_t flushed_ticks_;
  std::uint64_t switched_ticks_;
  std::array<std::uint64_t, kPhaseCount> ticks_{};
};

/// Switches to `phase` for its scope; does nothing without a timer.
class PhaseScope {
 public:
  PhaseScope(PhaseTimer* timer, Phase phase) : timer_(timer) {
    if (timer_ != nullptr) previous_ = timer_->Switch(phase);
  }
  ~PhaseScope() {
    if (timer_ != nullptr) timer_->Switch(previous_);
  }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  PhaseTimer* const timer_;
  Phase previous_ = Phase::kMap;
};

}  // namespace millrace

#endif  // MAPREDUCE_BASE_PHASE_CLOCK_H_
