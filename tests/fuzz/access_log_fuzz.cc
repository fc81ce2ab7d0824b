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
  const std::vector<std::string> columns(kAccessLogColumns.begin(), kAccessLogColumns.end());
  const auto field = [](const FuzzRow& row, AccessLogField wanted) {
    return row.fields[static_cast<std::size_t>(wanted)];
  };
  const std::vector<FuzzRow> rows = CheckedFuzzRows("accesslog", text, columns);
  for (const FuzzRow& row : rows) {
    if (!row.reject.empty()) continue;
    FUZZ_CHECK(field(row, AccessLogField::kHost) || row.raw.find("- ") != std::string::npos);
    FUZZ_CHECK(field(row, AccessLogField::kTimestamp).has_value());
    FUZZ_CHECK(Date::StartsText(*field(row, AccessLogField::kTimestamp)));
    FUZZ_CHECK(field(row, AccessLogField::kMethod).has_value() ==
               field(row, AccessLogField::kPath).has_value());
  }
  const std::vector<FuzzRow> hosts = ReadFuzzRows("accesslog", text, {"host"}, {}, SIZE_MAX / 2);
  FUZZ_CHECK(hosts.size() == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) FUZZ_CHECK(hosts[i].reject == rows[i].reject);
  return 0;
}
