// SPDX-License-Identifier: Apache-2.0
// Any bytes as a list of keys: refused in one sentence that names a line, or each key has one role
// and a name that can be a folder's. And any bytes as an endpoint.
#include <set>
#include <string>
#include <string_view>

#include "mapreduce/security/allow_list.h"
#include "mapreduce/transport/endpoint.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<std::vector<AllowedKey>> keys = ParseAllowList(text, "x");
  if (keys.ok()) {
    std::set<PublicKey> seen;
    for (const AllowedKey& key : *keys) {
      FUZZ_CHECK(seen.insert(key.key).second);
      FUZZ_CHECK(IsKeyName(key.name));
      FUZZ_CHECK(KeyRoleOf(KeyRoleName(key.role)) == key.role);
      FUZZ_CHECK(PublicKey::FromHex(key.key.Hex()) == key.key);
    }
  } else {
    FUZZ_CHECK(keys.error().code() == StatusCode::kInvalidArgument);
    FUZZ_CHECK(keys.error().message().starts_with("x:"));
    FUZZ_CHECK(keys.error().message().find('\n') == std::string::npos);
  }
  const Result<Endpoint> endpoint = Endpoint::Parse(std::string(text));
  if (endpoint.ok()) {
    const Result<Endpoint> again = Endpoint::Parse(endpoint->TextWithKey());
    FUZZ_CHECK(again.ok());
    FUZZ_CHECK(again->text == endpoint->text && again->key == endpoint->key);
  }
  return 0;
}
