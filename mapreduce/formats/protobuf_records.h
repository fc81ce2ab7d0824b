// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_PROTOBUF_RECORDS_H_
#define MAPREDUCE_FORMATS_PROTOBUF_RECORDS_H_

// Files of protobuf messages with their lengths before them, as SerializeDelimitedToOstream and
// writeDelimitedTo write them. docs/formats/protobuf.md says what the columns are.
//
//   file   := record*
//   record := message_bytes:varint message
//
// How a message becomes a line, and which file does it:
//
//   protobuf_schema   descriptor file -> the dialect in the plan -> descriptors, in each reader
//   protobuf_paths    descriptors and columns -> tables: what each field number is and whether it
//                     is wanted
//   protobuf_walk     one pass over a message's bytes by those tables: checks all, keeps what is
//                     wanted
//   protobuf_fields   what was kept -> fields of the line

#include "mapreduce/formats/file_format.h"

namespace millrace {

/// "protobuf". Options `descriptor`, a file of `protoc --descriptor_set_out`, and `message`.
const FormatDriver& ProtobufFormat();

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_PROTOBUF_RECORDS_H_
