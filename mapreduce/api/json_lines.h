// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_JSON_LINES_H_
#define MAPREDUCE_API_JSON_LINES_H_

// `.Write<JsonLines>("mails")`: each record as one line of JSON.

#include <string_view>

#include "mapreduce/api/codec.h"
#include "mapreduce/formats/json_lines_writer.h"
#include "mapreduce/formats/row_buffer.h"
#include "mapreduce/formats/utf8.h"  // For jobs that reject what JSON can't hold.

namespace millrace {

template <class T>
inline constexpr bool kJsonIsItsField<Descending<T>> = true;

/// One JSON object a line: the members are the fields of the value, a struct with MR_FIELDS, by
/// name and in order; before them those of the key, if that is such a struct. Any other key only
/// orders the lines. Types, and how they are written: formats/json_lines_writer.h. A string that is
/// not UTF-8 ends the run with exit code 65: reject it before, see IsWellFormedUtf8.
struct JsonLines {
  static constexpr std::string_view kExtension = "jsonl";
  static constexpr const char* kFailure = "a string is not UTF-8 and can't be written as JSON";
  template <class K, class V>
  [[nodiscard]] static bool AppendRow(RowBuffer& out, const K& key, const V& value) {
    return AppendJsonRow(out, key, value);
  }
};

}  // namespace millrace

#endif  // MAPREDUCE_API_JSON_LINES_H_
