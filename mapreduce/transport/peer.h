// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_PEER_H_
#define MAPREDUCE_TRANSPORT_PEER_H_

// How a peer names itself when it connects, so that what comes from it and what is sent to it is
// bound to one id:
//
//   routing_id := kind:u8 id:u64 nonce:16 bytes       kind: 'm' master (id 0), 'w' worker,
//                                                     'c' client
//
// Little-endian. The nonce is drawn anew for each connection: ids can be known to others, and
// ZeroMQ gives what is sent to a routing id to whoever came last under it.

#include <optional>
#include <string>
#include <string_view>

#include "mapreduce/proto/messages.h"

namespace millrace {

inline constexpr std::size_t kNonceBytes = 16;

/// Requires: kNonceBytes of `nonce`.
std::string RoutingIdOf(const Address& address, std::string_view nonce);

/// Whatever its nonce. nullopt: not a routing id of ours; worker 0 is nobody's, either.
std::optional<Address> AddressOf(std::string_view routing_id);

/// "master", "w7", "c12": for people.
std::string AddressName(const Address& address);

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_PEER_H_
