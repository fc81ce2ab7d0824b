// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PROTOBUF_FIELDS_H_
#define MAPREDUCE_FORMATS_PROTOBUF_FIELDS_H_

// What was found in a message, as the fields of a line.

#include <cstddef>
#include <cstdint>

#include "mapreduce/base/status.h"
#include "mapreduce/formats/protobuf_paths.h"
#include "mapreduce/formats/protobuf_walk.h"
#include "mapreduce/formats/row_block.h"

namespace millrace {

inline constexpr std::size_t kProtobufNumberBytesMax = 32;

/// A number as it came, of a kind up to kEnum, as text: its size. Doubles are the shortest text
/// that reads back the same; NaN is "nan" whatever its sign; an enum is its number. Requires: room
/// for kProtobufNumberBytesMax.
std::size_t FormatProtobufNumber(ProtobufKind kind, std::uint64_t bits, char* to);

/// One thread at a time.
class ProtobufFields {
 public:
  /// Both must outlive it.
  ProtobufFields(const ProtobufSchema& schema, const ProtobufPaths& paths);

  /// Adds the fields of the message that `found` has read. kBadData: one can't be text; the message
  /// says which and why, and the row is to be dropped.
  Status AddTo(const ProtobufWalk& found, RowBlock& rows);

 private:
  Status Add(const ProtobufColumn& column, const ProtobufWalk& found, RowBlock& rows);
  Status AddTimestamp(const ProtobufColumn& column, const ProtobufWalk& found, RowBlock& rows);
  Status AddJson(const ProtobufColumn& column, const ProtobufWalk& found, RowBlock& rows);
  void AddEnum(const ProtobufColumn& column, std::uint64_t bits, RowBlock& rows);

  const ProtobufSchema& schema_;
  const ProtobufPaths& paths_;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PROTOBUF_FIELDS_H_
