// SPDX-License-Identifier: Apache-2.0
// The job wordcount: how often each word occurs.
//
// Knows: words have 1 to 7 letters, all a to z; one space or LF ends each; a million are distinct
// and there are fewer than 2^29. How the generator spells its words (a word could be turned into
// its rank, with nothing to look up) it doesn't use: then nothing would be left of the job.
//
//   1. Each thread counts in an open-addressing table of 16 MB. A slot is one number: 5 bits for
//      each letter, then 29 for the count. The words of a KiB are packed and their slots fetched
//      ahead before the first is counted.
//   2. The slots of all tables are sorted by the word, bucket by bucket (its first two letters,
//   then
//      LSD radix sort), equal words added up, and written as text.

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/formats/byte_masks.h"
#include "tests/benchmarks/bounds/bound.h"

namespace millrace::bounds {
namespace {

constexpr int kCountBits = 29;
constexpr std::uint64_t kCountMask = (std::uint64_t{1} << kCountBits) - 1;
constexpr int kLetterBits = 5;
constexpr int kLetters = 7;
constexpr std::size_t kBatchBytes = 1024;

// 5 bits for each letter, the first highest, zeros for letters that aren't there: ordered as words.
std::uint64_t PackWord(const char* word, std::size_t letters) {
  std::uint64_t x = LoadBig64(word) & (~std::uint64_t{0} << (64 - 8 * letters));
  x = (x & 0x001F001F001F001Fu) | (x >> 3 & 0x03E003E003E003E0u);
  x = (x & 0x000003FF000003FFu) | (x >> 6 & 0x000FFC00000FFC00u);
  return (x & 0xFFFFFu) >> kLetterBits | x >> 32 << (20 - kLetterBits);
}

std::size_t UnpackWord(std::uint64_t packed, char* word) {
  std::size_t letters = 0;
  for (int shift = (kLetters - 1) * kLetterBits; shift >= 0; shift -= kLetterBits) {
    const auto letter = static_cast<char>(packed >> shift & 31);
    if (letter == 0) break;
    word[letters++] = static_cast<char>('a' - 1 + letter);
  }
  return letters;
}

class Table {
 public:
  void Fetch(std::uint64_t word) const { __builtin_prefetch(&slots_[Home(word)], 1); }

  void Add(std::uint64_t word) {
    for (std::size_t i = Home(word);; i = (i + 1) % kSlots) {
      const std::uint64_t slot = slots_[i];
      if (slot >> kCountBits == word) {
        slots_[i] = slot + 1;
        return;
      }
      if (slot == 0) {
        slots_[i] = word << kCountBits | 1;
        return;
      }
    }
  }

  std::span<const std::uint64_t> slots() const { return slots_.all(); }

 private:
  static constexpr int kSlotBits = 21;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static std::size_t Home(std::uint64_t word) {
    return word * 0x9E3779B97F4A7C15u >> (64 - kSlotBits);
  }
  const Reserved<std::uint64_t> slots_{kSlots, Reserved<std::uint64_t>::Pages::kHuge};
};

void CountWords(const char* begin, const char* end, Table& table) {
  std::array<std::uint64_t, kBatchBytes / 2> words;
  const char* word = begin;
  for (const char* block = begin; block < end;) {
    std::size_t count = 0;
    const char* const batch_end = std::min(block + kBatchBytes, end);
    for (; block < batch_end; block += 64) {
      std::uint64_t gaps = Bytes64(block).Match(' ', '\n');
      if (end - block < 64) gaps &= (std::uint64_t{1} << (end - block)) - 1;
      for (; gaps != 0; gaps &= gaps - 1) {
        const char* const gap = block + FirstBit(gaps);
        words[count] = PackWord(word, static_cast<std::size_t>(gap - word));
        table.Fetch(words[count++]);
        word = gap + 1;
      }
    }
    for (std::size_t i = 0; i < count; ++i) table.Add(words[i]);
  }
}

// By the first two letters.
constexpr std::size_t kBuckets = 1 << (2 * kLetterBits);
using Buckets = std::array<std::vector<std::uint64_t>, kBuckets>;

void Distribute(const Table& table, Buckets& buckets) {
  for (const std::uint64_t slot : table.slots()) {
    if (slot != 0) {
      buckets[slot >> (kCountBits + (kLetters - 2) * kLetterBits)].push_back(slot);
    }
  }
}

// Stable, by 9 bits; three times make the 25 bits of the last five letters.
void SortBy9Bits(const std::vector<std::uint64_t>& from, int shift,
                 std::vector<std::uint64_t>& to) {
  std::array<std::uint32_t, 513> place{};
  for (const std::uint64_t slot : from) ++place[(slot >> shift & 511) + 1];
  for (std::size_t i = 1; i <= 512; ++i) place[i] += place[i - 1];
  for (const std::uint64_t slot : from) to[place[slot >> shift & 511]++] = slot;
}

// Rows "word count" of one bucket, from all threads.
std::string BucketText(const std::vector<Buckets>& of_thread, std::size_t bucket) {
  std::vector<std::uint64_t> slots;
  for (const Buckets& buckets : of_thread) {
    slots.insert(slots.end(), buckets[bucket].begin(), buckets[bucket].end());
  }
  std::vector<std::uint64_t> other(slots.size());
  for (int i = 0; i < 3; ++i) {
    SortBy9Bits(slots, kCountBits + 9 * i, other);
    slots.swap(other);
  }
  constexpr std::size_t kRowBytesMax = kLetters + 1 + 20 + 1;
  std::string text(slots.size() * kRowBytesMax, '\0');
  char* at = text.data();
  for (std::size_t i = 0; i < slots.size();) {
    const std::uint64_t word = slots[i] >> kCountBits;
    std::uint64_t count = 0;
    for (; i < slots.size() && slots[i] >> kCountBits == word; ++i) count += slots[i] & kCountMask;
    at += UnpackWord(word, at);
    *at++ = '\t';
    at = std::to_chars(at, at + 20, count).ptr;
    *at++ = '\n';
  }
  text.resize(static_cast<std::size_t>(at - text.data()));
  return text;
}

}  // namespace

void WordCount(const Task& task) {
  std::vector<Table> tables(task.threads);
  ForEachPiece(task, "words-", [&](unsigned thread, const char* begin, const char* end) {
    CountWords(begin, end, tables[thread]);
  });

  std::vector<Buckets> buckets(task.threads);
  OnEachThread(task.threads, [&](unsigned thread) { Distribute(tables[thread], buckets[thread]); });
  std::vector<std::string> texts(kBuckets);
  std::atomic<std::size_t> next = 0;
  OnEachThread(task.threads, [&](unsigned) {
    while (true) {
      const std::size_t bucket = next++;
      if (bucket >= kBuckets) return;
      texts[bucket] = BucketText(buckets, bucket);
    }
  });
  std::string text;
  for (const std::string& piece : texts) text += piece;
  WriteFile(task.output, text);
}

}  // namespace millrace::bounds
