// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/base/hash.h"
#include "tests/benchmarks/datagen/dataset.h"
#include "tests/benchmarks/datagen/zipf.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

DatasetOptions Options(std::uint64_t rows, int shards = 4) {
  return {.rows = rows, .shards = shards, .seed = 7, .date = "2026-11-21"};
}

// File name -> bytes.
std::map<std::string, std::string> Generate(const std::string& kind,
                                            const DatasetOptions& options) {
  const auto files = PlanDataset(kind, options);
  EXPECT_TRUE(files.ok()) << files.error().message();
  std::map<std::string, std::string> contents;
  for (const DataFile& file : *files) {
    file.write([&](std::string_view piece) { contents[file.name].append(piece); });
  }
  return contents;
}

// The pieces that end with `separator`, or with the text.
std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::vector<std::vector<std::string>> Rows(const std::map<std::string, std::string>& contents,
                                           const std::string& prefix, char separator = '\t') {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, text] : contents) {
    if (!name.starts_with(prefix)) continue;
    for (const std::string& line : Split(text, '\n')) rows.push_back(Split(line, separator));
  }
  return rows;
}

// The bytes are part of every measurement that quotes them: a new hash needs a changelog line.
TEST(DatagenTest, WritesTheSameBytesOnEveryMachine) {
  const std::map<std::string, std::string> expected = {
      {"plays", "f30bee211d9f2913843d65f849dd1f61"},
      {"words", "b2cbc8cba0904b0a0a1ed72611ee6f6d"},
      {"tera", "97163150609eb86d9d2e3c326b69adf6"},
      {"report", "b236510ad944ec4fc03a2f5460ae94b8"},
      {"baskets", "56235ee9d24e281f4d7d87a0f9d37c5a"}};
  for (const auto& [kind, hash] : expected) {
    Hasher128 hasher;
    for (const auto& [name, text] : Generate(kind, Options(10'000))) hasher.Update(text);
    EXPECT_EQ(hasher.Digest().Hex(), hash) << kind;
  }
}

TEST(DatagenTest, CutsShardsOfEqualSize) {
  const auto contents = Generate("tera", Options(10, 4));
  std::vector<std::size_t> rows;
  for (const auto& [name, text] : contents) rows.push_back(text.size() / 100);
  EXPECT_THAT(rows, ::testing::ElementsAre(2, 3, 2, 3));
  EXPECT_EQ(contents.begin()->first, "tera-00000-of-00004.txt");
  EXPECT_EQ(Generate("plays", Options(0, 2)).size(), 2U);  // Empty files are files.
}

TEST(DatagenTest, OtherSeedsGiveOtherData) {
  DatasetOptions other = Options(100);
  other.seed = 8;
  EXPECT_NE(Generate("plays", Options(100)), Generate("plays", other));
}

TEST(DatagenTest, PlaysHaveTheirShape) {
  const auto rows = Rows(Generate("plays", Options(100'000)), "plays");
  ASSERT_EQ(rows.size(), 100'000U);
  std::size_t short_plays = 0, bytes = 0;
  std::map<std::string, std::set<std::string>> countries_of_user;
  std::set<std::string> countries;
  std::map<std::string, int> plays_of_track;
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 5U);
    if (plays_of_track.size() < 1'000) {  // Enough to see it: a regex is slow.
      EXPECT_THAT(row[0], MatchesRegex("2026-11-21T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z"));
      EXPECT_THAT(row[1], MatchesRegex("u[0-9]{7}"));
      EXPECT_THAT(row[2], MatchesRegex("t[0-9]{7}"));
    }
    countries_of_user[row[1]].insert(row[3]);
    countries.insert(row[3]);
    ++plays_of_track[row[2]];
    if (std::stoi(row[4]) < 30'000) ++short_plays;
    for (const std::string& field : row) bytes += field.size() + 1;
  }
  EXPECT_EQ(countries.size(), 60U);
  for (const auto& [user, in] : countries_of_user) EXPECT_EQ(in.size(), 1U) << user;
  EXPECT_NEAR(static_cast<double>(short_plays), 25'000, 600);
  EXPECT_NEAR(static_cast<double>(bytes) / 100'000, 48.45, 0.1);
  int most = 0;
  for (const auto& [track, plays] : plays_of_track) most = std::max(most, plays);
  EXPECT_NEAR(most, 9'460, 400);  // 1 / sum of r^-1.05.
}

TEST(DatagenTest, WordsHaveTheirShape) {
  const auto rows = Rows(Generate("words", Options(20'000)), "words", ' ');
  ASSERT_EQ(rows.size(), 20'000U);
  std::size_t words = 0, bytes = 0;
  for (const auto& row : rows) {
    EXPECT_GE(row.size(), 5U);
    EXPECT_LE(row.size(), 15U);
    words += row.size();
    for (const std::string& word : row) bytes += word.size() + 1;
  }
  EXPECT_NEAR(static_cast<double>(words) / 20'000, 10, 0.1);
  EXPECT_NEAR(static_cast<double>(bytes) / static_cast<double>(words), 5.92, 0.05);
}

TEST(DatagenTest, ReportsJoinButForOneInAThousand) {
  const auto contents = Generate("report", Options(100'000));
  std::set<std::string> users, products, days;
  for (const auto& row : Rows(contents, "users")) users.insert(row[0]);
  for (const auto& row : Rows(contents, "products")) products.insert(row[0]);
  EXPECT_EQ(users.size(), 500'000U);
  EXPECT_EQ(products.size(), 50'000U);
  int unknown = 0;
  for (const auto& row : Rows(contents, "txns")) {
    ASSERT_EQ(row.size(), 5U);
    if (!users.contains(row[1]) || !products.contains(row[2])) ++unknown;
    EXPECT_GT(std::stoi(row[3]), 0);
    days.insert(row[4].substr(0, 10));
  }
  EXPECT_NEAR(unknown, 100, 40);
  EXPECT_EQ(days.size(), 30U);
  EXPECT_EQ(*days.begin(), "2026-10-23");
  EXPECT_EQ(*days.rbegin(), "2026-11-21");
}

TEST(DatagenTest, BasketsHaveTheirShape) {
  std::map<std::string, std::set<std::string>> baskets;
  std::size_t rows = 0;
  for (const auto& row : Rows(Generate("baskets", Options(130'000)), "baskets")) {
    baskets[row[0]].insert(row[1]);
    ++rows;
  }
  EXPECT_EQ(rows, 130'000U);
  EXPECT_EQ(baskets.size(), 10'000U);
  double pairs = 0;
  for (const auto& [user, tracks] : baskets) {
    EXPECT_LE(tracks.size(), 50U);
    pairs += static_cast<double>(tracks.size() * (tracks.size() - 1)) / 2;
  }
  EXPECT_NEAR(pairs / 10'000, 124, 12);  // 24.8 M for 200 k users.
}

TEST(DatagenTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(PlanDataset("songs", Options(1)).error().message(), HasSubstr("no dataset 'songs'"));
  DatasetOptions bad_date = Options(1);
  bad_date.date = "2026-02-30";
  EXPECT_THAT(PlanDataset("plays", bad_date).error().message(), HasSubstr("2026-02-30"));
  EXPECT_FALSE(PlanDataset("plays", Options(1, 0)).ok());
}

TEST(DatePlusTest, KnowsTheCalendar) {
  EXPECT_EQ(DatePlus("2026-11-21", 0), "2026-11-21");
  EXPECT_EQ(DatePlus("2024-03-01", -1), "2024-02-29");
  EXPECT_EQ(DatePlus("2026-12-31", 1), "2027-01-01");
  EXPECT_EQ(DatePlus("2026-1-21", 0), "");
  EXPECT_EQ(DatePlus("2026-13-01", 0), "");
}

TEST(PortablePowerTest, IsAsGoodAsTheLibrarys) {
  for (const double base : {1.0, 2.0, 3.0, 10.0, 999.0, 1e6}) {
    for (const double exponent : {-1.05, -0.6, 0.0, 0.5, 2.0}) {
      EXPECT_NEAR(PortablePower(base, exponent) / std::pow(base, exponent), 1, 1e-13);
    }
  }
}

TEST(ZipfTest, DrawsByWeight) {
  const Zipf zipf(3, 1.0, Zipf::Ids::kByRank, 0);
  Random random(1);
  std::vector<int> count(3);
  for (int i = 0; i < 110'000; ++i) ++count[zipf.Draw(random)];
  EXPECT_NEAR(count[0], 60'000, 1'000);  // 6 : 3 : 2
  EXPECT_NEAR(count[1], 30'000, 1'000);
  EXPECT_NEAR(count[2], 20'000, 1'000);
}

}  // namespace
}  // namespace millrace
