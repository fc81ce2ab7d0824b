// SPDX-License-Identifier: Apache-2.0
// The hand-written programs write what Millrace writes: a bound that does another job bounds
// nothing. On small data of all shapes the benchmark has: plain and zstd, more shards than threads.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/millrace_process.h"

namespace millrace {
namespace {

struct Case {
  std::string job;  ///< As the hand-written program is called.
  std::string dataset, extension, rows;
  std::vector<std::string> millrace;  ///< The job and its parameters.
};

const Case kCases[] = {
    {"wordcount", "words", ".txt", "30000", {"wordcount"}},
    {"toplist", "plays", ".tsv", "60000", {"toplist"}},
    {"listeners", "plays", ".tsv", "60000", {"toplist", "--param", "by=listeners"}},
    {"sort", "tera", ".txt", "50000", {"sort"}},
};

void PrintTo(const Case& the_case, std::ostream* os) { *os << the_case.job; }

class BoundsTest : public MillraceTest, public testing::WithParamInterface<Case> {
 protected:
  void Generate(const std::string& rows, const std::string& compression) {
    const ProcessResult run = Process({MILLRACE_DATAGEN, GetParam().dataset, "data", "--flat",
                                       "--rows", rows, "--shards", "3", "--compress", compression},
                                      root_)
                                  .Wait();
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }

  std::string OfMillrace(const std::string& suffix) {
    std::vector<std::string> words = {"run"};
    words.insert(words.end(), GetParam().millrace.begin(), GetParam().millrace.end());
    for (const std::string& word :
         {std::string("--input"), "data/*" + GetParam().extension + suffix, std::string("--output"),
          std::string("expected"), std::string("--quiet")}) {
      words.push_back(word);
    }
    const ProcessResult run = Run(words);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return Run({"cat", "expected"}).out;
  }

  std::string OfBound(const std::string& suffix, const std::string& threads) {
    setenv("BENCH_THREADS", threads.c_str(), 1);
    setenv("BENCH_SUFFIX", suffix.c_str(), 1);
    setenv("BENCH_TEMP", root_.c_str(), 1);
    setenv("BENCH_MEMORY_MIB", "64", 1);
    const ProcessResult run =
        Process({MILLRACE_BOUNDS, GetParam().job, "data", "actual"}, root_).Wait();
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return Read("actual");
  }
};

// Compared by ==: a difference would print both outputs, which are long.
TEST_P(BoundsTest, WritesWhatMillraceWrites) {
  Generate(GetParam().rows, "none");
  const std::string expected = OfMillrace("");
  EXPECT_FALSE(expected.empty());
  EXPECT_TRUE(OfBound("", "2") == expected);
  EXPECT_TRUE(OfBound("", "1") == expected);
}

TEST_P(BoundsTest, ReadsZstd) {
  Generate(GetParam().rows, "zstd");
  EXPECT_TRUE(OfBound(".zst", "2") == OfMillrace(".zst"));
}

TEST_P(BoundsTest, TakesShardsWithoutRows) {
  Generate("2", "none");
  EXPECT_TRUE(OfBound("", "2") == OfMillrace(""));
}

INSTANTIATE_TEST_SUITE_P(Jobs, BoundsTest, testing::ValuesIn(kCases),
                         [](const auto& one) { return one.param.job; });

}  // namespace
}  // namespace millrace
