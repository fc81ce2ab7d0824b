// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_ORIGIN_H_
#define MAPREDUCE_API_ORIGIN_H_

// Where a record was read, as part of a value: so that a Reduce can still set aside the record it
// came from.
//
//   emit(user.user, {user.country, context.origin()});        // A Map: Emitter<Name,
//   Sourced<Name>> context.Reject(row.origin, "the user is listed twice");  // A Reduce

#include <cstdint>
#include <string_view>

#include "mapreduce/base/fields.h"

namespace millrace {

/// An input record. Views: of Context::origin(), until Map returns.
struct Origin {
  std::string_view input;    ///< Name of the input; of the stage, where a stage made the record.
  std::string_view shard;    ///< Path; empty where a stage made the record.
  std::uint64_t offset = 0;  ///< In the shard's decompressed bytes.
  std::string_view raw;      ///< The record as read; the encoded key of one that a stage made.
  MR_FIELDS(Origin, input, shard, offset, raw)
};

/// A value and the record it comes from.
template <class V>
struct Sourced {
  V value{};
  Origin origin;
  MR_FIELDS(Sourced, origin, value)  // The names of input and shard first: see record_codec.h.
};

namespace api_internal {
template <class T>
inline constexpr bool kIsSourced = false;
template <class V>
inline constexpr bool kIsSourced<Sourced<V>> = true;
}  // namespace api_internal

}  // namespace millrace

#endif  // MAPREDUCE_API_ORIGIN_H_
