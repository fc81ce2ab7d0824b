// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_JSON_LINES_FAULT_H_
#define MAPREDUCE_FORMATS_JSON_LINES_FAULT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

/// Objects and arrays within each other, at most.
inline constexpr int kJsonDepthMax = 1024;

/// What JsonFault says of a line.
struct JsonFaultResult {
  std::string reason;       ///< For a person; empty: the line is one JSON object.
  bool is_json = false;     ///< It is JSON, if not an object.
  bool ends_early = false;  ///< More text could have made it JSON.
};

/// Why a line is not one JSON object (RFC 8259, UTF-8), in words, with the place of the first fault
/// counted from 0. Slow and simple, byte by byte: for lines that JsonLinesParser refused, whose
/// words would depend on the processor. What is before `begin` is not looked at.
JsonFaultResult JsonFault(std::string_view line, std::size_t begin = 0);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_JSON_LINES_FAULT_H_
