// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/access_log_line.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "mapreduce/formats/date.h"

namespace millrace {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool AreDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsDigit);
}

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int TwoDigits(const char* at) { return (at[0] - '0') * 10 + (at[1] - '0'); }

void PutDigits(int value, int digits, char* to) {
  for (int i = digits - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

// 1 to 12; 0 for no month's name.
int MonthOf(std::string_view name) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (std::size_t i = 0; i < kMonths.size(); i += 3) {
    if (kMonths.substr(i, 3) == name) return static_cast<int>(i / 3) + 1;
  }
  return 0;
}

// The day before or after, in place. `date` is YYYY-MM-DD.
void MoveDay(int days, char* date) {
  int year = TwoDigits(date) * 100 + TwoDigits(date + 2);
  int month = TwoDigits(date + 5);
  int day = TwoDigits(date + 8) + days;
  const auto is_day = [&] {
    PutDigits(year, 4, date);
    PutDigits(month, 2, date + 5);
    PutDigits(day, 2, date + 8);
    return Date::StartsText({date, Date::kBytes});
  };
  if (day == 0) {
    day = 31;
    if (--month == 0) {
      month = 12;
      --year;
    }
    while (!is_day() && day > 28) --day;
  } else if (!is_day()) {
    day = 1;
    if (++month == 13) {
      month = 1;
      ++year;
    }
    is_day();
  }
}

// Where the quoted field ends that begins behind a quote at `begin`: its last quote, or npos.
std::size_t QuoteEnd(std::string_view text, std::size_t begin, bool has_backslash) {
  if (!has_backslash) return text.find('"', begin);
  for (std::size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '"') return i;
    if (text[i] == '\\') ++i;
  }
  return std::string_view::npos;
}

// Apache writes \" \\ \b \n \r \t \v and \xhh, nginx \xHH. Any other backslash is itself. Never
// more bytes than the text has.
char* Unescape(std::string_view text, char* to) {
  static constexpr std::string_view kLetters = "\"\\bnrtvf";
  static constexpr std::string_view kMeanings = "\"\\\b\n\r\t\v\f";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (rest[0] == '\\' && rest.size() > 1) {
      const std::size_t letter = kLetters.find(rest[1]);
      if (letter != std::string_view::npos) {
        *to++ = kMeanings[letter];
        ++i;
        continue;
      }
      if (rest[1] == 'x' && rest.size() > 3 && HexDigit(rest[2]) >= 0 && HexDigit(rest[3]) >= 0) {
        *to++ = static_cast<char>(HexDigit(rest[2]) * 16 + HexDigit(rest[3]));
        i += 3;
        continue;
      }
    }
    *to++ = rest[0];
  }
  return to;
}

}  // namespace

void AccessLogLine::Set(AccessLogField field, std::string_view text) {
  if (text == "-") return;  // NULL, as all were.
  if (!has_backslash_ || text.find('\\') == std::string_view::npos) {
    At(field) = text;
    return;
  }
  // No line unescapes to more than its own bytes, so what was written before stays where it is.
  char* const begin = unescaped_.Room(line_bytes_ - unescaped_.size());
  const std::size_t bytes = static_cast<std::size_t>(Unescape(text, begin) - begin);
  unescaped_.Commit(bytes);
  At(field) = {begin, bytes};
}

const char* AccessLogLine::Parse(std::string_view line) {
  fields_.fill({});
  unescaped_.Clear();
  line_bytes_ = line.size();
  has_backslash_ = line.find('\\') != std::string_view::npos;
  // A user may hold a bracket, too, but no bare quote: the time is before the request.
  const std::string_view head = line.substr(0, line.find(" \""));
  std::size_t bracket = head.find('[');
  const auto is_time = [&] {
    return bracket > 0 && head[bracket - 1] == ' ' && bracket + kTimeBytes + 1 < head.size() &&
           head[bracket + kTimeBytes + 1] == ']';
  };
  while (bracket != std::string_view::npos && !is_time()) bracket = head.find('[', bracket + 1);
  if (bracket == std::string_view::npos) {
    return "has no [time] such as [21/Nov/2026:10:05:03 +0100] before its request";
  }
  if (const char* fault = ReadNames(line.substr(0, bracket - 1))) return fault;
  if (const char* fault = ReadTime(line.substr(bracket + 1, kTimeBytes))) return fault;
  return ReadEnd(line.substr(bracket + kTimeBytes + 2));
}

const char* AccessLogLine::ReadNames(std::string_view names) {
  std::array<std::size_t, 3> spaces;
  std::size_t count = 0;
  for (std::size_t at = names.find(' '); at != std::string_view::npos && count < spaces.size();
       at = names.find(' ', at + 1)) {
    spaces[count++] = at;
  }
  const auto between = [&](std::size_t begin, std::size_t end) {
    return names.substr(begin, end - begin);
  };
  if (count < 2) return "has no host, ident and user before its time";
  std::string_view host = between(0, spaces[0]);
  std::string_view ident = between(spaces[0] + 1, spaces[1]);
  std::string_view user = names.substr(spaces[1] + 1);
  if (count == 3 && ident != "-") {
    Set(AccessLogField::kVhost, host);
    host = ident;
    ident = between(spaces[1] + 1, spaces[2]);
    user = names.substr(spaces[2] + 1);
    if (ident != "-") return "has more than a virtual host, host, ident and user before its time";
  }
  if (host.empty() || ident.empty()) return "has no host, ident and user before its time";
  Set(AccessLogField::kHost, host);
  Set(AccessLogField::kIdent, ident);
  Set(AccessLogField::kUser, user);
  return nullptr;
}

// 21/Nov/2026:10:05:03 +0100 becomes 2026-11-21T09:05:03Z. A zone is whole minutes, so that the
// seconds stay, also the 60 of a leap second.
const char* AccessLogLine::ReadTime(std::string_view time) {
  At(AccessLogField::kTimestamp) = {timestamp_, kTimestampBytes};
  if (std::memcmp(time_, time.data(), kTimeBytes) == 0) return nullptr;
  static constexpr std::string_view kPattern = "00/Mmm/0000:00:00:00 +0000";
  for (std::size_t i = 0; i < kTimeBytes; ++i) {
    const char p = kPattern[i];
    const bool fits = p == '0'   ? IsDigit(time[i])
                      : p == '+' ? time[i] == '+' || time[i] == '-'
                                 : p == 'M' || p == 'm' || time[i] == p;
    if (!fits) return "has a time that is not like 21/Nov/2026:10:05:03 +0100";
  }
  const char* const at = time.data();
  const int hour = TwoDigits(at + 12);
  const int minute = TwoDigits(at + 15);
  const int second = TwoDigits(at + 18);
  const int zone_minutes = TwoDigits(at + 22) * 60 + TwoDigits(at + 24);
  char text[] = "0000-00-00T00:00:00Z";
  std::memcpy(text, at + 7, 4);
  PutDigits(MonthOf(time.substr(3, 3)), 2, text + 5);
  std::memcpy(text + 8, at, 2);
  std::memcpy(text + 17, at + 18, 2);
  if (!Date::StartsText(text)) return "has a date that no calendar has";
  if (hour > 23 || minute > 59 || second > 60) return "has a time that no clock shows";
  if (zone_minutes >= 24 * 60 || TwoDigits(at + 24) > 59) return "has a zone that is none";

  int utc_minutes = hour * 60 + minute - (at[21] == '-' ? -zone_minutes : zone_minutes);
  if (utc_minutes < 0) {
    utc_minutes += 24 * 60;
    MoveDay(-1, text);
  } else if (utc_minutes >= 24 * 60) {
    utc_minutes -= 24 * 60;
    MoveDay(1, text);
  }
  if (!Date::StartsText(text)) return "has a date that no calendar has";  // Year 0 or 10000 in UTC.
  PutDigits(utc_minutes / 60, 2, text + 11);
  PutDigits(utc_minutes % 60, 2, text + 14);
  std::memcpy(time_, at, kTimeBytes);
  std::memcpy(timestamp_, text, kTimestampBytes);
  return nullptr;
}

// What is behind the time.
const char* AccessLogLine::ReadEnd(std::string_view rest) {
  if (!rest.starts_with(" \"")) return "has no \"request\" behind its time";
  const std::size_t request_end = QuoteEnd(rest, 2, has_backslash_);
  if (request_end == std::string_view::npos) return "has a request whose quote does not end";
  Set(AccessLogField::kRequest, rest.substr(2, request_end - 2));
  SplitRequest();
  rest.remove_prefix(request_end + 1);

  if (!rest.starts_with(' ')) return "has no status behind its request";
  const std::size_t status_end = std::min(rest.find(' ', 1), rest.size());
  const std::string_view status = rest.substr(1, status_end - 1);
  if (status != "-" && !(AreDigits(status) && status.size() == 3)) {
    return "has a status that is not three digits";
  }
  Set(AccessLogField::kStatus, status);
  rest.remove_prefix(status_end);

  if (rest.empty()) return "has no bytes behind its status";
  const std::size_t bytes_end = std::min(rest.find(' ', 1), rest.size());
  const std::string_view bytes = rest.substr(1, bytes_end - 1);
  if (bytes != "-" && !AreDigits(bytes)) return "has bytes that are not a number";
  Set(AccessLogField::kBytes, bytes);
  rest.remove_prefix(bytes_end);

  if (!rest.starts_with(" \"")) return nullptr;  // The common format, and what else was added.
  const std::size_t referer_end = QuoteEnd(rest, 2, has_backslash_);
  if (referer_end == std::string_view::npos) return "has a referer whose quote does not end";
  Set(AccessLogField::kReferer, rest.substr(2, referer_end - 2));
  rest.remove_prefix(referer_end + 1);
  if (!rest.starts_with(" \"")) return "has no \"agent\" behind its referer";
  const std::size_t agent_end = QuoteEnd(rest, 2, has_backslash_);
  if (agent_end == std::string_view::npos) return "has an agent whose quote does not end";
  Set(AccessLogField::kAgent, rest.substr(2, agent_end - 2));
  rest.remove_prefix(agent_end + 1);
  return rest.empty() || rest.front() == ' ' ? nullptr : "has no space behind its agent";
}

// METHOD PATH HTTP/x. A path of a careless client may hold spaces. Anything else, such as the first
// bytes of a TLS handshake, is only a request.
void AccessLogLine::SplitRequest() {
  const std::string_view request = At(AccessLogField::kRequest);
  const std::size_t first = request.find(' ');
  const std::size_t last = request.rfind(' ');
  if (first == std::string_view::npos || first == 0 || last < first + 2) return;
  const std::string_view method = request.substr(0, first);
  const std::string_view protocol = request.substr(last + 1);
  const auto is_method_byte = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  };
  if (!protocol.starts_with("HTTP/") || !std::all_of(method.begin(), method.end(), is_method_byte))
    return;
  const std::string_view target = request.substr(first + 1, last - first - 1);
  const std::size_t mark = target.find('?');
  At(AccessLogField::kMethod) = method;
  At(AccessLogField::kPath) = target.substr(0, mark);
  if (mark != std::string_view::npos) At(AccessLogField::kQuery) = target.substr(mark + 1);
  At(AccessLogField::kProtocol) = protocol;
}

}  // namespace millrace
