// SPDX-License-Identifier: Apache-2.0
// The check must see what it is there for: most of these jobs are wrong on purpose.
#include "mapreduce/testing/determinism.h"

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string SomeLines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "key" + std::to_string(i * 7919 % 23) + "\t" + std::to_string(i) + "\n";
  }
  return text;
}

struct Pair {
  std::string_view key;
  std::int64_t value = 0;
  MR_FIELDS(Pair, key, value)
};

struct AsItIs {
  void Map(const Pair& pair, Emitter<std::string_view, std::int64_t>& emit) {
    emit(pair.key, pair.value);
  }
};

struct JoinValues {
  void Reduce(const std::string_view& key, Values<std::int64_t>& values,
              Emitter<std::string_view, std::string>& emit) {
    std::string joined;
    for (const std::int64_t value : values) joined += std::to_string(value) + " ";
    emit(key, joined);
  }
};

TEST(CheckDeterministicTest, PassesAJobThatSeesTheOrderOfValues) {
  const auto define = [](Job& job) {
    job.Read<Pair>("pairs").Map<AsItIs>().Reduce<JoinValues>().Write<Tsv>("joined");
  };
  EXPECT_DETERMINISTIC(TestRun(define).Shards("pairs", {SomeLines(400), SomeLines(100)}));
  EXPECT_DETERMINISTIC(define, {{"pairs", {SomeLines(50)}}});
}

TEST(CheckDeterministicTest, PassesARunThatAlwaysFailsInTheSameWay) {
  const auto define = [](Job& job) {
    job.Read<Pair>("pairs").Map<AsItIs>().Reduce<Sum>().Write<Tsv>("sums");
  };
  std::string text = SomeLines(300);
  for (int i = 0; i < 20; ++i) text += "key\tno number\n" + SomeLines(10);
  EXPECT_DETERMINISTIC(TestRun(define).Shards("pairs", {text, text}));
  EXPECT_DETERMINISTIC(TestRun(define).Shards("pairs", {text, text}).MaxRejects(40));
}

TEST(CheckDeterministicTest, SeesStateThatIsKeptFromRecordToRecord) {
  struct NumberWithinTask {
    std::int64_t seen = 0;
    void Map(const Line& line, Emitter<std::string_view, std::int64_t>& emit) {
      emit(line.text, ++seen);
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<NumberWithinTask>().Write<Tsv>("numbered");
  };
  const auto result = CheckDeterministic(TestRun(define).Input("lines", SomeLines(100)),
                                         {.runs = 16, .seed = 4711});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.message(), AllOf(HasSubstr("output numbered, row "), HasSubstr("undisturbed"),
                                      HasSubstr("MILLRACE_TEST_SEED=4711")));
}

TEST(CheckDeterministicTest, SeesWhatChangesFromRunToRun) {
  static std::atomic<int> calls = 0;
  struct CallNumber {
    void Map(const Line& line, Emitter<std::string_view, std::int64_t>& emit) {
      emit(line.text, ++calls);
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<CallNumber>().Write<Tsv>("numbered");
  };
  const auto result = CheckDeterministic(TestRun(define).Input("lines", "one line\n"));
  ASSERT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("row 1: 'one line\\t"));
  EXPECT_THAT(result.message(), HasSubstr("undisturbed 'one line\\t1'"));
}

// Tables are made anew in each run, in another number of files, and looked up in by other tasks.
struct ValueOrNone {
  Table<std::string_view, std::int64_t> table;
  void Map(const Pair& pair, Emitter<std::string_view, std::int64_t>& emit) {
    emit(pair.key, table.Find(pair.key).value_or(-1));
  }
};

TEST(CheckDeterministicTest, PassesAJobThatLooksUpInATable) {
  const auto define = [](Job& job) {
    auto pairs = job.Read<Pair>("pairs");
    auto sums = pairs.Map<AsItIs>().Reduce<Sum>().AsTable();
    pairs.Map<ValueOrNone>(sums).Reduce<JoinValues>().Write<Tsv>("joined");
  };
  EXPECT_DETERMINISTIC(TestRun(define).Shards("pairs", {SomeLines(400), SomeLines(100)}));
}

TEST(CheckDeterministicTest, SeesATableThatDependsOnTheTasksThatMadeIt) {
  struct NumberOfGroup {
    std::int64_t groups = 0;  // Of this task.
    void Reduce(const std::string_view& key, Values<std::int64_t>&,
                Emitter<std::string_view, std::int64_t>& emit) {
      emit(key, ++groups);
    }
  };
  const auto define = [](Job& job) {
    auto pairs = job.Read<Pair>("pairs");
    auto numbers = pairs.Map<AsItIs>().Reduce<NumberOfGroup>().AsTable();
    pairs.Map<ValueOrNone>(numbers).Write<Tsv>("numbered");
  };
  const auto result = CheckDeterministic(TestRun(define).Input("pairs", SomeLines(400)),
                                         {.runs = 16, .seed = 4711});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.message(), AllOf(HasSubstr("output numbered, row "), HasSubstr("undisturbed"),
                                      HasSubstr("MILLRACE_TEST_SEED=4711")));
}

TEST(CheckDeterministicTest, SeesLookUpsThatDependOnTheRecordsBefore) {
  struct WithPlaceOfLast {
    Table<std::string_view, std::int64_t> table;
    std::uint64_t last = 0;  // Row of the record before.
    void Map(const Pair& pair, Emitter<std::string_view, std::int64_t>& emit) {
      emit(pair.key, static_cast<std::int64_t>(last));
      last = table.RowOf(pair.key).value_or(0);
    }
  };
  const auto define = [](Job& job) {
    auto pairs = job.Read<Pair>("pairs");
    auto sums = pairs.Map<AsItIs>().Reduce<Sum>().AsTable();
    pairs.Map<WithPlaceOfLast>(sums).Reduce<Sum>().Write<Tsv>("sums");
  };
  const auto result = CheckDeterministic(TestRun(define).Input("pairs", SomeLines(400)));
  ASSERT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("output sums, row "));
}

TEST(CheckDeterministicTest, SeesACombinerThatIsNotAssociative) {
  struct Mean {
    void Reduce(const std::string_view& key, Values<std::int64_t>& values,
                Emitter<std::string_view, std::int64_t>& emit) {
      std::int64_t sum = 0, count = 0;
      for (const std::int64_t value : values) sum += value, ++count;
      emit(key, sum / count);
    }
  };
  const auto define = [](Job& job) {
    job.Read<Pair>("pairs").Map<AsItIs>().Combine<Mean>().Reduce<Mean>().Write<Tsv>("means");
  };
  EXPECT_FALSE(CheckDeterministic(TestRun(define).Input("pairs", SomeLines(400))));
}

TEST(CheckDeterministicTest, SeesACombinerThatMustBeCalled) {
  struct Halve {
    void Reduce(const std::string_view& key, Values<std::int64_t>& values,
                Emitter<std::string_view, std::int64_t>& emit) {
      for (const std::int64_t value : values) emit(key, value % 2);  // The same when called again.
    }
  };
  const auto define = [](Job& job) {
    job.Read<Pair>("pairs").Map<AsItIs>().Combine<Halve>().Reduce<JoinValues>().Write<Tsv>("bits");
  };
  EXPECT_FALSE(CheckDeterministic(TestRun(define).Input("pairs", SomeLines(40))));
}

TEST(CheckDeterministicTest, SeesCountingPerTask) {
  struct CountsTasks {
    void SetUp(Context& context) { context.Count("tasks"); }
    void Map(const Line& line, Emitter<std::string_view, Unit>& emit) { emit(line.text); }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<CountsTasks>().Reduce<Count>().Write<Tsv>("counts");
  };
  const auto result = CheckDeterministic(TestRun(define).Input("lines", SomeLines(100)));
  ASSERT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("counters, row 1: 'tasks = "));
}

TEST(CheckDeterministicTest, SeesRejectsThatDependOnTheSplit) {
  struct RejectsFirstOfTask {
    bool is_first = true;
    void Map(const Line& line, Emitter<std::string_view, Unit>& emit, Context& context) {
      if (is_first) context.Reject("the first of its task");
      is_first = false;
      emit(line.text);
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<RejectsFirstOfTask>().Reduce<Distinct>().Write<Text>("lines");
  };
  // Each line comes often: the output does not show which one is missing.
  std::string text;
  for (int i = 0; i < 200; ++i) text += "the same line\n";
  const auto result = CheckDeterministic(TestRun(define).Input("lines", text).MaxRejects(200));
  ASSERT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("rejects, row "));
}

TEST(CheckDeterministicTest, ReportsAJobThatCannotRun) {
  const auto result = CheckDeterministic(TestRun("no_such_job"));
  ASSERT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("no_such_job"));
}

TEST(CheckDeterministicTest, RepeatsItselfWithTheSameSeed) {
  struct NumberWithinTask {
    std::int64_t seen = 0;
    void Map(const Line& line, Emitter<std::string_view, std::int64_t>& emit) {
      emit(line.text, ++seen);
    }
  };
  const auto define = [](Job& job) {
    job.ReadLines("lines").Map<NumberWithinTask>().Write<Tsv>("numbered");
  };
  const TestRun run = TestRun(define).Input("lines", SomeLines(100));
  std::set<std::string> messages;
  for (int i = 0; i < 3; ++i) {
    messages.insert(CheckDeterministic(run, {.runs = 16, .seed = 99}).message());
  }
  EXPECT_EQ(messages.size(), 1u);
}

}  // namespace
}  // namespace millrace
