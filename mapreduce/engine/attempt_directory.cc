// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/attempt_directory.h"

#include <sstream>
#include <utility>

#include "mapreduce/io/file_system.h"

namespace millrace {
namespace {

std::string BaseName(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

std::string RunWorkDirectory(const std::string& output) {
  return JoinPath(ParentPath(output), "." + BaseName(output) + ".run");
}

std::string RunRejectsPath(const std::string& output) {
  return JoinPath(RunWorkDirectory(output), "rejects");
}

std::string RunSortDirectory(const std::string& output) {
  return JoinPath(RunWorkDirectory(output), "sorted");
}

std::string AttemptDirectory(const std::string& output, const AttemptId& attempt) {
  std::ostringstream name;
  name << "attempts/" << attempt.task.phase.run.value << "-" << attempt.task.phase.index << "-"
       << attempt.task.index << "-" << attempt.number;
  return JoinPath(RunWorkDirectory(output), std::move(name).str());
}

}  // namespace millrace
