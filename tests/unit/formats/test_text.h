// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_FORMATS_TEST_TEXT_H_
#define TESTS_UNIT_FORMATS_TEST_TEXT_H_

// Texts for the parsers' tests.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/random.h"
#include "mapreduce/formats/line_blocks.h"

namespace millrace {

/// A block of exactly `text` and the padding, filled with bytes that would do harm if they counted.
/// On the heap, so that the address sanitizer sees what goes beyond it.
class TextBlock {
 public:
  explicit TextBlock(std::string_view text)
      : bytes_(text.size()), data_(std::make_unique<char[]>(text.size() + kLineBlockPadding)) {
    std::copy(text.begin(), text.end(), data_.get());
    for (std::size_t i = 0; i < kLineBlockPadding; ++i) data_[bytes_ + i] = "\t\\\n7 "[i % 5];
  }
  LineBlock block() const {
    return {.begin = data_.get(), .end = data_.get() + bytes_, .offset = 0};
  }

 private:
  std::size_t bytes_;
  std::unique_ptr<char[]> data_;
};

/// The seed of a property test: a fixed one, or MILLRACE_TEST_SEED. Failures print it.
inline std::uint64_t TestSeed() {
  const char* seed = std::getenv("MILLRACE_TEST_SEED");
  return seed == nullptr ? 20261121 : std::strtoull(seed, nullptr, 10);
}

/// Mostly bytes that mean something in TSV; lines are short or longer than 64 bytes.
inline std::string RandomText(Random& random, std::size_t bytes_max) {
  static constexpr char kSpecials[] = "\t\n\\\r\0 \b\f\vNx0a7\xFF\x89\x8A\xDC";
  static constexpr std::string_view kSpecial{kSpecials, sizeof kSpecials - 1};
  std::string text(random.Uniform(bytes_max + 1), '\0');
  const std::uint64_t special_in_16 = random.Uniform(17);
  for (char& c : text) {
    c = random.Uniform(16) < special_in_16 ? kSpecial[random.Uniform(kSpecial.size())]
                                           : static_cast<char>('a' + random.Uniform(26));
  }
  return text;
}

/// The slow reference: a last line without LF counts.
inline std::vector<std::string> ReferenceLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace millrace

#endif  // TESTS_UNIT_FORMATS_TEST_TEXT_H_
