// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_WORKING_DIRECTORY_H_
#define MAPREDUCE_ENGINE_WORKING_DIRECTORY_H_

// A plan's relative paths start where its run was started. Whoever reads the plan's inputs again
// goes there for that time, so that paths, and with them rejects and messages, are the same.

#include <string>

#include "mapreduce/base/status.h"

namespace millrace {

/// The process's working directory is another one for this object's life. Not thread-safe.
class WorkingDirectoryScope {
 public:
  WorkingDirectoryScope() = default;
  WorkingDirectoryScope(const WorkingDirectoryScope&) = delete;
  WorkingDirectoryScope& operator=(const WorkingDirectoryScope&) = delete;
  ~WorkingDirectoryScope();

  /// Goes to `directory`; "" stays. kNotFound if that can't be done. Call once.
  Status Enter(const std::string& directory);

 private:
  int previous_fd_ = -1;
};

/// `path` as seen from anywhere.
std::string AbsolutePath(const std::string& path);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_WORKING_DIRECTORY_H_
