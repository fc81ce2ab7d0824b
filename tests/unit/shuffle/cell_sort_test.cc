// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/cell_sort.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

// Cells with different keys of `alphabet` letters behind a common beginning, in random order.
template <std::size_t kKeyBytes>
void ExpectSorts(Random& random, std::size_t count, std::uint64_t alphabet, std::size_t common,
                 std::size_t state_bytes) {
  std::set<std::string> keys;
  while (keys.size() < count) {
    std::string key(common, 'c');
    while (key.size() < kKeyBytes) key += static_cast<char>('0' + random.Uniform(alphabet));
    keys.insert(key);
  }
  std::vector<std::string> cells;
  for (const std::string& key : keys) {
    cells.push_back(key);
    for (std::size_t i = 0; i < state_bytes; ++i) cells.back() += static_cast<char>(key.back() + i);
  }
  std::string sorted;
  for (const std::string& cell : cells) sorted += cell;
  for (std::size_t i = cells.size(); i > 1; --i) std::swap(cells[i - 1], cells[random.Uniform(i)]);
  std::string shuffled;
  for (const std::string& cell : cells) shuffled += cell;
  CellSorter<kKeyBytes> sorter(kKeyBytes + state_bytes);
  sorter.Sort(shuffled.data(), count);
  EXPECT_TRUE(shuffled == sorted) << count << " cells of " << kKeyBytes << " + " << state_bytes;
}

TEST(CellSortTest, SortsCellsWithTheirStates) {
  Random random(TestSeed());
  for (const std::size_t count : {0, 1, 2, 63, 64, 65, 3000, 60'000}) {
    ExpectSorts<16>(random, count, 10, 2, 8);
    ExpectSorts<16>(random, count, 200, 8, 0);
    ExpectSorts<32>(random, count, 10, 20, 24);
  }
  ExpectSorts<16>(random, 2000, 60, 0, 1024);
}

}  // namespace
}  // namespace millrace
