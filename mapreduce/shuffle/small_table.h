// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_SMALL_TABLE_H_
#define MAPREDUCE_SHUFFLE_SMALL_TABLE_H_

// The records of a table's files once more, in memory, where none has more than 58 bytes of key and
// value: a lookup then looks at one cache line, not at a slot of a file and a record. Of most
// tables the value is a few bytes, a country or a count.
//
//   line  := tag:u8{4} place{1 to 4}, 64 bytes
//   place := key_bytes:u8 value_bytes:u8 key value padding [row:u32]; 60, 30, 20 or 15 bytes
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

  /// Of the records of all `files`, whose rows are counted on from file to file. Null where a
  /// record or the table (more than `bytes_max`) is too large, a file is damaged, or keys collide
  /// beyond measure. About 60 ns a record. Requires: no key is there twice.
  static std::unique_ptr<const SmallTable> Of(
      const std::vector<std::shared_ptr<const TableFile>>& files, std::uint64_t bytes_max);

  /// Null data where there is none: such a view comes back in registers, an optional one through
  /// memory, which the caller would wait for.
  std::string_view ValueOrNull(std::string_view key) const;
  /// Where a key is looked for.
  struct Spot {
    const char* line = nullptr;
    char tag = 0;
  };
  /// Asks for the memory that ValueOrNull of this key will look at.
  Spot Prefetch(std::string_view key) const {
    const std::uint64_t hash = HashOf(key);
    const char* const line = LineOf(hash);
    __builtin_prefetch(line);
    return {line, TagOf(hash)};
  }
  /// What ValueOrNull(key) gives, without its hash where `spot` is what Prefetch(key) gave. Another
  /// key's is right, too: a key is there once, so whatever place has it is the one.
  std::string_view ValueNear(const Spot& spot, std::string_view key) const {
    if (const std::uint32_t found = Match(spot.line, spot.tag); found != 0) [[likely]] {
      if (const char* const at = PlaceIn(spot.line, found); IsOf(at, key)) [[likely]]
        return ValueAt(at);
    }
    return ValueOrNull(key);
  }

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

  static constexpr char kFree = 0;  // A tag that no key has.
  // Where so many lines in a row are full there is no table: with keys chosen for their hash, each
  // would be looked for in all of them.
  static constexpr int kFullLinesMax = 64;
  // XXH3 of a short key takes twice as many instructions.
  static std::uint64_t HashOf(std::string_view key) {
    const std::size_t bytes = key.size();
    if (bytes > 16) [[unlikely]]
      return Hash64(key);
    std::uint64_t first, last = 0;
    if (bytes >= 8) {
      first = LoadLittle64(key.data());
      last = LoadLittle64(key.data() + bytes - 8);
    } else {
      first = LoadShortLittle(key.data(), bytes);
    }
    return MixWords(first ^ 0x9e3779b97f4a7c15u, last ^ bytes ^ 0xd6e8feb86659fd93u);
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
        LoadLittle32(line) ^ (static_cast<unsigned char>(tag) * 0x01010101U);
    return ~(((other & kLow) + kLow) | other) & places_;
  }
  static unsigned FirstOf(std::uint32_t found) {
    return static_cast<unsigned>(std::countr_zero(found)) / 8;
  }
  /// The first of those that Match found. Requires: found != 0.
  const char* PlaceIn(const char* line, std::uint32_t found) const {
    return line + kPlacesMax + FirstOf(found) * place_bytes_;
  }
  const char* Find(std::string_view key) const;

  static bool IsOf(const char* at, std::string_view key) {
    return static_cast<unsigned char>(at[0]) == key.size() &&
           AreEqual(at + kHeaderBytes, key.data(), key.size());
  }
  static std::string_view ValueAt(const char* at) {
    return {at + kHeaderBytes + static_cast<unsigned char>(at[0]),
            static_cast<unsigned char>(at[1])};
  }
  // Most keys have some bytes: a call of memcmp costs more than to compare them. Behind `a` there
  // are at least 8 bytes of the place.
  static bool AreEqual(const char* a, const char* b, std::size_t bytes) {
    if (bytes < 8) {
      if (bytes == 0) return true;
      return (LoadLittle64(a) ^ LoadShortLittle(b, bytes)) << (64 - 8 * bytes) == 0;
    }
    std::uint64_t difference = LoadLittle64(a + bytes - 8) ^ LoadLittle64(b + bytes - 8);
    for (std::size_t i = 0; i + 8 < bytes; i += 8)
      difference |= LoadLittle64(a + i) ^ LoadLittle64(b + i);
    return difference == 0;
  }

  VirtualBuffer lines_;
  std::uint64_t count_ = 0;  // Of lines.
  std::size_t place_bytes_ = 0;
  std::uint32_t places_ = 0;  // All, as Match tells them.
  bool has_rows_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_SMALL_TABLE_H_
