// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_CELL_SORT_H_
#define MAPREDUCE_SHUFFLE_CELL_SORT_H_

// Sorts cells of fixed size where they lie, by their first kKeyBytes as unsigned bytes. A large
// range is first permuted in place into up to 1024 buckets by the bits that differ (American flag
// sort: McIlroy, Bostic, McIlroy, "Engineering radix sort", 1993), until a bucket fits the cache.
// There an index is sorted, and the cells follow it through a scratch.
//
// In place because a table's memory is touched already: to sort 2.6 M cells of 24 bytes through an
// index of them all took 100 MiB of fresh memory beside the table, and jumped about in it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/shuffle/entry_sort.h"

namespace millrace {

inline constexpr std::size_t kSmallCellBytes = 64;

/// A small cell word by word: a call of memcpy takes longer. Requires: cell_bytes is a multiple of
/// 8; the cells are apart, or the same.
inline void CopyCell(char* to, const char* from, std::size_t cell_bytes) {
  if (cell_bytes > kSmallCellBytes) {
    std::memmove(to, from, cell_bytes);
    return;
  }
  for (std::size_t at = 0; at < cell_bytes; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, from + at, 8);
    std::memcpy(to + at, &word, 8);
  }
}

/// Requires: no two cells have equal keys; kKeyBytes is a multiple of 8. Not stable.
template <std::size_t kKeyBytes>
class CellSorter {
 public:
  explicit CellSorter(std::size_t cell_bytes)
      : cell_bytes_(cell_bytes),
        small_max_(SmallMax(cell_bytes)),
        entries_(2 * small_max_),
        scratch_(small_max_ * cell_bytes) {}

  /// Beside the cells: what the sorter holds.
  static std::size_t ScratchBytes(std::size_t cell_bytes) {
    return SmallMax(cell_bytes) * (2 * sizeof(SortEntry) + cell_bytes);
  }

  void Sort(char* cells, std::size_t count) { SortFrom(cells, count, 0); }

 private:
  static constexpr std::size_t kSmallBytes = std::size_t{128} << 10;
  static std::size_t SmallMax(std::size_t cell_bytes) {
    return std::max<std::size_t>(kSmallBytes / cell_bytes, 64);
  }

  // Of a cell, what is behind `depth`.
  struct KeyAt {
    std::size_t depth;
    std::string_view operator()(std::uint64_t ref) const {
      return {reinterpret_cast<const char*>(ref) + depth, kKeyBytes - depth};
    }
  };

  void SortFrom(char* cells, std::size_t count, std::size_t depth) {
    while (count > small_max_) {
      std::uint64_t difference = 0;
      const std::uint64_t first = LoadBig64(cells + depth);
      for (std::size_t i = 1; i < count; ++i)
        difference |= LoadBig64(cells + i * cell_bytes_ + depth) ^ first;
      if (difference == 0) {
        depth += 8;
        if (depth >= kKeyBytes) return;
        continue;
      }
      const SortDigit digit(difference, count);
      std::array<std::size_t, SortDigit::kValuesMax> ends;
      Permute(cells, count, depth, digit, ends);
      std::size_t begin = 0;
      for (std::uint32_t value = 0; value < digit.values(); ++value) {
        if (ends[value] - begin > 1)
          SortFrom(cells + begin * cell_bytes_, ends[value] - begin, depth);
        begin = ends[value];
      }
      return;
    }
    SortSmall(cells, count);
  }

  // Moves each cell into its bucket; ends[value] is where bucket `value` ends.
  void Permute(char* cells, std::size_t count, std::size_t depth, const SortDigit& digit,
               std::array<std::size_t, SortDigit::kValuesMax>& ends) {
    std::array<std::size_t, SortDigit::kValuesMax> next;
    std::fill_n(ends.begin(), digit.values(), 0);
    const auto value_of = [&](const char* cell) { return digit.Of(LoadBig64(cell + depth)); };
    for (std::size_t i = 0; i < count; ++i) ++ends[value_of(cells + i * cell_bytes_)];
    std::size_t end = 0;
    for (std::uint32_t value = 0; value < digit.values(); ++value) {
      next[value] = end;
      end = ends[value] += end;
    }
    for (std::uint32_t value = 0; value < digit.values(); ++value) {
      while (next[value] < ends[value]) {
        char* const cell = cells + next[value] * cell_bytes_;
        const std::uint32_t wanted = value_of(cell);
        if (wanted == value) {
          ++next[value];
        } else {
          Swap(cell, cells + next[wanted]++ * cell_bytes_);
        }
      }
    }
  }

  void Swap(char* a, char* b) const {
    for (std::size_t at = 0; at < cell_bytes_; at += 8) {
      std::uint64_t left, right;
      std::memcpy(&left, a + at, 8);
      std::memcpy(&right, b + at, 8);
      std::memcpy(a + at, &right, 8);
      std::memcpy(b + at, &left, 8);
    }
  }

  // The entries' prefixes begin where the keys begin to differ: with what all have in common, say a
  // country, eight bytes seldom told them apart, and this took 1.4 times as long.
  void SortSmall(char* cells, std::size_t count) {
    const KeyAt key_at{std::min(CommonBytes(cells, count), kKeyBytes - 8)};
    SortEntry* const entries = entries_.data();
    for (std::size_t i = 0; i < count; ++i) {
      const char* const cell = cells + i * cell_bytes_;
      entries[i] = {LoadBig64(cell + key_at.depth), reinterpret_cast<std::uint64_t>(cell)};
    }
    EntrySorter<KeyAt>(entries + small_max_, key_at).Sort(entries, count);
    for (std::size_t i = 0; i < count; ++i) {
      CopyCell(scratch_.data() + i * cell_bytes_, reinterpret_cast<const char*>(entries[i].ref),
               cell_bytes_);
    }
    std::memcpy(cells, scratch_.data(), count * cell_bytes_);
  }

  std::size_t CommonBytes(const char* cells, std::size_t count) const {
    std::uint64_t difference[kKeyBytes / 8] = {};
    for (std::size_t i = 1; i < count; ++i) {
      for (std::size_t w = 0; w < kKeyBytes / 8; ++w)
        difference[w] |= LoadBig64(cells + i * cell_bytes_ + 8 * w) ^ LoadBig64(cells + 8 * w);
    }
    std::size_t w = 0;
    while (w + 1 < kKeyBytes / 8 && difference[w] == 0) ++w;
    return 8 * w + static_cast<std::size_t>(std::countl_zero(difference[w])) / 8;
  }

  const std::size_t cell_bytes_;  // A multiple of 8.
  const std::size_t small_max_;   // Cells that fit the cache.
  std::vector<SortEntry> entries_;
  std::vector<char> scratch_;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_CELL_SORT_H_
