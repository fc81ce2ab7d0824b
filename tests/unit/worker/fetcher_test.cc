// SPDX-License-Identifier: Apache-2.0
#include "worker/fetcher.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/worker_tools.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr FetchLimits kLimits{
    .streams_max = 2, .credit_bytes = 8, .retry_ms = 1'000, .tries_max = 3};

// One fetcher and what it says; the stream is the bytes 'a', 'b', ... of two outputs.
class FetcherTest : public ::testing::Test {
 protected:
  void Add(WorkerId from, const AttemptId& reader = Reduce(0)) {
    fetcher_.Add({reader, {}, from}, SetOf(from, {Map(0), Map(1)}), {});
  }
  FetchData Piece(std::uint64_t offset, std::uint64_t bytes, std::uint64_t stream_bytes) const {
    FetchData data;
    data.reader = Reduce(0);
    data.offset = offset;
    data.stream_bytes = stream_bytes;
    if (offset == 0)
      data.slices = {{Map(0), 1, 0, 5, 0}, {Map(1), 2, 100, 100 + stream_bytes - 5, 0}};
    for (std::uint64_t i = 0; i < bytes; ++i)
      data.bytes.push_back(static_cast<char>('a' + offset + i));
    return data;
  }
  std::string Take(WorkerId from, const FetchData& data) {
    return fetcher_.Take(from, data, now_ms_, out_);
  }
  void Tick() { fetcher_.Tick(now_ms_, out_); }
  // Messages of one kind since the last call.
  template <class Body>
  std::vector<Body> Sent() {
    std::vector<Body> found;
    for (const Fetcher::Outgoing& message : std::exchange(out_, {})) {
      if (const auto* body = std::get_if<Body>(&message.body)) found.push_back(*body);
    }
    return found;
  }

  Fetcher fetcher_{kLimits};
  std::uint64_t now_ms_ = 1'000'000;
  std::vector<Fetcher::Outgoing> out_;
};

TEST_F(FetcherTest, AsksForTheSetFromTheBeginning) {
  fetcher_.Add({Reduce(0), {0, 3}, kPeer}, SetOf(kPeer, {Map(0), Map(1)}), {"b", "y"});
  Tick();
  ASSERT_THAT(out_, SizeIs(1));
  EXPECT_EQ(out_[0].to, kPeer);
  const FetchRequest request = Sent<FetchRequest>().at(0);
  EXPECT_EQ(request.reader, Reduce(0));
  EXPECT_EQ(request.source, (PhaseSource{0, 3}));
  EXPECT_EQ(request.output_count, 2u);
  EXPECT_EQ(request.outputs_hash, OutputHash(Map(0)) + OutputHash(Map(1)));
  EXPECT_EQ(request.borders, (KeyBorders{"b", "y"}));
  EXPECT_EQ(request.resume_at, 0u);
  EXPECT_EQ(request.credit_bytes, 8u);
}

TEST_F(FetcherTest, TakesAStreamInOrderToItsEnd) {
  Add(kPeer);
  Tick();
  EXPECT_FALSE(fetcher_.IsDone(Reduce(0)));
  EXPECT_EQ(Take(kPeer, Piece(0, 4, 12)), "abcd");
  EXPECT_EQ(Take(kPeer, Piece(4, 4, 12)), "efgh");
  EXPECT_FALSE(fetcher_.IsDone(Reduce(0)));
  EXPECT_EQ(Take(kPeer, Piece(8, 4, 12)), "ijkl");
  EXPECT_TRUE(fetcher_.IsDone(Reduce(0)));
  const std::vector<FetchedSource> fetched = fetcher_.Fetched(Reduce(0));
  ASSERT_THAT(fetched, SizeIs(1));
  EXPECT_EQ(fetched[0].key.from, kPeer);
  EXPECT_EQ(fetched[0].bytes, 12u);
  EXPECT_EQ(fetched[0].slices, Piece(0, 4, 12).slices);
}

// Outputs without any key of the range.
TEST_F(FetcherTest, TakesAnEmptyStream) {
  Add(kPeer);
  Tick();
  FetchData data;
  data.reader = Reduce(0);
  data.slices = {{Map(0), 1, 0, 0, 0}, {Map(1), 2, 0, 0, 0}};
  EXPECT_EQ(Take(kPeer, data), "");
  EXPECT_TRUE(fetcher_.IsDone(Reduce(0)));
}

TEST_F(FetcherTest, GivesNewCreditWhenHalfOfItIsUsed) {
  Add(kPeer);
  Tick();
  Sent<FetchRequest>();
  Take(kPeer, Piece(0, 3, 20));
  EXPECT_THAT(Sent<FetchCredit>(), IsEmpty());
  Take(kPeer, Piece(3, 1, 20));
  const std::vector<FetchCredit> credits = Sent<FetchCredit>();
  ASSERT_THAT(credits, SizeIs(1));
  EXPECT_EQ(credits[0].up_to, 4u + 8u);
}

TEST_F(FetcherTest, GivesNoCreditForAStreamThatIsDone) {
  Add(kPeer);
  Tick();
  Sent<FetchRequest>();
  Take(kPeer, Piece(0, 7, 7));
  EXPECT_THAT(out_, IsEmpty());
}

TEST_F(FetcherTest, IgnoresDuplicates) {
  Add(kPeer);
  Tick();
  EXPECT_EQ(Take(kPeer, Piece(0, 4, 12)), "abcd");
  EXPECT_EQ(Take(kPeer, Piece(0, 4, 12)), "");
  EXPECT_EQ(Take(kPeer, Piece(4, 8, 12)), "efghijkl");
  EXPECT_EQ(Take(kPeer, Piece(4, 8, 12)), "");  // It is done.
  EXPECT_EQ(fetcher_.Fetched(Reduce(0)).at(0).bytes, 12u);
}

TEST_F(FetcherTest, AsksAgainFromAGapOn) {
  Add(kPeer);
  Tick();
  Take(kPeer, Piece(0, 4, 12));
  EXPECT_EQ(Take(kPeer, Piece(8, 4, 12)), "");  // Bytes 4 to 8 were lost.
  Sent<FetchRequest>();
  EXPECT_EQ(fetcher_.NextTimerMs(), now_ms_ + 1'000);
  now_ms_ += 999;
  Tick();
  EXPECT_THAT(Sent<FetchRequest>(), IsEmpty());
  now_ms_ += 1;
  Tick();
  const std::vector<FetchRequest> requests = Sent<FetchRequest>();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].resume_at, 4u);
  EXPECT_EQ(Take(kPeer, Piece(4, 8, 12)), "efghijkl");
}

TEST_F(FetcherTest, GivesUpAfterTriesMaxNamingTheSource) {
  Add(kPeer);
  for (int attempt = 0; attempt < 3; ++attempt) {
    Tick();
    EXPECT_THAT(Sent<FetchRequest>(), SizeIs(1));
    EXPECT_THAT(fetcher_.TakeFailed(), IsEmpty());
    now_ms_ += 1'000;
  }
  Tick();
  EXPECT_THAT(Sent<FetchRequest>(), IsEmpty());
  const auto failed = fetcher_.TakeFailed();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].first, Reduce(0));
  EXPECT_EQ(failed[0].second.code, StatusCode::kUnavailable);
  EXPECT_EQ(failed[0].second.source, kPeer);
  EXPECT_EQ(failed[0].second.message, "worker 2 does not send what it holds of phase 0");
  EXPECT_EQ(fetcher_.stream_count(), 0u);
  EXPECT_THAT(fetcher_.TakeFailed(), IsEmpty());  // Told once.
}

TEST_F(FetcherTest, CountsTriesAnewWithEachByte) {
  Add(kPeer);
  for (std::uint64_t offset = 0; offset < 10; ++offset) {
    for (int attempt = 0; attempt < 2; ++attempt) {
      Tick();
      now_ms_ += 1'000;
    }
    EXPECT_EQ(Take(kPeer, Piece(offset, 1, 10)).size(), 1u);
    now_ms_ += 1'000;
  }
  EXPECT_THAT(fetcher_.TakeFailed(), IsEmpty());
  EXPECT_TRUE(fetcher_.IsDone(Reduce(0)));
}

TEST_F(FetcherTest, TriesAgainWhereTheOtherSideIsNotReady) {
  Add(kPeer);
  Tick();
  Sent<FetchRequest>();
  now_ms_ += 500;
  fetcher_.Take(kPeer, {Reduce(0), {}, StatusCode::kUnavailable, {}, "not yet"}, now_ms_);
  now_ms_ += 999;
  Tick();
  EXPECT_THAT(Sent<FetchRequest>(), IsEmpty());
  now_ms_ += 1;
  Tick();
  EXPECT_THAT(Sent<FetchRequest>(), SizeIs(1));
}

TEST_F(FetcherTest, GivesUpASourceThatRefusesToTheEndWithItsWords) {
  Add(kPeer);
  for (int attempt = 0; attempt < 4; ++attempt) {
    Tick();
    fetcher_.Take(kPeer, {Reduce(0), {}, StatusCode::kUnavailable, {}, "not yet"}, now_ms_);
    now_ms_ += 1'000;
  }
  const auto failed = fetcher_.TakeFailed();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_THAT(failed[0].second.message, HasSubstr("not yet"));
}

TEST_F(FetcherTest, GivesUpADamagedSourceAtOnce) {
  Add(kPeer);
  Tick();
  fetcher_.Take(kPeer, {Reduce(0), {}, StatusCode::kCorrupt, Map(1), "hash mismatch"}, now_ms_);
  const auto failed = fetcher_.TakeFailed();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].second.code, StatusCode::kCorrupt);
  EXPECT_EQ(failed[0].second.source, kPeer);
  EXPECT_EQ(failed[0].second.damaged, Map(1));
}

// Not one byte of it gets into the spool.
TEST_F(FetcherTest, RefusesAStreamThatItDidNotAskFor) {
  FetchData one_slice = Piece(0, 4, 12), other_size = Piece(0, 4, 12), too_long = Piece(0, 13, 12);
  one_slice.slices = {{Map(0), 1, 0, 12, 0}};
  other_size.stream_bytes = 13;
  for (const FetchData& wrong : {one_slice, other_size, too_long}) {
    Fetcher fetcher(kLimits);
    fetcher.Add({Reduce(0), {}, kPeer}, SetOf(kPeer, {Map(0), Map(1)}), {});
    for (int attempt = 0; attempt < 3; ++attempt) {
      fetcher.Tick(now_ms_, out_);
      EXPECT_EQ(fetcher.Take(kPeer, wrong, now_ms_, out_), "");
      now_ms_ += 1'000;
    }
    fetcher.Tick(now_ms_, out_);
    const auto failed = fetcher.TakeFailed();
    ASSERT_THAT(failed, SizeIs(1));
    EXPECT_EQ(failed[0].second.source, kPeer);
    EXPECT_THAT(failed[0].second.message, HasSubstr("another stream"));
  }
}

TEST_F(FetcherTest, TakesTheRightStreamAfterAWrongOne) {
  Add(kPeer);
  Tick();
  FetchData wrong = Piece(0, 4, 12);
  wrong.slices.pop_back();
  EXPECT_EQ(Take(kPeer, wrong), "");
  EXPECT_EQ(Take(kPeer, Piece(0, 4, 12)), "abcd");
}

TEST_F(FetcherTest, IgnoresWhatNobodyAskedFor) {
  Add(kPeer);
  Tick();
  EXPECT_EQ(Take(kOther, Piece(0, 4, 12)), "");
  FetchData other_reader = Piece(0, 4, 12);
  other_reader.reader = Reduce(1);
  EXPECT_EQ(Take(kPeer, other_reader), "");
  fetcher_.Remove(Reduce(0));
  EXPECT_EQ(Take(kPeer, Piece(0, 4, 12)), "");
}

TEST_F(FetcherTest, KeepsToStreamsMaxAndOpensTheNextWhenOneIsDone) {
  for (std::uint64_t id = 2; id <= 4; ++id) Add(WorkerId{id});
  Tick();
  EXPECT_THAT(Sent<FetchRequest>(), SizeIs(2));
  EXPECT_EQ(Take(WorkerId{4}, Piece(0, 4, 12)), "");  // Not asked for yet.
  Take(WorkerId{2}, Piece(0, 12, 12));
  Sent<FetchRequest>();
  Tick();
  ASSERT_THAT(out_, SizeIs(1));
  EXPECT_EQ(out_[0].to, WorkerId{4});
}

TEST_F(FetcherTest, OpensTheNextStreamWhenAReaderIsGone) {
  Add(kPeer, Reduce(0));
  Add(kOther, Reduce(0));
  Add(kPeer, Reduce(1));
  Tick();
  Sent<FetchRequest>();
  fetcher_.Remove(Reduce(0));
  Tick();
  const std::vector<FetchRequest> requests = Sent<FetchRequest>();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].reader, Reduce(1));
}

TEST_F(FetcherTest, FailsAReaderOnceThoughAllOfItsSourcesAreSilent) {
  Add(kPeer);
  Add(kOther);
  for (int attempt = 0; attempt < 4; ++attempt) {
    Tick();
    now_ms_ += 1'000;
  }
  EXPECT_THAT(fetcher_.TakeFailed(), SizeIs(1));
}

TEST_F(FetcherTest, HasNothingToWaitForWithoutStreams) {
  EXPECT_EQ(fetcher_.NextTimerMs(), UINT64_MAX);
  EXPECT_TRUE(fetcher_.IsDone(Reduce(0)));
  EXPECT_THAT(fetcher_.Fetched(Reduce(0)), IsEmpty());
}

// ---- Files instead of a stream

FetchFile FileOf(const AttemptId& output, const std::string& path) {
  FetchFile file;
  file.output = output;
  file.path = path;
  return file;
}

class FetcherOnOneHostTest : public FetcherTest {
 protected:
  static FetchLimits OnHost() {
    FetchLimits limits = kLimits;
    limits.host = "host";
    return limits;
  }
  void Start(const AttemptId& reader = Reduce(0)) {
    host_.Add({reader, {}, kPeer}, SetOf(kPeer, {Map(0), Map(1)}), {});
    host_.Tick(now_ms_, out_);
  }
  FetchFiles Files(const AttemptId& reader = Reduce(0)) const {
    return {reader, {}, {FileOf(Map(0), "/a"), FileOf(Map(1), "/b")}};
  }

  Fetcher host_{OnHost()};
};

TEST_F(FetcherOnOneHostTest, TakesFilesAsTheWholeStream) {
  Start();
  EXPECT_EQ(Sent<FetchRequest>().at(0).host, "host");
  host_.Take(kPeer, Files());
  ASSERT_TRUE(host_.IsDone(Reduce(0)));
  const std::vector<FetchedSource> fetched = host_.Fetched(Reduce(0));
  ASSERT_THAT(fetched, SizeIs(1));
  EXPECT_THAT(fetched[0].files, ElementsAre(FileOf(Map(0), "/a"), FileOf(Map(1), "/b")));
  EXPECT_THAT(fetched[0].slices, IsEmpty());
  EXPECT_EQ(host_.NextTimerMs(), UINT64_MAX);
}

// Files that could not be read are not asked for again.
TEST_F(FetcherOnOneHostTest, WantsTheBytesForALaterAttempt) {
  Start(Reduce(0, 2));
  EXPECT_EQ(Sent<FetchRequest>().at(0).host, "");
  host_.Take(kPeer, Files(Reduce(0, 2)));
  EXPECT_FALSE(host_.IsDone(Reduce(0, 2)));
}

TEST_F(FetcherOnOneHostTest, GoesOnWithAStreamThatHasBegun) {
  Start();
  EXPECT_EQ(host_.Take(kPeer, Piece(0, 4, 12), now_ms_, out_), "abcd");
  host_.Take(kPeer, Files());
  EXPECT_FALSE(host_.IsDone(Reduce(0)));
  Sent<FetchRequest>();
  now_ms_ += 1'000;
  host_.Tick(now_ms_, out_);
  EXPECT_EQ(Sent<FetchRequest>().at(0).host, "");
}

TEST_F(FetcherOnOneHostTest, RefusesOtherFilesThanTheSets) {
  Start();
  for (const FetchFiles& other :
       {FetchFiles{Reduce(0), {}, {FileOf(Map(0), "/a")}},
        FetchFiles{Reduce(0), {}, {FileOf(Map(0), "/a"), FileOf(Map(2), "/b")}},
        FetchFiles{Reduce(0), {}, {FileOf(Map(0), "/a"), FileOf(Map(1), "b")}}}) {
    host_.Take(kPeer, other);
    EXPECT_FALSE(host_.IsDone(Reduce(0)));
  }
  host_.Take(kOther, Files());
  EXPECT_FALSE(host_.IsDone(Reduce(0)));
}

TEST_F(FetcherTest, TakesNoFilesThatItDidNotAskFor) {
  Add(kPeer);
  Tick();
  fetcher_.Take(kPeer, FetchFiles{Reduce(0), {}, {FileOf(Map(0), "/a"), FileOf(Map(1), "/b")}});
  EXPECT_FALSE(fetcher_.IsDone(Reduce(0)));
}

}  // namespace
}  // namespace millrace
