// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_FORMATS_CSV_REFERENCE_H_
#define TESTS_UNIT_FORMATS_CSV_REFERENCE_H_

// Any bytes as CSV, byte by byte, as docs/formats/csv.md puts it: slow, and too simple to be wrong.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/size.h"

namespace millrace {

/// A field's quote that is not closed up to the end of the text.
struct ReferenceNeverClosed {
  std::size_t field = 0;           // From 1.
  std::size_t line_end_count = 0;  // Behind the quote.
};

struct ReferenceRecord {
  std::uint64_t offset = 0;
  std::string raw;
  bool is_bad = false;                             // Against the grammar; it has no fields.
  std::vector<std::optional<std::string>> fields;  // NULL: empty, without quotes.
  /// No record, but damage. The last one, if any.
  std::optional<ReferenceNeverClosed> never_closed;
};

/// The records from `at` on. Blank lines are records of one NULL.
inline std::vector<ReferenceRecord> ReferenceCsv(std::string_view text, std::size_t at,
                                                 char delimiter, char quote) {
  std::vector<ReferenceRecord> records;
  const auto is = [&](std::size_t i, char c) { return i < text.size() && text[i] == c; };
  const auto is_record_end = [&](std::size_t i) {
    return i == text.size() || is(i, '\n') ||
           (is(i, '\r') && (i + 1 == text.size() || is(i + 1, '\n')));
  };
  while (at < text.size()) {
    ReferenceRecord& record = records.emplace_back();
    record.offset = at;
    while (true) {
      std::string field;
      const bool is_quoted = is(at, quote);
      bool is_closed = !is_quoted;
      if (is_quoted) {
        for (++at; at < text.size() && !is_closed; ++at) {
          if (text[at] != quote) {
            field += text[at];
          } else if (is(at + 1, quote)) {
            field += text[at++];
          } else {
            is_closed = true;
          }
        }
      } else {
        while (!is_record_end(at) && !is(at, delimiter) && !is(at, quote)) field += text[at++];
      }
      if (!is_closed) {
        std::size_t line_end_count = 0;
        for (const char c : field) line_end_count += c == '\n' ? 1 : 0;
        record.never_closed = {record.fields.size() + 1, line_end_count};
        record.fields.clear();
        break;
      }
      if (!is_record_end(at) && !is(at, delimiter)) {
        record.is_bad = true;
        while (!is_record_end(at)) ++at;
        break;
      }
      if (is_quoted || !field.empty()) {
        record.fields.emplace_back(field);
      } else {
        record.fields.emplace_back(std::nullopt);
      }
      if (!is(at, delimiter)) break;
      ++at;
    }
    if (record.is_bad) record.fields.clear();
    record.raw = text.substr(record.offset, at - record.offset);
    at += is(at, '\r') ? 2 : 1;
  }
  return records;
}

/// What a reader must say of the damage. `names`: those that the header gives the columns.
inline std::string NeverClosedMessage(const std::string& path,
                                      const std::vector<std::string>& names,
                                      const ReferenceRecord& record) {
  const std::size_t field = record.never_closed->field;
  return path + ": the record at byte " + std::to_string(record.offset) + ": field " +
         std::to_string(field) + (field <= names.size() ? " (" + names[field - 1] + ")" : "") +
         " opens a quote that is never closed (line ends behind it: " +
         FormatCount(record.never_closed->line_end_count) +
         "); the file is cut off there, or a quote is one too many: restore or mend it";
}

}  // namespace millrace

#endif  // TESTS_UNIT_FORMATS_CSV_REFERENCE_H_
