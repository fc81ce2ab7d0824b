// SPDX-License-Identifier: Apache-2.0
// What strangers send to a listener: it costs little, and good peers don't notice.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "mapreduce/transport/peer.h"
#include "tests/integration/raw_peer.h"

namespace millrace {
namespace {

constexpr char kAnyPort[] = "tcp://127.0.0.1:*";
constexpr std::size_t kMiB = std::size_t{1} << 20;

void ExpectEcho(Connection& connection, const std::string& frame) {
  ASSERT_TRUE(SendSoon(connection, frame));
  EXPECT_EQ(ReceiveSoon(connection), frame);
}

class GarbageTest : public ::testing::Test {
 protected:
  GarbageTest() { good_ = ConnectTo(transport_, server_.endpoint(), WorkerId{1}); }

  // Garbage went in meanwhile, the good peer is as well as before.
  ConnectionStats Stop() {
    ExpectEcho(*good_, "still here");
    const ConnectionStats stats = server_.Stop();
    EXPECT_EQ(server_.frame_count(), 1u) << "garbage was taken for messages";
    return stats;
  }

  EchoServer server_{kAnyPort, kControlLimits};
  Transport transport_;
  std::unique_ptr<Connection> good_;
};

TEST_F(GarbageTest, OfRandomBytesIsDropped) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20; ++i) {
    RawPeer peer(server_.endpoint());
    std::string bytes(100'000, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    peer.Write(bytes);
  }
  EXPECT_EQ(Stop().cut_for_flood, 0u);
}

TEST_F(GarbageTest, OfAWebBrowserIsDropped) {
  RawPeer peer(server_.endpoint());
  peer.Write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: a browser\r\n\r\n");
  peer.Write(std::string(1000, 'x'));
  Stop();
}

TEST_F(GarbageTest, OfWrongFrameCountsEndsItsConnection) {
  RawPeer none(server_.endpoint()), three(server_.endpoint());
  none.ShakeHands(RoutingIdOf(WorkerId{2}, kAnyNonce));
  three.ShakeHands(RoutingIdOf(WorkerId{3}, kAnyNonce));
  for (int i = 0; i < kGarbageMax; ++i) {
    none.Write(ZmtpFrame("", /*has_more=*/false));
    three.Write(ZmtpFrame("a", true) + ZmtpFrame("b", true) + ZmtpFrame("c", false));
  }
  EXPECT_TRUE(Eventually([&] { return none.IsCut() && three.IsCut(); }));
  const ConnectionStats stats = Stop();
  EXPECT_EQ(stats.garbage, 6u);
  EXPECT_EQ(stats.cut_for_garbage, 2u);
}

TEST_F(GarbageTest, FromNobodyEndsItsConnection) {
  const std::vector<std::string> names = {"",
                                          "x",
                                          std::string("x\1\0\0\0\0\0\0\0", 9),
                                          std::string("w\0\0\0\0\0\0\0\0", 9),
                                          std::string("m\1\0\0\0\0\0\0\0", 9),
                                          std::string(200, 'w')};
  for (const std::string& name : names) {
    RawPeer peer(server_.endpoint());
    peer.ShakeHands(name);
    for (int i = 0; i < kGarbageMax; ++i) peer.Write(ZmtpFrame("hello", /*has_more=*/false));
    EXPECT_TRUE(Eventually([&] { return peer.IsCut(); })) << name;
  }
  EXPECT_EQ(Stop().cut_for_garbage, names.size());
}

TEST_F(GarbageTest, OfHugeFramesEndsItsConnection) {
  const std::size_t before = ResidentBytes();
  for (const char* const size : {"\0\0\0\0\x40\0\0\0", "\x7f\xff\xff\xff\xff\xff\xff\xff",
                                 "\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    RawPeer peer(server_.endpoint());
    peer.ShakeHands(RoutingIdOf(WorkerId{2}, kAnyNonce));
    peer.Write("\x02" + std::string(size, 8) + "first bytes");
    EXPECT_TRUE(Eventually([&] { return peer.IsCut(); }));
  }
  Stop();
  EXPECT_LT(ResidentBytes(), before + 16 * kMiB);
}

// Sends `bytes` as one message without end, while the good peer goes on; what memory that took.
struct Flood {
  std::size_t peak_bytes = 0;
  std::size_t sent_bytes = 0;
  bool was_cut = false;
  ConnectionStats stats;
};

Flood SendFlood(const SocketLimits& limits, std::size_t frame_bytes, std::size_t bytes) {
  EchoServer server(kAnyPort, limits);
  Transport transport;
  const auto good = ConnectTo(transport, server.endpoint(), WorkerId{1}, limits);
  ExpectEcho(*good, "before");
  const std::size_t before = ResidentBytes();
  Flood flood;
  std::atomic<bool> is_over = false;
  std::jthread stranger([&] {
    RawPeer peer(server.endpoint());
    peer.ShakeHands(RoutingIdOf(WorkerId{2}, kAnyNonce));
    std::string frames;
    while (frames.size() < 100'000) {
      frames += ZmtpFrame(std::string(frame_bytes, 'x'), /*has_more=*/true);
    }
    while (flood.sent_bytes < bytes && peer.Write(frames)) flood.sent_bytes += frames.size();
    flood.was_cut = Eventually([&] { return peer.IsCut(); }, std::chrono::seconds(1));
    is_over = true;
  });
  while (!is_over) {
    ExpectEcho(*good, "meanwhile");
    const std::size_t now = ResidentBytes();
    flood.peak_bytes = std::max(flood.peak_bytes, now > before ? now - before : 0);
  }
  stranger.join();
  ExpectEcho(*good, "after");
  flood.stats = server.Stop();
  return flood;
}

TEST(FloodTest, OfManyFramesInOneMessageIsCut) {
  for (const std::size_t frame_bytes : {std::size_t{1000}, std::size_t{60} << 10}) {
    for (const SocketLimits& limits : {kDataLimits, kControlLimits}) {
      const Flood flood = SendFlood(limits, frame_bytes, 300 * kMiB);
      RecordProperty("peak MiB, frames of " + std::to_string(frame_bytes) + ", limit " +
                         std::to_string(limits.frame_bytes_max / kMiB),
                     std::to_string(flood.peak_bytes / kMiB));
      EXPECT_TRUE(flood.was_cut);
      EXPECT_EQ(flood.stats.cut_for_flood, 1u);
      EXPECT_EQ(flood.stats.open, 1u);
      // A frame, what comes in between two looks, and as much again: small frames have headers.
      EXPECT_LT(flood.peak_bytes, 2 * limits.frame_bytes_max + 64 * kMiB);
    }
  }
}

// An empty frame is two bytes on the wire and 64 in memory.
TEST(FloodTest, OfEmptyFramesIsCut) {
  for (const SocketLimits& limits : {kDataLimits, kControlLimits}) {
    const Flood flood = SendFlood(limits, /*frame_bytes=*/0, 300 * kMiB);
    RecordProperty("peak MiB, empty frames, limit " + std::to_string(limits.frame_bytes_max / kMiB),
                   std::to_string(flood.peak_bytes / kMiB));
    EXPECT_TRUE(flood.was_cut);
    EXPECT_EQ(flood.stats.cut_for_flood, 1u);
    EXPECT_LT(flood.peak_bytes, 512 * kMiB);
  }
}

// What was held once, and is no more, is no credit for what comes: 63 MiB of empty frames would
// take two GiB.
TEST(FloodTest, OfEmptyFramesIsCutAlsoAfterMuchWasHeld) {
  EchoServer server(kAnyPort, kControlLimits);
  Transport transport;
  const auto good = ConnectTo(transport, server.endpoint(), WorkerId{1});
  ExpectEcho(*good, "before");
  const std::size_t before = ResidentBytes();
  RawPeer slow(server.endpoint());  // Half a frame is in from now on.
  slow.ShakeHands(RoutingIdOf(WorkerId{2}, kAnyNonce));
  const std::string frame = ZmtpFrame(std::string(60 * kMiB, 'x'), /*has_more=*/false);
  ASSERT_TRUE(slow.Write(std::string_view(frame).substr(0, kMiB)));
  {
    std::vector<std::unique_ptr<RawPeer>> peers;
    for (std::uint64_t id = 3; id < 6; ++id) {
      peers.push_back(std::make_unique<RawPeer>(server.endpoint()));
      peers.back()->ShakeHands(RoutingIdOf(WorkerId{id}, kAnyNonce));
      ASSERT_TRUE(peers.back()->Write(std::string_view(frame).substr(0, frame.size() - 1)));
    }
    EXPECT_TRUE(Eventually([&] {
      ExpectEcho(*good, "meanwhile");
      return ResidentBytes() > before + 170 * kMiB;
    }));
  }
  RawPeer stranger(server.endpoint());
  stranger.ShakeHands(RoutingIdOf(WorkerId{6}, kAnyNonce));
  std::string frames;
  while (frames.size() < 100'000) frames += ZmtpFrame("", /*has_more=*/true);
  std::size_t peak = 0;
  for (std::size_t sent = 0; sent < 60 * kMiB && stranger.Write(frames); sent += frames.size()) {
    ExpectEcho(*good, "meanwhile");
    peak = std::max(peak, ResidentBytes());
  }
  RecordProperty("peak MiB", std::to_string((peak - before) / kMiB));
  EXPECT_TRUE(Eventually([&] { return stranger.IsCut(); }));
  EXPECT_LT(peak, before + 800 * kMiB);
}

// Never empty, so there is never a moment in which all that is complete was received.
TEST(FloodTest, IsCutWhileTheOwnerIsBehind) {
  Transport here, there;
  auto bound = Listener::Bind(here, *Endpoint::Parse(kAnyPort), kDataLimits);
  ASSERT_TRUE(bound.ok());
  Listener& listener = **bound;
  std::vector<std::jthread> senders;
  for (std::uint64_t id = 1; id <= 4; ++id) {
    senders.emplace_back([&there, id, at = listener.endpoint()](const std::stop_token& stop) {
      const auto connection = ConnectTo(there, at, WorkerId{id}, kDataLimits);
      while (!stop.stop_requested()) {
        if (!connection->Send(std::string(100'000, 'x')).ok()) std::this_thread::yield();
      }
    });
  }
  std::uint64_t heard = 0, empty = 0;
  const auto receive_one = [&] { listener.Receive().has_value() ? ++heard : ++empty; };
  ASSERT_TRUE(Eventually([&] {
    receive_one();
    return heard > 100;
  }));
  heard = empty = 0;
  std::atomic<bool> was_cut = false;
  std::jthread stranger([&] {
    RawPeer peer(listener.endpoint());
    peer.ShakeHands(RoutingIdOf(WorkerId{9}, kAnyNonce));
    const std::string frames = ZmtpFrame(std::string(60'000, 'x'), /*has_more=*/true);
    for (std::size_t sent = 0; sent < 300 * kMiB && peer.Write(frames);) sent += frames.size();
    was_cut = Eventually([&] { return peer.IsCut(); });
  });
  EXPECT_TRUE(Eventually([&] {  // A message each millisecond: less than what comes.
    receive_one();
    return was_cut.load();
  }));
  senders.clear();
  EXPECT_EQ(listener.stats().cut_for_flood, 1u);
  EXPECT_GT(heard, 20 * empty);
}

// A stalled owner finds queues full of complete messages, more than any limit of unfinished ones.
TEST(FloodTest, IsNotWhatWaitsForASlowReader) {
  SocketLimits limits = kDataLimits;
  limits.messages_max = 64;
  limits.frame_bytes_max = 2 * kMiB;
  Transport here, there;
  auto bound = Listener::Bind(here, *Endpoint::Parse(kAnyPort), limits);
  ASSERT_TRUE(bound.ok());
  Listener& listener = **bound;
  // What waits at the senders is of this process, too: it is not to grow by that.
  SocketLimits senders_limits = limits;
  senders_limits.messages_max = 2;
  std::atomic<std::uint64_t> sent = 0;
  std::vector<std::jthread> senders;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    senders.emplace_back([&, id](const std::stop_token& stop) {
      const auto connection = ConnectTo(there, listener.endpoint(), WorkerId{id}, senders_limits);
      while (!stop.stop_requested()) {
        if (connection->Send(std::string(2 * kMiB, 'x')).ok()) {
          ++sent;
        } else {
          std::this_thread::yield();
        }
      }
      Eventually([&] { return connection->stats().open == 0; }, std::chrono::seconds(1));
    });
  }
  std::uint64_t heard = 0;
  const auto keep_up_for = [&](std::chrono::milliseconds duration) {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) heard += listener.Receive().has_value() ? 1 : 0;
  };
  for (int stall = 0; stall < 4; ++stall) {
    // What the process holds without queues is looked at, and grows with them by more than the
    // 256 MiB that an owner may grow by.
    keep_up_for(std::chrono::milliseconds(200));
    std::this_thread::sleep_for(std::chrono::seconds(1));
    for (int i = 0; i < 150; ++i) heard += listener.Receive().has_value() ? 1 : 0;
    listener.Guard();
  }
  keep_up_for(std::chrono::seconds(1));
  for (std::jthread& sender : senders) sender.request_stop();
  EXPECT_TRUE(Eventually([&] {
    while (listener.Receive().has_value()) ++heard;
    return heard == sent;
  }));
  const ConnectionStats stats = listener.stats();
  EXPECT_EQ(stats.cut_for_flood, 0u);
  EXPECT_EQ(stats.opened, 3u);
  EXPECT_GT(heard, 500u);
}

// A worker that merges grows by far more than its peers' frames.
TEST(FloodTest, IsNotTheGrowthOfTheOwner) {
  Transport here;
  auto bound = Listener::Bind(here, *Endpoint::Parse(kAnyPort), kDataLimits);
  ASSERT_TRUE(bound.ok());
  Listener& listener = **bound;
  RawPeer peer(listener.endpoint());
  peer.ShakeHands(RoutingIdOf(WorkerId{1}, kAnyNonce));
  const std::string frame = ZmtpFrame(std::string(4 * kMiB, 'x'), /*has_more=*/false);
  peer.Write(std::string_view(frame).substr(0, 2 * kMiB));
  const auto check_for = [&](std::chrono::milliseconds duration) {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) EXPECT_FALSE(listener.Receive().has_value());
  };
  check_for(std::chrono::milliseconds(200));
  const std::size_t before = ResidentBytes();
  const std::string own(400 * kMiB, 'x');
  EXPECT_GT(ResidentBytes(), before + 300 * kMiB);
  check_for(std::chrono::milliseconds(200));
  EXPECT_EQ(listener.stats().cut_for_flood, 0u);
  peer.Write(std::string_view(frame).substr(2 * kMiB));
  EXPECT_TRUE(Eventually([&] { return listener.Receive().has_value(); }));
}

TEST(FloodTest, OfIdleConnectionsCostsLittle) {
  EchoServer server(kAnyPort, kControlLimits);
  Transport transport;
  const auto good = ConnectTo(transport, server.endpoint(), WorkerId{1});
  ExpectEcho(*good, "before");
  const std::size_t before = ResidentBytes();
  std::vector<std::unique_ptr<RawPeer>> idle;
  for (std::uint64_t i = 0; i < 100; ++i) {
    idle.push_back(std::make_unique<RawPeer>(server.endpoint()));
    idle.back()->ShakeHands(RoutingIdOf(WorkerId{1000 + i}, kAnyNonce));
    idle.back()->Write(ZmtpFrame("hello", /*has_more=*/false));
  }
  EXPECT_TRUE(Eventually([&] { return server.frame_count() == 101; }));
  ExpectEcho(*good, "after");
  const std::size_t each = (ResidentBytes() - before) / idle.size();
  RecordProperty("KiB per idle connection", std::to_string(each / 1024));
  // A sanitizer has a shadow of it all.
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::size_t kBytesMax = 512 << 10;
#else
  constexpr std::size_t kBytesMax = 64 << 10;
#endif
  EXPECT_LT(each, kBytesMax);
  EXPECT_EQ(server.Stop().open, 101u);
}

// Those that say nothing make room for those that do.
TEST(FloodTest, OfConnectionsLeavesRoomForGoodOnes) {
  SocketLimits limits = kControlLimits;
  limits.connections_max = 40;
  limits.newcomers_max = 10;
  EchoServer server(kAnyPort, limits);
  std::vector<std::unique_ptr<RawPeer>> idle;
  for (int i = 0; i < 100; ++i) idle.push_back(std::make_unique<RawPeer>(server.endpoint()));
  EXPECT_TRUE(Eventually([&] {
    std::size_t alive = 0;
    for (const auto& peer : idle) alive += peer->IsCut() ? 0 : 1;
    return alive <= limits.newcomers_max;
  }));
  Transport transport;
  std::vector<std::unique_ptr<Connection>> good;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    good.push_back(ConnectTo(transport, server.endpoint(), WorkerId{i}));
    ExpectEcho(*good.back(), "hello");
  }
  const ConnectionStats stats = server.Stop();
  EXPECT_LE(stats.open, limits.connections_max);
  EXPECT_GE(stats.cut_for_room, 90u);
}

}  // namespace
}  // namespace millrace
