// SPDX-License-Identifier: Apache-2.0
// Sockets with keys: who is let in, who is not, and how one learns why.
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/transport/key_self_test.h"
#include "mapreduce/transport/poller.h"
#include "mapreduce/transport/turned_away.h"
#include "tests/integration/raw_peer.h"

namespace millrace {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kAnyPort[] = "tcp://127.0.0.1:*";

// A listener's keys, and those of a worker, a submitter and a stranger.
class TransportKeysTest : public ::testing::Test {
 protected:
  TransportKeysTest() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-keys-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    WriteList({{KeyRole::kWorker, "worker", worker_.public_key},
               {KeyRole::kSubmitter, "submitter", submitter_.public_key}});
    allowed_ = *AllowList::Open(folder_ + "/allowed.keys");
  }
  ~TransportKeysTest() override { std::filesystem::remove_all(folder_); }

  void WriteList(const std::vector<AllowedKey>& keys) const {
    std::ofstream file(folder_ + "/new");
    for (const AllowedKey& key : keys) {
      file << KeyRoleName(key.role) << ' ' << key.name << ' ' << key.key.Hex() << '\n';
    }
    file.close();
    std::filesystem::rename(folder_ + "/new", folder_ + "/allowed.keys");
  }

  TransportKeys ServerKeys() const { return {server_, allowed_}; }
  /// The endpoint, with the key that is expected there.
  std::string At(const EchoServer& server) const {
    return server.endpoint() + "#" + server_.public_key.Hex();
  }

  std::string folder_;
  const KeyPair server_ = KeyPair::Make();
  const KeyPair worker_ = KeyPair::Make();
  const KeyPair submitter_ = KeyPair::Make();
  const KeyPair stranger_ = KeyPair::Make();
  std::shared_ptr<AllowList> allowed_;
};

// The first try may just be ended, before either side has seen what the other speaks.
void ExpectTrouble(Connection& connection, const std::string& expected) {
  std::string trouble;
  EXPECT_TRUE(Eventually([&] {
    (void)connection.Send("hello");
    (void)connection.Receive();
    connection.Guard();
    trouble = connection.HandshakeTrouble();
    return trouble.find(expected) != std::string::npos;
  })) << trouble;
}

TEST_F(TransportKeysTest, CarryFramesOfEverySize) {
  for (const std::string& at : {std::string(kAnyPort), "ipc://" + folder_ + "/socket"}) {
    SCOPED_TRACE(at);
    EchoServer server(at, kControlLimits, ServerKeys());
    Transport transport{TransportKeys{worker_, nullptr}};
    const auto connection = ConnectTo(transport, At(server), WorkerId{7});
    ASSERT_NE(connection, nullptr);
    for (const std::size_t bytes :
         {std::size_t{1}, std::size_t{512}, std::size_t{70'000}, kControlLimits.frame_bytes_max}) {
      std::string frame(bytes, 'x');
      frame.back() = 'y';
      ASSERT_TRUE(SendSoon(*connection, frame));
      EXPECT_TRUE(ReceiveSoon(*connection) == frame) << bytes;
    }
    EXPECT_EQ(connection->HandshakeTrouble(), "");
    const ConnectionStats stats = server.Stop();
    EXPECT_EQ(stats.opened, 1u);
    EXPECT_EQ(stats.unknown_keys + stats.failed_handshakes + stats.cut_for_flood, 0u);
  }
}

TEST_F(TransportKeysTest, TellTheListenerWhoSpeaks) {
  Transport here(ServerKeys());
  auto bound = Listener::Bind(here, *Endpoint::Parse(kAnyPort), kControlLimits);
  ASSERT_TRUE(bound.ok()) << bound.error().message();
  Transport there{TransportKeys{submitter_, nullptr}};
  const auto connection =
      ConnectTo(there, (*bound)->endpoint() + "#" + server_.public_key.Hex(), ClientId{1});
  ASSERT_TRUE(SendSoon(*connection, "I am a client"));
  std::optional<Received> received;
  ASSERT_TRUE(Eventually([&] { return (received = (*bound)->Receive()).has_value(); }));
  ASSERT_TRUE(received->key.has_value());
  EXPECT_EQ(received->key->name, "submitter");
  EXPECT_EQ(received->key->role, KeyRole::kSubmitter);
}

TEST_F(TransportKeysTest, RefuseAStrangerAndSayWhy) {
  EchoServer server(kAnyPort, kControlLimits, ServerKeys());
  Transport transport{TransportKeys{stranger_, nullptr}};
  const auto connection = ConnectTo(transport, At(server), WorkerId{7});
  ExpectTrouble(*connection, "does not take this key");
  EXPECT_EQ(server.frame_count(), 0u);
  EXPECT_GE(server.Stop().unknown_keys, 1u);
}

TEST_F(TransportKeysTest, RefuseOneWithoutKeys) {
  EchoServer server(kAnyPort, kControlLimits, ServerKeys());
  Transport transport;
  const auto connection = ConnectTo(transport, server.endpoint(), WorkerId{7});
  ExpectTrouble(*connection, "--keys DIR");
  EXPECT_EQ(server.frame_count(), 0u);
  EXPECT_GE(server.Stop().failed_handshakes, 1u);
}

TEST_F(TransportKeysTest, OneWithKeysTalksToNobodyWithout) {
  EchoServer server(kAnyPort, kControlLimits);
  Transport transport{TransportKeys{worker_, nullptr}};
  const auto connection = ConnectTo(transport, At(server), WorkerId{7});
  ExpectTrouble(*connection, "works without keys");
  EXPECT_EQ(server.frame_count(), 0u);
}

// Somebody else has taken the address of the master.
TEST_F(TransportKeysTest, OneWithKeysTalksToNobodyElse) {
  const KeyPair other = KeyPair::Make();
  EchoServer server(kAnyPort, kControlLimits, TransportKeys{other, allowed_});
  Transport transport{TransportKeys{worker_, nullptr}};
  const auto connection = ConnectTo(transport, At(server), WorkerId{7});
  ExpectTrouble(*connection, "master.key");
  EXPECT_EQ(server.frame_count(), 0u);
}

TEST_F(TransportKeysTest, NeedAKeyToExpect) {
  Transport transport{TransportKeys{worker_, nullptr}};
  const auto connection = Connection::Connect(transport, *Endpoint::Parse("tcp://127.0.0.1:9"),
                                              WorkerId{1}, kControlLimits);
  ASSERT_FALSE(connection.ok());
  EXPECT_EQ(connection.error().code(), StatusCode::kInvalidArgument);
}

TEST_F(TransportKeysTest, NeedAListToListen) {
  Transport transport{TransportKeys{server_, nullptr}};
  const auto listener = Listener::Bind(transport, *Endpoint::Parse(kAnyPort), kControlLimits);
  ASSERT_FALSE(listener.ok());
  EXPECT_EQ(listener.error().code(), StatusCode::kInvalidArgument);
}

TEST_F(TransportKeysTest, ARevokedKeyIsCutThoughItIsConnected) {
  EchoServer server(kAnyPort, kControlLimits, ServerKeys());
  Transport transport{TransportKeys{worker_, nullptr}};
  Transport other{TransportKeys{submitter_, nullptr}};
  const auto revoked = ConnectTo(transport, At(server), WorkerId{7});
  const auto kept = ConnectTo(other, At(server), ClientId{7});
  ASSERT_TRUE(SendSoon(*revoked, "before"));
  EXPECT_EQ(ReceiveSoon(*revoked), "before");
  ASSERT_TRUE(SendSoon(*kept, "before"));
  EXPECT_EQ(ReceiveSoon(*kept), "before");

  WriteList({{KeyRole::kSubmitter, "submitter", submitter_.public_key}});
  // It comes again by itself, and is not let in.
  EXPECT_TRUE(Eventually([&] {
    (void)revoked->Receive();
    return !revoked->HandshakeTrouble().empty();
  })) << "an idle connection outlives its key";
  ASSERT_TRUE(SendSoon(*kept, "after"));
  EXPECT_EQ(ReceiveSoon(*kept), "after");
  const ConnectionStats stats = server.Stop();
  EXPECT_EQ(stats.cut_as_unknown, 1u);
  EXPECT_GE(stats.unknown_keys, 1u);
}

// Should ZeroMQ have let somebody in, no message of his is heard.
TEST_F(TransportKeysTest, EachMessageIsChecked) {
  Transport here(ServerKeys());
  auto bound = Listener::Bind(here, *Endpoint::Parse(kAnyPort), kControlLimits);
  ASSERT_TRUE(bound.ok());
  allowed_->Add({KeyRole::kWorker, "guest", stranger_.public_key});
  Transport there{TransportKeys{stranger_, nullptr}};
  const auto connection =
      ConnectTo(there, (*bound)->endpoint() + "#" + server_.public_key.Hex(), WorkerId{1});
  ASSERT_TRUE(SendSoon(*connection, "first"));
  std::optional<Received> received;
  ASSERT_TRUE(Eventually([&] { return (received = (*bound)->Receive()).has_value(); }));
  allowed_->Forget(stranger_.public_key);
  ASSERT_TRUE(SendSoon(*connection, "second"));
  EXPECT_TRUE(Eventually([&] {
    received = (*bound)->Receive();
    return received.has_value() || (*bound)->stats().cut_as_unknown > 0;
  }));
  EXPECT_FALSE(received.has_value());
}

TEST_F(TransportKeysTest, ANameBelongsToOneKey) {
  EchoServer server(kAnyPort, kControlLimits, ServerKeys());
  Transport transport{TransportKeys{worker_, nullptr}};
  Transport other{TransportKeys{submitter_, nullptr}};
  const auto owner = ConnectTo(transport, At(server), WorkerId{7});
  ASSERT_TRUE(SendSoon(*owner, "mine"));
  EXPECT_EQ(ReceiveSoon(*owner), "mine");
  const std::uint64_t heard = server.frame_count();
  const auto impostor = ConnectTo(other, At(server), WorkerId{7});
  EXPECT_TRUE(Eventually([&] {
    (void)impostor->Send("no, mine");
    (void)impostor->Receive();
    return impostor->stats().opened >= 3;  // It was cut, and came again.
  }));
  EXPECT_EQ(server.frame_count(), heard);
  // The owner's connection is none the worse for it.
  ASSERT_TRUE(SendSoon(*owner, "still mine"));
  EXPECT_EQ(ReceiveSoon(*owner), "still mine");
  EXPECT_EQ(owner->stats().opened, 1u);
  EXPECT_GE(server.Stop().cut_as_impostor, 2u);
}

// ZeroMQ itself gives up after a handshake that was refused.
TEST_F(TransportKeysTest, OneThatWasRefusedComesAgain) {
  Transport here(ServerKeys());
  auto bound = Listener::Bind(here, *Endpoint::Parse(kAnyPort), kControlLimits);
  ASSERT_TRUE(bound.ok());
  Transport there{TransportKeys{stranger_, nullptr}};
  const auto connection =
      ConnectTo(there, (*bound)->endpoint() + "#" + server_.public_key.Hex(), WorkerId{1});
  Poller poller;
  poller.Add(**bound);
  poller.Add(*connection);
  const auto turn = [&] {
    (void)connection->Send("hello");
    (void)poller.Wait(/*timeout_ms=*/20);
    return (*bound)->Receive().has_value();
  };
  EXPECT_TRUE(Eventually([&] { return turn() || connection->stats().unknown_keys >= 2; }));
  EXPECT_THAT(connection->HandshakeTrouble(), HasSubstr("does not take this key"));
  WriteList({{KeyRole::kWorker, "late", stranger_.public_key}});
  EXPECT_TRUE(Eventually(turn));
  EXPECT_EQ(connection->HandshakeTrouble(), "");
}

// What others are sent is theirs, though their ids are known.
TEST_F(TransportKeysTest, NobodyHearsWhatIsSentToAnother) {
  Transport here(ServerKeys());
  auto bound = Listener::Bind(here, *Endpoint::Parse(kAnyPort), kControlLimits);
  ASSERT_TRUE(bound.ok());
  const std::string at = (*bound)->endpoint() + "#" + server_.public_key.Hex();
  Transport of_owner{TransportKeys{worker_, nullptr}};
  const auto owner = ConnectTo(of_owner, at, WorkerId{7});
  ASSERT_TRUE(SendSoon(*owner, "mine"));
  std::optional<Received> received;
  ASSERT_TRUE(Eventually([&] { return (received = (*bound)->Receive()).has_value(); }));
  Transport of_other{TransportKeys{submitter_, nullptr}};
  const auto silent = ConnectTo(of_other, at, WorkerId{7});
  ASSERT_TRUE(Eventually([&] {
    (void)(*bound)->Receive();
    return silent->stats().opened > 0 && (*bound)->stats().opened >= 2;
  }));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Eventually([&] { return (*bound)->Send(WorkerId{7}, "an order").ok(); }));
    EXPECT_EQ(ReceiveSoon(*owner), "an order");
  }
  EXPECT_FALSE(silent->Receive().has_value());
}

TEST_F(TransportKeysTest, HalfAHandshakeHoldsNothing) {
  EchoServer server(kAnyPort, kControlLimits, ServerKeys());
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(std::make_unique<RawPeer>(server.endpoint()));
    // The greeting of ZMTP 3.0, mechanism CURVE, and then nothing, or half a command.
    std::string greeting("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0", 12);
    greeting += "CURVE";
    greeting.resize(64, '\0');
    ASSERT_TRUE(peers.back()->Write(greeting));
    const std::string half = i % 2 == 0 ? std::string("\x04\xc8\x05HELLO\x01\0", 10) : "";
    ASSERT_TRUE(peers.back()->Write(half));
  }
  Transport transport{TransportKeys{worker_, nullptr}};
  const auto connection = ConnectTo(transport, At(server), WorkerId{7});
  ASSERT_TRUE(SendSoon(*connection, "still here"));
  EXPECT_EQ(ReceiveSoon(*connection), "still here");
  for (const auto& peer : peers) {
    EXPECT_TRUE(Eventually([&] { return peer->IsCut(); })) << "longer than a handshake may take";
  }
  EXPECT_GE(server.Stop().failed_handshakes, peers.size());
}

// Frames that never end, before anybody knows who sends them (CURVE takes none of them).
TEST_F(TransportKeysTest, FramesBeforeTheHandshakeHoldNothing) {
  EchoServer server(kAnyPort, kControlLimits, ServerKeys());
  const std::size_t before = ResidentBytes();
  for (int i = 0; i < 20; ++i) {
    RawPeer peer(server.endpoint());
    std::string bytes("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0", 12);
    bytes += "CURVE";
    bytes.resize(64, '\0');
    const std::string frame = ZmtpFrame(std::string(1000, 'x'), /*has_more=*/true);
    for (int n = 0; n < 1000; ++n) bytes += frame;
    // A megabyte; the other side closes on the first frame.
    (void)peer.Write(bytes);
    EXPECT_TRUE(Eventually([&] { return peer.IsCut(); }));
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // They hold freed memory back.
  EXPECT_LT(ResidentBytes(), before + (std::size_t{32} << 20));
#else
  EXPECT_GT(before, 0u);
#endif
  EXPECT_EQ(server.frame_count(), 0u);
}

TEST_F(TransportKeysTest, TheSelfTestPassesWhereKeysAreChecked) {
  for (const char* const at : {"tcp://127.0.0.1:*", "tcp://*:*", "tcp://[::1]:*"}) {
    Transport transport(ServerKeys());
    auto bound = Listener::Bind(transport, *Endpoint::Parse(at), kDataLimits);
    ASSERT_TRUE(bound.ok()) << bound.error().message();
    const Status status = TestKeys(transport, **bound);
    EXPECT_TRUE(status.ok()) << status.message();
  }
}

// A listener that knows nothing of keys: nobody with one comes through.
TEST_F(TransportKeysTest, TheSelfTestFailsWhereTheyAreNot) {
  Transport plain;
  auto bound = Listener::Bind(plain, *Endpoint::Parse(kAnyPort), kDataLimits);
  ASSERT_TRUE(bound.ok());
  Transport transport(ServerKeys());
  const Status status = TestKeys(transport, **bound);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("nothing came through"));
}

TEST_F(TransportKeysTest, TheLogLearnsWhoWasTurnedAway) {
  Transport here(ServerKeys());
  auto bound = Listener::Bind(here, *Endpoint::Parse(kAnyPort), kControlLimits);
  ASSERT_TRUE(bound.ok());
  TurnedAway turned_away(here, **bound);
  EXPECT_THAT(turned_away.Notes(), IsEmpty());
  Transport there{TransportKeys{stranger_, nullptr}};
  const auto connection =
      ConnectTo(there, (*bound)->endpoint() + "#" + server_.public_key.Hex(), WorkerId{1});
  std::vector<std::string> notes;
  EXPECT_TRUE(Eventually([&] {
    (void)(*bound)->Receive();
    notes = turned_away.Notes();
    return !notes.empty();
  }));
  EXPECT_THAT(notes, Contains(HasSubstr("1 unknown keys")));
  EXPECT_THAT(notes, Contains(HasSubstr("127.0.0.1: key " + stranger_.public_key.Hex())));
}

}  // namespace
}  // namespace millrace
