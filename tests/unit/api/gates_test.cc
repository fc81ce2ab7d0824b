// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/gates.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/top_k.h"
#include "mapreduce/testing/call_operators.h"
#include "tests/unit/api/codec_test_types.h"

namespace millrace {
namespace {

using ::testing::Each;

struct Score {
  std::string name;
  std::int64_t points = 0;
  MR_FIELDS(Score, name, points)
  friend bool operator==(const Score&, const Score&) = default;
};
using Scores = std::vector<std::pair<std::string, Score>>;

bool Better(const Score& a, const Score& b) {
  return a.points != b.points ? a.points > b.points : a.name < b.name;
}
bool Unlucky(const Score& a, const Score& b) {
  if (a.points == 13 || b.points == 13) throw std::runtime_error("13");
  return Better(a, b);
}
using Best = KeepTop<std::string, Score, &Better>;

/// What is left of the batches.
template <class Combiner>
class ThinningSink final : public EmitSink {
 public:
  explicit ThinningSink(std::size_t k) : combiner_(k) {}
  Status Consume(EmitBatch& batch) override {
    thins_ = thins_ && combiner_.Thin(batch);
    return passed_.Consume(batch);
  }
  bool thins() const { return thins_; }
  const Scores& passed() const { return passed_.records(); }

 private:
  GroupCombine<std::string, Score, Combiner> combiner_;
  testing_internal::EmittedRecords<std::string, Score> passed_;
  bool thins_ = true;
};

template <class Combiner>
std::unique_ptr<ThinningSink<Combiner>> Thinned(std::size_t k, const Scores& scores) {
  auto sink = std::make_unique<ThinningSink<Combiner>>(k);
  EmitBatch batch(*sink);
  Emitter<std::string, Score> emit(batch);
  for (const auto& [key, score] : scores) {
    emit(key, score);
    batch.EndRecord();
  }
  batch.Flush();
  return sink;
}

Scores RandomScores(Random& random, std::size_t count, std::size_t keys) {
  Scores scores;
  for (std::size_t i = 0; i < count; ++i) {
    scores.push_back({"key" + std::to_string(random.Uniform(keys)),
                      {"name" + std::to_string(random.Uniform(1000)),
                       static_cast<std::int64_t>(random.Uniform(5000))}});
  }
  return scores;
}

TEST(GatesTest, DropMostAndNothingOfTheResult) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 20; ++i) {
    const std::size_t k = 1 + random.Uniform(9);
    Scores scores = RandomScores(random, 5000, 1 + random.Uniform(6));
    for (auto& [key, score] : scores) {  // Large ones are not looked at.
      if (random.Uniform(100) == 0) score.name.resize(200, 'x');
      if (random.Uniform(100) == 0) key.resize(200, 'x');
    }
    const auto thinned = Thinned<Best>(k, scores);
    EXPECT_TRUE(thinned->thins());
    EXPECT_LT(thinned->passed().size(), scores.size() / 4);
    EXPECT_EQ(ReduceRecords(Best(k), thinned->passed()).records,
              ReduceRecords(Best(k), scores).records);
  }
}

TEST(GatesTest, ThereAreNoneWhereAllAreKept) {
  Random random(TestSeed());
  const Scores scores = RandomScores(random, 500, 3);
  const auto thinned = Thinned<Best>(0, scores);
  EXPECT_FALSE(thinned->thins());
  EXPECT_EQ(thinned->passed(), scores);
}

// Keys that come first have gates, the others pass: memory is bounded, whatever k is.
TEST(GatesTest, HaveRoomForSomeKeys) {
  using Gates = api_internal::Gates<Best, Score>;
  const std::size_t k = 100;
  const std::size_t gate_bytes = Gates::kGateBytes + 2 * k * Gates::kValueBytes;
  const auto gates_max = static_cast<int>(Gates::kBytesMax / gate_bytes);
  Scores scores;
  for (int key = 0; key < 3 * gates_max; ++key) {
    for (int n = 0; n < 300; ++n) scores.push_back({std::to_string(key), {"name", -n}});
  }
  const auto thinned = Thinned<Best>(k, scores);
  EXPECT_TRUE(thinned->thins());
  std::vector<int> passed(3 * static_cast<std::size_t>(gates_max));
  for (const auto& [key, score] : thinned->passed())
    ++passed[static_cast<std::size_t>(std::stoi(key))];
  const auto first_free = passed.begin() + gates_max;
  EXPECT_THAT(std::vector<int>(passed.begin(), first_free), Each(200));  // Looked at from 2 k on.
  EXPECT_THAT(std::vector<int>(first_free, passed.end()), Each(300));
}

TEST(GatesTest, ThereAreNoneForMoreThanMemoryHolds) {
  Random random(TestSeed());
  const Scores scores = RandomScores(random, 500, 3);
  for (const std::size_t k : {std::size_t{1} << 60, std::size_t{1} << 63, SIZE_MAX}) {
    const auto thinned = Thinned<Best>(k, scores);
    EXPECT_FALSE(thinned->thins());
    EXPECT_EQ(thinned->passed(), scores);
  }
}

struct Listed {
  std::vector<std::optional<Score>> scores;  // A byte each where they are empty.
  MR_FIELDS(Listed, scores)
};
bool Shorter(const Listed& a, const Listed& b) { return a.scores.size() < b.scores.size(); }

// Of lists the encoded bytes don't tell what they take.
TEST(GatesTest, ThereAreNoneForLists) {
  GroupCombine<std::string, Listed, KeepTop<std::string, Listed, &Shorter>> combiner(3);
  EXPECT_EQ(combiner.thin_bytes_max(), 0u);
  GroupCombine<std::string, Score, Best> flat(3);
  EXPECT_GT(flat.thin_bytes_max(), 0u);
}

// Of user code: sums of numbers, of which it emits those that are not 0.
struct NoZeros {
  struct Gate {
    bool Offer(const std::int64_t& value) { return value != 0; }
    std::size_t kept_max() const { return 0; }
  };
  std::unique_ptr<Gate> MakeGate() const { return std::make_unique<Gate>(); }
  void Reduce(const std::string&, Values<std::int64_t>&, Emitter<std::string, std::int64_t>&) {}
};

// Else it would not be sampled, or only where there is memory for gates.
TEST(GatesTest, AKeysFirstValuePasses) {
  GroupCombine<std::string, std::int64_t, NoZeros> combiner;
  testing_internal::EmittedRecords<std::string, std::int64_t> unused;
  EmitBatch batch(unused);
  Emitter<std::string, std::int64_t> emit(batch);
  for (const char* key : {"a", "b", "a", "b"}) emit(key, 0);
  EXPECT_TRUE(combiner.Thin(batch));
  EXPECT_EQ(batch.count(), 2u);
}

CurrentRecord current;
bool BetterAndNoOnesFault(const Score& a, const Score& b) {
  EXPECT_EQ(current.record.load(), 0u);
  EXPECT_EQ(current.group.load(), 0u);
  return Better(a, b);
}

// Should it crash: which records share a batch depends on the rest.
TEST(GatesTest, BlameNoRecordForAComparison) {
  Random random(TestSeed());
  const Scores scores = RandomScores(random, 500, 1);
  current.record = 7;
  current.group = 8;
  ThisThreadsRecord() = &current;
  const auto thinned = Thinned<KeepTop<std::string, Score, &BetterAndNoOnesFault>>(3, scores);
  ThisThreadsRecord() = nullptr;
  EXPECT_LT(thinned->passed().size(), scores.size());
  EXPECT_EQ(current.record.load(), 7u);
  EXPECT_EQ(current.group.load(), 8u);
}

TEST(GatesTest, AreLeftWhereTheyDropTooLittle) {
  Scores scores;
  for (int n = 0; n < 300'000; ++n) scores.push_back({"key", {"name", n}});  // Ever better.
  const auto thinned = Thinned<Best>(10, scores);
  EXPECT_FALSE(thinned->thins());
  EXPECT_EQ(thinned->passed(), scores);
}

// What throws is the combiner's to tell, as without gates.
TEST(GatesTest, LetPassWhatTheyCantCompare) {
  Random random(TestSeed());
  Scores scores = RandomScores(random, 5000, 1);
  for (auto& [key, score] : scores)
    if (score.points == 13) score.points = 14;
  scores[3000].second.points = 13;
  const auto thinned = Thinned<KeepTop<std::string, Score, &Unlucky>>(3, scores);
  EXPECT_FALSE(thinned->thins());
  EXPECT_TRUE(std::equal(scores.begin() + 3000, scores.end(), thinned->passed().end() - 2000));
}

}  // namespace
}  // namespace millrace
