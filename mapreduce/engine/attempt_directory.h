// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_ATTEMPT_DIRECTORY_H_
#define MAPREDUCE_ENGINE_ATTEMPT_DIRECTORY_H_

// Where a run of a cluster keeps what is not published yet: names that the master, which makes and
// moves it all, and the workers, which write into it, must agree on. master/run_output.h shows the
// whole.

#include <string>

#include "mapreduce/proto/ids.h"

namespace millrace {

/// The hidden folder beside `output`.
std::string RunWorkDirectory(const std::string& output);
/// Where the attempt writes its parts, its file of a table, and its file of rejects.
std::string AttemptDirectory(const std::string& output, const AttemptId& attempt);
/// Where the master makes _rejects.tsv, and the folder that it may sort it in.
std::string RunRejectsPath(const std::string& output);
std::string RunSortDirectory(const std::string& output);

/// In that folder the file of a table, where the attempt makes one. Never published.
inline constexpr char kTableFileName[] = ".table";
/// The file of rejects, where they are too many for the attempt's report. Likewise.
inline constexpr char kRejectFileName[] = ".rejects";

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_ATTEMPT_DIRECTORY_H_
