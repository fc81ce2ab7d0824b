// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/phase_clock.h"

namespace millrace {

std::string_view PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kRead:
      return "read";
    case Phase::kDecompress:
      return "decompress";
    case Phase::kMap:
      return "map";
    case Phase::kCombine:
      return "combine";
    case Phase::kSort:
      return "sort";
    case Phase::kSpill:
      return "spill";
    case Phase::kMerge:
      return "merge";
    case Phase::kReduce:
      return "reduce";
    case Phase::kWrite:
      return "write";
    case Phase::kCount:
      break;
  }
  return "unknown";
}

void PhaseTimes::Merge(const PhaseTimes& other) {
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    const auto& entry = other.entries_[i];
    Add(static_cast<Phase>(i), entry.nanoseconds, entry.bytes);
  }
}

void PhaseTimer::Flush() {
  Switch(phase_);
  const Clock::time_point now = Clock::now();
  const auto nanoseconds = static_cast<double>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now - flushed_at_).count());
  const auto tick_count = static_cast<double>(switched_ticks_ - flushed_ticks_);
  const double tick_ns = tick_count > 0 ? nanoseconds / tick_count : 0;
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    // A counter that stepped back (a moved virtual machine) would give more than there was.
    double ns = static_cast<double>(ticks_[i]) * tick_ns;
    if (!(ns <= nanoseconds)) ns = nanoseconds;
    times_.Add(static_cast<Phase>(i), static_cast<std::uint64_t>(ns), 0);
    ticks_[i] = 0;
  }
  flushed_at_ = now;
  flushed_ticks_ = switched_ticks_;
}

}  // namespace millrace
