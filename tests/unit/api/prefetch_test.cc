// SPDX-License-Identifier: Apache-2.0
// A Map with a Prefetch member looks at records before their turn. Nothing of that may be seen:
// not in the order of calls, in offsets, in what is rejected, nor where the job's code throws.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::SizeIs;
using Name = std::string_view;

struct Row {
  std::int64_t number = 0;
  Name text;
  MR_FIELDS(Row, number, text)
};

// What was called with which number. A test reads it when a run in one thread is over.
struct Call {
  bool is_prefetch;
  std::int64_t number;
};
using Calls = std::vector<Call>;

// Emits, counts, rejects and throws, as the text says, and shows where it was.
struct MapByText {
  Calls* calls;

  explicit MapByText(Calls* log) : calls(log) {}
  void Map(const Row& row, Emitter<std::int64_t, std::string>& emit, Context& context) {
    if (calls != nullptr) calls->push_back({false, row.number});
    context.Count("called");
    emit(row.number, "taken back if it goes wrong");
    if (row.text.find("throw") != Name::npos)
      throw std::runtime_error("at " + std::string(row.text));
    if (row.text.find("reject") != Name::npos) {
      return context.Reject("rejected at " + std::to_string(context.origin().offset));
    }
    emit(row.number, std::to_string(context.origin().offset) + " " + std::string(row.text) + " " +
                         std::string(context.origin().raw) + " " +
                         std::to_string(context.random().Uniform(1000)));
  }
};
struct MapAheadByText : MapByText {
  std::string seen;

  using MapByText::MapByText;
  void Prefetch(const Row& row) {
    if (calls != nullptr) calls->push_back({true, row.number});
    seen = row.text;  // The record is whole.
  }
};
static_assert(!api_internal::HasPrefetch<MapByText, Row>);
static_assert(api_internal::HasPrefetch<MapAheadByText, Row>);

template <class M>
TestRun RunOf(const std::vector<std::string>& shards, Calls* calls = nullptr) {
  const auto define = [calls](Job& job) {
    job.Read<Row>("rows").template Map<M>(calls).template Write<Tsv>("out");
  };
  TestExecution execution;
  execution.parallel = 1;
  execution.split_bytes = std::uint64_t{1} << 40;
  return TestRun(define).Shards("rows", shards).MaxRejects(1000000).Execution(execution);
}

void ExpectSame(const TestResult& a, const TestResult& b) {
  EXPECT_EQ(a.status.message(), b.status.message());
  if (!a.ok() || !b.ok()) return;
  EXPECT_EQ(a.Rows(), b.Rows());
  EXPECT_EQ(a.counters, b.counters);
  EXPECT_EQ(a.records_in, b.records_in);
  EXPECT_EQ(a.records_out, b.records_out);
  ASSERT_EQ(a.rejects.size(), b.rejects.size());
  for (std::size_t i = 0; i < a.rejects.size(); ++i) EXPECT_EQ(a.rejects[i], b.rejects[i]);
}

// Lines that go wrong in each way, or not, in stretches of any length: a record that can't be
// looked at ahead stands between others that were.
std::string AnyLines(Random& random, std::int64_t* number) {
  std::string text;
  const std::uint64_t badness = random.Uniform(4);  // 0: none is bad.
  for (std::uint64_t left = random.Uniform(300); left > 0; --left) {
    const std::string id = std::to_string((*number)++);
    const std::string tail(random.Uniform(random.Uniform(10) == 0 ? 200 : 8), 'x');
    switch (badness == 0 ? 9 : random.Uniform(badness == 1 ? 100 : badness == 2 ? 20 : 8)) {
      case 0:
        text += id + "\tthrow" + tail;
        break;
      case 1:
        text += id + "\treject" + tail;
        break;
      case 2:
        text += id + "\t\\\\escaped\\t" + tail;
        break;
      case 3:
        text += id + "\tthrow\\\\escaped" + tail;
        break;
      case 4:
        text += id + "\treject\\x41" + tail;
        break;
      case 5:
        text += "no number" + id + "\t" + tail;
        break;
      case 6:
        text += random.Uniform(2) == 0 ? "" : id;
        break;
      default:
        text += id + "\t" + tail;
    }
    text += '\n';
  }
  if (!text.empty() && random.Uniform(3) == 0) text.pop_back();
  return text;
}

TEST(PrefetchTest, CanNotBeSeenInAnythingTheRunMakes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::int64_t number = 0;
    std::vector<std::string> shards(1 + random.Uniform(3));
    for (std::string& shard : shards) shard = AnyLines(random, &number);
    TestRun without = RunOf<MapByText>(shards), with = RunOf<MapAheadByText>(shards);
    const TestResult wanted = without.Run();
    ASSERT_TRUE(wanted.ok()) << wanted.status.message();
    ExpectSame(with.Run(), wanted);
    // Splits that end anywhere, and a limit that is passed.
    TestExecution execution;
    execution.split_bytes = 1 + random.Uniform(2000);
    ExpectSame(with.Execution(execution).Run(), wanted);
    if (wanted.rejects.empty()) continue;
    const std::uint64_t limit = random.Uniform(wanted.rejects.size());
    ExpectSame(TestRun(with).MaxRejects(limit).Run(), TestRun(without).MaxRejects(limit).Run());
  }
}

TEST(PrefetchTest, IsCalledBeforeEachMapAndNotLongBefore) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  std::size_t ahead_max = 0;
  for (int round = 0; round < 30; ++round) {
    std::int64_t number = 0;
    const std::string text = AnyLines(random, &number);
    Calls calls, calls_without;
    (void)RunOf<MapByText>({text}, &calls_without).Run();
    (void)RunOf<MapAheadByText>({text}, &calls).Run();
    std::vector<std::int64_t> mapped, mapped_without;
    std::set<std::int64_t> seen, waiting;
    for (const auto& [is_prefetch, of] : calls) {
      if (is_prefetch) {
        seen.insert(of);
        waiting.insert(of);
        ahead_max = std::max(ahead_max, waiting.size());
        continue;
      }
      // A line with escapes has no text in the block to look at.
      const std::string line = "\n" + std::to_string(of) + "\t";
      const std::size_t at = ("\n" + text).find(line);
      const bool has_escape =
          text.substr(at, text.find('\n', at) - at).find('\\') != std::string::npos;
      EXPECT_EQ(seen.contains(of), !has_escape) << of;
      mapped.push_back(of);
      waiting.erase(of);
    }
    for (const Call& call : calls_without) mapped_without.push_back(call.number);
    EXPECT_EQ(mapped, mapped_without);
  }
  EXPECT_GE(ahead_max, 16u);
  EXPECT_LE(ahead_max, 32u);
}

struct AnyRow {
  std::int64_t number;  // None has a default of its own.
  std::optional<Name> name;
  std::optional<std::int64_t> amount;
  Date day;
  std::string text;
  std::int64_t unread, column_less[4];
  MR_FIELDS(AnyRow, number, name, amount, day, text, unread)
};

struct ShowFields {
  void Map(const AnyRow& row, Emitter<std::int64_t, std::string>& emit) {
    emit(row.number, std::string(row.name.value_or("none")) + " " +
                         std::to_string(row.amount.value_or(-1)) + " " + std::string(row.day.text) +
                         " " + row.text + " " + std::to_string(row.unread) + " " +
                         std::to_string(row.column_less[3]));
  }
};
struct ShowFieldsAhead : ShowFields {
  void Prefetch(const AnyRow&) {}
};

// Blocks of any size that were written and are free again: who reads what it never wrote reads
// this.
void LeaveGarbageBehind() {
  std::vector<std::string> blocks;
  for (std::size_t bytes = 16; bytes < 16384; bytes += 16) blocks.emplace_back(bytes, '\xEE');
}

template <class M>
TestResult ShowAll(const std::vector<std::string>& shards) {
  const auto define = [](Job& job) {
    job.Read<AnyRow>("rows", TsvLayout{"number", "name", "amount", "day", "text"}, {"unread"})
        .template Map<M>()
        .template Write<Tsv>("out");
  };
  LeaveGarbageBehind();
  return TestRun(define).Shards("rows", shards).MaxRejects(1000000).Run();
}

// Rows are parsed into places that had others: nothing of these is left, whatever was NULL,
// rejected or escaped between them.
TEST(PrefetchTest, FieldsAreThoseOfTheirLine) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  std::int64_t number = 0;
  const auto any = [&random](std::vector<std::string> texts) {
    return texts[random.Uniform(texts.size())];
  };
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> shards(3);
    for (std::string& shard : shards) {
      for (std::uint64_t left = random.Uniform(200); left > 0; --left) {
        shard += std::to_string(number++) + "\t" + any({"\\N", "", "a", "a\\tb", "ccccccccccc"}) +
                 "\t" + any({"\\N", "7", "88", "x"}) + "\t" +
                 any({"2026-11-27", "2024-02-29T01", "1999-12-31"}) + "\t" +
                 any({"", "t", "tt\\\\", std::string(40, 't')}) + "\n";
      }
    }
    const TestResult wanted = ShowAll<ShowFields>(shards);
    ASSERT_TRUE(wanted.ok()) << wanted.status.message();
    for (const auto& row : wanted.Rows()) EXPECT_TRUE(row.ends_with(" 0 0")) << row;
    ExpectSame(ShowAll<ShowFieldsAhead>(shards), wanted);
  }
}

TEST(PrefetchTest, GoesOnBehindARecordThatThrows) {
  // All of a round of records throw; then the first, the last, and one in the middle.
  std::string text;
  for (int i = 0; i < 40; ++i) text += std::to_string(i) + "\tthrow\n";
  for (int i = 40; i < 80; ++i) {
    text += std::to_string(i) + (i == 40 || i == 50 || i == 55 || i == 79 ? "\tthrow\n" : "\tx\n");
  }
  const TestResult result = RunOf<MapAheadByText>({text}).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.rejects, SizeIs(44));
  EXPECT_EQ(result.records_in, 80u);
  EXPECT_EQ(result.records_out, 72u);
  EXPECT_EQ(result.Counter("called"), 80u);
  ExpectSame(result, RunOf<MapByText>({text}).Run());
}

}  // namespace
}  // namespace millrace
