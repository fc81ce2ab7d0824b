// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_ACTIVE_RUN_H_
#define MAPREDUCE_ENGINE_ACTIVE_RUN_H_

// The directories that a run would leave behind if the process ended this moment. Whoever must end
// it at once (a second Ctrl-C, a crash in a job's code) calls RemoveActiveRuns() first, which may
// be done in a signal handler.
//
// A slot's state decides who goes on. Removing can only begin while the run is still running; once
// it publishes, nothing is removed (a half-done exchange of the old and the new output is finished
// by the next run instead). A run whose directories are being removed never continues: its thread
// stops in BeginPublish() or in the destructor and the process ends around it.

#include <atomic>
#include <cstddef>
#include <string>

namespace millrace {

class ActiveRun {
 public:
  struct Directory {
    std::string path;              ///< May be "".
    std::size_t parents_made = 0;  ///< So many above it go, too, where nothing else is in them.
  };
  /// Registers up to two directories. Where all slots are taken or a path is too long, nothing is
  /// registered: the next run clears what stays.
  ActiveRun(const Directory& work, const Directory& scratch);
  ActiveRun(const ActiveRun&) = delete;
  ActiveRun& operator=(const ActiveRun&) = delete;
  /// Does not return while the directories are being removed.
  ~ActiveRun();

  /// From here on RemoveActiveRuns() leaves this run alone. Does not return while the directories
  /// are being removed.
  void BeginPublish();

 private:
  int slot_ = -1;
};

/// Removes the directories of every run that is not publishing, as well as it can: other threads
/// may still be creating files, so it tries for up to half a second. Async-signal-safe. Afterwards
/// the process must end.
void RemoveActiveRuns();

/// Whether a run has begun to publish and has not ended. Async-signal-safe.
bool IsAnyRunPublishing();

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_ACTIVE_RUN_H_
