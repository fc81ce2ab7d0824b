// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame: refused, or decoded to a message that, sent again, is the very same. The
// frame is sealed anew first, or nothing would get past its hash.
#include <google/protobuf/stubs/logging.h>

#include <string>

#include "mapreduce/base/bytes.h"
#include "mapreduce/proto/envelope.h"
#include "mapreduce/proto/wire_codec.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const google::protobuf::LogSilencer silence;  // It complains about text that is not UTF-8.
  std::string frame(reinterpret_cast<const char*>(data), size);
  (void)DecodeMessage(frame);
  if (size < kEnvelopeHeaderBytes) return 0;
  SealEnvelope({.type = LoadLittle32(frame.data() + 16),
                .epoch = {LoadLittle64(frame.data() + 24)},
                .sequence = LoadLittle64(frame.data() + 32),
                .body = {}},
               &frame);
  const Result<Message> message = DecodeMessage(frame);
  if (!message.ok()) return 0;
  const std::string again = EncodeMessage(*message);
  const Result<Message> second = DecodeMessage(again);
  FUZZ_CHECK(second.ok());
  FUZZ_CHECK(EncodeMessage(*second) == again);
  return 0;
}
