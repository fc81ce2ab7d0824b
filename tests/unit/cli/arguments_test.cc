// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<Arguments> ParseRun(const std::vector<std::string>& words) {
  return ParseArguments(*FindCommand("run"), words);
}

std::string ErrorOf(const Result<Arguments>& arguments) {
  if (arguments.ok()) return "";
  EXPECT_EQ(arguments.error().code(), StatusCode::kInvalidArgument);
  return arguments.error().message();
}

TEST(ParseArgumentsTest, TakesFlagsInAnyOrder) {
  const auto run = ParseRun({"--output", "out", "toplist", "--input", "a", "--force", "--param",
                             "k=1", "--param", "min_ms=-5"});
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(run->argument, "toplist");
  EXPECT_EQ(run->Get("--output"), "out");
  EXPECT_TRUE(run->Has("--force"));
  EXPECT_FALSE(run->Has("--json"));
  EXPECT_THAT(run->All("--param"), ElementsAre("k=1", "min_ms=-5"));
  EXPECT_EQ(run->Get("--date", "none"), "none");
}

TEST(ParseArgumentsTest, OneInputTakesSeveralPatterns) {
  const auto run =
      ParseRun({"sort", "--input", "a", "b", "c", "--output", "out", "--input=d", "--input", "e"});
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_THAT(run->All("--input"), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(run->argument, "sort");
}

TEST(ParseArgumentsTest, PatternsStayAsTheyAre) {
  const std::vector<std::string> odd = {"[ab]",  "[a,b]", "x,y",    "users=[0-9]*", "a b",
                                        "\"q\"", "'q'",   "{date}", "%s",           "@file"};
  std::vector<std::string> words = {"sort", "--output", "out", "--input"};
  words.insert(words.end(), odd.begin(), odd.end());
  const auto run = ParseRun(words);
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(run->All("--input"), odd);
}

TEST(ParseArgumentsTest, ValueMayBeginWithADash) {
  const auto run = ParseRun({"sort", "--output=-out", "--input=-in", "--param=k=-1"});
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(run->Get("--output"), "-out");
  EXPECT_THAT(run->All("--input"), ElementsAre("-in"));
}

TEST(ParseArgumentsTest, SuggestsTheFlagThatWasMeant) {
  EXPECT_THAT(ErrorOf(ParseRun({"sort", "--ouput", "x"})), HasSubstr("did you mean --output?"));
  EXPECT_THAT(ErrorOf(ParseRun({"sort", "--paralel=3"})),
              HasSubstr("unknown flag --paralel; did you mean --parallel?"));
  EXPECT_THAT(ErrorOf(ParseRun({"sort", "--zebra"})), HasSubstr("unknown flag --zebra; see"));
}

TEST(ParseArgumentsTest, RefusesWhatItCannotPlace) {
  EXPECT_THAT(ErrorOf(ParseRun({"sort", "more", "--output", "x"})),
              HasSubstr("unexpected argument 'more'"));
  EXPECT_THAT(ErrorOf(ParseRun({"sort", "--output"})), HasSubstr("--output lacks its value"));
  EXPECT_THAT(ErrorOf(ParseRun({"sort", "--input", "--output", "x"})),
              HasSubstr("--input lacks its value"));
  EXPECT_THAT(ErrorOf(ParseRun({"sort", "--output", "x", "--output", "y"})),
              HasSubstr("--output is given twice"));
  for (const char* const value : {"--force=maybe", "--force=false", "--force="})
    EXPECT_THAT(ErrorOf(ParseRun({"sort", value})), HasSubstr("--force takes no value"));
}

TEST(ParseArgumentsTest, ShortNameIsTheSameFlag) {
  const auto head = ParseArguments(*FindCommand("head"), {"out", "-n", "3"});
  ASSERT_TRUE(head.ok()) << head.error().message();
  EXPECT_EQ(head->Get("--lines"), "3");
}

TEST(ParseArgumentsTest, NothingIsAllRight) {
  const auto run = ParseRun({});
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->argument, "");
  EXPECT_THAT(run->All("--input"), IsEmpty());
}

Arguments With(const std::string& flag, const std::vector<std::string>& values) {
  Arguments arguments{.command = FindCommand("run")};
  arguments.values[flag] = values;
  return arguments;
}

TEST(SizeFlagTest, ReadsSizes) {
  EXPECT_EQ(SizeFlag(With("--memory", {"64M"}), "--memory").value(), std::uint64_t{64} << 20);
  EXPECT_EQ(SizeFlag(With("--memory", {"2GiB"}), "--memory").value(), std::uint64_t{2} << 30);
  EXPECT_EQ(SizeFlag(With("--memory", {"100"}), "--memory").value(), 100u);
  EXPECT_EQ(SizeFlag(Arguments(), "--memory").value(), std::nullopt);
  for (const char* const bad :
       {"", "0", "-1", "64X", "M", "1.5G", "99999999999999999999", "0x10"}) {
    EXPECT_FALSE(SizeFlag(With("--memory", {bad}), "--memory").ok()) << bad;
  }
}

TEST(CountFlagTest, ReadsWholeNumbersWithinBounds) {
  EXPECT_EQ(CountFlag(With("--parts", {"7"}), "--parts", 1, 10).value(), 7u);
  EXPECT_EQ(CountFlag(Arguments(), "--parts", 1, 10).value(), std::nullopt);
  for (const char* const bad :
       {"", "0", "11", "-1", "+1", "1.0", "1e3", "seven", " 7", "7 ", "99999999999999999999"}) {
    EXPECT_FALSE(CountFlag(With("--parts", {bad}), "--parts", 1, 10).ok()) << bad;
  }
}

TEST(PairsFlagTest, SplitsAtTheFirstEquals) {
  const auto pairs = PairsFlag(With("--param", {"k=10", "expression=a=b", "empty="}), "--param");
  ASSERT_TRUE(pairs.ok());
  EXPECT_EQ(*pairs, (std::map<std::string, std::string>{
                        {"k", "10"}, {"expression", "a=b"}, {"empty", ""}}));
  EXPECT_FALSE(PairsFlag(With("--param", {"k"}), "--param").ok());
  EXPECT_FALSE(PairsFlag(With("--param", {"=1"}), "--param").ok());
  EXPECT_FALSE(PairsFlag(With("--param", {"k=1", "k=2"}), "--param").ok());
}

TEST(RejectLimitFlagTest, ReadsCountsAndPercentages) {
  EXPECT_EQ(RejectLimitFlag(With("--max-rejects", {"12"}), "--max-rejects")->count, 12u);
  EXPECT_LT(RejectLimitFlag(With("--max-rejects", {"12"}), "--max-rejects")->percent, 0);
  EXPECT_EQ(RejectLimitFlag(With("--max-rejects", {"0.5%"}), "--max-rejects")->percent, 0.5);
  EXPECT_EQ(RejectLimitFlag(With("--max-rejects", {"100%"}), "--max-rejects")->percent, 100);
  EXPECT_EQ(RejectLimitFlag(Arguments(), "--max-rejects")->count, 0u);
  for (const char* const bad :
       {"", "%", "-1", "-1%", "101%", "nan%", "inf%", "1%%", "many", "1.5", "-0%"}) {
    EXPECT_FALSE(RejectLimitFlag(With("--max-rejects", {bad}), "--max-rejects").ok()) << bad;
  }
}

}  // namespace
}  // namespace millrace
