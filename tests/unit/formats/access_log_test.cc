// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/access_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/formats/access_log_line.h"
#include "tests/unit/formats/file_rows.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Fields = std::vector<std::optional<std::string>>;

TextFile Log(std::string text) { return TextFile("access.log", std::move(text), "accesslog"); }

FileRow RowOf(const std::string& line, const std::vector<std::string>& columns) {
  const std::vector<FileRow> rows = Log(line + "\n").Rows(columns);
  if (rows.size() != 1) {
    ADD_FAILURE() << line << ": " << testing::PrintToString(rows);
    return {};
  }
  EXPECT_EQ(rows.front().raw, line);
  return rows.front();
}

/// A line whose time is `time`.
std::string AtTime(const std::string& time) {
  return "h - - [" + time + "] \"GET / HTTP/1.1\" 200 1";
}

std::optional<std::string> TimestampOf(const std::string& time) {
  const FileRow row = RowOf(AtTime(time), {"timestamp"});
  return row.reject.empty() ? row.fields.front() : "REJECT " + row.reject;
}

Fields RequestOf(const std::string& quoted) {
  return RowOf("h - - [21/Nov/2026:10:05:03 +0100] \"" + quoted + "\" 400 0",
               {"request", "method", "path", "query", "protocol"})
      .fields;
}

TEST(AccessLogTest, ReadsCombinedLines) {
  const FileRow row = RowOf(
      "203.0.113.7 - ann [21/Nov/2026:10:05:03 +0100] \"GET /p/x?q=1&r=2 HTTP/1.1\" 200 512 "
      "\"https://example.com/\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
      {});
  EXPECT_EQ(row.reject, "");
  EXPECT_EQ(row.fields,
            (Fields{"203.0.113.7", std::nullopt, "ann", "2026-11-21T09:05:03Z",
                    "GET /p/x?q=1&r=2 HTTP/1.1", "GET", "/p/x", "q=1&r=2", "HTTP/1.1", "200", "512",
                    "https://example.com/", "Mozilla/5.0 (X11; Linux x86_64)", std::nullopt}));
}

TEST(AccessLogTest, ReadsCommonLinesAndTakesDashesAsNull) {
  const FileRow row = RowOf("::1 - - [01/Jan/2026:00:00:00 +0000] \"-\" - -", {});
  EXPECT_EQ(row.reject, "");
  EXPECT_EQ(row.fields,
            (Fields{"::1", std::nullopt, std::nullopt, "2026-01-01T00:00:00Z", std::nullopt,
                    std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt,
                    std::nullopt, std::nullopt, std::nullopt, std::nullopt}));
  const FileRow empty = RowOf("h - \"\" [01/Jan/2026:00:00:00 +0000] \"\" 408 0 \"-\" \"\"",
                              {"request", "referer", "agent"});
  EXPECT_THAT(empty.reject, HasSubstr("has no [time]"));  // A bare quote before the time.
  EXPECT_EQ(RowOf("h - - [01/Jan/2026:00:00:00 +0000] \"\" 408 0 \"-\" \"\"",
                  {"request", "referer", "agent"})
                .fields,
            (Fields{"", std::nullopt, ""}));
}

TEST(AccessLogTest, FindsHostAndUserWhateverIsBeforeTheTime) {
  const std::string rest = " [21/Nov/2026:10:05:03 +0100] \"GET / HTTP/1.1\" 200 1";
  const std::vector<std::string> columns = {"vhost", "host", "ident", "user"};
  const auto names = [&](const std::string& head) { return RowOf(head + rest, columns).fields; };
  EXPECT_EQ(names("h - john doe"), (Fields{std::nullopt, "h", std::nullopt, "john doe"}));
  EXPECT_EQ(names("h id ann"), (Fields{std::nullopt, "h", "id", "ann"}));
  EXPECT_EQ(names("h - a [b] c"), (Fields{std::nullopt, "h", std::nullopt, "a [b] c"}));
  EXPECT_EQ(names("example.com:443 h - ann"),
            (Fields{"example.com:443", "h", std::nullopt, "ann"}));
  EXPECT_EQ(names("example.com h - john doe"),
            (Fields{"example.com", "h", std::nullopt, "john doe"}));
  EXPECT_EQ(names("h - a\\\"\\\\b"), (Fields{std::nullopt, "h", std::nullopt, "a\"\\b"}));
  EXPECT_THAT(RowOf("v h id ann" + rest, columns).reject, HasSubstr("more than a virtual host"));
}

TEST(AccessLogTest, MakesTimesUtc) {
  EXPECT_EQ(TimestampOf("21/Nov/2026:10:05:03 +0100"), "2026-11-21T09:05:03Z");
  EXPECT_EQ(TimestampOf("21/Nov/2026:10:05:03 +0000"), "2026-11-21T10:05:03Z");
  EXPECT_EQ(TimestampOf("01/Mar/2024:00:30:00 +0100"), "2024-02-29T23:30:00Z");
  EXPECT_EQ(TimestampOf("01/Mar/2026:00:30:00 +0100"), "2026-02-28T23:30:00Z");
  EXPECT_EQ(TimestampOf("01/Jan/2026:00:00:00 +0001"), "2025-12-31T23:59:00Z");
  EXPECT_EQ(TimestampOf("31/Dec/2026:23:30:00 -0930"), "2027-01-01T09:00:00Z");
  EXPECT_EQ(TimestampOf("28/Feb/2026:23:59:59 -0001"), "2026-03-01T00:00:59Z");
  EXPECT_EQ(TimestampOf("31/Dec/1969:23:59:59 +0000"), "1969-12-31T23:59:59Z");
  EXPECT_EQ(TimestampOf("31/Dec/2016:23:59:60 +0000"), "2016-12-31T23:59:60Z");  // A leap second.
  EXPECT_EQ(TimestampOf("01/Jan/2017:00:59:60 +0100"), "2016-12-31T23:59:60Z");
  EXPECT_EQ(TimestampOf("01/Jan/0001:00:00:00 +0000"), "0001-01-01T00:00:00Z");
}

TEST(AccessLogTest, RejectsTimesThatAreNone) {
  for (const char* time :
       {"30/Feb/2026:10:05:03 +0100", "31/Apr/2026:10:05:03 +0100", "00/Nov/2026:10:05:03 +0100",
        "21/Nop/2026:10:05:03 +0100", "29/Feb/2026:10:05:03 +0100", "21/Nov/0000:10:05:03 +0100",
        "01/Jan/0001:00:30:00 +0100", "31/Dec/9999:23:30:00 -0100"}) {
    EXPECT_EQ(TimestampOf(time), "REJECT has a date that no calendar has") << time;
  }
  for (const char* time :
       {"21/Nov/2026:24:05:03 +0100", "21/Nov/2026:10:60:03 +0100", "21/Nov/2026:10:05:61 +0100"}) {
    EXPECT_EQ(TimestampOf(time), "REJECT has a time that no clock shows") << time;
  }
  EXPECT_EQ(TimestampOf("21/Nov/2026:10:05:03 +2400"), "REJECT has a zone that is none");
  EXPECT_EQ(TimestampOf("21/Nov/2026:10:05:03 +0160"), "REJECT has a zone that is none");
  EXPECT_THAT(*TimestampOf("2026-11-21T10:05:03+01:00"), HasSubstr("has no [time]"));
  EXPECT_THAT(*TimestampOf("21/Nov/2026 10:05:03 +0100"), HasSubstr("is not like"));
  EXPECT_THAT(*TimestampOf(std::string(26, '\0')), HasSubstr("is not like"));
}

// Against the C library's calendar, a time of each kind after another, so that none is remembered
// wrongly.
TEST(AccessLogTest, MakesTheTimesThatTheCalendarSays) {
  SCOPED_TRACE("seed " + std::to_string(TestSeed()));
  Random random(TestSeed());
  AccessLogLine parser;
  for (int i = 0; i < 20'000; ++i) {
    const std::time_t utc = static_cast<std::time_t>(random.Uniform(8'000'000'000)) - 2'000'000'000;
    const int zone = static_cast<int>(random.Uniform(2 * 24 * 60 - 1)) - (24 * 60 - 1);
    const std::time_t shifted = utc + zone * 60;
    std::tm local{};
    std::tm universal{};
    gmtime_r(&shifted, &local);
    gmtime_r(&utc, &universal);
    char written[40];
    char expected[40];
    const std::size_t bytes = std::strftime(written, sizeof written, "%d/%b/%Y:%H:%M:%S ", &local);
    std::snprintf(written + bytes, sizeof written - bytes, "%c%02d%02d", zone < 0 ? '-' : '+',
                  std::abs(zone) / 60, std::abs(zone) % 60);
    std::strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &universal);
    const std::string line = AtTime(written);
    for (int again = 0; again < 2; ++again) {
      ASSERT_EQ(parser.Parse(line), nullptr) << line;
      ASSERT_EQ(parser.field(AccessLogField::kTimestamp), expected) << line;
    }
  }
}

TEST(AccessLogTest, SplitsRequests) {
  EXPECT_EQ(RequestOf("GET /a?b HTTP/1.1"),
            (Fields{"GET /a?b HTTP/1.1", "GET", "/a", "b", "HTTP/1.1"}));
  EXPECT_EQ(RequestOf("GET /a? HTTP/2.0"),
            (Fields{"GET /a? HTTP/2.0", "GET", "/a", "", "HTTP/2.0"}));
  EXPECT_EQ(RequestOf("M-SEARCH /a b?c d HTTP/1.1"),
            (Fields{"M-SEARCH /a b?c d HTTP/1.1", "M-SEARCH", "/a b", "c d", "HTTP/1.1"}));
  EXPECT_EQ(RequestOf("CONNECT example.com:443 HTTP/1.1"),
            (Fields{"CONNECT example.com:443 HTTP/1.1", "CONNECT", "example.com:443", std::nullopt,
                    "HTTP/1.1"}));
}

TEST(AccessLogTest, KeepsRequestsThatAreNone) {
  const auto alone = [](const std::string& request) {
    return Fields{request, std::nullopt, std::nullopt, std::nullopt, std::nullopt};
  };
  EXPECT_EQ(RequestOf("\\x16\\x03\\x01\\x00"), alone(std::string("\x16\x03\x01\0", 4)));
  EXPECT_EQ(RequestOf("GET /"), alone("GET /"));  // HTTP 0.9.
  EXPECT_EQ(RequestOf("GET  HTTP/1.1"), alone("GET  HTTP/1.1"));
  EXPECT_EQ(RequestOf("GET HTTP/1.1"), alone("GET HTTP/1.1"));
  EXPECT_EQ(RequestOf(" / HTTP/1.1"), alone(" / HTTP/1.1"));
  EXPECT_EQ(RequestOf("G\\x00T / HTTP/1.1"), alone(std::string("G\0T / HTTP/1.1", 14)));
  EXPECT_EQ(RequestOf("SSH-2.0-Go"), alone("SSH-2.0-Go"));
  EXPECT_EQ(RequestOf(""), alone(""));
}

TEST(AccessLogTest, DecodesWhatServersEscape) {
  const std::string line =
      R"(h - - [21/Nov/2026:10:05:03 +0100] "GET /\"\\?\x22 HTTP/1.1" 200 1 "\xE2\x82\xac\t\n" )"
      R"("a\b\r\v\f\q\x\xg0\x1\\")";
  EXPECT_EQ(RowOf(line, {"path", "query", "referer", "agent"}).fields,
            (Fields{"/\"\\", "\"", "\xE2\x82\xAC\t\n", "a\b\r\v\f\\q\\x\\xg0\\x1\\"}));
}

TEST(AccessLogTest, IgnoresWhatIsAddedBehind) {
  const std::string head = "h - - [21/Nov/2026:10:05:03 +0100] \"GET / HTTP/1.1\" 200 1";
  EXPECT_EQ(RowOf(head + " \"r\" \"a\" 0.005 \"x\"", {"bytes", "referer", "agent"}).fields,
            (Fields{"1", "r", "a"}));
  EXPECT_EQ(RowOf(head + " 0.005", {"bytes", "referer", "agent"}).fields,
            (Fields{"1", std::nullopt, std::nullopt}));
}

TEST(AccessLogTest, SaysWhyALineIsRejected) {
  const std::string head = "h - - [21/Nov/2026:10:05:03 +0100]";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"no log at all", "has no [time]"},
      {"[21/Nov/2026:10:05:03 +0100] \"GET / HTTP/1.1\" 200 1", "has no [time]"},
      {"h [21/Nov/2026:10:05:03 +0100] \"GET / HTTP/1.1\" 200 1", "has no host, ident and user"},
      {"h - [21/Nov/2026:10:05:03 +0100] \"GET / HTTP/1.1\" 200 1", "has no host, ident and user"},
      {" - - [21/Nov/2026:10:05:03 +0100] \"GET / HTTP/1.1\" 200 1", "has no host, ident and user"},
      {head, "has no \"request\""},
      {head + " GET / HTTP/1.1 200 1", "has no \"request\""},
      {head + " \"GET / HTTP/1.1 200 1", "has a request whose quote does not end"},
      {head + " \"GET /\\\" 200 1", "has a request whose quote does not end"},
      {head + " \"GET / HTTP/1.1\"", "has no status"},
      {head + " \"GET / HTTP/1.1\"200 1", "has no status"},
      {head + " \"GET / HTTP/1.1\" 200", "has no bytes"},
      {head + " \"GET / HTTP/1.1\" 20 1", "has a status that is not three digits"},
      {head + " \"GET / HTTP/1.1\" abc 1", "has a status that is not three digits"},
      {head + " \"GET / HTTP/1.1\" 200 1k", "has bytes that are not a number"},
      {head + " \"GET / HTTP/1.1\" 200 ", "has bytes that are not a number"},
      {head + " \"GET / HTTP/1.1\" 200 1 \"x", "has a referer whose quote does not end"},
      {head + " \"GET / HTTP/1.1\" 200 1 \"x\"", "has no \"agent\""},
      {head + " \"GET / HTTP/1.1\" 200 1 \"x\" \"y", "has an agent whose quote does not end"},
      {head + " \"GET / HTTP/1.1\" 200 1 \"x\" \"y\"z", "has no space behind its agent"},
  };
  for (const auto& [line, reason] : cases) {
    for (const char* column : {"host", "agent"}) {  // Whatever is read.
      EXPECT_THAT(RowOf(line, {column}).reject, HasSubstr(reason)) << line;
    }
  }
}

TEST(AccessLogTest, ReadsEachRecordOnceWhereverTheFileIsCut) {
  const std::string text =
      "h - - [21/Nov/2026:10:05:03 +0100] \"GET /\\x41 HTTP/1.1\" 200 1\r\n\n"
      "bad [line\n"
      "v g - \xC3\xA9 [21/Nov/2026:10:05:03 +0100] \"-\" 400 0 \"\\\"\" \"a\\\\\"\n \nbad";
  const TextFile file = Log(text);
  const std::vector<std::string> columns = {"agent", "user", "timestamp", "path"};
  const std::vector<FileRow> whole = file.Rows(columns);
  ASSERT_THAT(whole, SizeIs(4));
  EXPECT_EQ(whole[0].fields, (Fields{std::nullopt, std::nullopt, "2026-11-21T09:05:03Z", "/A"}));
  EXPECT_EQ(whole[1].offset, 64u);
  EXPECT_EQ(whole[1].raw, "bad [line");
  EXPECT_EQ(whole[2].fields, (Fields{"a\\", "\xC3\xA9", "2026-11-21T09:05:03Z", std::nullopt}));
  EXPECT_EQ(whole[3].raw, "bad");
  for (std::uint64_t first = 1; first <= text.size(); ++first) {
    for (std::uint64_t second = first; second <= text.size(); ++second) {
      for (const std::size_t piece : {std::size_t{3}, std::size_t{1000}}) {
        ASSERT_EQ(file.RowsOfRanges(columns, {first, second}, piece), whole)
            << first << " " << second << " " << piece;
      }
    }
  }
}

TEST(AccessLogTest, LeavesFieldsThatAreNotLookedAtEmptyAndFindsColumnsByNumber) {
  RowRequest request;
  request.columns = {{}, {"where", "", 1}, {}, {"when", "TIMESTAMP", 0}};
  const auto rows = Log(AtTime("21/Nov/2026:10:05:03 +0100") + "\n").TryRows(request, {}, SIZE_MAX);
  ASSERT_TRUE(rows.ok());
  ASSERT_THAT(*rows, SizeIs(1));
  EXPECT_EQ(rows->front().fields, (Fields{"", "h", "", "2026-11-21T09:05:03Z"}));
}

TEST(AccessLogTest, SaysWhichColumnsThereAre) {
  EXPECT_THAT(Log("").Rows({"host"}), IsEmpty());
  ASSERT_NE(Log("").shard().layout, nullptr);
  EXPECT_EQ(Log("").shard().layout->columns.size(), kAccessLogColumns.size());
  const auto rows = Log("").TryRows(TextFile::Request({"country"}), {}, SIZE_MAX);
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code(), StatusCode::kBadData);
  EXPECT_THAT(rows.error().message(), HasSubstr("host, ident, user, timestamp"));
}

TEST(AccessLogTest, KnowsItsFilesByTheirFirstLines) {
  const auto looks_like = AccessLogFormat().looks_like;
  const std::string line = AtTime("21/Nov/2026:10:05:03 +0100") + "\n";
  EXPECT_TRUE(looks_like(line));
  EXPECT_TRUE(looks_like("\n# comment\n" + line + line + "h - - [cut of"));
  EXPECT_FALSE(looks_like(""));
  EXPECT_FALSE(looks_like("# comment\n" + line));
  EXPECT_FALSE(looks_like("{\"a\":1}\n"));
  EXPECT_FALSE(looks_like("2026-11-21 10:05:03 INFO started\n"));
}

}  // namespace
}  // namespace millrace
