// SPDX-License-Identifier: Apache-2.0
// Records that a reduce sets aside with their origin: their order in _rejects.tsv and the limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/engine/execute_tools.h"
#include "tests/unit/engine/probe_jobs.h"

namespace millrace {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

struct WithOrigin {
  void Map(const Line& line, Emitter<std::string_view, Sourced<std::string_view>>& emit,
           Context& context) {
    if (line.text.find("early") != std::string_view::npos) return context.Reject("early");
    emit(probe::KeyOf(line.text), {probe::ValueOf(line.text), context.origin()});
  }
};
struct RejectBad {
  void Reduce(const std::string_view& key, Values<Sourced<std::string_view>>& values,
              Emitter<std::string_view, std::int64_t>& emit, Context& context) {
    std::int64_t good = 0;
    for (const auto& [value, origin] : values) {
      if (value != "bad") {
        ++good;
      } else {
        context.Reject(origin, "late");
      }
    }
    emit(key, good);
  }
};
void RejectLate(Job& job) {
  job.ReadLines("lines").Map<WithOrigin>().Reduce<RejectBad>().Write<Tsv>("good");
}

// 1000 lines, of which 57 are bad: some for the Map, more for the Reduce. The keys' order is not
// that of the lines.
class LateRejectsTest : public ::testing::Test {
 protected:
  LateRejectsTest() {
    int bad = 0;
    for (int line = 0; line < 1000; ++line) {
      std::string& text = texts_["s" + std::to_string(line / 100)];
      std::string value = " good";
      if (line % 17 == 5 && bad < 57) value = ++bad % 3 == 0 ? " early" : " bad";
      const std::string row = "key" + std::to_string(line * 7919 % 101) + value;
      if (value != " good") {
        rejects_.push_back("lines\t" + in_ + "/s" + std::to_string(line / 100) + "\t" +
                           std::to_string(text.size()) +
                           (value == " bad" ? "\tlate\t" : "\tearly\t") + row + "\n");
        shown_.push_back(in_ + "/s" + std::to_string(line / 100) + " at byte " +
                         std::to_string(text.size()) + (value == " bad" ? ": late" : ": early"));
      }
      text += row + "\n";
    }
    inputs_ = {{"lines", StoreShards(in_, texts_)}};
  }

  Outcome Run(RejectLimit limit, int parallel, std::uint64_t split_bytes, int parts = 3) {
    ExecutionOptions options;
    options.parallel = parallel;
    options.split_bytes = split_bytes;
    options.parts = parts;
    options.max_rejects = limit;
    return RunGraph(folder_, MakeJob(RejectLate)->graph(), inputs_, options);
  }

  ExecuteFolder folder_;
  const std::string in_ = folder_.NewFolder("in");
  ShardTexts texts_;
  std::vector<std::string> rejects_, shown_;
  std::vector<ExecutionInput> inputs_;
};

TEST_F(LateRejectsTest, StandInTheOrderOfTheInputAmongThoseOfTheMaps) {
  std::string all;
  for (const std::string& row : rejects_) all += row;
  for (const int parallel : {1, 2, 7}) {
    for (const std::uint64_t split : {64, 500, 1 << 20}) {
      for (const int parts : {1, 4}) {
        const Outcome outcome = Run({.count = 57}, parallel, split, parts);
        ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
        EXPECT_EQ(outcome.rejects, all);
        EXPECT_EQ(outcome.result.rejects, 57u);
        EXPECT_EQ(
            std::count(outcome.outputs.at("good").begin(), outcome.outputs.at("good").end(), '\n'),
            101);
      }
    }
  }
}

TEST_F(LateRejectsTest, CountAgainstTheLimit) {
  EXPECT_TRUE(Run({.count = 57}, 2, 500).status.ok());
  EXPECT_EQ(Run({.count = 56}, 2, 500).status.code(), StatusCode::kBadData);
  EXPECT_EQ(Run({.count = 20}, 2, 500).status.code(), StatusCode::kBadData);
}

TEST_F(LateRejectsTest, CountInPercentOfTheRecordsRead) {
  EXPECT_TRUE(Run({.percent = 5.7}, 2, 500).status.ok());
  const Status status = Run({.percent = 5.69}, 2, 500).status;
  EXPECT_EQ(status.code(), StatusCode::kBadData);
  EXPECT_THAT(status.message(), HasSubstr("57 records were rejected"));
  EXPECT_THAT(status.message(), HasSubstr("5.69% of 1000 records"));
}

TEST_F(LateRejectsTest, AreNamedTheSameWhateverRanFirst) {
  std::vector<std::string> messages;
  for (const int parallel : {1, 2, 7}) {
    const Status status = Run({.count = 40}, parallel, 1 << 20, 1).status;
    EXPECT_EQ(status.code(), StatusCode::kBadData);
    messages.push_back(status.message());
  }
  EXPECT_THAT(messages, ElementsAreArray(std::vector<std::string>(3, messages.front())));
}

}  // namespace
}  // namespace millrace
