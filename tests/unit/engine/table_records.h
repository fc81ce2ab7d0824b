// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_ENGINE_TABLE_RECORDS_H_
#define TESTS_UNIT_ENGINE_TABLE_RECORDS_H_

#include <cstdint>
#include <string_view>

#include "mapreduce/base/bytes.h"

namespace millrace {

/// A table file up to its last record's end: what its xxh128 is of. docs/formats/table-file.md has
/// the places. Requires: a sound file.
inline std::string_view TableRecords(std::string_view file) {
  const char* const footer = file.data() + file.size() - 72;
  const std::uint64_t rows = LoadLittle64(footer), offsets_at = LoadLittle64(footer + 8);
  if (rows == 0) return file.substr(0, 16);
  const std::uint64_t last = LoadLittle64(file.data() + offsets_at + (rows - 1) * 8);
  const char* const record = file.data() + last;
  return file.substr(0, last + 12 + LoadLittle32(record + 4) + LoadLittle32(record + 8));
}

}  // namespace millrace

#endif  // TESTS_UNIT_ENGINE_TABLE_RECORDS_H_
