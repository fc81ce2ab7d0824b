// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_ENDPOINT_H_
#define MAPREDUCE_TRANSPORT_ENDPOINT_H_

// Where a socket listens or connects to, as people write it:
//
//   tcp://127.0.0.1:5801   tcp://[::1]:5801   tcp://node7.example:5801   ipc:///run/millrace.sock
//   tcp://127.0.0.1:*      listens on a free port       tcp://*:5801     on all addresses
//
// and as processes tell it each other, with the public key of who listens there:
//
//   tcp://10.0.0.7:40123#<64 hex digits>

#include <cstdint>
#include <optional>
#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/security/key.h"

namespace millrace {

struct Endpoint {
  /// kInvalidArgument, in one sentence, for anything else than the forms above. "localhost" becomes
  /// 127.0.0.1. Names are not looked up.
  static Result<Endpoint> Parse(const std::string& text);

  /// Only this machine reaches it: 127.0.0.0/8, [::1] or ipc. Not `*`, not 0.0.0.0, no other name.
  bool is_loopback() const;
  /// Of tcp, with its brackets: "[::1]".
  bool is_ipv6() const { return host.starts_with('['); }

  bool is_ipc = false;
  std::string host;        ///< Of tcp; `*`: all addresses.
  std::uint16_t port = 0;  ///< Of tcp; 0: any free one.
  std::string path;        ///< Of ipc; absolute.
  std::string text;        ///< All of it but the key, "tcp://127.0.0.1:*".
  std::optional<PublicKey> key;

  /// `text`, and the key if there is one.
  std::string TextWithKey() const;
};

/// kInvalidArgument for an endpoint that others than this machine reach, without keys: whoever
/// reaches the port could run code here.
Status CheckListenable(const Endpoint& endpoint, bool has_keys);

/// kInvalidArgument for an endpoint that names no one place: a `*` for host or port.
Status CheckConnectable(const Endpoint& endpoint);

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_ENDPOINT_H_
