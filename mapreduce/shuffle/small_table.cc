// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/small_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t kRowBytes = 4;
// AreWords reads 8 bytes of a shorter key, in the last line's last place, too.
constexpr std::size_t kSlack = 8;
// So many lines are asked for before the first of them is written.
constexpr std::size_t kBatch = 64;

// Of keys without values the row is what is asked for. A look at two: it decides about speed alone.
bool IsDictionary(const std::vector<std::shared_ptr<const TableFile>>& files) {
  for (const auto& file : files) {
    if (file->rows() == 0) continue;
    const auto first = file->Row(0), last = file->Row(file->rows() - 1);
    return first && first->value.empty() && last && last->value.empty();
  }
  return false;
}

// Of a table with so many places in each line: 5 places for 2 rows, or as many as there is room
// for, at least 2 for each row.
std::uint64_t LinesOf(std::uint64_t rows, std::size_t places, std::uint64_t lines_max) {
  return std::min(rows * 5 / (2 * places) + 1, std::max(rows * 2 / places + 1, lines_max));
}

}  // namespace

std::size_t SmallTable::PlacesFor(std::size_t bytes) {
  std::size_t places = kPlacesMax;
  while (places > 0 && PlaceBytes(places) < bytes) --places;
  return places;
}

bool SmallTable::Holds(std::uint64_t rows, std::uint64_t record_bytes_max,
                       std::uint64_t bytes_max) {
  if (record_bytes_max > PlaceBytes(1)) return false;
  const std::size_t places = PlacesFor(record_bytes_max + kHeaderBytes + kRowBytes);
  const std::uint64_t lines_max = bytes_max / kLineBytes;
  return places > 0 && LinesOf(rows, places, lines_max) <= lines_max;
}

std::unique_ptr<const SmallTable> SmallTable::Of(
    const std::vector<std::shared_ptr<const TableFile>>& files, std::uint64_t bytes_max) {
  std::uint64_t rows = 0, record_bytes = 0;
  for (const auto& file : files) {
    rows += file->rows();
    record_bytes = std::max(record_bytes, file->record_bytes_max());
  }
  if (rows == 0 || record_bytes + kHeaderBytes > PlaceBytes(1)) return nullptr;
  std::unique_ptr<SmallTable> table(new SmallTable());
  std::size_t places = PlacesFor(record_bytes + kHeaderBytes);
  const std::uint64_t lines_max = bytes_max / kLineBytes;
  if (IsDictionary(files)) {
    const std::size_t fewer = PlacesFor(record_bytes + kHeaderBytes + kRowBytes);
    if (fewer > 0 && LinesOf(rows, fewer, lines_max) <= lines_max) places = fewer;
  }
  table->place_bytes_ = PlaceBytes(places);
  table->has_rows_ = record_bytes + kHeaderBytes + kRowBytes <= table->place_bytes_;
  table->places_ = 0x80808080U >> (8 * (kPlacesMax - places));
  table->count_ = LinesOf(rows, places, lines_max);
  if (table->count_ > lines_max) return nullptr;
  Result<VirtualBuffer> lines =
      VirtualBuffer::Reserve(table->count_ * kLineBytes + kSlack, /*huge_pages=*/true);
  if (!lines.ok()) return nullptr;
  table->lines_ = *std::move(lines);
  PopulatePages(table->lines_.data(), table->count_ * kLineBytes);
  if (!table->Add(files)) return nullptr;
  return table;
}

bool SmallTable::Add(const std::vector<std::shared_ptr<const TableFile>>& files) {
  std::array<TableFile::Record, kBatch> records;
  std::array<std::uint64_t, kBatch> hashes;
  const std::size_t room = place_bytes_ - kHeaderBytes - (has_rows_ ? kRowBytes : 0);
  std::uint64_t first_row = 0;
  for (const auto& file : files) {
    for (std::uint64_t row = 0; row < file->rows();) {
      const std::size_t count = file->Rows(row, records);
      if (count < std::min<std::uint64_t>(kBatch, file->rows() - row)) return false;
      for (std::size_t i = 0; i < count; ++i) {
        const TableFile::Record& record = records[i];
        if (record.key.size() + record.value.size() > room) return false;
        hashes[i] = HashOf(record.key);
        __builtin_prefetch(LineOf(hashes[i]), /*rw=*/1);
      }
      for (std::size_t i = 0; i < count; ++i) {
        const TableFile::Record& record = records[i];
        const std::uint64_t hash = hashes[i];
        const char* line = LineOf(hash);
        for (int full = 0; Match(line, kFree) == 0; line = LineBehind(line)) {
          if (++full > kFullLinesMax) return false;
        }
        const unsigned place = FirstOf(Match(line, kFree));
        char* to = lines_.data() + (line - lines_.data());
        to[kLineBytes - kPlacesMax + place] = TagOf(hash);
        to += place * place_bytes_;
        if (has_rows_) {
          StoreLittle32(to + place_bytes_ - kRowBytes,
                        static_cast<std::uint32_t>(first_row + record.row));
        }
        *to++ = static_cast<char>(record.key.size());
        *to++ = static_cast<char>(record.value.size());
        if (!record.value.empty()) std::memcpy(to, record.value.data(), record.value.size());
        if (!record.key.empty())
          std::memcpy(to + record.value.size(), record.key.data(), record.key.size());
      }
      row += count;
    }
    first_row += file->rows();
  }
  return true;
}

const char* SmallTable::Find(std::string_view key) const {
  if (key.size() + kHeaderBytes > place_bytes_) return nullptr;
  const std::uint64_t hash = HashOf(key);
  for (const char* line = LineOf(hash);; line = LineBehind(line)) {
    for (std::uint32_t found = Match(line, TagOf(hash)); found != 0; found &= found - 1) {
      const char* const at = PlaceIn(line, found);
      if (std::string_view(KeyAt(at), static_cast<unsigned char>(at[0])) == key) return at;
    }
    if (Match(line, kFree) != 0) return nullptr;
  }
}

std::optional<std::uint64_t> SmallTable::RowOf(std::string_view key) const {
  const char* const at = Find(key);
  if (at == nullptr) return std::nullopt;
  return LoadLittle32(at + place_bytes_ - kRowBytes);
}

}  // namespace millrace
