// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/entry_sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

// refs are addresses of strings; the same key may be there many times.
std::vector<SortEntry> EntriesOf(const std::vector<std::string>& keys) {
  std::vector<SortEntry> entries;
  for (const std::string& key : keys) {
    entries.push_back({KeyPrefix(key.data(), key.size()), reinterpret_cast<std::uint64_t>(&key)});
  }
  return entries;
}
std::string_view KeyAt(std::uint64_t ref) { return *reinterpret_cast<const std::string*>(ref); }

// Compares order with std::stable_sort.
void ExpectSorts(const std::vector<std::string>& keys) {
  std::vector<SortEntry> entries = EntriesOf(keys);
  std::vector<SortEntry> expected = entries;
  std::stable_sort(expected.begin(), expected.end(), [](const SortEntry& a, const SortEntry& b) {
    return KeyAt(a.ref) < KeyAt(b.ref);
  });
  std::vector<SortEntry> scratch(entries.size());
  EntrySorter sorter(scratch.data(), &KeyAt);
  sorter.Sort(entries.data(), entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    ASSERT_EQ(entries[i].ref, expected[i].ref) << i;
  }
}

TEST(EntrySortTest, SortsStablyLikeTheStandardLibrary) {
  Random random(TestSeed());
  for (const std::size_t count : {0, 1, 2, 23, 24, 25, 26, 100, 1000, 5000}) {
    for (const std::size_t bytes_max : {0, 1, 2, 7, 8, 9, 16, 17, 40}) {
      std::vector<std::string> keys;
      for (std::size_t i = 0; i < count; ++i) keys.push_back(NastyKey(random, bytes_max));
      ExpectSorts(keys);
      std::sort(keys.begin(), keys.end());
      ExpectSorts(keys);
      std::reverse(keys.begin(), keys.end());
      ExpectSorts(keys);
    }
  }
}

// Keys in which few bits of few bytes differ: a digit is made of the bits of two bytes.
TEST(EntrySortTest, SortsIdsOfDigits) {
  Random random(TestSeed());
  for (const std::uint64_t ids : {2, 10, 1000, 1'000'000}) {
    std::vector<std::string> keys;
    for (int i = 0; i < 20'000; ++i) {
      const std::string id = std::to_string(random.Uniform(ids));
      keys.push_back("t" + std::string(7 - id.size(), '0') + id +
                     (random.Uniform(4) == 0 ? "" : "-u" + std::to_string(random.Uniform(ids))));
    }
    ExpectSorts(keys);
  }
}

TEST(EntrySortTest, TellsKeysApartThatDifferInTrailingZeros) {
  std::vector<std::string> keys;
  for (int repeat = 0; repeat < 10; ++repeat) {
    for (std::size_t bytes = 0; bytes <= 40; ++bytes) {
      keys.emplace_back(40 - bytes, '\0');
      keys.push_back("12345678" + std::string(40 - bytes, '\0'));
      keys.push_back(std::string(bytes, '\xFF'));
    }
  }
  ExpectSorts(keys);
}

TEST(EntrySortTest, SortsKeysWithLongCommonPrefixes) {
  Random random(TestSeed());
  std::vector<std::string> keys;
  for (int i = 0; i < 3000; ++i) {
    keys.push_back(std::string(1000, 'p') + NastyKey(random, 20));
    if (i % 3 == 0) keys.back().resize(1000 - random.Uniform(30));
  }
  ExpectSorts(keys);
}

// What makes a quicksort quadratic or a recursion deep: work stays in proportion to the bytes that
// tell the keys apart. (Quadratic, these would take minutes.)
TEST(EntrySortTest, HasNoBadCases) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::string> stairs;  // Each key is a prefix of the next.
  for (std::size_t i = 0; i < 5000; ++i) stairs.emplace_back(5000 - i, 'a');
  ExpectSorts(stairs);
  std::vector<std::string> one_off(300'000, std::string(64, 'a'));  // All the same but the last.
  one_off.back().back() = 'A';
  ExpectSorts(one_off);
  std::vector<std::string> organ;  // Up, then down.
  for (int i = 0; i < 100'000; ++i) organ.push_back(std::to_string(1'000'000 + i));
  for (int i = 100'000; i-- > 0;) organ.push_back(std::to_string(1'000'000 + i));
  ExpectSorts(organ);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

}  // namespace
}  // namespace millrace
