// SPDX-License-Identifier: Apache-2.0
// That two documents of one name are refused, and how names are written, is seen in
// docs/jobs/inverted_index.md, whose commands a test runs: a TestRun names its files itself.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using std::string_literals::operator""s;

// The documents are called shard-00000, shard-00001 …
TestRun Index(const std::vector<std::string>& documents) {
  return TestRun("inverted_index").Shards("documents", documents);
}

// The terms of one document with their counts: "a:2".
std::vector<std::string> TermsOf(const std::string& document) {
  std::vector<std::string> terms;
  for (const std::string& row : Index({document}).Run().Rows()) {
    const std::string term = row.substr(0, row.find('\t'));
    EXPECT_EQ(row.substr(0, row.rfind(':')), term + "\t1\tshard-00000");
    terms.push_back(term + row.substr(row.rfind(':')));
  }
  return terms;
}

TEST(InvertedIndexTest, SaysWhichDocumentsHoldATermAndHowOften) {
  EXPECT_THAT(Index({"the cat\nthe hat\n", "the dog\n", "a cat"}).Run().Rows(),
              ElementsAre("a\t1\tshard-00002:1", "cat\t2\tshard-00000:1,shard-00002:1",
                          "dog\t1\tshard-00001:1", "hat\t1\tshard-00000:1",
                          "the\t2\tshard-00000:2,shard-00001:1"));
}

TEST(InvertedIndexTest, ATermIsALongestRunOfLettersDigitsAndHighBytes) {
  EXPECT_THAT(
      TermsOf("a1-b2_c3.d4 e5\tf6\rg7,h8'i9:j0%"),
      ElementsAre("a1:1", "b2:1", "c3:1", "d4:1", "e5:1", "f6:1", "g7:1", "h8:1", "i9:1", "j0:1"));
  EXPECT_THAT(TermsOf("@A[Z`a{z/0:9\x7f"),  // Each neighbour of a letter or digit.
              ElementsAre("0:1", "9:1", "a:2", "z:2"));
  EXPECT_THAT(TermsOf("x\x80y \xc3\x85 \xff\n\x7f"s + "\0x"s),
              ElementsAre("x:1", "x\x80y:1", "\xc3\x85:1", "\xff:1"));
}

TEST(InvertedIndexTest, LowersAToZAlone) {
  EXPECT_THAT(TermsOf("Tea TEA tea TeA \xc3\x89T\xc3\x89 \xc3\xa9t\xc3\xa9"),
              ElementsAre("tea:4", "\xc3\x89t\xc3\x89:1", "\xc3\xa9t\xc3\xa9:1"));
}

TEST(InvertedIndexTest, ALineEndsATermAndEscapesMeanNothing) {
  EXPECT_THAT(TermsOf("ab\ncd\r\n\nab"), ElementsAre("ab:2", "cd:1"));
  EXPECT_THAT(TermsOf("a\\nb \\N\n\\x41"), ElementsAre("a:1", "n:1", "nb:1", "x41:1"));
}

TEST(InvertedIndexTest, OrdersTermsAndDocumentsByBytes) {
  std::vector<std::string> documents(12, "b");
  documents[0] = "a b A0";
  const TestResult result = Index(documents).Run();
  ASSERT_THAT(result.Rows(), SizeIs(3));
  EXPECT_EQ(result.Rows()[0], "a\t1\tshard-00000:1");
  EXPECT_EQ(result.Rows()[1], "a0\t1\tshard-00000:1");
  std::string postings;
  for (int i = 0; i < 12; ++i) {
    postings += std::string(i == 0 ? "" : ",") + (i < 10 ? "shard-0000" : "shard-000") +
                std::to_string(i) + ":1";
  }
  EXPECT_EQ(result.Rows()[2], "b\t12\t" + postings);
}

TEST(InvertedIndexTest, ADocumentsNameIsWithoutCompression) {
  for (const ShardStorage storage : {ShardStorage::kZstd, ShardStorage::kGzip}) {
    TestExecution execution;
    execution.storage = storage;
    EXPECT_THAT(Index({"tea", "tea tea"}).Execution(execution).Run().Rows(),
                ElementsAre("tea\t2\tshard-00000:1,shard-00001:2"));
  }
}

// Splits of one document are still one.
TEST(InvertedIndexTest, CountsOverAllOfADocument) {
  std::string document;
  for (int i = 0; i < 5000; ++i) document += i % 2 == 0 ? "tea leaf\n" : "tea\n";
  TestExecution execution;
  execution.split_bytes = 512;
  EXPECT_THAT(Index({document, "leaf\n"}).Execution(execution).Run().Rows(),
              ElementsAre("leaf\t2\tshard-00000:2500,shard-00001:1", "tea\t1\tshard-00000:5000"));
}

TEST(InvertedIndexTest, NothingIsAReject) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const TestResult result = Index({all, "\\", "\t\t\\N\n"}).Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.rejects, IsEmpty());
  EXPECT_EQ(result.records_in, 4u);
}

TEST(InvertedIndexTest, HasAnEmptyOutputForNoDocumentsAndForNoTerms) {
  EXPECT_EQ(Index({}).Run().Text(), "");
  EXPECT_EQ(Index({"", "\n\n", "... --- ..."}).Run().Text(), "");
}

TEST(InvertedIndexTest, TakesOneTerm) {
  EXPECT_EQ(Index({"tea"}).Run().Text(), "tea\t1\tshard-00000:1\n");
}

TEST(InvertedIndexTest, TakesOneTermInEveryDocument) {
  const TestRun run = Index(std::vector<std::string>(200, "tea\n"));
  const TestResult result = run.Run();
  ASSERT_THAT(result.Rows(), SizeIs(1));
  EXPECT_TRUE(result.Rows()[0].starts_with("tea\t200\tshard-00000:1,"));
  EXPECT_TRUE(result.Rows()[0].ends_with(",shard-00199:1"));
  EXPECT_DETERMINISTIC(run, {.runs = 4});
}

TEST(InvertedIndexTest, EqualsASlowOracle) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  const std::string separators = " \n\t.\\\r";
  for (int i = 0; i < 40; ++i) {
    std::vector<std::string> documents(1 + random.Uniform(6));
    std::map<std::string, std::map<std::size_t, int>> counts;
    for (std::size_t d = 0; d < documents.size(); ++d) {
      for (std::uint64_t n = random.Uniform(200); n > 0; --n) {
        const std::string term =
            "t" + std::to_string(random.Uniform(40)) + (random.Uniform(9) == 0 ? "\xc3\xa9" : "");
        ++counts[term][d];
        documents[d] += (random.Uniform(4) == 0 ? "T" : "t") + term.substr(1);
        documents[d] += separators[random.Uniform(separators.size())];
      }
    }
    std::string wanted;
    for (const auto& [term, postings] : counts) {
      wanted += term + "\t" + std::to_string(postings.size()) + "\t";
      bool is_first = true;
      for (const auto& [document, count] : postings) {
        if (!std::exchange(is_first, false)) wanted += ",";
        wanted += "shard-0000" + std::to_string(document) + ":" + std::to_string(count);
      }
      wanted += "\n";
    }
    const TestResult result = Index(documents).Run();
    ASSERT_TRUE(result.ok()) << result.status.message();
    ASSERT_EQ(result.Text(), wanted);
    if (i % 8 == 0) {
      EXPECT_DETERMINISTIC(Index(documents));
    }
  }
}

}  // namespace
}  // namespace millrace
