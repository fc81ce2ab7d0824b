// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/byte_masks.h"

#include <gtest/gtest.h>

#include "mapreduce/base/random.h"
#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

TEST(Bytes64Test, AllWaysFindTheSameBytes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 5000; ++round) {
    char bytes[64];
    for (char& c : bytes) c = static_cast<char>(random.Uniform(round % 2 == 0 ? 256 : 16));
    std::uint64_t tabs = 0, either = 0;
    for (int i = 0; i < 64; ++i) {
      if (bytes[i] == '\t') tabs |= std::uint64_t{1} << i;
      if (bytes[i] == '\t' || bytes[i] == '\xFF') either |= std::uint64_t{1} << i;
    }
    EXPECT_EQ(Bytes64(bytes).Match('\t'), tabs);
    EXPECT_EQ(PortableBytes64(bytes).Match('\t'), tabs);
    EXPECT_EQ(Bytes64(bytes).Match('\t', '\xFF'), either);
    EXPECT_EQ(PortableBytes64(bytes).Match('\t', '\xFF'), either);
    EXPECT_EQ(Bytes64(bytes).Contains('\t'), tabs != 0);
    EXPECT_EQ(PortableBytes64(bytes).Contains('\t'), tabs != 0);
  }
}

}  // namespace
}  // namespace millrace
