// SPDX-License-Identifier: Apache-2.0
#include "cli/service_log.h"

#include <time.h>

#include "cli/console.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

constexpr std::size_t kLineBytesMax = 4096;

std::string UtcNow() {
  const time_t now = time(nullptr);
  tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

std::function<void(const std::string&)> ServiceLog(const std::string& service, bool is_quiet) {
  if (is_quiet) return [](const std::string&) {};
  return [service](const std::string& text) {
    std::string line = UtcNow() + " " + service + ": " + Printable(text);
    if (line.size() > kLineBytesMax) line = line.substr(0, kLineBytesMax) + "...";
    WriteStderr(line + "\n");
  };
}

}  // namespace millrace
