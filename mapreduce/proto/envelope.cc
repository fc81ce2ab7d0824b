// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/proto/envelope.h"

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/proto/limits.h"

namespace millrace {
namespace {

// Where the header's fields lie.
constexpr std::size_t kVersionAt = 4, kHashAt = 8, kTypeAt = 16, kBodyBytesAt = 20, kEpochAt = 24,
                      kSequenceAt = 32;

}  // namespace

void SealEnvelope(const Envelope& envelope, std::string* frame) {
  MR_CHECK(frame->size() >= kEnvelopeHeaderBytes && frame->size() <= UINT32_MAX);
  char* const header = frame->data();
  StoreLittle32(header, kEnvelopeMagic);
  StoreLittle32(header + kVersionAt, kEnvelopeVersion);
  StoreLittle32(header + kTypeAt, envelope.type);
  StoreLittle32(header + kBodyBytesAt,
                static_cast<std::uint32_t>(frame->size() - kEnvelopeHeaderBytes));
  StoreLittle64(header + kEpochAt, envelope.epoch.value);
  StoreLittle64(header + kSequenceAt, envelope.sequence);
  StoreLittle64(header + kHashAt, Hash64(std::string_view(*frame).substr(kTypeAt)));
}

Result<Envelope> DecodeEnvelope(std::string_view frame) {
  if (frame.size() < kEnvelopeHeaderBytes) {
    return Status::Corrupt("frame: ", frame.size(), " bytes, the header alone has ",
                           kEnvelopeHeaderBytes);
  }
  if (frame.size() > kFrameBytesMax) {
    return Status::Corrupt("frame: ", frame.size(), " bytes, the limit is ", kFrameBytesMax);
  }
  const char* const header = frame.data();
  if (LoadLittle32(header) != kEnvelopeMagic) return Status::Corrupt("frame: wrong magic");
  if (const std::uint32_t version = LoadLittle32(header + kVersionAt);
      version != kEnvelopeVersion) {
    return Status::Corrupt("frame: version ", version, ", this program knows ", kEnvelopeVersion);
  }
  const std::size_t body_bytes = frame.size() - kEnvelopeHeaderBytes;
  if (const std::uint32_t declared = LoadLittle32(header + kBodyBytesAt); declared != body_bytes) {
    return Status::Corrupt("frame: a body of ", body_bytes, " bytes that should have ", declared);
  }
  if (LoadLittle64(header + kHashAt) != Hash64(frame.substr(kTypeAt))) {
    return Status::Corrupt("frame: hash mismatch");
  }
  return Envelope{.type = LoadLittle32(header + kTypeAt),
                  .epoch = {LoadLittle64(header + kEpochAt)},
                  .sequence = LoadLittle64(header + kSequenceAt),
                  .body = frame.substr(kEnvelopeHeaderBytes)};
}

}  // namespace millrace
