// SPDX-License-Identifier: Apache-2.0
// Any bytes as a manifest: refused, or decoded and written again as the very same bytes. The
// manifest's own hash is put right first, or nothing would get past it.
#include <string>

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/manifest.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

namespace {

constexpr std::string_view kHashMember = "\"manifest_xxh128\": \"";
constexpr std::size_t kHashDigits = 32;

void MendHash(std::string* text) {
  const std::size_t member = text->rfind(kHashMember);
  if (member == std::string::npos) return;
  const std::size_t digits = member + kHashMember.size();
  if (digits + kHashDigits > text->size()) return;
  text->replace(digits, kHashDigits, kHashDigits, '0');
  text->replace(digits, kHashDigits, HashOf128(*text).Hex());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  MendHash(&text);
  const Result<proto::Manifest> manifest = DecodeManifest(text, "fuzz/_manifest.json");
  if (!manifest.ok()) return 0;
  const Result<std::string> again = EncodeManifest(*manifest);
  FUZZ_CHECK(again.ok());
  const Result<proto::Manifest> second = DecodeManifest(*again, "fuzz/_manifest.json");
  FUZZ_CHECK(second.ok());
  FUZZ_CHECK(second->SerializeAsString() == manifest->SerializeAsString());
  return 0;
}
