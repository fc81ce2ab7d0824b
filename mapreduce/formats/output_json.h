// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_OUTPUT_JSON_H_
#define MAPREDUCE_FORMATS_OUTPUT_JSON_H_

// Rows as JSON Lines: one object a line, its members the columns, by name and in their order.
//
//   SE<TAB>1<TAB>say "hi"<TAB>\N<LF>                               TSV
//   {"country":"SE","rank":1,"track":"say \"hi\"","n":null}<LF>    JSON Lines
//
// Numbers are written as they stand in TSV: integers with all their digits, also beyond the 2^53
// that JavaScript can. NULL, NaN and infinities are null; text must be UTF-8. It is what
// AppendJsonRow (json_lines_writer.h) writes for a struct with these fields.

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/formats/row_buffer.h"

namespace millrace {

class JsonRowConverter final : public RowConverter {
 public:
  explicit JsonRowConverter(const std::vector<OutputColumn>& columns);
  Status Append(std::string_view lines, RowBuffer& out) override;

 private:
  struct Member {
    std::string name;
    std::string begin;  // `,"name":`
    bool is_text;
  };
  Status NotUtf8(const Member& member, std::string_view lines, const char* at) const;

  std::vector<Member> members_;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_OUTPUT_JSON_H_
