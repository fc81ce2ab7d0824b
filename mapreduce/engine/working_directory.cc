// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/working_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace millrace {

Status WorkingDirectoryScope::Enter(const std::string& directory) {
  if (directory.empty()) return {};
  previous_fd_ = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (previous_fd_ < 0 || chdir(directory.c_str()) != 0) {
    return Status::NotFound("cannot go to ", directory,
                            ", where the run was started: ", std::strerror(errno),
                            "; its inputs lie there");
  }
  return {};
}

WorkingDirectoryScope::~WorkingDirectoryScope() {
  if (previous_fd_ < 0) return;
  if (fchdir(previous_fd_) != 0) {
    // The directory may not be entered any more: the process stays where it is.
  }
  close(previous_fd_);
}

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

}  // namespace millrace
