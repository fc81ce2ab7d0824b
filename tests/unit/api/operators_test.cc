// SPDX-License-Identifier: Apache-2.0
// What a job's Map and Reduce classes may do, and what happens then: in whole runs, since promises
// such as "the same numbers however the input is split" are about these.
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> ReasonsOf(const TestResult& result) {
  std::vector<std::string> reasons;
  for (const TestReject& reject : result.rejects) reasons.push_back(reject.reason);
  return reasons;
}

// Numbered lines; some hundred of them have several batches.
std::string Lines(int count, const std::string& prefix = "line") {
  std::string text;
  for (int i = 0; i < count; ++i) text += prefix + std::to_string(i) + "\n";
  return text;
}

struct Misbehave {
  void Map(const Line& line, Emitter<std::string_view, Unit>& emit, Context& context) {
    context.Count("seen");
    emit("before");
    emit(line.text);
    if (line.text == "throw") throw std::runtime_error("thrown on purpose");
    if (line.text == "throw int") throw 7;
    if (line.text == "reject") return context.Reject("rejected on purpose");
    if (line.text == "twice") context.Reject("first reason"), context.Reject("second reason");
    emit("behind");
  }
};
void CountMisbehaving(Job& job) {
  job.ReadLines("lines").Map<Misbehave>().Reduce<Count>().Write<Tsv>("counts");
}

TEST(MapTest, TakesBackWhatARejectedRecordEmitted) {
  const TestRun run = TestRun(CountMisbehaving)
                          .Input("lines", "good\nthrow\nthrow int\nreject\ntwice\ngood\n")
                          .MaxRejects(4);
  const TestResult result = run.Run();
  EXPECT_THAT(result.Rows(), ElementsAre("before\t2", "behind\t2", "good\t2"));
  EXPECT_THAT(ReasonsOf(result),
              ElementsAre("the job's code threw: thrown on purpose",
                          "the job's code threw something that is no std::exception",
                          "rejected on purpose", "first reason"));
  EXPECT_EQ(result.rejects[2], (TestReject{"lines", 0, 21, "rejected on purpose", "reject"}));
  EXPECT_EQ(result.Counter("seen"), 6u);
  EXPECT_EQ(result.records_in, 6u);
}

TEST(MapTest, GoesOnBehindAnExceptionWhereverItIs) {
  std::string text = "throw\n";
  for (int i = 0; i < 30; ++i) text += Lines(i, "x") + "throw\nthrow\n";
  text += "throw";  // The last line, without LF.
  const TestRun run = TestRun(CountMisbehaving).Shards("lines", {text, text}).MaxRejects(1000);
  const TestResult result = run.Run();
  EXPECT_THAT(result.rejects, SizeIs(2 * 62));
  EXPECT_EQ(result.Rows().front(), "before\t870");
  EXPECT_DETERMINISTIC(run);
}

TEST(MapTest, FailsTheRunWhereNoRejectIsTolerated) {
  const TestResult result =
      TestRun(CountMisbehaving).Input("lines", "good\nreject\nthrow\n" + Lines(10)).Run();
  EXPECT_EQ(result.status.code(), StatusCode::kBadData);
  EXPECT_THAT(result.status.message(),
              AllOf(HasSubstr("shard-00000 at byte 5: rejected on purpose"),
                    HasSubstr("shard-00000 at byte 12: the job's code threw: thrown on purpose")));
}

TEST(MapTest, CanRejectAfterMuchThatEarlierRecordsEmitted) {
  struct EmitMuch {
    void Map(const Line& line, Emitter<std::string, Unit>& emit, Context& context) {
      emit(std::string(700'000, line.text[0]));
      if (line.text == "b") context.Reject("too late?");
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<EmitMuch>().Reduce<Count>().Write<Tsv>("counts");
  };
  const TestResult result = TestRun(define).Input("lines", "a\nb\nc\n").MaxRejects(1).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), SizeIs(2));
  EXPECT_EQ(result.Rows()[1], std::string(700'000, 'c') + "\t1");
}

TEST(MapTest, CannotRejectWhatHasEmittedTooMuch) {
  struct EmitVeryMuch {
    void Map(const Line&, Emitter<std::int64_t, std::string>& emit, Context& context) {
      const std::string value(10'000, 'x');
      for (std::int64_t i = 0; i < 1000; ++i) emit(i, value);
      context.Reject("too late");
    }
  };
  struct OnlyCount {
    void Reduce(const std::int64_t& key, Values<std::string>& values,
                Emitter<std::int64_t, std::int64_t>& emit) {
      std::int64_t count = 0;
      for ([[maybe_unused]] const std::string& value : values) ++count;
      emit(key, count);
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<EmitVeryMuch>().Reduce<OnlyCount>().Write<Tsv>("counts");
  };
  const TestResult result = TestRun(define).Input("lines", "a\n").MaxRejects(1).Run();
  EXPECT_EQ(result.status.code(), StatusCode::kUserCode);
  EXPECT_THAT(result.status.message(), HasSubstr("reject before emitting"));
}

TEST(MapTest, SetsUpBeforeTheFirstRecordAndTearsDownBehindTheLast) {
  struct Prepared {
    int calls = 0;
    void SetUp(Context& context) {
      calls = 100;
      context.Count("date " + context.date());
    }
    void Map(const Line&, Emitter<std::int64_t, Unit>& emit) { emit(calls++); }
    void TearDown(Context& context) { context.Count("calls", static_cast<std::uint64_t>(calls)); }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<Prepared>().Reduce<Count>().Write<Tsv>("calls");
  };
  const TestResult result = TestRun(define).Input("lines", "a\nb\n").Date("2026-11-21").Run();
  EXPECT_THAT(result.Rows(), ElementsAre("100\t1", "101\t1"));
  EXPECT_EQ(result.Counter("calls"), 102u);
  EXPECT_EQ(result.Counter("date 2026-11-21"), 1u);
}

TEST(MapTest, FailsTheRunWhereItThrowsOutsideARecord) {
  struct ThrowsInSetUp {
    void SetUp(Context&) { throw std::runtime_error("no table"); }
    void Map(const Line&, Emitter<std::int64_t, Unit>& emit) { emit(1); }
  };
  struct ThrowsInTearDown {
    void Map(const Line&, Emitter<std::int64_t, Unit>& emit) { emit(1); }
    void TearDown(Context&) { throw std::runtime_error("no end"); }
  };
  const auto set_up = [](Job& job) {
    job.ReadLines("lines").Map<ThrowsInSetUp>().Reduce<Count>().Write<Tsv>("out");
  };
  const auto tear_down = [](Job& job) {
    job.ReadLines("lines").Map<ThrowsInTearDown>().Write<Tsv>("out");
  };
  for (const auto& [define, what] :
       std::map<std::string, TestRun::Define>{{"no table", set_up}, {"no end", tear_down}}) {
    const TestResult result = TestRun(what).Input("lines", "a\n").Run();
    EXPECT_EQ(result.status.code(), StatusCode::kUserCode) << result.status.message();
    EXPECT_THAT(result.status.message(), HasSubstr(define));
  }
}

TEST(MapTest, KeepsItsArguments) {
  class Repeat {
   public:
    Repeat(std::int64_t times, std::string suffix) : times_(times), suffix_(std::move(suffix)) {}
    void Map(const Line& line, Emitter<std::string, Unit>& emit) const {
      for (std::int64_t i = 0; i < times_; ++i) emit(std::string(line.text) + suffix_);
    }

   private:
    const std::int64_t times_;
    const std::string suffix_;
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<Repeat>(std::int64_t{2}, std::string("!")).Write<Text>("twice");
  };
  EXPECT_THAT(TestRun(define).Input("lines", "a\nb\n").Run().Rows(),
              ElementsAre("a!", "a!", "b!", "b!"));
}

TEST(ContextTest, GivesTheSameRandomNumbersHoweverTheInputIsSplit) {
  struct Sample {
    void Map(const Line& line, Emitter<std::string_view, std::uint64_t>& emit, Context& context) {
      const std::uint64_t first = context.random().Next();
      if (context.random().Uniform(3) > 0) emit(line.text, first);
    }
  };
  struct Shuffle {
    void Reduce(const std::string_view& key, Values<std::uint64_t>& values,
                Emitter<std::string_view, std::uint64_t>& emit, Context& context) {
      for (const std::uint64_t value : values) emit(key, value ^ context.random().Next());
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<Sample>().Reduce<Shuffle>().Write<Tsv>("sample");
  };
  const TestRun run = TestRun(define).Shards("lines", {Lines(200), Lines(200)});
  const std::vector<std::string> rows = run.Run().Rows();
  EXPECT_GT(rows.size(), 200u);
  EXPECT_LT(rows.size(), 330u);
  // Neither two lines at one place of two shards nor two lines of one shard draw the same.
  EXPECT_EQ(std::set<std::string>(rows.begin(), rows.end()).size(), rows.size());
  EXPECT_DETERMINISTIC(run);
}

struct SumOrReject {
  void SetUp(Context& context) { context.Count("reduce tasks"); }
  void Reduce(const std::string_view& key, Values<std::int64_t>& values,
              Emitter<std::string_view, std::int64_t>& emit, Context& context) {
    std::int64_t sum = 0;
    emit(key, -1);
    for (const std::int64_t value : values) {
      sum += value;
      if (key == "throw" && sum > 1) throw std::runtime_error("too much");
      if (key == "break") break;  // The rest of the group is skipped.
    }
    if (key == "reject") return context.Reject("this group");
    context.Count("groups");
    emit(key, sum);
  }
};
struct KeyOfLine {
  void Map(const Line& line, Emitter<std::string_view, std::int64_t>& emit) { emit(line.text, 1); }
};

TEST(ReduceTest, TakesBackWhatARejectedGroupEmitted) {
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<KeyOfLine>().Reduce<SumOrReject>().Write<Tsv>("sums");
  };
  const TestResult result =
      TestRun(define)
          .Input("lines", "a\nthrow\nreject\nbreak\nthrow\nthrow\nz\nbreak\nreject\n")
          .MaxRejects(2)
          .Run();
  EXPECT_THAT(result.Rows(),
              ElementsAre("a\t-1", "a\t1", "break\t-1", "break\t1", "z\t-1", "z\t1"));
  EXPECT_THAT(result.rejects,
              ElementsAre(TestReject{"stage-1", -1, 0, "this group", "reject"},
                          TestReject{"stage-1", -1, 0, "the job's code threw: too much", "throw"}));
  EXPECT_EQ(result.Counter("groups"), 3u);
  EXPECT_GE(result.Counter("reduce tasks"), 1u);
}

struct JoinAll {
  void Reduce(const std::string_view& key, Values<std::string_view>& values,
              Emitter<std::string_view, std::string>& emit) {
    std::string joined;
    for (const std::string_view value : values) joined += " " + std::string(value);
    emit(key, joined);
  }
};

TEST(ReduceTest, SeesTheValuesInTheOrderOfTheInput) {
  struct ByLastDigit {
    void Map(const Line& line, Emitter<std::string_view, std::string_view>& emit) {
      emit(line.text.substr(line.text.size() - 1), line.text);
      emit(line.text.substr(line.text.size() - 1), "again");
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<ByLastDigit>().Reduce<JoinAll>().Write<Tsv>("joined");
  };
  EXPECT_THAT(TestRun(define).Shards("lines", {"z1\nb2\n", "y2\na1\n"}).Run().Rows(),
              ElementsAre("1\t z1 again a1 again", "2\t b2 again y2 again"));
  EXPECT_DETERMINISTIC(TestRun(define).Shards("lines", {Lines(150), Lines(150, "x"), Lines(5)}));
}

TEST(CombineTest, FailsTheRunWhereItsCodeFails) {
  struct ThrowsOnB {
    void Reduce(const std::string_view& key, Values<std::int64_t>& values,
                Emitter<std::string_view, std::int64_t>& emit) {
      if (key == "b") throw std::runtime_error("no b today");
      for (const std::int64_t value : values) emit(key, value);
    }
  };
  struct OtherKey {
    void Reduce(const std::string_view& key, Values<std::int64_t>& values,
                Emitter<std::string_view, std::int64_t>& emit) {
      for (const std::int64_t value : values) emit(key == "b" ? "c" : key, value);
    }
  };
  const auto throws = [](Job& job) {
    job.ReadLines("lines").Map<KeyOfLine>().Combine<ThrowsOnB>().Reduce<SumOrReject>().Write<Tsv>(
        "x");
  };
  const auto changes = [](Job& job) {
    job.ReadLines("lines").Map<KeyOfLine>().Combine<OtherKey>().Reduce<SumOrReject>().Write<Tsv>(
        "x");
  };
  const TestResult thrown = TestRun(throws).Input("lines", "a\nb\nc\n").Run();
  EXPECT_EQ(thrown.status.code(), StatusCode::kUserCode);
  EXPECT_THAT(thrown.status.message(), AllOf(HasSubstr("'b'"), HasSubstr("no b today")));
  const TestResult changed = TestRun(changes).Input("lines", "a\nb\nc\n").Run();
  EXPECT_EQ(changed.status.code(), StatusCode::kUserCode);
  EXPECT_THAT(changed.status.message(), AllOf(HasSubstr("'b'"), HasSubstr("another key")));
}

TEST(AggregateTest, FailsTheRunBeyondInt64AndNamesTheKey) {
  struct Amount {
    std::string_view user;
    std::int64_t cents = 0;
    MR_FIELDS(Amount, user, cents)
  };
  struct CentsOfUser {
    void Map(const Amount& amount, Emitter<std::tuple<std::string_view, int>, std::int64_t>& emit) {
      emit({amount.user, 7}, amount.cents);
    }
  };
  const auto define = [](Job& job) {
    job.Read<Amount>("amounts").Map<CentsOfUser>().Reduce<Sum>().Write<Tsv>("sums");
  };
  const std::string most = "9223372036854775807";
  const TestResult result =
      TestRun(define).Shards("amounts", {"a\t1\nb\t" + most + "\n", "b\t-1\nb\t2\n"}).Run();
  EXPECT_EQ(result.status.code(), StatusCode::kBadData);
  EXPECT_THAT(result.status.message(),
              AllOf(HasSubstr("beyond int64"), HasSubstr("'b\t7'; look at")));
  const TestRun fits =
      TestRun(define).Shards("amounts", {"b\t" + most + "\n", "b\t1\n", "b\t-1\n"});
  EXPECT_THAT(fits.Run().Rows(), ElementsAre("b\t7\t" + most));
  EXPECT_DETERMINISTIC(fits);
}

TEST(AggregateTest, SumsDoublesExactly) {
  struct Weight {
    std::string_view key;
    double weight = 0;
    MR_FIELDS(Weight, key, weight)
  };
  struct WeightOfKey {
    void Map(const Weight& row, Emitter<std::string_view, double>& emit) {
      emit(row.key, row.weight);
    }
  };
  const auto define = [](Job& job) {
    auto weights = job.Read<Weight>("weights").Map<WeightOfKey>().Reduce<Sum>();
    weights.Write<Tsv>("sums");
  };
  const TestRun run = TestRun(define).Shards(
      "weights", {"a\t1e308\nb\t0.1\na\t1\n", "a\t-1e308\nb\t0.2\nb\t0.3\n"});
  EXPECT_THAT(run.Run().Rows(), ElementsAre("a\t1", "b\t0.6"));
  EXPECT_DETERMINISTIC(run);
}

TEST(ReduceTest, CarriesRecordsLargerThanABatch) {
  struct Widen {
    void Map(const Line& line, Emitter<std::string, std::string>& emit) {
      emit(std::string(1'200'000, line.text[0]), std::string(1'500'000, line.text[1]));
      emit("small", std::string(line.text));
    }
  };
  struct Describe {
    void Reduce(const std::string& key, Values<std::string>& values,
                Emitter<std::string, std::string>& emit) {
      std::string text = std::to_string(key.size());
      for (const std::string& value : values) {
        text += " " + std::to_string(value.size()) + value.back();
      }
      emit(key.substr(0, 5), text);
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<Widen>().Reduce<Describe>().Write<Tsv>("sizes");
  };
  const TestRun run = TestRun(define).Shards("lines", {"ax\nby\n", "az\n"});
  EXPECT_THAT(run.Run().Rows(), ElementsAre("aaaaa\t1200000 1500000x 1500000z",
                                            "bbbbb\t1200000 1500000y", "small\t5 2x 2y 2z"));
  EXPECT_DETERMINISTIC(run, {.runs = 6});
}

TEST(AggregateTest, TakesKeysOfEveryLength) {
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<KeyOfLine>().Reduce<Sum>().Write<Tsv>("sums");
  };
  std::string text;
  std::map<std::string, int> wanted;
  for (std::size_t bytes = 0; bytes <= 70; ++bytes) {
    for (int i = 0; i < 3; ++i) {
      std::string line(bytes, 'a');
      if (bytes > 0) line.back() = static_cast<char>('a' + i);
      text += line + "\n";
      ++wanted[line];
    }
  }
  std::vector<std::string> rows;
  for (const auto& [line, count] : wanted) rows.push_back(line + "\t" + std::to_string(count));
  const TestRun run = TestRun(define).Input("lines", text);
  EXPECT_EQ(run.Run().Rows(), rows);
  EXPECT_DETERMINISTIC(run);
}

}  // namespace
}  // namespace millrace
