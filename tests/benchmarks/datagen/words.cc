// SPDX-License-Identifier: Apache-2.0
// Lines of words and lines to sort.

#include <array>
#include <memory>

#include "tests/benchmarks/datagen/dataset.h"
#include "tests/benchmarks/datagen/zipf.h"

namespace millrace {
namespace {

constexpr std::string_view kConsonants = "bcdfghjklmnprstvwxyz";
constexpr std::string_view kVowels = "aeiou";

// Spells the word of a rank: one, two or three syllables (100, 10^4, 10^6 words) and a consonant,
// so that frequent words are short. The multipliers mix the order; they are prime to the counts.
void AppendWord(std::uint32_t rank, RowText& row) {
  std::uint32_t number = rank, count = 100, multiplier = 37;
  int syllables = 1;
  while (number >= count) {
    number -= count;
    count *= 100;
    multiplier *= 37;
    ++syllables;
  }
  number = static_cast<std::uint32_t>(std::uint64_t{number} * multiplier % count);
  std::array<char, 8> word;
  std::size_t length = 0;
  for (std::uint32_t unit = count / 100; syllables > 0; --syllables, unit /= 100) {
    const std::uint32_t syllable = number / unit % 100;
    word[length++] = kConsonants[syllable / 5];
    word[length++] = kVowels[syllable % 5];
  }
  word[length++] = kConsonants[rank * 7 % kConsonants.size()];
  row.Text({word.data(), length});
}

}  // namespace

std::vector<DataFile> PlanWords(const DatasetOptions& options) {
  const auto words = std::make_shared<const Zipf>(1'000'000, 1.0, Zipf::Ids::kByRank, 0);
  return Shards(options, "words", ".txt",
                [words](std::uint64_t begin, std::uint64_t end, Random& random, RowText& row) {
                  for (std::uint64_t i = begin; i < end; ++i) {
                    const std::uint64_t count = 5 + random.Uniform(11);
                    for (std::uint64_t k = 0; k < count; ++k) {
                      if (k > 0) row.Char(' ');
                      AppendWord(words->Draw(random), row);
                    }
                    row.EndRow();
                  }
                });
}

// Like gensort's: a key, the row's number, filler in groups of equal letters.
std::vector<DataFile> PlanTera(const DatasetOptions& options) {
  return Shards(options, "tera", ".txt",
                [](std::uint64_t begin, std::uint64_t end, Random& random, RowText& row) {
                  for (std::uint64_t i = begin; i < end; ++i) {
                    for (int k = 0; k < 10; ++k) {
                      row.Char(static_cast<char>('!' + random.Uniform('~' - '!' + 1)));
                    }
                    row.Text("  ");
                    row.Number(i, 20);
                    row.Text("  ");
                    std::uint64_t letters = random.Next();
                    for (int k = 0; k < 5; ++k, letters >>= 4) {
                      row.Text(std::string(13, static_cast<char>('A' + (letters & 15))));
                    }
                    row.EndRow();
                  }
                });
}

}  // namespace millrace
