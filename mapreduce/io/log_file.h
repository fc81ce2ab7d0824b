// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_LOG_FILE_H_
#define MAPREDUCE_IO_LOG_FILE_H_

// A file to which lines are appended for as long as a process lives, and which others may rename
// meanwhile, as logrotate does. Before each line one looks whether the path still means the open
// file; if not, the line goes to a new one there. So no signal is needed, and no line is lost: each
// goes, by one write, to the file as it is called now or was a moment ago.
//
//   line 1, line 2 -> log          rename log log.1          line 3 -> log (new); 1, 2 in log.1
//
// Where a disk is full a line may go out in part. Its rest is the first to be written once there is
// room: what is in the file are whole lines, but for its last one if the process ends, or the file
// is renamed, before.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/io/descriptor.h"

namespace millrace {

/// See above. One thread at a time.
class LogFile {
 public:
  /// A regular file, made with mode 0600 if there is none; its last part may not be a symbolic
  /// link. Errors: kCannotCreate, kResourceLimit, which name the path.
  static Result<std::unique_ptr<LogFile>> Open(const std::string& path);
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  /// Requires: `line` ends with its only line break. kResourceLimit: it is lost, and nothing of it
  /// is in the file. The message is the kernel's alone ("No space left on device").
  Status Append(std::string_view line);

 private:
  LogFile(std::string path, Descriptor fd) : path_(std::move(path)) { fd_.emplace(std::move(fd)); }
  bool HasMoved() const;
  Status FollowName();

  const std::string path_;
  std::optional<Descriptor> fd_;  // Always there; optional, so that it can become another.
  std::string rest_;              // Of a line that went out in part.
};

}  // namespace millrace

#endif  // MAPREDUCE_IO_LOG_FILE_H_
