// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reject_limit.h"

#include <cstdio>

namespace millrace {

std::string DescribeReject(const RejectedRecord& record) {
  std::string place = record.shard.empty()
                          ? "a group of " + std::string(record.input)
                          : std::string(record.shard) + " at byte " + std::to_string(record.offset);
  return place + ": " + std::string(record.reason);
}

Status CheckRejectLimit(const RejectLimit& limit, std::uint64_t count, std::uint64_t records_read,
                        bool is_final, const std::vector<std::string>& first) {
  std::string allowed;
  if (limit.percent >= 0) {
    // A hair of tolerance: 0.57 % of 10,000 is 57, but not in binary.
    const double allowed_count = limit.percent / 100 * static_cast<double>(records_read);
    if (!is_final || static_cast<double>(count) <= allowed_count * (1 + 1e-12)) {
      return Status::Ok();
    }
    char text[64];
    std::snprintf(text, sizeof(text), "%g%% of %llu records", limit.percent,
                  static_cast<unsigned long long>(records_read));
    allowed = std::to_string(count) + (count == 1 ? " record was" : " records were") +
              " rejected, --max-rejects allows " + text;
  } else {
    if (count <= limit.count) return Status::Ok();
    // How many there are in all is not known: the run stopped early.
    allowed =
        "more records were rejected than --max-rejects " + std::to_string(limit.count) + " allows";
  }
  std::string shown;
  for (const std::string& line : first) shown += "\n  " + line;
  return Status::BadData(allowed, "; correct them or raise the limit; the first:", shown);
}

}  // namespace millrace
