// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_SERVICE_LOG_H_
#define CLI_SERVICE_LOG_H_

// What master and worker say while they are at work:
//
//   2026-11-25T22:17:53Z master: worker 1087… (node-3) is lost: its lease is over
//
// Much of a line comes from elsewhere: names of hosts and runs, messages of others. So it is cut at
// kLineTextBytesMax and escaped: no text makes a second line, or one that a terminal obeys.

#include <cstddef>
#include <functional>
#include <string>

#include "cli/arguments.h"
#include "mapreduce/base/status.h"

namespace millrace {

inline constexpr std::size_t kLineTextBytesMax = 512;  ///< Before it is escaped.

/// Takes one line. One thread at a time; copies share what they write to.
using LineLog = std::function<void(const std::string&)>;

/// As the flags say: --log FILE (mapreduce/io/log_file.h), else stderr, with --quiet nothing. What
/// a full disk takes of the file's lines is counted, and said once there is room. Errors:
/// LogFile::Open's.
Result<LineLog> ServiceLog(const std::string& service, const Arguments& arguments);

/// To the file at `path`; empty: to stderr.
Result<LineLog> ServiceLogTo(const std::string& service, const std::string& path);

}  // namespace millrace

#endif  // CLI_SERVICE_LOG_H_
