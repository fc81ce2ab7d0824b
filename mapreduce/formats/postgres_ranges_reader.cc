// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_ranges_reader.h"

#include <algorithm>

namespace millrace {

std::string PostgresCountMismatch(std::size_t values, std::string_view what, std::size_t columns) {
  return "has " + std::to_string(values) + " " + std::string(what) + ", and the table has " +
         std::to_string(columns) + " columns";
}

std::vector<RowRange> PostgresRangesOf(const ShardLayout& layout, const ShardRange& piece) {
  std::vector<RowRange> ranges;
  auto at = std::lower_bound(
      layout.rows.begin(), layout.rows.end(), piece.begin,
      [](const RowRange& range, std::uint64_t begin) { return range.begin < begin; });
  for (; at != layout.rows.end() && at->begin < piece.end; ++at) {
    if (!ranges.empty() && ranges.back().end == at->begin) {
      ranges.back().end = at->end;
    } else {
      ranges.push_back(*at);
    }
  }
  return ranges;
}

}  // namespace millrace
