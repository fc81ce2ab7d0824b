// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace millrace {
namespace {

constexpr std::string_view kTcp = "tcp://", kIpc = "ipc://";
constexpr std::size_t kHostBytesMax = 253;                                   // Of a name in DNS.
constexpr std::size_t kIpcPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;  // And a NUL.

bool IsIpv4(const std::string& host) {
  in_addr address;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

// Without brackets.
bool IsIpv6(const std::string& host) {
  in6_addr address;
  return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax || !IsLetterOrDigit(host.front())) return false;
  const auto fits = [](char c) { return IsLetterOrDigit(c) || c == '-' || c == '.' || c == '_'; };
  // Digits and dots alone are an address that isn't one.
  return std::all_of(host.begin(), host.end(), fits) &&
         host.find_first_not_of("0123456789.") != std::string_view::npos;
}

// What is in a terminal must not come from the text: only its printable ASCII is shown.
std::string Shown(std::string_view text) {
  std::string shown(text.substr(0, 2 * kIpcPathBytesMax));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return "'" + shown + "'";
}

Status Wrong(std::string_view text, std::string_view why) {
  return Status::InvalidArgument("endpoint ", Shown(text), ": ", why);
}

Result<std::uint16_t> ParsePort(std::string_view text, std::string_view port) {
  if (port == "*") return std::uint16_t{0};
  unsigned value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  const bool is_number = error == std::errc() && end == port.data() + port.size();
  if (!is_number || value < 1 || value > 65535) {
    return Wrong(text, "a port is a number from 1 to 65535, or * for any free one");
  }
  return static_cast<std::uint16_t>(value);
}

Status CheckHost(std::string_view text, const std::string& host) {
  if (host.empty()) return Wrong(text, "the host is missing; write tcp://127.0.0.1:PORT");
  if (host.front() == '[') {
    if (host.size() > 2 && host.back() == ']' && IsIpv6(host.substr(1, host.size() - 2))) {
      return Status::Ok();
    }
    return Wrong(text, "between [ and ] stands an IPv6 address, like tcp://[::1]:5801");
  }
  if (host == "*" || IsIpv4(host) || IsHostName(host)) return Status::Ok();
  if (host.find(':') != std::string::npos) {
    return Wrong(text, "an IPv6 address stands in brackets, like tcp://[::1]:5801");
  }
  return Wrong(text, "the host is neither a name nor an address");
}

Result<Endpoint> ParseTcp(const std::string& text) {
  const std::string_view rest = std::string_view(text).substr(kTcp.size());
  const std::size_t colon = rest.rfind(':');
  const std::size_t bracket = rest.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && bracket > colon)) {
    return Wrong(text, "the port is missing; write tcp://HOST:PORT");
  }
  Endpoint endpoint;
  endpoint.host = rest.substr(0, colon);
  MR_RETURN_IF_ERROR(CheckHost(text, endpoint.host));
  MR_ASSIGN_OR_RETURN(endpoint.port, ParsePort(text, rest.substr(colon + 1)));
  if (endpoint.host == "localhost") endpoint.host = "127.0.0.1";
  endpoint.text = std::string(kTcp) + endpoint.host + ":" +
                  (endpoint.port == 0 ? "*" : std::to_string(endpoint.port));
  return endpoint;
}

Result<Endpoint> ParseIpc(const std::string& text) {
  Endpoint endpoint;
  endpoint.is_ipc = true;
  endpoint.path = text.substr(kIpc.size());
  endpoint.text = text;
  if (!endpoint.path.starts_with('/')) {
    return Wrong(text, "the path must be absolute, like ipc:///run/millrace.sock");
  }
  if (endpoint.path.size() > kIpcPathBytesMax) {
    return Wrong(text, "the kernel takes paths of at most " + std::to_string(kIpcPathBytesMax) +
                           " bytes for sockets; choose a shorter one");
  }
  if (endpoint.path.find('\0') != std::string::npos || endpoint.path.back() == '/') {
    return Wrong(text, "the path must name a file");
  }
  return endpoint;
}

}  // namespace

Result<Endpoint> Endpoint::Parse(const std::string& text) {
  const std::size_t hash = text.rfind('#');
  if (hash != std::string::npos) {
    if (const auto key = PublicKey::FromHex(std::string_view(text).substr(hash + 1))) {
      MR_ASSIGN_OR_RETURN(Endpoint endpoint, Parse(text.substr(0, hash)));
      endpoint.key = key;
      return endpoint;
    }
  }
  if (text.starts_with(kTcp)) return ParseTcp(text);
  if (text.starts_with(kIpc)) return ParseIpc(text);
  return Wrong(text, "it must begin with tcp:// or ipc://, like tcp://127.0.0.1:5801");
}

std::string Endpoint::TextWithKey() const { return key ? text + "#" + key->Hex() : text; }

bool Endpoint::is_loopback() const {
  if (is_ipc) return true;
  if (is_ipv6()) {
    in6_addr address;
    const std::string bare = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, bare.c_str(), &address) != 1) return false;
    return IN6_IS_ADDR_LOOPBACK(&address) ||
           (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
  }
  return IsIpv4(host) && host.starts_with("127.");
}

Status CheckListenable(const Endpoint& endpoint, bool has_keys) {
  if (has_keys || endpoint.is_loopback()) return Status::Ok();
  return Wrong(endpoint.text,
               "others than this machine could reach it, and whoever does can run code here; "
               "make keys with `millrace keygen DIR` and give them with --keys DIR, or listen on "
               "127.0.0.1, [::1] or ipc://");
}

Status CheckConnectable(const Endpoint& endpoint) {
  if (endpoint.is_ipc) return Status::Ok();
  if (endpoint.host == "*") return Wrong(endpoint.text, "* is no host to connect to; name one");
  if (endpoint.port == 0) return Wrong(endpoint.text, "* is no port to connect to; name one");
  return Status::Ok();
}

}  // namespace millrace
