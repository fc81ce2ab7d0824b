// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_TASK_REPORT_H_
#define MAPREDUCE_ENGINE_TASK_REPORT_H_

// What a task gave (single_task.h) as what its worker reports (messages.h).

#include <cstdint>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/single_task.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/limits.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

/// More rejects than this go into a file: the master keeps all reports in memory, and in its
/// journal.
inline constexpr std::uint64_t kReportedRejectBytesMax = std::uint64_t{64} << 10;

/// Where a task's rejects go that are too many for its report: into kRejectFileName.
struct RejectPlace {
  std::string directory;  ///< The attempt's: exists, and has no such file; "": they can't be many.
  std::uint64_t reported_bytes_max = kReportedRejectBytesMax;  ///< Tests: fewer; so is the next.
  std::uint64_t file_bytes_max = kRejectFileBytesMax;
};

/// The file of rejects, where there is one, is durable, and so is its name. Errors: what reading
/// and writing give; kBadData for more rejects than the file may have; kResourceLimit for longer
/// keys or more blocks than a report may hold.
Result<TaskOutput> OutputOf(FileSystem& files, const MapTaskResult& result,
                            const RejectPlace& place);
/// As above; `bytes_in` is the caller's to set: he knows what was fetched.
Result<TaskOutput> OutputOf(FileSystem& files, const ReduceTaskResult& result,
                            const RejectPlace& place);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_TASK_REPORT_H_
