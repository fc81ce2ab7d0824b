// SPDX-License-Identifier: Apache-2.0
#include "cli/sudden_end.h"

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cli/json_report.h"
#include "cli/signal_text.h"
#include "mapreduce/engine/active_run.h"

namespace millrace {
namespace {

std::atomic<bool> is_claimed{false};

// The failure line in three pieces: … "exit": | "error":" | the rest …
constexpr int kPlaceholderExit = 987654321;
constexpr char kPlaceholderError[] = "@error@";
constexpr std::size_t kPieceBytes = 8192;
struct FailureLine {
  std::atomic<bool> is_ready{false};
  char before_exit[kPieceBytes];
  char before_error[kPieceBytes];
  char after_error[kPieceBytes];
};
FailureLine failure_line;

bool Store(const std::string& piece, char* to) {
  if (piece.size() >= kPieceBytes) return false;
  std::memcpy(to, piece.c_str(), piece.size() + 1);
  return true;
}

}  // namespace

bool ClaimEnd() { return !is_claimed.exchange(true); }

void ClaimEndOrWait() {
  if (ClaimEnd()) return;
  while (true) pause();
}

void ResetEnd() {
  is_claimed.store(false);
  failure_line.is_ready.store(false);
}

void PrepareFailureLine(const std::string& output) {
  const std::string line = JsonFailure(kPlaceholderExit, kPlaceholderError, output, 0);
  const std::string exit_text = std::to_string(kPlaceholderExit);
  const std::size_t exit_at = line.find(exit_text);
  const std::size_t error_at = line.find(kPlaceholderError);
  const std::size_t after_exit = exit_at + exit_text.size();
  const std::size_t after_error = error_at + std::strlen(kPlaceholderError);
  failure_line.is_ready.store(
      Store(line.substr(0, exit_at), failure_line.before_exit) &&
      Store(line.substr(after_exit, error_at - after_exit), failure_line.before_error) &&
      Store(line.substr(after_error), failure_line.after_error));
}

void SayAndClear(const char* message) {
  // Static: a handler's stack is small. The claim made this the only thread.
  static SignalText text;
  text.Add("millrace: ").AddPrintable(message).Add("\n");
  text.Write(STDERR_FILENO);
  RemoveActiveRuns();
}

void EndSuddenly(int exit_code, const char* message) {
  SayAndClear(message);
  if (failure_line.is_ready.load()) {
    static SignalText json;
    json.Add(failure_line.before_exit).AddNumber(static_cast<std::uint64_t>(exit_code));
    json.Add(failure_line.before_error).AddJson(message).Add(failure_line.after_error);
    json.Write(STDOUT_FILENO);
  }
  _exit(exit_code);
}

}  // namespace millrace
