// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/key_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

std::set<std::string> DistinctKeys(Random& random, std::size_t count) {
  std::set<std::string> keys;
  while (keys.size() < count) keys.insert(NastyKey(random, 20) + std::to_string(random.Next()));
  return keys;
}

TEST(KeySamplerTest, KeepsTheDistinctKeysOfSmallestHash) {
  Random random(TestSeed());
  const std::set<std::string> keys = DistinctKeys(random, 2000);
  std::map<std::uint64_t, std::string> by_hash;
  KeySampler sampler(100);
  for (const std::string& key : keys) {
    by_hash[Hash64(key)] = key;
    sampler.Offer(key);
    sampler.Offer(key);
  }
  std::vector<std::string> expected;
  for (const auto& [hash, key] : by_hash) {
    if (expected.size() < 100) expected.push_back(key);
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(sampler.SortedKeys(), expected);
}

TEST(KeySamplerTest, HoldsLessThanTwiceItsCapacity) {
  KeySampler many(100), same(100);
  for (int i = 0; i < 10'000; ++i) {
    many.Offer(std::to_string(i));
    same.Offer("one key");
    ASSERT_LT(many.candidate_count(), 200u);
    ASSERT_LT(same.candidate_count(), 200u);
  }
  for (int i = 0; i < 10; ++i) {
    same.Merge(many);
    ASSERT_LT(same.candidate_count(), 200u);
  }
}

TEST(KeySamplerTest, BordersDependOnTheSetOfKeysAlone) {
  Random random(TestSeed());
  for (const std::size_t count : {0, 1, 5, 300, 5000}) {
    const std::set<std::string> distinct = DistinctKeys(random, count);
    KeySampler sorted(1024);
    for (const std::string& key : distinct) sorted.Offer(key);

    std::vector<std::string> keys(distinct.begin(), distinct.end());
    const std::size_t repeated = keys.size() / 2;
    for (std::size_t i = 0; i < repeated; ++i) keys.push_back(keys[i]);
    for (std::size_t i = keys.size(); i > 1; --i) std::swap(keys[i - 1], keys[random.Uniform(i)]);
    std::vector<KeySampler> tasks(7, KeySampler(1024));
    for (const std::string& key : keys) tasks[random.Uniform(tasks.size())].Offer(key);
    KeySampler merged(1024);
    for (const KeySampler& task : tasks) merged.Merge(task);

    EXPECT_EQ(merged.SortedKeys(), sorted.SortedKeys());
    for (const int parts : {1, 2, 7, 64}) EXPECT_EQ(merged.Borders(parts), sorted.Borders(parts));
  }
}

TEST(KeySamplerTest, BordersAreStrictlyIncreasingAndCutEvenly) {
  Random random(TestSeed());
  for (const std::size_t count : {0, 1, 2, 3, 10, 100, 20'000}) {
    const std::set<std::string> distinct = DistinctKeys(random, count);
    KeySampler sampler(2048);
    for (const std::string& key : distinct) sampler.Offer(key);
    for (const int parts : {1, 2, 3, 4, 5, 16, 31, 100, 3000}) {
      const std::vector<std::string> borders = sampler.Borders(parts);
      EXPECT_LE(borders.size(), static_cast<std::size_t>(parts - 1));
      if (count >= static_cast<std::size_t>(parts) && parts <= 2048) {
        EXPECT_EQ(borders.size(), static_cast<std::size_t>(parts - 1)) << count << " " << parts;
      }
      for (std::size_t i = 1; i < borders.size(); ++i) ASSERT_LT(borders[i - 1], borders[i]);
      for (const std::string& border : borders) ASSERT_TRUE(distinct.contains(border));
      if (!borders.empty()) {
        EXPECT_GT(borders.front(), *distinct.begin());  // The first part isn't empty.
      }
      if (parts != 16 || count < 20'000) continue;
      std::vector<std::size_t> part_keys(16);
      for (const std::string& key : distinct) {
        ++part_keys[static_cast<std::size_t>(std::upper_bound(borders.begin(), borders.end(), key) -
                                             borders.begin())];
      }
      // Ideal 1250; the window moves a border by a quarter, the sample (2048) by some percent.
      EXPECT_GT(*std::min_element(part_keys.begin(), part_keys.end()), 400u);
      EXPECT_LT(*std::max_element(part_keys.begin(), part_keys.end()), 2400u);
    }
  }
}

TEST(KeySamplerTest, OneMoreKeyMovesFewBorders) {
  Random random(TestSeed());
  const std::set<std::string> distinct = DistinctKeys(random, 20'000);
  KeySampler sampler(4096);
  for (const std::string& key : distinct) sampler.Offer(key);
  const std::vector<std::string> before = sampler.Borders(32);
  std::size_t moved_in_all = 0;
  constexpr int kTrials = 200;
  for (int trial = 0; trial < kTrials; ++trial) {
    KeySampler changed = sampler;
    changed.Offer(NastyKey(random, 20) + "+" + std::to_string(trial));
    std::vector<std::string> common;
    const std::vector<std::string> after = changed.Borders(32);
    std::set_intersection(before.begin(), before.end(), after.begin(), after.end(),
                          std::back_inserter(common));
    const std::size_t moved = before.size() - common.size();
    EXPECT_LE(moved, 8u);
    moved_in_all += moved;
  }
  EXPECT_LE(moved_in_all, 1u * kTrials);
}

}  // namespace
}  // namespace millrace
