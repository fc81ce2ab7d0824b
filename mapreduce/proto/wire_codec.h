// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_WIRE_CODEC_H_
#define MAPREDUCE_PROTO_WIRE_CODEC_H_

// Messages as frames (envelope.h) that hold wire.proto, and back. What comes in is believed in this
// order: the frame, its size for this kind of message, how many objects protobuf would make of the
// body (message_scan.h), the body, each value. So a foreign frame costs memory in proportion to
// named limits (limits.h), and a Message that DecodeMessage returns has:
//
//   - ids that can exist: runs and attempts count from 1, workers aren't 0;
//   - enumerators that exist, and an error's code where there must be an error;
//   - lists, texts and data within the limits; text that people read is UTF-8.
//
// Whether a message makes sense to whom it came (its epoch, who sent it, whether the phases of a
// run fit together) is for the state machines.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/messages.h"

namespace millrace {

struct DecodeStats {
  std::uint64_t unknown_fields = 0;  ///< Ignored: a newer program sent them.
};

/// "Heartbeat" and so on.
std::string_view MessageName(const MessageBody& body);

/// A larger frame with this body is refused: SubmitRun and what tasks leave can be too large.
std::size_t FrameBytesMax(const MessageBody& body);

/// The same bytes for the same message. Error texts are cut at kErrorBytesMax; otherwise nothing is
/// checked. Thread-safe. 0.5 us for a heartbeat of eight attempts.
std::string EncodeMessage(const Message& message);

/// kCorrupt, with what is wrong, for anything that is not the frame of a message as described
/// above. Of a Hello with another protocol version only the fields that all versions share are
/// read. Adds to `stats`, which may be null. Thread-safe. 1.4 us for a heartbeat of eight attempts.
Result<Message> DecodeMessage(std::string_view frame, DecodeStats* stats = nullptr);

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_WIRE_CODEC_H_
