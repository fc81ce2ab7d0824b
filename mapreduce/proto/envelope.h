// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_PROTO_ENVELOPE_H_
#define MAPREDUCE_PROTO_ENVELOPE_H_

// The frame around each message: what a receiver must know before it believes a byte of the body.
//
//   frame := magic:u32 version:u32 hash:u64 type:u32 body_bytes:u32 epoch:u64 sequence:u64 body
//
// Little-endian. `hash` is XXH3-64 of all that comes behind it; magic and version have one value
// each. So no damage to any byte goes unnoticed. `type` is the message's number in wire.proto,
// which the body repeats. The hash notices accidents, not forgery: that is what the connection's
// keys are for.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/proto/ids.h"

namespace millrace {

inline constexpr std::uint32_t kEnvelopeMagic = 0x3157524D;  // "MRW1"
inline constexpr std::uint32_t kEnvelopeVersion = 1;
inline constexpr std::size_t kEnvelopeHeaderBytes = 40;

struct Envelope {
  std::uint32_t type = 0;
  Epoch epoch;
  std::uint64_t sequence = 0;
  std::string_view body;  ///< A view of the frame.
};

/// Fills in the header of a frame that has kEnvelopeHeaderBytes of room for it and then the body,
/// which is hashed once. `envelope.body` is not looked at. Requires: a body below 4 GiB.
void SealEnvelope(const Envelope& envelope, std::string* frame);

/// A frame as it came in. kCorrupt, with what is wrong, unless it is a whole frame that nothing
/// happened to, of at most kFrameBytesMax; allocates nothing. `type` may be any number.
Result<Envelope> DecodeEnvelope(std::string_view frame);

}  // namespace millrace

#endif  // MAPREDUCE_PROTO_ENVELOPE_H_
