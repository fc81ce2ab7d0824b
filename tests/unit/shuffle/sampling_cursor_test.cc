// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/sampling_cursor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/shuffle/record_sinks.h"
#include "tests/unit/shuffle/shuffle_tools.h"

namespace millrace {
namespace {

// A group is what comes before the first '|', and that; as the first part of a tuple ends itself.
std::size_t BytesToBar(std::string_view key) { return key.find('|') + 1; }

// What a cursor may skip must make no difference: borders of parts depend on the sample.
void ExpectSamplesAllKeys(std::vector<std::string> keys, GroupReader::PrefixBytes group_bytes) {
  std::sort(keys.begin(), keys.end());
  constexpr std::size_t kCapacity = 100'000;
  KeySampler expected(kCapacity), sample(kCapacity);
  MemoryRunSink sink;
  EmitBatch batch(sink);
  for (const std::string& key : keys) {
    std::string_view group = key;
    if (group_bytes != nullptr) group = group.substr(0, group_bytes(key));
    expected.Offer(group.substr(0, 256));
    Emit(batch, key, "");
    batch.EndRecord();
  }
  batch.Flush();
  const auto run = sink.TakeRun();
  SamplingCursor cursor(run->Read({}), SampledKey(group_bytes), sample);
  std::vector<Record> read;
  EXPECT_TRUE(ReadCursor(cursor, &read).ok());
  EXPECT_EQ(read.size(), keys.size());
  EXPECT_TRUE(sample.SortedKeys() == expected.SortedKeys());
}

TEST(SamplingCursorTest, SamplesWhatOfferingEachKeyWould) {
  Random random(TestSeed());
  std::vector<std::string> keys, pairs;
  for (int i = 0; i < 3000; ++i) {
    keys.push_back(NastyKey(random, 12));
    // Keys that begin with one another, some beyond the 256 bytes that are sampled.
    keys.push_back(std::string(random.Uniform(4) == 0 ? 250 + random.Uniform(12) : 5, 'k') +
                   std::string(random.Uniform(3), 'x'));
    const std::string group(random.Uniform(2) == 0 ? random.Uniform(12) : 253 + random.Uniform(6),
                            static_cast<char>('a' + random.Uniform(2)));
    pairs.push_back(group + "|" + std::string(random.Uniform(3), '|') + NastyKey(random, 3));
  }
  ExpectSamplesAllKeys(keys, nullptr);
  ExpectSamplesAllKeys(pairs, &BytesToBar);
}

}  // namespace
}  // namespace millrace
