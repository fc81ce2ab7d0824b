// SPDX-License-Identifier: Apache-2.0
#include "cli/console.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

// 0, or errno of the write that failed.
int WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

int ExitCode(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kInvalidArgument:
      return kExitUsage;
    case StatusCode::kBadData:
    case StatusCode::kCorrupt:
      return kExitBadData;
    case StatusCode::kNotFound:
      return 66;
    case StatusCode::kUserCode:
    case StatusCode::kDiverged:
    case StatusCode::kInternal:
      return kExitUserCode;
    case StatusCode::kCannotCreate:
      return 73;
    case StatusCode::kUnavailable:
      return 75;
    case StatusCode::kResourceLimit:
    case StatusCode::kStale:
      return kExitFailed;
    case StatusCode::kCancelled:
      return kExitInterrupted;
  }
  return kExitFailed;
}

// Lines of a list ("\n  ") stay lines; whatever else could play tricks on a terminal is escaped.
void PrintMessage(std::string_view text) {
  constexpr std::string_view kNextLine = "\n  ";
  std::string printed = "millrace: ";
  for (std::size_t next; (next = text.find(kNextLine)) != std::string_view::npos;) {
    printed += Printable(text.substr(0, next)).append(kNextLine);
    text.remove_prefix(next + kNextLine.size());
  }
  WriteStderr(printed + Printable(text) + "\n");
}

void WriteStderr(std::string_view text) {
  // Where stderr can't be written to there is nobody to tell.
  static_cast<void>(WriteAll(STDERR_FILENO, text));
}

Status WriteStdout(std::string_view text) {
  const int error = WriteAll(STDOUT_FILENO, text);
  if (error == 0) return {};
  if (error == EPIPE) return Status::Cancelled("nobody reads stdout");
  return Status::ResourceLimit("cannot write to stdout: ", std::strerror(error));
}

int FinishStdout(const Status& status) {
  if (status.ok() || status.code() == StatusCode::kCancelled) return kExitOk;
  PrintMessage(status.message());
  return ExitCode(status);
}

}  // namespace millrace
