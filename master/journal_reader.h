// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_JOURNAL_READER_H_
#define MASTER_JOURNAL_READER_H_

// What a state directory holds, read without changing it: the first half of Journal::Open.
//
// Each segment that has begun names the one before it and where that ended, so the segments form a
// tree, and history is the way from the newest one that has begun back to the newest snapshot:
//
//   snapshot 1-2 ◀─ segment 1-2: 7 8 │ 9 10     epoch 3 read 9 and carried it over; 10 was
//                         ▲          └─ void    written after that: it was never acknowledged
//                         ├── segment 2-0       crashed before it began: void
//                         └── segment 3-0: (9) 10 11 ...
//
// Only the last group of the newest begun segment may be torn, or be in the kernel's memory only:
// a group is written when the group before it has been synced. So a bad record is a torn end only
// if no record of a later group is behind it; and whoever goes on from here does so from before
// the last group, and carries its records over. The first group of a segment is its start with what
// that carried over: if it is also the last one, the segment as a whole may vanish, and who goes on
// starts as it does. A start that is not whole is void. What it carried is still where it was.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "master/journal_format.h"

namespace millrace {

/// Who takes in what was journaled. An error stops the reading and is its result.
class JournalVisitor {
 public:
  virtual ~JournalVisitor() = default;
  /// At most once, before all records.
  virtual Status OnSnapshot(std::string_view payload) = 0;
  virtual Status OnRecord(std::string_view payload) = 0;
};

/// The journal's files in a state directory, each list in the order of writing.
struct JournalListing {
  std::vector<JournalFileId> segments;
  std::vector<JournalFileId> snapshots;
  std::vector<JournalFileId> unfinished_snapshots;

  /// 0 where there is nothing.
  std::uint64_t HighestEpoch() const;
};

Result<JournalListing> ListJournal(FileSystem& files, const std::string& directory);

/// What was read.
struct JournalHistory {
  JournalPosition settled;               ///< Behind what will survive a power cut for sure.
  std::vector<std::string> unsettled;    ///< The payloads of the records from there on.
  std::uint64_t record_bytes = 0;        ///< In the files, of what OnRecord was told; each once.
  std::uint64_t dropped_tail_bytes = 0;  ///< Of a torn end: written, but never acknowledged.
};

/// Tells the visitor the newest snapshot and all records behind it. kCorrupt: damage that is no
/// torn end. kInvalidArgument: a file of a newer version. After an error the visitor may have been
/// told a part. Memory: one payload, and those of the last group.
Result<JournalHistory> ReadJournal(FileSystem& files, const std::string& directory,
                                   const JournalListing& listing, JournalVisitor& visitor);

}  // namespace millrace

#endif  // MASTER_JOURNAL_READER_H_
