// SPDX-License-Identifier: Apache-2.0
// Any bytes as an access log: the same rows wherever the file is cut, each with a real date, and
// the same rejects whatever is read.
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/access_log_line.h"
#include "mapreduce/formats/date.h"
#include "tests/fuzz/fuzz_rows.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const FileFormat format{"accesslog", {}};
  static const Shard shard{.file = {.path = "/file"}};
  static const std::vector<std::string> columns(kAccessLogColumns.begin(), kAccessLogColumns.end());
  static const RowRequest all = FuzzRequest(columns), host = FuzzRequest({"host"});
  static FuzzRecords rows, hosts;
  ReadFuzzLines(format, text, all, &rows);
  FUZZ_CHECK(ReadFuzzRecords({text, format, shard}, host, {}, SIZE_MAX, &hosts).ok());
  FUZZ_CHECK(hosts.size() == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    FUZZ_CHECK(hosts.reason(i) == rows.reason(i));
    if (rows.is_reject(i)) continue;
    const auto& fields = rows.Fields(i);
    FUZZ_CHECK(fields.size() == columns.size());
    const auto field = [&](AccessLogField wanted) {
      return fields[static_cast<std::size_t>(wanted)];
    };
    FUZZ_CHECK(field(AccessLogField::kHost) || rows.raw(i).find("- ") != std::string_view::npos);
    FUZZ_CHECK(field(AccessLogField::kTimestamp).has_value());
    FUZZ_CHECK(Date::StartsText(*field(AccessLogField::kTimestamp)));
    FUZZ_CHECK(field(AccessLogField::kMethod).has_value() ==
               field(AccessLogField::kPath).has_value());
    FUZZ_CHECK(hosts.Fields(i).size() == 1);
    FUZZ_CHECK(hosts.Fields(i).front() == field(AccessLogField::kHost));
  }
  return 0;
}
