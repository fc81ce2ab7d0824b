// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_MESSAGE_SCAN_H_
#define MAPREDUCE_PROTO_MESSAGE_SCAN_H_

// What protobuf would make of some bytes, counted before it does. Its parser has a limit for depth,
// none for memory: two bytes can make an object of a hundred, so a frame of 64 MiB, gigabytes.

#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mapreduce/base/status.h"

namespace millrace {

/// Submessages, strings, unknown fields, and 16 packed numbers, count one object each. Some 100
/// bytes an object.
inline constexpr std::size_t kObjectsMax = std::size_t{1} << 19;
/// Submessages within each other; ours have half as many.
inline constexpr int kDepthMax = 16;

struct MessageScan {
  std::size_t objects = 0;
  std::uint64_t unknown_fields = 0;
};

/// kCorrupt if `bytes` are no fields of such a message, or would make too many objects. Groups,
/// which proto3 doesn't have, are refused, known or not. Allocates nothing.
Result<MessageScan> ScanMessage(const google::protobuf::Descriptor& type, std::string_view bytes);

/// Scans, then parses into `message`.
Result<MessageScan> ParseMessage(std::string_view bytes, google::protobuf::Message* message);

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_MESSAGE_SCAN_H_
