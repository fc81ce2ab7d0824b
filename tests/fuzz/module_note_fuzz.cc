// SPDX-License-Identifier: Apache-2.0
// A job module's file as anybody might make it: an answer, and no step outside its bytes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mapreduce/base/status.h"
#include "mapreduce/engine/module_note.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  const Status status = CheckModuleNote({reinterpret_cast<const char*>(data), size}, "fuzzed.so");
  MR_CHECK(status.ok() || status.code() == StatusCode::kInvalidArgument);
  return 0;
}
