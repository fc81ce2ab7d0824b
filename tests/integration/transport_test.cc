// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/transport/peer.h"
#include "mapreduce/transport/poller.h"
#include "tests/integration/raw_peer.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr char kAnyPort[] = "tcp://127.0.0.1:*";

std::int64_t MsSince(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
}

Endpoint Parsed(const std::string& text) {
  const Result<Endpoint> endpoint = Endpoint::Parse(text);
  EXPECT_TRUE(endpoint.ok());
  return endpoint.ok() ? *endpoint : Endpoint{};
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-sock-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void ExpectEcho(Connection& connection, const std::string& frame) {
  ASSERT_TRUE(SendSoon(connection, frame));
  const std::string back = ReceiveSoon(connection);
  EXPECT_TRUE(back == frame) << back.size() << " bytes came back, " << frame.size() << " went";
}

TEST(TransportTest, CarriesFramesBothWays) {
  const Folder folder;
  for (const std::string& at :
       {std::string(kAnyPort), std::string("tcp://[::1]:*"), "ipc://" + folder.File("socket")}) {
    SCOPED_TRACE(at);
    EchoServer server(at, kControlLimits);
    Transport transport;
    const auto connection = ConnectTo(transport, server.endpoint(), WorkerId{7});
    for (const std::size_t bytes : {1, 40, 511, 513, 70'000, 8 << 20}) {
      std::string frame(bytes, 'x');
      for (std::size_t i = 0; i < bytes; ++i) frame[i] = static_cast<char>(i * 7);
      ExpectEcho(*connection, frame);
    }
    const ConnectionStats stats = server.Stop();
    EXPECT_EQ(stats.opened, 1u);
    EXPECT_EQ(stats.open, 1u);
    EXPECT_EQ(stats.garbage, 0u);
  }
}

TEST(TransportTest, AnswersEachPeerByItsName) {
  Transport here, there;
  auto bound = Listener::Bind(here, Parsed(kAnyPort), kControlLimits);
  ASSERT_TRUE(bound.ok());
  Listener& listener = **bound;
  const std::vector<Address> names = {WorkerId{1}, ClientId{1}, WorkerId{UINT64_MAX},
                                      MasterAddress{}};
  std::vector<std::unique_ptr<Connection>> connections;
  for (const Address& name : names) {
    connections.push_back(ConnectTo(there, listener.endpoint(), name));
    ASSERT_TRUE(SendSoon(*connections.back(), "I am " + AddressName(name)));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::optional<Received> received;
    ASSERT_TRUE(Eventually([&] { return (received = listener.Receive()).has_value(); }));
    EXPECT_EQ(received->frame.view(), "I am " + AddressName(received->from));
    EXPECT_TRUE(listener.Send(received->from, "you are " + AddressName(received->from)).ok());
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(ReceiveSoon(*connections[i]), "you are " + AddressName(names[i]));
  }
}

// Also one who has come while others were being heard.
TEST(TransportTest, AnswersWhomItHasHeard) {
  Transport here;
  auto bound = Listener::Bind(here, Parsed(kAnyPort), kControlLimits);
  ASSERT_TRUE(bound.ok());
  constexpr std::uint64_t kPeers = 300;
  std::jthread peers([&] {
    Transport there;
    for (std::uint64_t i = 1; i <= kPeers; ++i) {
      const auto connection = ConnectTo(there, (*bound)->endpoint(), WorkerId{i});
      EXPECT_TRUE(SendSoon(*connection, "hello"));
      EXPECT_EQ(ReceiveSoon(*connection), "welcome");
    }
  });
  std::uint64_t heard = 0;
  EXPECT_TRUE(Eventually([&] {
    while (const std::optional<Received> received = (*bound)->Receive()) {
      EXPECT_TRUE((*bound)->Send(received->from, "welcome").ok());
      ++heard;
    }
    return heard == kPeers;
  }));
}

TEST(TransportTest, SaysWhoIsNotThere) {
  Transport transport;
  auto bound = Listener::Bind(transport, Parsed(kAnyPort), kDataLimits);
  ASSERT_TRUE(bound.ok());
  std::string frame(1000, 'x');
  const Status status = (*bound)->Send(WorkerId{3}, std::move(frame));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("w3 is not connected"));
  EXPECT_EQ(frame.size(), 1000u);  // NOLINT(bugprone-use-after-move): an error leaves it.

  const Folder folder;
  const std::string gone = "ipc://" + folder.File("nobody");
  const auto connection = ConnectTo(transport, gone, ClientId{1});
  EXPECT_EQ(connection->Send(std::move(frame)).code(), StatusCode::kUnavailable);
  EXPECT_EQ(frame.size(), 1000u);  // NOLINT(bugprone-use-after-move): an error leaves it.
}

// A peer that takes nothing costs its queue and no more; others don't wait for it.
TEST(TransportTest, SaysWhenAPeerTakesNothing) {
  Transport here, there;
  auto bound = Listener::Bind(here, Parsed(kAnyPort), kDataLimits);
  ASSERT_TRUE(bound.ok());
  Listener& listener = **bound;
  const auto lazy = ConnectTo(there, listener.endpoint(), WorkerId{1}, kDataLimits);
  ASSERT_TRUE(SendSoon(*lazy, "hello"));
  ASSERT_TRUE(Eventually([&] { return listener.Receive().has_value(); }));
  Status status;
  int taken = 0;
  // Its queue, ours, and the kernel's buffers on both sides.
  for (int refused = 0; refused < 50 && taken < 200;) {
    std::string frame(std::size_t{1} << 20, 'x');
    status = listener.Send(WorkerId{1}, std::move(frame));
    if (status.ok()) {
      ++taken;
      continue;
    }
    ++refused;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("w1 does not take its messages"));
  EXPECT_LT(taken, 50);
}

// What is sent before the end of the old connection is noticed may be lost: say it again.
void ExpectEchoAtLast(Connection& connection, const std::string& frame) {
  const bool is_back = Eventually([&] {
    static_cast<void>(connection.Send(std::string(frame)));
    while (const std::optional<Frame> back = connection.Receive()) {
      if (back->view() == frame) return true;
    }
    return false;
  });
  EXPECT_TRUE(is_back) << frame;
}

TEST(TransportTest, IsFoundAgainAfterARestart) {
  Transport transport;
  std::string at = kAnyPort;
  std::unique_ptr<Connection> connection;
  for (int life = 0; life < 3; ++life) {
    EchoServer server(at, kControlLimits);
    at = server.endpoint();
    if (connection == nullptr) connection = ConnectTo(transport, at, WorkerId{9});
    const auto start = Clock::now();
    ExpectEchoAtLast(*connection, "life " + std::to_string(life));
    const std::int64_t took_ms = MsSince(start);
    RecordProperty("life " + std::to_string(life) + " found after ms", std::to_string(took_ms));
    server.Stop();
  }
}

// ZeroMQ alone would leave the second connection deaf for good.
TEST(TransportTest, HearsAPeerThatComesAgainWhileItsOldConnectionLives) {
  EchoServer server(kAnyPort, kControlLimits);
  RawPeer old(server.endpoint());
  old.ShakeHands(RoutingIdOf(WorkerId{5}, kAnyNonce));
  ASSERT_TRUE(old.Write(ZmtpFrame("hello", /*has_more=*/false)));
  ASSERT_TRUE(Eventually([&] { return server.frame_count() == 1; }));

  Transport transport;
  const auto start = Clock::now();
  const auto connection = ConnectTo(transport, server.endpoint(), WorkerId{5});
  ExpectEcho(*connection, "here again");
  EXPECT_LT(MsSince(start), 1'000);
  EXPECT_TRUE(Eventually([&] { return old.IsCut(); }));
  EXPECT_EQ(server.Stop().open, 1u);
}

// ZeroMQ's own heartbeats would end the process here: it fails where it can't write any more. None
// falls due sooner than the sleep, and nothing tells that one would have.
TEST(TransportTest, OutlivesAPeerThatIsResetWhileItsMessagesWait) {
  Transport transport;
  auto bound = Listener::Bind(transport, Parsed(kAnyPort), kDataLimits);
  ASSERT_TRUE(bound.ok());
  Listener& listener = **bound;
  RawPeer peer(listener.endpoint());
  peer.ShakeHands(RoutingIdOf(WorkerId{5}, kAnyNonce));
  const int frames = 10 * kDataLimits.messages_max;
  std::string bytes;
  for (int i = 0; i < frames; ++i) bytes += ZmtpFrame("one of many", /*has_more=*/false);
  ASSERT_TRUE(peer.Write(bytes));
  ASSERT_TRUE(Eventually([&] { return listener.Receive().has_value(); }));
  peer.Reset();
  // As long as it takes to notice that a silent peer is gone.
  std::this_thread::sleep_for(std::chrono::seconds(kSilentSecondsMax));
  while (listener.Receive().has_value()) {
  }
  Transport there;
  const auto other = ConnectTo(there, listener.endpoint(), WorkerId{6}, kDataLimits);
  ASSERT_TRUE(SendSoon(*other, "here"));
  EXPECT_TRUE(Eventually([&] {
    const std::optional<Received> received = listener.Receive();
    return received && received->frame.view() == "here";
  }));
}

// A flipped length makes nonsense of all that follows on a connection, as long as it stays.
TEST(TransportTest, StartsOverWhereAllAnswersAreDamaged) {
  EchoServer server(kAnyPort, kControlLimits);
  Transport transport;
  const auto connection = ConnectTo(transport, server.endpoint(), WorkerId{1});
  std::uint64_t damaged = 0;
  EXPECT_TRUE(Eventually(
      [&] {
        EXPECT_TRUE(SendSoon(*connection, "question"));
        while (connection->Receive().has_value()) {
          connection->TellDamaged();
          ++damaged;
        }
        connection->Guard();
        return connection->stats().opened == 2;
      },
      std::chrono::seconds(2 * kAnswerSecondsMax)));
  EXPECT_GT(damaged, 1u);
  ASSERT_TRUE(SendSoon(*connection, "again"));
  EXPECT_TRUE(Eventually([&] {
    const std::optional<Frame> frame = connection->Receive();
    return frame && frame->view() == "again";
  }));
}

TEST(TransportTest, SaysWhatIsWrongWithAPlaceToListen) {
  Transport transport;
  const Folder folder;
  const auto error = [&](const std::string& at) {
    auto bound = Listener::Bind(transport, Parsed(at), kControlLimits);
    return bound.ok() ? Status::Ok() : bound.error();
  };
  EXPECT_EQ(error("tcp://0.0.0.0:*").code(), StatusCode::kInvalidArgument);

  for (const std::string& at : {std::string(kAnyPort), "ipc://" + folder.File("socket")}) {
    auto first = Listener::Bind(transport, Parsed(at), kControlLimits);
    ASSERT_TRUE(first.ok());
    const Status second = error((*first)->endpoint());
    EXPECT_EQ(second.code(), StatusCode::kUnavailable);
    EXPECT_THAT(second.message(), HasSubstr("another process does"));
  }

  std::ofstream(folder.File("notes")) << "mine";
  EXPECT_EQ(error("ipc://" + folder.File("notes")).code(), StatusCode::kCannotCreate);
  EXPECT_EQ(std::filesystem::file_size(folder.File("notes")), 4u);
  EXPECT_EQ(error("ipc://" + folder.File("no/such/folder")).code(), StatusCode::kCannotCreate);
}

TEST(TransportTest, KeepsAnIpcSocketToItsUser) {
  const Folder folder;
  Transport transport;
  auto bound = Listener::Bind(transport, Parsed("ipc://" + folder.File("s")), kControlLimits);
  ASSERT_TRUE(bound.ok());
  struct stat info;
  ASSERT_EQ(::stat(folder.File("s").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(PollerTest, SaysWhoIsReady) {
  Transport transport;
  auto bound = Listener::Bind(transport, Parsed(kAnyPort), kControlLimits);
  ASSERT_TRUE(bound.ok());
  const auto connection = ConnectTo(transport, (*bound)->endpoint(), WorkerId{1});
  const int event = ::eventfd(0, EFD_CLOEXEC);
  Poller poller;
  poller.Add(**bound);
  poller.Add(*connection);
  poller.Add(event);
  const auto start = Clock::now();
  EXPECT_EQ(*poller.Wait(/*timeout_ms=*/120), 0);
  EXPECT_GE(MsSince(start), 119);

  ASSERT_EQ(::eventfd_write(event, 1), 0);
  EXPECT_EQ(*poller.Wait(/*timeout_ms=*/10'000), 1);
  EXPECT_TRUE(poller.IsReady(event));
  EXPECT_FALSE(poller.IsReady(**bound));
  poller.Remove(event);

  ASSERT_TRUE(SendSoon(*connection, "hello"));
  EXPECT_EQ(*poller.Wait(/*timeout_ms=*/-1), 1);
  EXPECT_TRUE(poller.IsReady(**bound));
  EXPECT_FALSE(poller.IsReady(*connection));
  ASSERT_TRUE((*bound)->Receive().has_value());
  ASSERT_TRUE((*bound)->Send(WorkerId{1}, "hello").ok());
  EXPECT_EQ(*poller.Wait(/*timeout_ms=*/-1), 1);
  EXPECT_TRUE(poller.IsReady(*connection));
  poller.Remove(**bound);
  poller.Remove(*connection);
  ::close(event);
}

}  // namespace
}  // namespace millrace
