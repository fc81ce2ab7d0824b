// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_ENTRY_SORT_H_
#define MAPREDUCE_SHUFFLE_ENTRY_SORT_H_

// Stable MSD radix sort of (8 key bytes, reference) entries; keys are looked at again only where 8
// bytes are equal, then 8 bytes further. Against std::sort with memcmp this took 2.5 times less
// for strings with long common prefixes; a vectorized quicksort was no faster and is not stable.
//
// A zero-padded prefix can't tell "a" from "a\0": where whole prefixes are equal, the keys that
// end inside it come first, the shortest first; each is a prefix of all behind it.
//
// A digit is made of the bits that differ, of up to two bytes: decimal ids take half the passes
// that whole bytes take.
//
// The largest bucket is sorted by the loop, the others by recursion: depth <= log2(entries).
// Small buckets are sorted by the 8 bytes at hand; only for those that are equal are more loaded,
// once for each key, and some buckets later, so that they are in the cache by then. (With a
// comparison of whole keys instead, memcmp on uncached keys was a fifth of the time of a job on 15
// M keys with long common prefixes.)

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "mapreduce/base/bytes.h"

namespace millrace {

/// Where a record is, and the first 8 bytes of its key as a big-endian number.
struct SortEntry {
  std::uint64_t prefix;
  std::uint64_t ref;
};

/// The bits by which some prefixes differ, the highest of them, as one number in their order: of
/// the digits 0 to 9 only four bits differ, so a digit of eight bits is two of them.
class SortDigit {
 public:
  static constexpr int kBitsMax = 10;
  static constexpr std::uint32_t kValuesMax = 1 << kBitsMax;

  /// `difference`: all bits in which any two of the `count` prefixes differ. Requires: not 0.
  SortDigit(std::uint64_t difference, std::size_t count) {
    // About eight entries a bucket; filling the tables is not to cost more than it saves.
    const int wanted = std::clamp(static_cast<int>(std::bit_width(count)) - 3, 4, kBitsMax);
    first_shift_ = 56 - (std::countl_zero(difference) & ~7);
    const auto first_mask = static_cast<std::uint8_t>(difference >> first_shift_);
    int left = std::max(0, wanted - std::popcount(first_mask));
    const std::uint64_t rest = difference & ((std::uint64_t{1} << first_shift_) - 1);
    std::uint8_t second_mask = 0;
    if (rest != 0 && left > 0) {
      second_shift_ = 56 - (std::countl_zero(rest) & ~7);
      second_mask = static_cast<std::uint8_t>(rest >> second_shift_);
      while (std::popcount(second_mask) > left) second_mask &= second_mask - 1;
    }
    const int second_bits = std::popcount(second_mask);
    Fill(first_mask, second_bits, first_);
    Fill(second_mask, 0, second_);
    values_ = std::uint32_t{1} << (std::popcount(first_mask) + second_bits);
  }

  std::uint32_t values() const { return values_; }
  std::uint32_t Of(std::uint64_t prefix) const {
    return first_[(prefix >> first_shift_) & 0xff] + second_[(prefix >> second_shift_) & 0xff];
  }

 private:
  // table[byte]: the bits of `byte` that are in `mask`, moved together, then up by `shift`.
  static void Fill(std::uint8_t mask, int shift, std::array<std::uint16_t, 256>& table) {
    std::array<std::uint16_t, 8> weights{};
    for (int bit = 0; bit < 8; ++bit) {
      if (mask >> bit & 1) weights[bit] = static_cast<std::uint16_t>(1 << shift++);
    }
    table[0] = 0;
    for (int bit = 0; bit < 8; ++bit) {
      for (int low = 0; low < 1 << bit; ++low)
        table[(1 << bit) + low] = static_cast<std::uint16_t>(table[low] + weights[bit]);
    }
  }

  int first_shift_ = 0, second_shift_ = 0;
  std::uint32_t values_ = 0;
  std::array<std::uint16_t, 256> first_, second_;
};

/// Sorts by key bytes, entries of equal keys in their given order. KeyAt: ref -> std::string_view.
/// `scratch` has room for as many entries. On return the prefixes are of no use: each is of that
/// part of its key which was looked at last.
template <class KeyAt>
class EntrySorter {
 public:
  EntrySorter(SortEntry* scratch, KeyAt key_at) : scratch_(scratch), key_at_(key_at) {}

  void Sort(SortEntry* entries, std::size_t count) {
    if (!IsSorted(entries, count)) SortFrom(entries, count, 0);
  }

 private:
  static constexpr std::size_t kInsertionMax = 24;

  /// Small buckets between the two halves of sorting one.
  static constexpr std::uint32_t kTieLag = 8;

  /// True if `a` sorts behind `b`; both prefixes are of the bytes from `depth` on.
  bool Behind(const SortEntry& a, const SortEntry& b, std::size_t depth) const {
    if (a.prefix != b.prefix) return a.prefix > b.prefix;
    const std::string_view left = key_at_(a.ref), right = key_at_(b.ref);
    const std::size_t shorter = std::min(left.size(), right.size());
    for (std::size_t i = depth + 8; i < shorter; i += 8) {
      // The last word may begin among bytes that are known to be equal.
      const std::size_t at = i + 8 <= shorter ? i : shorter - 8;
      const std::uint64_t left_word = LoadBig64(left.data() + at);
      const std::uint64_t right_word = LoadBig64(right.data() + at);
      if (left_word != right_word) return left_word > right_word;
    }
    return left.size() > right.size();
  }

  bool IsSorted(const SortEntry* entries, std::size_t count) const {
    for (std::size_t i = 1; i < count; ++i) {
      if (Behind(entries[i - 1], entries[i], 0)) return false;
    }
    return true;
  }

  /// By the 8 bytes at hand; what will have to be told apart by more is fetched into the cache.
  static void InsertionSortByPrefix(SortEntry* entries, std::size_t count) {
    for (std::size_t i = 1; i < count; ++i) {
      const SortEntry entry = entries[i];
      std::size_t hole = i;
      for (; hole > 0 && entries[hole - 1].prefix > entry.prefix; --hole)
        entries[hole] = entries[hole - 1];
      entries[hole] = entry;
      if (hole > 0 && entries[hole - 1].prefix == entry.prefix) {
        PrefetchKey(entry);
        PrefetchKey(entries[hole - 1]);
      }
    }
  }
  static void PrefetchKey(const SortEntry& entry) {
    const char* const key = reinterpret_cast<const char*>(entry.ref);
    __builtin_prefetch(key);
    __builtin_prefetch(key + 40);  // A short key may go on in the next line.
  }

  /// Sorts what InsertionSortByPrefix has sorted by 8 bytes by the others, too. Requires: count <=
  /// kInsertionMax. Recursion is for strictly fewer entries.
  void SortTies(SortEntry* entries, std::size_t count, std::size_t depth) {
    while (count > 1) {
      if (entries[0].prefix == entries[count - 1].prefix && count > 2) {
        depth += 8;
        const std::size_t ended = SplitEnded(entries, count, depth);
        entries += ended, count -= ended;
        InsertionSortByPrefix(entries, count);
        continue;
      }
      for (std::size_t begin = 0; begin + 1 < count;) {
        std::size_t end = begin + 1;
        while (end < count && entries[end].prefix == entries[begin].prefix) ++end;
        if (end - begin == 2) {
          if (Behind(entries[begin], entries[begin + 1], depth))
            std::swap(entries[begin], entries[begin + 1]);
        } else if (end - begin > 2) {
          SortTies(entries + begin, end - begin, depth);
        }
        begin = end;
      }
      return;
    }
  }

  void SortFrom(SortEntry* entries, std::size_t count, std::size_t depth) {
    while (count > kInsertionMax) {
      std::uint64_t difference = 0;
      for (std::size_t i = 1; i < count; ++i) difference |= entries[i].prefix ^ entries[0].prefix;
      if (difference == 0) {
        const std::size_t ended = SplitEnded(entries, count, depth + 8);
        entries += ended, count -= ended, depth += 8;
        continue;
      }
      const SortDigit digit(difference, count);
      std::array<std::size_t, SortDigit::kValuesMax> next;
      std::fill_n(next.begin(), digit.values(), 0);
      for (std::size_t i = 0; i < count; ++i) ++next[digit.Of(entries[i].prefix)];
      std::uint32_t largest = 0;
      std::size_t begin = 0;
      for (std::uint32_t value = 0; value < digit.values(); ++value) {
        if (next[value] > next[largest]) largest = value;
      }
      const std::size_t largest_count = next[largest];
      for (std::uint32_t value = 0; value < digit.values(); ++value)
        begin += std::exchange(next[value], begin);
      for (std::size_t i = 0; i < count; ++i)
        scratch_[next[digit.Of(entries[i].prefix)]++] = entries[i];
      std::memcpy(entries, scratch_, count * sizeof(SortEntry));
      const auto begin_of = [&](std::uint32_t value) { return value == 0 ? 0 : next[value - 1]; };
      for (std::uint32_t value = 0; value < digit.values() + kTieLag; ++value) {
        if (value < digit.values() && value != largest) {
          SortEntry* const bucket = entries + begin_of(value);
          const std::size_t bucket_count = next[value] - begin_of(value);
          if (bucket_count <= kInsertionMax) {
            InsertionSortByPrefix(bucket, bucket_count);
          } else {
            SortFrom(bucket, bucket_count, depth);
          }
        }
        const std::uint32_t lagging = value - kTieLag;
        if (value < kTieLag || lagging == largest) continue;
        const std::size_t lagging_count = next[lagging] - begin_of(lagging);
        if (lagging_count <= kInsertionMax)
          SortTies(entries + begin_of(lagging), lagging_count, depth);
      }
      entries += next[largest] - largest_count;
      count = largest_count;
    }
    InsertionSortByPrefix(entries, count);
    SortTies(entries, count, depth);
  }

  /// All prefixes are equal. Moves the keys that end before `depth` to the front, by length, and
  /// loads the next 8 bytes of the others. Returns how many ended.
  std::size_t SplitEnded(SortEntry* entries, std::size_t count, std::size_t depth) {
    std::size_t ended = 0, going = 0;
    bool same_length = true;
    for (std::size_t i = 0; i < count; ++i) {
      if (i + 8 < count) {  // Where the key's length is, and about where its next bytes are.
        const char* const ahead = reinterpret_cast<const char*>(entries[i + 8].ref);
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + depth + 8);
      }
      const std::string_view key = key_at_(entries[i].ref);
      if (key.size() <= depth) {
        entries[ended] = {key.size(), entries[i].ref};
        same_length = same_length && entries[ended].prefix == entries[0].prefix;
        ++ended;
      } else {
        scratch_[going++] = {KeyPrefix(key.data() + depth, key.size() - depth), entries[i].ref};
      }
    }
    std::memcpy(entries + ended, scratch_, going * sizeof(SortEntry));
    if (!same_length) SortByLength(entries, ended, depth);
    return ended;
  }

  /// Stable counting sort: the lengths are in (depth - 8, depth], as 8 different values at most,
  /// but for the empty key.
  void SortByLength(SortEntry* entries, std::size_t count, std::size_t depth) {
    std::size_t filled = 0;
    for (std::size_t length = depth < 8 ? 0 : depth - 8; length <= depth; ++length) {
      for (std::size_t i = 0; i < count; ++i) {
        if (entries[i].prefix == length) scratch_[filled++] = entries[i];
      }
    }
    std::memcpy(entries, scratch_, count * sizeof(SortEntry));
  }

  SortEntry* const scratch_;
  const KeyAt key_at_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_ENTRY_SORT_H_
