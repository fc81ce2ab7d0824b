// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_SMALL_TABLE_H_
#define MAPREDUCE_SHUFFLE_SMALL_TABLE_H_

// The records of a table's files once more, in memory, where none has more than 58 bytes of key and
// value: a lookup then looks at one cache line, not at a slot of a file and a record. Of most
// tables the value is a few bytes, a country or a count.
//
//   line  := place{1 to 4} tag:u8{4}, 64 bytes
//   place := key_bytes:u8 value_bytes:u8 value key padding [row:u32]; 60, 30, 20 or 15 bytes
//
// Who copies a short value reads 16 bytes from where it begins. With the value before the key, and
// the tags behind the places, these are in the line, not in the next, which nobody asked for
// (revenue: 2 to 3 %).
//
// A key's line is by its hash, and so is its tag, which is 0 in a free place. A key stands in any
// place of its line, and only where that is full in one of the next line: so the tags of a line are
// looked at all at once, and not one after the other, where the processor guesses wrong for every
// third key (revenue: 4 % of CPU time). Two places in five are used, so that of keys with four to a
// line 1 in 50 is in another than its own (with three to one 1 in 25, with two 1 in 12, with one 1
// in 5). Where memory has room for one in two only, it is 1 in 25 of four (3 %); with two in three
// it was 1 in 10 (5 %). The row is there where records leave room for it, or have no values. Lines
// are in huge pages: lookups at random in a mapped file miss the TLB nearly each time, which in a
// virtual machine costs as much as the cache miss.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "mapreduce/base/bytes.h"
#include "mapreduce/base/hash.h"
#include "mapreduce/base/mix_words.h"
#include "mapreduce/base/virtual_buffer.h"
#include "mapreduce/shuffle/table_file.h"

namespace millrace {

/// Immutable once made; thread-safe.
class SmallTable {
 public:
  /// Beside the budget of those who look up, so that of some tables all stay small against it.
  static constexpr std::uint64_t kBytesMax = std::uint64_t{24} << 20;

  /// Whether a table of so many bytes holds so many records, and their rows, none with more bytes
  /// of key and value.
  static bool Holds(std::uint64_t rows, std::uint64_t record_bytes_max, std::uint64_t bytes_max);
  /// Of the records of all `files`, whose rows are counted on from file to file. Null where a
  /// record or the table (more than `bytes_max`) is too large, a file is damaged, or keys collide
  /// beyond measure. About 60 ns a record. Requires: no key is there twice.
  static std::unique_ptr<const SmallTable> Of(
      const std::vector<std::shared_ptr<const TableFile>>& files, std::uint64_t bytes_max);

  /// Null data where there is none: such a view comes back in registers, an optional one through
  /// memory, which the caller would wait for.
  std::string_view ValueOrNull(std::string_view key) const {
    // Of most keys the words are the whole key: they are hashed and compared alike.
    if (key.size() <= kKeyWordsBytes) [[likely]] {
      const KeyWords words = WordsOf(key);
      const std::uint64_t hash = HashOf(words, key.size());
      const char* const line = LineOf(hash);
      if (const std::uint32_t found = Match(line, TagOf(hash)); found != 0) [[likely]] {
        const char* const at = PlaceIn(line, found);
        if (static_cast<unsigned char>(at[0]) == key.size() &&
            AreWords(KeyAt(at), words, key.size())) [[likely]] {
          return ValueAt(at);
        }
      } else if (Match(line, kFree) != 0) {
        return {};
      }
    }
    const char* const at = Find(key);
    return at == nullptr ? std::string_view() : ValueAt(at);
  }
  /// Asks for the memory that ValueOrNull of this key will look at.
  void Prefetch(std::string_view key) const { __builtin_prefetch(LineOf(HashOf(key))); }

  bool has_rows() const { return has_rows_; }
  /// Requires: has_rows().
  std::optional<std::uint64_t> RowOf(std::string_view key) const;

 private:
  static constexpr std::size_t kLineBytes = 64;
  static constexpr std::size_t kPlacesMax = 4;    // As many tags are in each line.
  static constexpr std::size_t kHeaderBytes = 2;  // Of a place.
  static constexpr std::size_t PlaceBytes(std::size_t places) {
    return (kLineBytes - kPlacesMax) / places;
  }

  /// As many as a line has of so many bytes each; 0: not one.
  static std::size_t PlacesFor(std::size_t bytes);

  static constexpr char kFree = 0;  // A tag that no key has.
  // Where so many lines in a row are full there is no table: with keys chosen for their hash, each
  // would be looked for in all of them.
  static constexpr int kFullLinesMax = 64;
  /// The first 8 bytes of a key and its last 8; of a shorter one its bytes and 0.
  struct KeyWords {
    std::uint64_t first, last;
  };
  static constexpr std::size_t kKeyWordsBytes = 16;  // The whole key up to so many.
  [[gnu::always_inline]] static KeyWords WordsOf(std::string_view key) {
    const char* const at = key.data();
    const std::size_t bytes = key.size();
    if (bytes >= 8) return {LoadLittle64(at), LoadLittle64(at + bytes - 8)};
    if (bytes < 4) return {LoadShortLittle(at, bytes), 0};
    const std::uint64_t last_4 = LoadLittle32(at + bytes - 4);
    return {LoadLittle32(at) | last_4 << (8 * (bytes - 4)), 0};
  }
  /// Whether these `bytes` <= kKeyWordsBytes are at `at`. Requires: so many are there, at least 8.
  static bool AreWords(const char* at, const KeyWords& words, std::size_t bytes) {
    const std::uint64_t first = LoadLittle64(at) ^ words.first;
    if (bytes < 8) return (first << 1) << (63 - 8 * bytes) == 0;
    return (first | (LoadLittle64(at + bytes - 8) ^ words.last)) == 0;
  }
  // XXH3 of a short key takes twice as many instructions.
  static std::uint64_t HashOf(const KeyWords& words, std::size_t bytes) {
    return MixWords(words.first ^ 0x9e3779b97f4a7c15u, words.last ^ bytes ^ 0xd6e8feb86659fd93u);
  }
  static std::uint64_t HashOf(std::string_view key) {
    return key.size() <= kKeyWordsBytes ? HashOf(WordsOf(key), key.size()) : Hash64(key);
  }
  static char TagOf(std::uint64_t hash) { return static_cast<char>((hash & 0x7F) + 1); }

  SmallTable() = default;
  bool Add(const std::vector<std::shared_ptr<const TableFile>>& files);
  const char* LineOf(std::uint64_t hash) const {
    return lines_.data() +
           static_cast<std::uint64_t>((static_cast<unsigned __int128>(hash) * count_) >> 64) *
               kLineBytes;
  }
  const char* LineBehind(const char* line) const {
    line += kLineBytes;
    return line == lines_.data() + count_ * kLineBytes ? lines_.data() : line;
  }
  /// The places of a line with this tag: the uppermost bit of byte i is place i's.
  std::uint32_t Match(const char* line, char tag) const {
    constexpr std::uint32_t kLow = 0x7F7F7F7F;
    const std::uint32_t other =
        LoadLittle32(TagsIn(line)) ^ (static_cast<unsigned char>(tag) * 0x01010101U);
    return ~(((other & kLow) + kLow) | other) & places_;
  }
  static unsigned FirstOf(std::uint32_t found) {
    return static_cast<unsigned>(std::countr_zero(found)) / 8;
  }
  /// The first of those that Match found. Requires: found != 0.
  const char* PlaceIn(const char* line, std::uint32_t found) const {
    return line + FirstOf(found) * place_bytes_;
  }
  static const char* TagsIn(const char* line) { return line + kLineBytes - kPlacesMax; }
  const char* Find(std::string_view key) const;

  static std::string_view ValueAt(const char* at) {
    return {at + kHeaderBytes, static_cast<unsigned char>(at[1])};
  }
  static const char* KeyAt(const char* at) {
    return at + kHeaderBytes + static_cast<unsigned char>(at[1]);
  }

  VirtualBuffer lines_;
  std::uint64_t count_ = 0;  // Of lines.
  std::size_t place_bytes_ = 0;
  std::uint32_t places_ = 0;  // All, as Match tells them.
  bool has_rows_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_SMALL_TABLE_H_
