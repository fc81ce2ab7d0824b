// SPDX-License-Identifier: Apache-2.0
// What changed between two dumps of a table: `D`, `I` or `U`, then the row (of D the old one), in
// the order of the key. Whatever columns they have; rows are compared by what their fields mean,
// not by how they are escaped.
#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/api/registry.h"
#include "mapreduce/formats/tsv_writer.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
using Key = std::vector<Name>;

// A row as COPY writes it: equal rows have equal text.
struct Row {
  bool is_new = false;
  Name text;
  MR_FIELDS(Row, is_new, text)
};

class ByKey {
 public:
  ByKey(std::vector<std::size_t> columns, bool is_new)
      : columns_(std::move(columns)), is_new_(is_new) {}
  void Map(const AnyRow& row, Emitter<Key, Sourced<Row>>& emit, Context& context) {
    key_.clear();
    for (const std::size_t column : columns_) {
      if (column > row.fields.size()) return context.Reject("the row has no such key column");
      if (!row.fields[column - 1]) return context.Reject("a key column is NULL");
      key_.push_back(*row.fields[column - 1]);
    }
    text_.Clear();
    for (const std::optional<Name>& field : row.fields) {
      if (&field != row.fields.data()) text_.Append('\t');
      AppendTsv(text_, field);
    }
    emit(key_, {{is_new_, text_.view()}, context.origin()});
  }

 private:
  const std::vector<std::size_t> columns_;
  const bool is_new_;
  Key key_;
  RowBuffer text_;
};

// Rows of one key: at most one old and one new; of each the first counts.
class Compare {
 public:
  void Reduce(const Key&, Values<Sourced<Row>>& rows, Emitter<std::string, Unit>& emit,
              Context& context) {
    std::optional<std::string> old_row, new_row;
    for (const Sourced<Row>& row : rows) {
      std::optional<std::string>& place = row.value.is_new ? new_row : old_row;
      if (place) {
        context.Reject(row.origin, "its key was there before");
      } else {
        place = row.value.text;
      }
    }
    if (!new_row) return emit("D\t" + *old_row);
    if (!old_row) return emit("I\t" + *new_row);
    if (*old_row != *new_row) emit("U\t" + *new_row);
  }
};

// "1,3" -> {1, 3}
std::vector<std::size_t> ParseColumns(Job& job, const std::string& text) {
  std::vector<std::size_t> columns;
  for (const char *at = text.data(), *const end = at + text.size();; ++at) {
    std::size_t column = 0;
    const auto parsed = std::from_chars(at, end, column);
    if (parsed.ec != std::errc() || column == 0 || (parsed.ptr != end && *parsed.ptr != ',')) {
      job.Fail("parameter key must be the numbers of columns, as in 1 or 1,2, not '" + text + "'");
      return columns;
    }
    if (std::find(columns.begin(), columns.end(), column) != columns.end())
      job.Fail("parameter key names column " + std::to_string(column) + " twice");
    columns.push_back(column);
    at = parsed.ptr;
    if (at == end) return columns;
  }
}

void DumpDiff(Job& job) {
  const auto key = job.Param<std::string>("key", "1", "the columns that make a row's key");
  const std::vector<std::size_t> columns = ParseColumns(job, key);
  job.ReadRows("old")
      .Map<ByKey>(columns, false)
      .And(job.ReadRows("new").Map<ByKey>(columns, true))
      .Reduce<Compare>()
      .Write<Text>("dump_diff");
}
MR_JOB(dump_diff, DumpDiff, "rows that were deleted, inserted or updated between two dumps")
}  // namespace
