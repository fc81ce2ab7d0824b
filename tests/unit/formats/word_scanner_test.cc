// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/word_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "tests/unit/formats/test_text.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <class Bytes>
std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  ForEachWordBy<Bytes>(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

std::vector<std::string> ReferenceWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : std::string(text) + " ") {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  return words;
}

TEST(ForEachWordTest, SplitsAtSpaceTabCrAndLfOnly) {
  std::vector<std::string> words;
  ForEachWord("  to be\tor\r\nnot\v\x01\xC3\xA5 ",
              [&](std::string_view w) { words.emplace_back(w); });
  EXPECT_THAT(words, ElementsAre("to", "be", "or", "not\v\x01\xC3\xA5"));
  EXPECT_THAT(Words<Bytes64>(""), IsEmpty());
  EXPECT_THAT(Words<Bytes64>(std::string_view()), IsEmpty());
  EXPECT_THAT(Words<Bytes64>(" \t\r\n"), IsEmpty());
  EXPECT_THAT(Words<Bytes64>(std::string(200, 'a')), ElementsAre(std::string(200, 'a')));
  EXPECT_THAT(Words<Bytes64>(std::string(64, 'a') + " b"), ElementsAre(std::string(64, 'a'), "b"));
}

TEST(ForEachWordTest, AgreesWithTheReferenceOnRandomBytes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "MILLRACE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 5000; ++round) {
    const std::string text = RandomText(random, 300);
    const std::vector<std::string> words = ReferenceWords(text);
    ASSERT_EQ(Words<Bytes64>(text), words);
    ASSERT_EQ(Words<PortableBytes64>(text), words);
  }
}

TEST(ForEachWordTest, ReadsNothingBeyondTheLastPage) {
  char* const pages = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(mprotect(pages + 4096, 4096, PROT_NONE), 0);
  std::memset(pages, 'w', 4096);
  for (std::size_t bytes = 0; bytes <= 200; ++bytes) {
    const std::vector<std::string> words =
        Words<Bytes64>(std::string_view(pages + 4096 - bytes, bytes));
    EXPECT_EQ(words, ReferenceWords(std::string(bytes, 'w')));
  }
  munmap(pages, 8192);
}

}  // namespace
}  // namespace millrace
