// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/peer.h"

#include <cstdint>

#include "mapreduce/base/bytes.h"

namespace millrace {
namespace {

constexpr char kMaster = 'm', kWorker = 'w', kClient = 'c';
constexpr std::size_t kNamedBytes = 9;

}  // namespace

std::string RoutingIdOf(const Address& address, std::string_view nonce) {
  std::string id(kNamedBytes, '\0');
  std::uint64_t value = 0;
  id[0] = kMaster;
  if (const auto* worker = std::get_if<WorkerId>(&address)) {
    id[0] = kWorker;
    value = worker->value;
  } else if (const auto* client = std::get_if<ClientId>(&address)) {
    id[0] = kClient;
    value = client->value;
  }
  StoreLittle64(id.data() + 1, value);
  return id.append(nonce);
}

std::optional<Address> AddressOf(std::string_view routing_id) {
  if (routing_id.size() != kNamedBytes + kNonceBytes) return std::nullopt;
  const std::uint64_t value = LoadLittle64(routing_id.data() + 1);
  switch (routing_id[0]) {
    case kMaster:
      if (value == 0) return MasterAddress{};
      return std::nullopt;
    case kWorker:
      if (value != 0) return WorkerId{value};
      return std::nullopt;
    case kClient:
      return ClientId{value};
    default:
      return std::nullopt;
  }
}

std::string AddressName(const Address& address) {
  if (const auto* worker = std::get_if<WorkerId>(&address)) {
    return "w" + std::to_string(worker->value);
  }
  if (const auto* client = std::get_if<ClientId>(&address)) {
    return "c" + std::to_string(client->value);
  }
  return "master";
}

}  // namespace millrace
