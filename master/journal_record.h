// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_JOURNAL_RECORD_H_
#define MASTER_JOURNAL_RECORD_H_

// What the master's journal holds: all that a new master must know to carry on. The scheduler's
// state is what these records, applied in order, make of an empty one; what is not here (leases,
// progress, who waits for an answer) comes back with the workers' next messages. journal.proto is
// the form on disk, journal_codec.h goes from one to the other.
//
// A snapshot is a list of such records, too, the shortest that makes the same state: of each run
// RunSubmitted, what SavedPhase and SavedTask add, and where the run stands.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/ids.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

/// A client's run has been taken.
struct RunSubmitted {
  JobRunId run;
  RunSpec spec;
  friend bool operator==(const RunSubmitted&, const RunSubmitted&) = default;
};

/// Before it is durable, the worker hears nothing of it. On a committed task it says, too, that the
/// committed output is lost and was needed.
struct AttemptStarted {
  AttemptId attempt;
  WorkerId worker;
  bool is_backup = false;
  friend bool operator==(const AttemptStarted&, const AttemptStarted&) = default;
};

/// The commit: from now on this attempt's output is the task's.
struct TaskCommitted {
  AttemptId attempt;
  WorkerId worker;
  TaskOutput output;
  friend bool operator==(const TaskCommitted&, const TaskCommitted&) = default;
};

/// What a failed attempt counts against.
enum class Blame {
  kTask,    ///< Its limit of attempts.
  kWorker,  ///< The worker was lost: its limit of losses.
  kSource,  ///< What it read couldn't be had: its limit of those.
};

/// The attempt is over, and the task has to be tried again, or the run ends.
struct AttemptFailed {
  AttemptId attempt;
  WorkerId worker;
  Blame blame = Blame::kTask;
  TaskFailure failure;
  bool sets_record_aside = false;  ///< That at failure.position is skipped from now on.
  friend bool operator==(const AttemptFailed&, const AttemptFailed&) = default;
};

/// The parts of a reduce phase; fixed once, whatever is lost and made again later.
struct BordersFixed {
  PhaseId phase;
  std::vector<std::string> borders;
  friend bool operator==(const BordersFixed&, const BordersFixed&) = default;
};

/// All parts are there: from now on the run is published, again after each crash, until it is done.
struct RunPublishing {
  JobRunId run;
  friend bool operator==(const RunPublishing&, const RunPublishing&) = default;
};

/// With kOk: its output is published.
struct RunEnded {
  JobRunId run;
  StatusCode code = StatusCode::kOk;
  std::string message;
  friend bool operator==(const RunEnded&, const RunEnded&) = default;
};

/// In snapshots alone: a phase's borders and the keys they come from.
struct SavedPhase {
  PhaseId phase;
  std::vector<std::vector<std::string>> samples;  ///< By channel.
  bool has_borders = false;
  std::vector<std::string> borders;
  friend bool operator==(const SavedPhase&, const SavedPhase&) = default;
};

/// An attempt at work.
struct SavedAttempt {
  std::uint32_t number = 0;
  WorkerId worker;
  bool is_backup = false;
  std::uint32_t set_aside_count = 0;  ///< Records it skips.
  friend bool operator==(const SavedAttempt&, const SavedAttempt&) = default;
};

/// A record, and how many attempts have ended at it.
struct SavedCrash {
  RecordPosition position;
  std::uint32_t attempts = 0;
  friend bool operator==(const SavedCrash&, const SavedCrash&) = default;
};

/// In snapshots alone: all there is of a task that has been started.
struct SavedTask {
  TaskId task;
  std::uint32_t attempts_started = 0;
  std::uint32_t committed = 0;  ///< Number of the attempt; 0: none.
  WorkerId holder;
  std::optional<Hash128> digest;
  std::uint32_t given_up = 0;  ///< Number of an attempt whose output is damaged, or out of reach.
  std::optional<TaskOutput> output;  ///< Of the last commit.
  std::vector<SavedAttempt> attempts;
  std::uint32_t failures = 0, losses = 0, source_failures = 0;
  std::vector<WorkerId> failed_on;
  std::vector<SavedCrash> crashes;
  std::vector<RecordPosition> set_aside;
  TaskFailure last_failure;
  friend bool operator==(const SavedTask&, const SavedTask&) = default;
};

using JournalRecord = std::variant<RunSubmitted, AttemptStarted, TaskCommitted, AttemptFailed,
                                   BordersFixed, RunPublishing, RunEnded, SavedPhase, SavedTask>;

}  // namespace millrace

#endif  // MASTER_JOURNAL_RECORD_H_
