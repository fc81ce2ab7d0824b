// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_EVENT_LOG_H_
#define MASTER_EVENT_LOG_H_

// The event log of each run: STATE/events/<run>.jsonl, one JSON object a line
// (docs/formats/event-log.md). It is made of journal records that have become durable, so it tells
// of nothing that a restart could take back. It is not durable itself: after a crash some of its
// last lines may be missing, none is there twice.
//
//   Recover(run) ...    Add(record) ... Scheduler::Step(JournalDurable) AddEnds() Flush()  ...
//
// No contents of records: of failures the class, where it was (shard, offset) and what
// logged_reason.h leaves of the message. What names come from elsewhere are cut and, as everything
// that is not ASCII, escaped. Each log has a limit of bytes: behind it only the run's end follows.

#include <cstdint>
#include <memory>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/ids.h"
#include "master/event_files.h"
#include "master/journal_record.h"
#include "master/scheduler.h"

namespace millrace {

/// A moment by the clock on the wall, in milliseconds since 1970, and by one that never jumps.
struct EventTime {
  std::int64_t utc_ms = 0;
  std::uint64_t steady_ms = 0;
};

/// See above. One thread at a time. An event costs some microseconds; a Flush() opens, writes and
/// closes the file of each run that has events.
class EventLog {
 public:
  /// Errors: EventFiles::Open's.
  static Result<std::unique_ptr<EventLog>> Open(const std::string& directory,
                                                const EventFiles::Limits& limits = {});
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;
  ~EventLog();

  /// A run that the journal of an older epoch holds: its log goes on. Of one that is over the log
  /// gets the end, if it lacks it.
  void Recover(const JobRun& run, Epoch epoch, EventTime now);
  /// Of which job the run of this name is, as its plan says: for its first line.
  void SetJob(const std::string& run, const std::string& job);
  /// A durable record, before the scheduler is told that it is. `scheduler` knows the workers.
  void Add(const JournalRecord& record, const Scheduler& scheduler, EventTime now);
  /// The ends among them, after the scheduler was told: it has the totals.
  void AddEnds(const Scheduler& scheduler, EventTime now);
  void Add(const WorkerLeft& left, EventTime now);
  /// Writes what has been added. An error is said once; what is lost by it, is counted, and said in
  /// the log when it can be written again.
  Status Flush();

 private:
  class Writer;  // All of it: JSON is no part of this header.
  explicit EventLog(EventFiles files);

  const std::unique_ptr<Writer> writer_;
};

}  // namespace millrace

#endif  // MASTER_EVENT_LOG_H_
