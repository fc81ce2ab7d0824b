// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/endpoint.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

Endpoint Parsed(const std::string& text) {
  const Result<Endpoint> endpoint = Endpoint::Parse(text);
  EXPECT_TRUE(endpoint.ok()) << text << ": " << endpoint.error().message();
  return endpoint.ok() ? *endpoint : Endpoint{};
}

TEST(EndpointTest, ReadsHostAndPort) {
  const Endpoint endpoint = Parsed("tcp://127.0.0.1:5801");
  EXPECT_FALSE(endpoint.is_ipc);
  EXPECT_EQ(endpoint.host, "127.0.0.1");
  EXPECT_EQ(endpoint.port, 5801);
  EXPECT_EQ(endpoint.text, "tcp://127.0.0.1:5801");
  EXPECT_EQ(Parsed("tcp://[::1]:*").host, "[::1]");
  EXPECT_TRUE(Parsed("tcp://[::1]:*").is_ipv6());
  EXPECT_EQ(Parsed("tcp://[::1]:*").port, 0);
  EXPECT_EQ(Parsed("tcp://*:65535").text, "tcp://*:65535");
  EXPECT_EQ(Parsed("tcp://node-7.example:1").host, "node-7.example");
  EXPECT_EQ(Parsed("tcp://localhost:*").text, "tcp://127.0.0.1:*");
}

TEST(EndpointTest, ReadsThePathOfASocket) {
  const Endpoint endpoint = Parsed("ipc:///run/x.sock");
  EXPECT_TRUE(endpoint.is_ipc);
  EXPECT_EQ(endpoint.path, "/run/x.sock");
  EXPECT_EQ(Parsed("ipc:///" + std::string(106, 'x')).path.size(), 107u);
}

TEST(EndpointTest, SaysWhatIsWrong) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "must begin with tcp:// or ipc://"},
      {"127.0.0.1:5801", "must begin with tcp:// or ipc://"},
      {"http://127.0.0.1:5801", "must begin with tcp:// or ipc://"},
      {"TCP://127.0.0.1:5801", "must begin with tcp:// or ipc://"},
      {"inproc://x", "must begin with tcp:// or ipc://"},
      {"tcp://", "the port is missing"},
      {"tcp://127.0.0.1", "the port is missing"},
      {"tcp://[::1]", "the port is missing"},
      {"tcp://:5801", "the host is missing"},
      {"tcp://127.0.0.1:", "a port is a number from 1 to 65535"},
      {"tcp://127.0.0.1:0", "a port is a number from 1 to 65535"},
      {"tcp://127.0.0.1:65536", "a port is a number from 1 to 65535"},
      {"tcp://127.0.0.1:99999999999", "a port is a number from 1 to 65535"},
      {"tcp://127.0.0.1:-1", "a port is a number from 1 to 65535"},
      {"tcp://127.0.0.1:+1", "a port is a number from 1 to 65535"},
      {"tcp://127.0.0.1:58x", "a port is a number from 1 to 65535"},
      {"tcp://127.0.0.1:5801/", "a port is a number from 1 to 65535"},
      {"tcp://::1:5801", "an IPv6 address stands in brackets"},
      {"tcp://[127.0.0.1]:1", "between [ and ] stands an IPv6 address"},
      {"tcp://[::1:5801", "between [ and ] stands an IPv6 address"},
      {"tcp://[]:5801", "between [ and ] stands an IPv6 address"},
      {"tcp://127.0.0.256:1", "neither a name nor an address"},
      {"tcp://127.0.1:1", "neither a name nor an address"},
      {"tcp://a b:1", "neither a name nor an address"},
      {"tcp://eth0;127.0.0.1:1", "neither a name nor an address"},
      {"tcp://" + std::string(254, 'x') + ":1", "neither a name nor an address"},
      {"ipc://", "the path must be absolute"},
      {"ipc://x.sock", "the path must be absolute"},
      {"ipc://@abstract", "the path must be absolute"},
      {"ipc:///run/", "the path must name a file"},
      {std::string("ipc:///run\0x", 12), "the path must name a file"},
      {"ipc:///" + std::string(107, 'x'), "at most 107 bytes"},
  };
  for (const auto& [text, why] : cases) {
    const Result<Endpoint> endpoint = Endpoint::Parse(text);
    ASSERT_FALSE(endpoint.ok()) << text;
    EXPECT_EQ(endpoint.error().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(endpoint.error().message(), HasSubstr(why)) << text;
  }
  // Escape codes of a stranger's text stay out of the terminal.
  EXPECT_THAT(Endpoint::Parse("\x1b[2J").error().message(), HasSubstr("'?[2J'"));
}

TEST(EndpointTest, KnowsWhatOthersReach) {
  for (const char* const text :
       {"tcp://127.0.0.1:1", "tcp://127.9.8.7:1", "tcp://localhost:1", "tcp://[::1]:1",
        "tcp://[::ffff:127.0.0.1]:1", "ipc:///run/x.sock"}) {
    EXPECT_TRUE(Parsed(text).is_loopback()) << text;
    EXPECT_TRUE(CheckListenable(Parsed(text), /*has_keys=*/false).ok()) << text;
  }
  for (const char* const text :
       {"tcp://*:1", "tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://10.0.0.1:1", "tcp://128.0.0.1:1",
        "tcp://127.0.0.1.example:1", "tcp://127.example:1", "tcp://[::ffff:10.0.0.1]:1"}) {
    EXPECT_FALSE(Parsed(text).is_loopback()) << text;
    EXPECT_TRUE(CheckListenable(Parsed(text), /*has_keys=*/true).ok()) << text;
    const Status status = CheckListenable(Parsed(text), /*has_keys=*/false);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(status.message(), HasSubstr("whoever does can run code here"));
  }
}

TEST(EndpointTest, MayCarryTheKeyOfWhoListens) {
  const std::string hex(64, 'b');
  for (const std::string text : {"tcp://10.0.0.1:5801", "tcp://[::1]:*", "ipc:///run/x#y.sock"}) {
    const Endpoint endpoint = Parsed(text + "#" + hex);
    EXPECT_EQ(endpoint.text, text);
    ASSERT_TRUE(endpoint.key.has_value());
    EXPECT_EQ(endpoint.key->Hex(), hex);
    EXPECT_EQ(endpoint.TextWithKey(), text + "#" + hex);
    EXPECT_EQ(Parsed(text).key, std::nullopt);
    EXPECT_EQ(Parsed(text).TextWithKey(), text);
  }
  EXPECT_FALSE(Endpoint::Parse("tcp://10.0.0.1:5801#" + hex.substr(1)).ok());
}

TEST(EndpointTest, KnowsWhatNamesNoOnePlace) {
  EXPECT_TRUE(CheckConnectable(Parsed("tcp://10.0.0.1:5801")).ok());
  EXPECT_TRUE(CheckConnectable(Parsed("ipc:///run/x.sock")).ok());
  EXPECT_EQ(CheckConnectable(Parsed("tcp://*:5801")).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckConnectable(Parsed("tcp://10.0.0.1:*")).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace
