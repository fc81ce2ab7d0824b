// SPDX-License-Identifier: Apache-2.0
#include "master/backup_policy.h"

#include <algorithm>
#include <bit>

namespace millrace {
namespace {

std::uint64_t Speed(std::uint64_t bytes, std::uint64_t elapsed_ms) {
  constexpr std::uint64_t kBytesMax = UINT64_MAX >> 10;
  return (std::min(bytes, kBytesMax) << 10) / std::max<std::uint64_t>(1, elapsed_ms);
}

// Step 4 * o + q begins at 2^o + q * 2^(o-2).
std::size_t StepOf(std::uint64_t number) {
  if (number < 4) return static_cast<std::size_t>(number);
  const auto octave = static_cast<std::size_t>(std::bit_width(number)) - 1;
  return 4 * octave + static_cast<std::size_t>(number >> (octave - 2) & 3);
}

std::uint64_t StepBegin(std::size_t step) {
  const std::size_t octave = step / 4;
  if (octave < 2) return step;
  return (std::uint64_t{4} + step % 4) << (octave - 2);
}

}  // namespace

void LogHistogram::Add(std::uint64_t number) {
  ++steps_[StepOf(number)];
  ++count_;
}

std::uint64_t LogHistogram::Median() const {
  std::uint32_t seen = 0;
  for (std::size_t step = 0; step < kSteps; ++step) {
    seen += steps_[step];
    if (seen > count_ / 2) return StepBegin(step);
  }
  return 0;
}

void PhasePace::Add(std::uint64_t bytes, std::uint64_t elapsed_ms) {
  elapsed_ms_.Add(elapsed_ms);
  speed_.Add(Speed(bytes, elapsed_ms));
}

bool IsStraggler(const PhasePace& phase, std::uint64_t bytes, std::uint64_t elapsed_ms,
                 const BackupLimits& limits) {
  if (elapsed_ms < limits.elapsed_ms_min || phase.count() < limits.committed_min) return false;
  return elapsed_ms / limits.slowdown >= phase.MedianMs() &&
         Speed(bytes, elapsed_ms) < phase.MedianSpeed() / limits.slowdown;
}

}  // namespace millrace
