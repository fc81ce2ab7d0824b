// SPDX-License-Identifier: Apache-2.0
#include "worker/local_address.h"

#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "mapreduce/io/descriptor.h"

namespace millrace {

Result<std::string> LocalAddressTowards(const Endpoint& peer, int family) {
  if (peer.is_ipc) return std::string("127.0.0.1");
  const std::string host = peer.is_ipv6() ? peer.host.substr(1, peer.host.size() - 2) : peer.host;
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(peer.port).c_str(), &hints, &found);
  if (failed != 0) return Status::Unavailable("looking up ", host, ": ", ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  const Descriptor socket(::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char text[NI_MAXHOST];
  // Connecting a datagram socket chooses the way and sends nothing.
  if (socket.get() < 0 || ::connect(socket.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) != 0) {
    return Status::Unavailable("no way to ", host, " is known: ", std::strerror(errno));
  }
  if (std::strchr(text, '%') != nullptr) {
    return Status::Unavailable("the way to ", host, " is by an address of one link alone, ", text);
  }
  return address.ss_family == AF_INET6 ? "[" + std::string(text) + "]" : std::string(text);
}

}  // namespace millrace
