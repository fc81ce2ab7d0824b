// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_BACKUP_POLICY_H_
#define MASTER_BACKUP_POLICY_H_

// When a second attempt is worth starting beside one that still runs (Dean & Ghemawat 2004, section
// 3.6). Never early: a large task takes long on a healthy worker, too, and a small one reads few
// bytes a second, since it has costs of its own. So the attempt must take far longer than most
// attempts of its phase that committed, and have read, per second, far less.

#include <array>
#include <cstddef>
#include <cstdint>

namespace millrace {

/// Counts of numbers on a logarithmic scale of four steps an octave: a median costs nothing to
/// keep, however many there are.
class LogHistogram {
 public:
  void Add(std::uint64_t number);
  std::uint32_t count() const { return count_; }
  /// Rounded down to the scale; 0 where nothing was added.
  std::uint64_t Median() const;

 private:
  static constexpr std::size_t kSteps = 4 * 64;
  std::array<std::uint32_t, kSteps> steps_{};
  std::uint32_t count_ = 0;
};

/// What the committed attempts of a phase took.
class PhasePace {
 public:
  void Add(std::uint64_t bytes, std::uint64_t elapsed_ms);
  std::uint32_t count() const { return elapsed_ms_.count(); }
  std::uint64_t MedianMs() const { return elapsed_ms_.Median(); }
  /// Bytes in 1,024 ms: a shift makes it a whole number.
  std::uint64_t MedianSpeed() const { return speed_.Median(); }

 private:
  LogHistogram elapsed_ms_;
  LogHistogram speed_;
};

/// What counts as evidence.
struct BackupLimits {
  std::uint64_t elapsed_ms_min = 10'000;  ///< No attempt is slow before.
  std::uint64_t slowdown = 3;             ///< So many times slower, and longer, than the median.
  std::uint32_t committed_min = 3;        ///< Before so many there is no evidence.
};

/// Whether an attempt that has read `bytes` in `elapsed_ms` is to be backed up.
bool IsStraggler(const PhasePace& phase, std::uint64_t bytes, std::uint64_t elapsed_ms,
                 const BackupLimits& limits);

}  // namespace millrace

#endif  // MASTER_BACKUP_POLICY_H_
