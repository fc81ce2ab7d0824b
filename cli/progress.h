// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_PROGRESS_H_
#define CLI_PROGRESS_H_

// How far a run is, on stderr: a bar that is redrawn where stderr is a terminal, otherwise a plain
// line every five seconds, or every minute while it says the same, so that logs stay short.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mapreduce/base/mutex.h"
#include "mapreduce/engine/execute.h"

namespace millrace {

/// How to draw.
struct ProgressStyle {
  bool is_terminal = false;
  bool has_color = false;
  std::size_t columns = 80;

  /// What stderr is: a terminal unless TERM=dumb; NO_COLOR and COLUMNS are honoured.
  static ProgressStyle OfStderr();
};

/// Thread-safe.
class ConsoleProgress : public ProgressSink {
 public:
  explicit ConsoleProgress(const ProgressStyle& style);
  /// Takes the bar away.
  ~ConsoleProgress() override;
  void OnProgress(const Progress& progress) override;
  void OnWarning(std::string_view warning) override;
  /// A message between two looks at the bar.
  void Say(const std::string& message);

 private:
  using Clock = std::chrono::steady_clock;

  const ProgressStyle style_;
  Mutex mutex_;
  std::string stage_ MR_GUARDED_BY(mutex_);
  std::string line_ MR_GUARDED_BY(mutex_);  // The last one printed.
  Clock::time_point stage_start_ MR_GUARDED_BY(mutex_);
  Clock::time_point shown_at_ MR_GUARDED_BY(mutex_);
  bool has_bar_ MR_GUARDED_BY(mutex_) = false;
};

/// "map [=====>     ]  45 %  120.0 MiB/s  0:12 left": at most `columns` wide. `seconds`: since the
/// stage began.
std::string ProgressBar(const Progress& progress, double seconds, const ProgressStyle& style);
/// "stage-1 map: 45 %, 1.2 GiB of 2.7 GiB, 120.0 MiB/s, 0:12 left".
std::string ProgressLine(const Progress& progress, double seconds);

}  // namespace millrace

#endif  // CLI_PROGRESS_H_
