// SPDX-License-Identifier: Apache-2.0
#ifndef WORKER_LOCAL_ADDRESS_H_
#define WORKER_LOCAL_ADDRESS_H_

#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/transport/endpoint.h"

namespace millrace {

/// The address of this machine that its packets to `peer` come from, as a host of an endpoint:
/// "10.0.0.7", "[fd00::7]". `family`: AF_INET, AF_INET6 or AF_UNSPEC. Looks names up, sends
/// nothing. kUnavailable: no way there is known.
Result<std::string> LocalAddressTowards(const Endpoint& peer, int family);

}  // namespace millrace

#endif  // WORKER_LOCAL_ADDRESS_H_
