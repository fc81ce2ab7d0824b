// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "cli/console.h"
#include "mapreduce/base/size.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

constexpr std::chrono::milliseconds kBarInterval{100};
constexpr std::chrono::seconds kLineInterval{5};
constexpr std::chrono::seconds kSameLineInterval{60};
constexpr std::size_t kBarColumnsMax = 30;
constexpr std::size_t kBarColumnsMin = 5;

double Share(const Progress& progress) {
  if (progress.bytes_total == 0) return 0;
  return std::min(
      1.0, static_cast<double>(progress.bytes_done) / static_cast<double>(progress.bytes_total));
}

std::string Percent(const Progress& progress) {
  return std::to_string(static_cast<int>(Share(progress) * 100)) + " %";
}

// "120.0 MiB/s"; "" before there is anything to tell.
std::string Speed(const Progress& progress, double seconds) {
  if (seconds <= 0 || progress.bytes_done == 0) return "";
  return FormatBytes(
             static_cast<std::uint64_t>(static_cast<double>(progress.bytes_done) / seconds)) +
         "/s";
}

// "1:02:03 left", "0:12 left"; "" before a guess makes sense.
std::string TimeLeft(const Progress& progress, double seconds) {
  const double share = Share(progress);
  if (seconds < 1 || share <= 0) return "";
  const auto left = static_cast<std::uint64_t>(seconds * (1 - share) / share + 0.5);
  const auto two_digits = [](std::uint64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  std::string text;
  if (left >= 3600)
    text = std::to_string(left / 3600) + ":" + two_digits(left / 60 % 60);
  else
    text = std::to_string(left / 60);
  return text + ":" + two_digits(left % 60) + " left";
}

void Append(std::string& text, const std::string& separator, const std::string& more) {
  if (!more.empty()) text += separator + more;
}

}  // namespace

ProgressStyle ProgressStyle::OfStderr() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  ProgressStyle style;
  style.is_terminal = isatty(STDERR_FILENO) == 1 && variable("TERM") != "dumb";
  style.has_color = style.is_terminal && variable("NO_COLOR").empty();
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) style.columns = size.ws_col;
  if (const int columns = std::atoi(variable("COLUMNS").c_str()); columns > 0) {
    style.columns = static_cast<std::size_t>(columns);
  }
  return style;
}

ConsoleProgress::ConsoleProgress(const ProgressStyle& style)
    : style_(style), stage_start_(Clock::now()), shown_at_(Clock::now()) {}

ConsoleProgress::~ConsoleProgress() {
  MutexLock lock(mutex_);
  if (has_bar_) WriteStderr("\r\033[K");
}

void ConsoleProgress::OnProgress(const Progress& progress) {
  MutexLock lock(mutex_);
  const Clock::time_point now = Clock::now();
  if (stage_ != progress.stage) {
    stage_ = progress.stage;
    stage_start_ = now;
  }
  const Clock::duration interval =
      style_.is_terminal ? Clock::duration(kBarInterval) : Clock::duration(kLineInterval);
  if (now - shown_at_ < interval) return;
  const double seconds = std::chrono::duration<double>(now - stage_start_).count();
  if (style_.is_terminal) {
    has_bar_ = true;
    WriteStderr("\r" + ProgressBar(progress, seconds, style_) + "\033[K");
  } else {
    std::string line = ProgressLine(progress, seconds);
    if (line == line_ && now - shown_at_ < kSameLineInterval) return;
    PrintMessage(line);
    line_ = std::move(line);
  }
  shown_at_ = now;
}

void ConsoleProgress::OnWarning(std::string_view warning) {
  Say("warning: " + std::string(warning));
}

void ConsoleProgress::Say(const std::string& message) {
  MutexLock lock(mutex_);
  if (has_bar_) WriteStderr("\r\033[K");
  PrintMessage(message);
}

std::string ProgressBar(const Progress& progress, double seconds, const ProgressStyle& style) {
  std::string tail = "  " + Percent(progress);
  Append(tail, "  ", Speed(progress, seconds));
  Append(tail, "  ", TimeLeft(progress, seconds));
  const std::string head = Printable(progress.stage);  // A cluster's is of somebody else's job.
  // One column stays free: a full line would wrap.
  const std::size_t room = style.columns > 1 ? style.columns - 1 : 1;
  if (head.size() + tail.size() + kBarColumnsMin + 3 > room) return (head + tail).substr(0, room);

  const std::size_t width = std::min(kBarColumnsMax, room - head.size() - tail.size() - 3);
  const auto filled = static_cast<std::size_t>(Share(progress) * static_cast<double>(width));
  const std::string bar(filled, '=');
  const std::string rest(width - filled, ' ');
  const char* const green = style.has_color ? "\033[32m" : "";
  const char* const plain = style.has_color ? "\033[0m" : "";
  return head + " [" + green + bar + plain + rest + "]" + tail;
}

std::string ProgressLine(const Progress& progress, double seconds) {
  std::string line(progress.stage);
  line += ": " + Percent(progress) + ", ";
  if (progress.bytes_total > 0) {
    line += FormatBytes(progress.bytes_done) + " of " + FormatBytes(progress.bytes_total);
  } else {
    line += std::to_string(progress.tasks_done) + " of " + std::to_string(progress.tasks_total) +
            " tasks";
  }
  Append(line, ", ", Speed(progress, seconds));
  Append(line, ", ", TimeLeft(progress, seconds));
  if (progress.spilled_bytes > 0) line += ", " + FormatBytes(progress.spilled_bytes) + " spilled";
  return line;
}

}  // namespace millrace
