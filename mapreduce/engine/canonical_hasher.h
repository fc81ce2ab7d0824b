// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_CANONICAL_HASHER_H_
#define MAPREDUCE_ENGINE_CANONICAL_HASHER_H_

// Hashes fields so that different fields never look alike: a text is preceded by its length, a
// number is eight little-endian bytes, a list is preceded by its count (the caller's duty).
// {"ab", "c"} and {"a", "bc"} have different hashes. The result is stored in manifests: what this
// file hashes for a given sequence of calls must never change.

#include <cstdint>
#include <string_view>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"

namespace millrace {

class CanonicalHasher {
 public:
  /// `what` names the kind of thing that is hashed, with its version: "millrace plan 1".
  explicit CanonicalHasher(std::string_view what) { AddText(what); }

  void AddText(std::string_view text) {
    AddNumber(text.size());
    hasher_.Update(text);
  }
  void AddNumber(std::uint64_t number) {
    char bytes[sizeof(number)];
    StoreLittle64(bytes, number);
    hasher_.Update(std::string_view(bytes, sizeof(bytes)));
  }
  Hash128 Digest() const { return hasher_.Digest(); }

 private:
  Hasher128 hasher_;
};

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_CANONICAL_HASHER_H_
