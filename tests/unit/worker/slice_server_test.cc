// SPDX-License-Identifier: Apache-2.0
#include "worker/slice_server.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/worker_tools.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr ServeLimits kLimits{.streams_max = 2, .piece_bytes = 10, .idle_ms = 30'000};
constexpr std::uint64_t kNowMs = 1'000'000;

ServeKey KeyOf(WorkerId reader_worker, std::uint32_t part = 0) {
  return {reader_worker, Reduce(part), {}};
}
FetchRequest From(std::uint64_t resume_at, std::uint64_t credit_bytes) {
  FetchRequest request;
  request.reader = Reduce(0);
  request.resume_at = resume_at;
  request.credit_bytes = credit_bytes;
  return request;
}
ServedPiece Piece(std::uint64_t bytes, std::uint64_t stream_bytes) {
  return {{}, stream_bytes, std::string(bytes, 'x')};
}

TEST(SliceServerTest, ReadsOnePieceAtATimeUpToTheEnd) {
  SliceServer server(kLimits);
  server.Open(KeyOf(kPeer), From(0, 100), {Map(0), Map(1)}, kNowMs);
  for (const std::uint64_t offset : {0, 10, 20}) {
    const std::vector<SliceServer::NextRead> reads = server.TakeReads();
    ASSERT_THAT(reads, SizeIs(1));
    EXPECT_EQ(reads[0].key, KeyOf(kPeer));
    EXPECT_THAT(reads[0].outputs, ElementsAre(Map(0), Map(1)));
    EXPECT_EQ(reads[0].offset, offset);
    EXPECT_EQ(reads[0].bytes_max, 10u);
    EXPECT_THAT(server.TakeReads(), IsEmpty());
    EXPECT_TRUE(server.TakePiece(KeyOf(kPeer), offset, Piece(offset == 20 ? 5 : 10, 25)));
  }
  EXPECT_THAT(server.TakeReads(), IsEmpty());
}

TEST(SliceServerTest, ReadsNoFurtherThanThereIsCredit) {
  SliceServer server(kLimits);
  server.Open(KeyOf(kPeer), From(0, 4), {Map(0)}, kNowMs);
  EXPECT_EQ(server.TakeReads().at(0).bytes_max, 4u);
  server.TakePiece(KeyOf(kPeer), 0, Piece(4, 25));
  EXPECT_THAT(server.TakeReads(), IsEmpty());
  server.AddCredit(KeyOf(kPeer), 7, kNowMs);
  const std::vector<SliceServer::NextRead> reads = server.TakeReads();
  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_EQ(reads[0].offset, 4u);
  EXPECT_EQ(reads[0].bytes_max, 3u);
}

TEST(SliceServerTest, TakesNoCreditBack) {
  SliceServer server(kLimits);
  server.Open(KeyOf(kPeer), From(0, 20), {Map(0)}, kNowMs);
  server.AddCredit(KeyOf(kPeer), 5, kNowMs);  // An older one, late.
  EXPECT_EQ(server.TakeReads().at(0).bytes_max, 10u);
}

TEST(SliceServerTest, GoesOnWhereTheReaderHasStopped) {
  SliceServer server(kLimits);
  server.Open(KeyOf(kPeer), From(17, 100), {Map(0)}, kNowMs);
  EXPECT_EQ(server.TakeReads().at(0).offset, 17u);
}

TEST(SliceServerTest, StartsAnewWhenTheReaderAsksAgain) {
  SliceServer server(kLimits);
  server.Open(KeyOf(kPeer), From(0, 100), {Map(0)}, kNowMs);
  server.TakeReads();
  server.TakePiece(KeyOf(kPeer), 0, Piece(10, 25));
  server.TakeReads();
  server.Open(KeyOf(kPeer), From(5, 100), {Map(0)}, kNowMs);
  EXPECT_EQ(server.TakeReads().at(0).offset, 5u);
  EXPECT_FALSE(server.TakePiece(KeyOf(kPeer), 10, Piece(10, 25)));  // Read for the older request.
  EXPECT_TRUE(server.TakePiece(KeyOf(kPeer), 5, Piece(10, 25)));
}

TEST(SliceServerTest, DropsAPieceThatNobodyWaitsFor) {
  SliceServer server(kLimits);
  EXPECT_FALSE(server.TakePiece(KeyOf(kPeer), 0, Piece(10, 25)));
  server.Open(KeyOf(kPeer), From(0, 100), {Map(0)}, kNowMs);
  EXPECT_FALSE(server.TakePiece(KeyOf(kPeer), 0, Piece(10, 25)));  // Nor read.
  server.TakeReads();
  EXPECT_TRUE(server.TakePiece(KeyOf(kPeer), 0, Piece(10, 25)));
  EXPECT_FALSE(server.TakePiece(KeyOf(kPeer), 0, Piece(10, 25)));
}

TEST(SliceServerTest, ServesAnEmptyStream) {
  SliceServer server(kLimits);
  server.Open(KeyOf(kPeer), From(0, 100), {}, kNowMs);
  ASSERT_THAT(server.TakeReads(), SizeIs(1));
  EXPECT_TRUE(server.TakePiece(KeyOf(kPeer), 0, Piece(0, 0)));
  EXPECT_THAT(server.TakeReads(), IsEmpty());
}

TEST(SliceServerTest, KeepsToStreamsMax) {
  SliceServer server(kLimits);
  for (std::uint64_t id = 2; id <= 4; ++id)
    server.Open(KeyOf(WorkerId{id}), From(0, 100), {Map(0)}, kNowMs);
  EXPECT_THAT(server.TakeReads(), SizeIs(2));
  server.Close(KeyOf(WorkerId{2}));
  server.Open(KeyOf(WorkerId{4}), From(0, 100), {Map(0)}, kNowMs);
  EXPECT_THAT(server.TakeReads(), SizeIs(1));
}

TEST(SliceServerTest, ForgetsStreamsWhoseReadersAreSilent) {
  SliceServer server(kLimits);
  server.Open(KeyOf(kPeer), From(0, 100), {Map(0)}, kNowMs);
  server.Open(KeyOf(kOther), From(0, 100), {Map(0)}, kNowMs);
  server.TakeReads();
  server.AddCredit(KeyOf(kOther), 101, kNowMs + 10'000);
  server.Open(KeyOf(WorkerId{9}), From(0, 100), {Map(0)}, kNowMs + 30'000);
  EXPECT_THAT(server.TakeReads(), IsEmpty());  // Silent for idle_ms is not yet too long.
  server.Open(KeyOf(WorkerId{9}), From(0, 100), {Map(0)}, kNowMs + 30'001);
  EXPECT_THAT(server.TakeReads(), SizeIs(1));
  EXPECT_FALSE(server.TakePiece(KeyOf(kPeer), 0, Piece(10, 25)));
  EXPECT_TRUE(server.TakePiece(KeyOf(kOther), 0, Piece(10, 25)));
}

TEST(SliceServerTest, ForgetsTheStreamsOfARunThatHasEnded) {
  SliceServer server(kLimits);
  server.Open(KeyOf(kPeer), From(0, 100), {Map(0)}, kNowMs);
  server.CloseRun(JobRunId{2});
  EXPECT_THAT(server.TakeReads(), SizeIs(1));
  server.CloseRun(JobRunId{1});
  EXPECT_FALSE(server.TakePiece(KeyOf(kPeer), 0, Piece(10, 25)));
}

}  // namespace
}  // namespace millrace
