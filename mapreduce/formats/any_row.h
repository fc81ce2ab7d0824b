// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_ANY_ROW_H_
#define MAPREDUCE_FORMATS_ANY_ROW_H_

// Rows of TSV whose columns a job doesn't know by name: dumps of any table. Every field is decoded;
// see tsv_field.h for the escapes. For files with known columns tsv.h is several times as fast.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/formats/field_splitter.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/formats/text.h"
#include "mapreduce/formats/tsv_field.h"

namespace millrace {

/// The fields of a line, decoded; nullopt is NULL. Views are valid during the callback.
struct AnyRow {
  std::vector<std::optional<std::string_view>> fields;
};

/// Parses as BasicTsvParser does, all fields of each line. A line without bytes has one empty
/// field. Rejects a line that ends within an escape.
class AnyRowParser {
 public:
  template <class OnRecord, class OnReject>
  void Parse(const LineBlock& block, OnRecord&& on_record, OnReject&& on_reject) {
    lines_.Parse(
        block,
        [&](const Line&, std::string_view raw) {
          if (ReadLine(raw)) {
            on_record(std::as_const(row_), raw);
          } else {
            on_reject(std::string_view("the line ends in a lone backslash"), raw);
          }
        },
        on_reject);
  }

  bool is_in_block() const { return false; }

 private:
  bool ReadLine(std::string_view raw) {
    const auto fields_max = static_cast<std::size_t>(std::count(raw.begin(), raw.end(), '\t')) + 1;
    starts_.resize(fields_max + 1);
    const FoundFields found = SplitFields<Bytes64>(raw.data(), raw.data() + raw.size(),
                                                   static_cast<int>(fields_max), starts_.data());
    decoded_.resize(raw.size());
    char* to = decoded_.data();
    row_.fields.clear();
    for (std::size_t i = 0; i < static_cast<std::size_t>(found.count); ++i) {
      const std::string_view text(starts_[i],
                                  static_cast<std::size_t>(starts_[i + 1] - 1 - starts_[i]));
      if (text == kTsvNull) {
        row_.fields.emplace_back(std::nullopt);
      } else if (!found.has_backslash || text.find('\\') == std::string_view::npos) {
        row_.fields.emplace_back(text);
      } else {
        const std::optional<std::size_t> bytes = DecodeTsvField(text, to);
        if (!bytes) return false;
        row_.fields.emplace_back(std::string_view(to, *bytes));
        to += *bytes;
      }
    }
    return true;
  }

  LineParser lines_;
  AnyRow row_;
  std::vector<const char*> starts_;
  std::string decoded_;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_ANY_ROW_H_
