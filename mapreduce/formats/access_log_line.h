// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_ACCESS_LOG_LINE_H_
#define MAPREDUCE_FORMATS_ACCESS_LOG_LINE_H_

// One line of a web server's access log to its fields. Common and combined log format, as Apache
// and nginx write them, also with the virtual host in front:
//
//   203.0.113.7 - ann [21/Nov/2026:10:05:03 +0100] "GET /p?q=1 HTTP/1.1" 200 512 "-" "curl/7.88"
//   host    ident user timestamp                    request            status bytes referer agent
//
//   line    := [vhost " "] host " " ident " " user " [" time "] " quoted " " status " " bytes rest
//   rest    := [" " quoted " " quoted] [" " anything]
//   time    := DD/Mon/YYYY:HH:MM:SS " " ("+" | "-") HHMM
//   quoted  := '"' (any byte but '"' and "\", or "\" and any byte)* '"'
//
// A user may hold spaces, so more than three words before the time are told apart by the ident,
// which is "-" wherever nobody runs identd: the second word, or the third behind a virtual host.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "mapreduce/formats/row_buffer.h"

namespace millrace {

/// In the layout's order.
enum class AccessLogField {
  kHost,
  kIdent,
  kUser,
  kTimestamp,
  kRequest,
  kMethod,
  kPath,
  kQuery,
  kProtocol,
  kStatus,
  kBytes,
  kReferer,
  kAgent,
  kVhost,
};
inline constexpr std::array<std::string_view, 14> kAccessLogColumns = {
    "host",  "ident",    "user",   "timestamp", "request", "method", "path",
    "query", "protocol", "status", "bytes",     "referer", "agent",  "vhost"};

/// One thread at a time.
class AccessLogLine {
 public:
  /// Null: all fields were read. Otherwise why not, for a person; valid for good.
  const char* Parse(std::string_view line);

  /// Its bytes, without escapes; a null data() is NULL. Valid until the next Parse(), and as long
  /// as the line.
  std::string_view field(AccessLogField field) const { return At(field); }
  std::string_view field(std::size_t index) const { return fields_[index]; }

 private:
  static constexpr std::size_t kTimeBytes = 26;  // 21/Nov/2026:10:05:03 +0100
  static constexpr std::size_t kTimestampBytes = 20;

  std::string_view& At(AccessLogField field) { return fields_[static_cast<std::size_t>(field)]; }
  const std::string_view& At(AccessLogField field) const {
    return fields_[static_cast<std::size_t>(field)];
  }
  const char* ReadNames(std::string_view names);
  const char* ReadTime(std::string_view time);
  const char* ReadEnd(std::string_view rest);
  void SplitRequest();
  void Set(AccessLogField field, std::string_view text);

  std::array<std::string_view, kAccessLogColumns.size()> fields_;
  RowBuffer unescaped_;
  std::size_t line_bytes_ = 0;
  bool has_backslash_ = false;  // In the line: few have one.
  // The last time that was read: many lines repeat it. No line holds a LF.
  char time_[kTimeBytes] = {'\n'};
  char timestamp_[kTimestampBytes] = {};
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_ACCESS_LOG_LINE_H_
