// SPDX-License-Identifier: Apache-2.0
// The program search, on indexes of the job inverted_index, against scores computed from the texts
// themselves.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
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

// The documents are called shard-00000, shard-00001 …
std::string IndexOf(const std::vector<std::string>& documents) {
  const TestResult result = TestRun("inverted_index").Shards("documents", documents).Run();
  EXPECT_TRUE(result.ok()) << result.status.message();
  return result.Text();
}

struct Printed {
  std::string text;
  int exit_code = 0;
};

// `words` as a shell reads them.
Printed Search(const std::string& index, const std::string& words) {
  const TestDirectory directory;
  const std::string path = directory.path() + "/index";
  std::ofstream(path, std::ios::binary) << index;
  std::FILE* const pipe = popen((MILLRACE_SEARCH " " + words + " <" + path + " 2>&1").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  Printed printed;
  char piece[4096];
  for (std::size_t got; (got = std::fread(piece, 1, sizeof(piece), pipe)) > 0;) {
    printed.text.append(piece, got);
  }
  printed.exit_code = WEXITSTATUS(pclose(pipe));
  return printed;
}

std::vector<std::string> Found(const std::string& index, const std::string& words) {
  const Printed printed = Search(index, words);
  EXPECT_EQ(printed.exit_code, 0) << printed.text;
  return LinesOf(printed.text);
}

// By hand: N = 3, mean = 3; tea: n = 2, idf = ln(1.6), lengths 2 and 3 with tf 1 and 2.
TEST(SearchTest, ScoresByBm25) {
  const std::string index = IndexOf({"Tea leaf.", "tea or tea", "a b c d"});
  EXPECT_THAT(Found(index, "tea"), ElementsAre("0.6463\tshard-00001", "0.5442\tshard-00000"));
  EXPECT_THAT(Found(index, "leaf"), ElementsAre("1.1357\tshard-00000"));
  EXPECT_THAT(Found(index, "leaf tea"), ElementsAre("1.6799\tshard-00000", "0.6463\tshard-00001"));
}

TEST(SearchTest, TakesWordsAsTheIndexDoes) {
  const std::string index = IndexOf({"Tea-leaf", "caf\xc3\xa9", "or"});
  const std::vector<std::string> both = Found(index, "tea leaf");
  EXPECT_THAT(both, SizeIs(1));
  EXPECT_EQ(Found(index, "TEA Leaf"), both);
  EXPECT_EQ(Found(index, "'leaf, tea!'"), both);
  EXPECT_EQ(Found(index, "tea tea-leaf LEAF"), both);  // Each counts once.
  EXPECT_EQ(Found(index, "tea leaf nowhere"), both);
  EXPECT_THAT(Found(index, "caf\xc3\xa9"), SizeIs(1));
  EXPECT_THAT(Found(index, "caf"), IsEmpty());
}

TEST(SearchTest, PrintsTheTenBestAndTiesByDocument) {
  std::vector<std::string> documents(14, "tea");
  documents[12] = "tea tea";
  std::vector<std::string> found;
  for (const std::string& line : Found(IndexOf(documents), "tea")) {
    found.push_back(line.substr(line.find('\t') + 1));
  }
  EXPECT_THAT(found, ElementsAre("shard-00012", "shard-00000", "shard-00001", "shard-00002",
                                 "shard-00003", "shard-00004", "shard-00005", "shard-00006",
                                 "shard-00007", "shard-00008"));
}

// The shorter document is better beyond the fourth decimal: nobody could see why it comes first.
TEST(SearchTest, OrdersByTheScoreThatIsPrinted) {
  const std::vector<std::string> found =
      Found("leaf\t2\ta:1000000,b:999999\ntea\t2\ta:1,b:1\n", "tea");
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].substr(0, 6), found[1].substr(0, 6));
  EXPECT_EQ(found[0].back(), 'a');
}

TEST(SearchTest, FindsNothingInNothing) {
  EXPECT_THAT(Found("", "tea"), IsEmpty());
  EXPECT_THAT(Found(IndexOf({"leaf"}), "tea"), IsEmpty());
}

TEST(SearchTest, TakesNamesAsTheIndexWritesThem) {
  EXPECT_THAT(Found("tea\t2\ta%2Cb\\\\:1,c%3Ad:1\n", "tea"),
              ElementsAre("0.1823\ta%2Cb\\\\", "0.1823\tc%3Ad"));
}

TEST(SearchTest, RefusesWhatIsNoIndexAndNoWord) {
  for (const char* const words : {"", "'...'", "''"}) EXPECT_EQ(Search("", words).exit_code, 64);
  for (const char* const row : {"tea", "tea\t1", "tea\t1\t", "tea\t1\ta", "tea\t1\ta:",
                                "tea\t1\ta:x", "tea\t1\ta:1,", "tea\t1\ta:0", "tea\t1\ta:1x", ""}) {
    const Printed printed = Search("leaf\t1\ta:1\n" + std::string(row) + "\n", "tea");
    EXPECT_EQ(printed.exit_code, 65) << row;
    EXPECT_EQ(printed.text.find("search: line 2 is no row"), 0u) << printed.text;
  }
}

// Every document with one of the words, each from its own words alone.
std::vector<std::string> BruteForce(const std::vector<std::string>& documents,
                                    const std::set<std::string>& words) {
  std::vector<std::vector<std::string>> texts;
  double total = 0, count = 0;
  for (const std::string& document : documents) {
    std::istringstream in(document);
    texts.emplace_back();
    for (std::string word; in >> word;) texts.back().push_back(word);
    total += static_cast<double>(texts.back().size());
    count += texts.back().empty() ? 0 : 1;
  }
  std::vector<std::pair<long long, std::string>> all;  // Minus the score in 1/10000.
  for (std::size_t d = 0; d < texts.size(); ++d) {
    double score = 0;
    bool is_found = false;
    for (const std::string& word : words) {
      const auto tf = static_cast<double>(std::count(texts[d].begin(), texts[d].end(), word));
      if (tf == 0) continue;
      is_found = true;
      double with = 0;
      for (const auto& text : texts) {
        with += std::find(text.begin(), text.end(), word) == text.end() ? 0 : 1;
      }
      const double relative = static_cast<double>(texts[d].size()) / (total / count);
      score += std::log1p((count - with + 0.5) / (with + 0.5)) *
               (tf * 2.2 / (tf + 0.3 + 0.9 * relative));
    }
    if (is_found) all.emplace_back(-std::llround(score * 1e4), "shard-0000" + std::to_string(d));
  }
  std::sort(all.begin(), all.end());
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::min<std::size_t>(10, all.size()); ++i) {
    char score[32];
    std::snprintf(score, sizeof(score), "%lld.%04lld", -all[i].first / 10000,
                  -all[i].first % 10000);
    lines.push_back(score + ("\t" + all[i].second));
  }
  return lines;
}

TEST(SearchTest, EqualsBruteForce) {
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << TestSeed());
  Random random(TestSeed());
  for (int i = 0; i < 20; ++i) {
    std::vector<std::string> documents(1 + random.Uniform(9));
    for (std::string& document : documents) {
      for (std::uint64_t n = random.Uniform(60); n > 0; --n) {
        document += "w" + std::to_string(random.Uniform(1 + random.Uniform(20))) + "\n";
      }
    }
    const std::string index = IndexOf(documents);
    for (int query = 0; query < 4; ++query) {
      std::set<std::string> words;
      std::string line;
      for (std::uint64_t n = 1 + random.Uniform(4); n > 0; --n) {
        line += " " + *words.insert("w" + std::to_string(random.Uniform(22))).first;
      }
      EXPECT_EQ(Found(index, line), BruteForce(documents, words)) << line << " in\n" << index;
    }
  }
}

}  // namespace
}  // namespace millrace
