// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/bytes.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <string>

#include "mapreduce/base/random.h"

namespace millrace {
namespace {

TEST(BytesTest, OrdersOfBytes) {
  const char bytes[] = "\x01\x02\x03\x04\x05\x06\x07\x08";
  EXPECT_EQ(LoadLittle32(bytes), 0x04030201u);
  EXPECT_EQ(LoadLittle64(bytes), 0x0807060504030201u);
  EXPECT_EQ(LoadBig64(bytes), 0x0102030405060708u);
  char to[8];
  StoreLittle32(to, 0x04030201);
  EXPECT_EQ(std::string(to, 4), std::string(bytes, 4));
  StoreLittle64(to, 0x0807060504030201);
  EXPECT_EQ(std::string(to, 8), std::string(bytes, 8));
  StoreBig64(to, 0x0102030405060708);
  EXPECT_EQ(std::string(to, 8), std::string(bytes, 8));
}

TEST(VarintTest, EveryLengthReadsBackAndNoPrefixDoes) {
  for (int bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) - 1, ~std::uint64_t{0} >> bit}) {
      char bytes[kVarintBytesMax];
      const char* const end = PutVarint(bytes, value);
      std::uint64_t read;
      ASSERT_EQ(GetVarint(bytes, end, &read), end) << value;
      EXPECT_EQ(read, value);
      for (const char* cut = bytes; cut != end; ++cut) {
        EXPECT_EQ(GetVarint(bytes, cut, &read), nullptr) << value;
      }
    }
  }
}

TEST(VarintTest, RefusesWhatIsTooLongOrTooLarge) {
  std::uint64_t value;
  const std::string eleven = std::string(10, '\x80') + '\x01';
  EXPECT_EQ(GetVarint(eleven.data(), eleven.data() + eleven.size(), &value), nullptr);
  const std::string too_large = std::string(9, '\xff') + '\x02';
  EXPECT_EQ(GetVarint(too_large.data(), too_large.data() + too_large.size(), &value), nullptr);
  const std::string padded("\x81\x00", 2);  // 1, in two bytes.
  EXPECT_EQ(GetVarint(padded.data(), padded.data() + padded.size(), &value), nullptr);
}

// A string at every distance from the end of the mapped memory: an over-read that leaves the page
// dies here.
class PageEnd {
 public:
  PageEnd() {
    memory_ = static_cast<char*>(
        ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::mprotect(memory_ + 4096, 4096, PROT_NONE);
  }
  ~PageEnd() { ::munmap(memory_, 8192); }
  char* end() { return memory_ + 4096; }

 private:
  char* memory_;
};

TEST(CopyShortTest, CopiesExactlyAtThePageEndAndElsewhere) {
  PageEnd page;
  for (std::size_t distance = 0; distance <= 100; ++distance) {
    for (std::size_t n = 0; n <= distance; ++n) {
      char* const from = page.end() - distance;
      for (std::size_t i = 0; i < distance; ++i) from[i] = static_cast<char>('a' + i % 26);
      char to[128] = {};
      to[n > 16 ? n : 16] = '!';
      CopyShort(to, from, n);
      EXPECT_EQ(std::string(to, n), std::string(from, n));
      EXPECT_EQ(to[n > 16 ? n : 16], '!');
    }
  }
}

TEST(KeyPrefixTest, ComparesAsMemcmp) {
  PageEnd page;
  Random random(11);
  for (int round = 0; round < 20000; ++round) {
    std::string keys[2];
    std::uint64_t prefixes[2];
    for (int k = 0; k < 2; ++k) {
      const std::size_t n = random.Uniform(12);
      const std::size_t distance = n + random.Uniform(12);
      char* const key = page.end() - distance;
      std::memset(key, 'x', distance);
      for (std::size_t i = 0; i < n; ++i) key[i] = static_cast<char>(random.Uniform(3) * 127);
      keys[k].assign(key, n);
      prefixes[k] = KeyPrefix(key, n);
    }
    const auto padded = [](std::string key) {
      key.resize(8);
      return key;
    };
    EXPECT_EQ(prefixes[0] < prefixes[1], padded(keys[0]) < padded(keys[1]));
    EXPECT_EQ(prefixes[0] == prefixes[1], padded(keys[0]) == padded(keys[1]));
  }
}

}  // namespace
}  // namespace millrace
