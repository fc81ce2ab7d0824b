// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_TSV_H_
#define MAPREDUCE_FORMATS_TSV_H_

// TSV without header to rows of a struct. The struct's fields are found by name in the layout of
// the file; only they are looked at, and of a line only the columns up to the last one used:
//
//   struct Play {
//     std::string_view track, country;
//     std::int64_t ms_played = 0;
//     MR_FIELDS(Play, track, country, ms_played)
//   };
//   constexpr TsvLayout kPlays{"timestamp", "user", "track", "country", "ms_played"};
//
//   MR_ASSIGN_OR_RETURN(const TsvColumns columns, TsvColumns::For<Play>(kPlays));
//   TsvParser<Play> parser(columns);
//   parser.Parse(block, [&](const Play& play, std::string_view raw) { ... },
//                [&](std::string_view reason, std::string_view raw) { ... });
//
// The hot path of most jobs: no index, no allocation, no virtual call per row. Lines are found in a
// pass of their own, 64 bytes ahead: so a row does not wait for the end of the one before it, and
// the processor works on several at once (15 -> 13.6 ns a row of 50 bytes). Escapes and long lines
// take SplitFields. See tsv_field.h for the types and the escapes.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mapreduce/base/fields.h"
#include "mapreduce/base/status.h"
#include "mapreduce/formats/byte_masks.h"
#include "mapreduce/formats/date.h"
#include "mapreduce/formats/field_splitter.h"
#include "mapreduce/formats/line_blocks.h"
#include "mapreduce/formats/text.h"
#include "mapreduce/formats/tsv_field.h"

namespace millrace {

/// The names of a file's columns, in order. The names are not copied: use literals.
class TsvLayout {
 public:
  static constexpr std::size_t kColumnsMax = 64;

  /// Requires: at most kColumnsMax names.
  constexpr TsvLayout(std::initializer_list<std::string_view> names)
      : TsvLayout(std::span(names)) {}
  constexpr explicit TsvLayout(std::span<const std::string_view> names) : size_(names.size()) {
    MR_CHECK(names.size() <= kColumnsMax);
    std::copy(names.begin(), names.end(), names_.begin());
  }

  constexpr std::span<const std::string_view> names() const { return {names_.data(), size_}; }

 private:
  std::array<std::string_view, kColumnsMax> names_;
  std::size_t size_;
};

/// Where the fields of one row struct stand in a file.
class TsvColumns {
 public:
  static constexpr int kUnused = -1;
  static constexpr int kColumnMax = 1 << 16;  ///< Highest 1-based column of an override.

  /// `overrides`: 1-based columns by name, for files that differ from the layout; `unused`: fields
  /// to leave at their default. kInvalidArgument for a field that is in neither, an override of a
  /// name nobody knows or below 1, and an unused name that is no field.
  template <HasFields Row>
  static Result<TsvColumns> For(const TsvLayout& layout,
                                const std::map<std::string, int>& overrides = {},
                                const std::set<std::string>& unused = {}) {
    std::vector<std::string_view> fields;
    std::apply([&](const auto&... field) { (fields.push_back(field.name), ...); },
               Row::MillraceFields());
    return Find(fields, layout.names(), overrides, unused);
  }

  /// No field has a column: where the layout is wrong, so that a job's definition can be looked at
  /// to its end. Nothing is read with it.
  template <HasFields Row>
  static TsvColumns None() {
    return TsvColumns(
        std::vector<int>(std::tuple_size_v<decltype(Row::MillraceFields())>, kUnused));
  }

  /// The same fields in lines that have nothing but the used ones, in the order of MR_FIELDS.
  TsvColumns Packed() const;

  std::size_t field_count() const { return columns_.size(); }
  /// The 0-based column of a field, or kUnused.
  int column(std::size_t field) const { return columns_[field]; }
  /// Columns up to the last one used.
  int wanted() const { return wanted_; }

 private:
  static Result<TsvColumns> Find(std::span<const std::string_view> fields,
                                 std::span<const std::string_view> layout,
                                 const std::map<std::string, int>& overrides,
                                 const std::set<std::string>& unused);
  explicit TsvColumns(std::vector<int> columns);

  std::vector<int> columns_;
  int wanted_ = 0;
};

namespace tsv_internal {
// The reasons of rejects; `text` is the field's bytes, unescaped where that worked.
void DescribeMissing(std::string_view field, int field_count, std::string* reason);
void DescribeError(TsvFieldError error, std::string_view field, std::string_view text,
                   std::string* reason);
}  // namespace tsv_internal

/// Rows of one file after the other. One thread at a time. `Bytes` is the search in 64 bytes.
template <HasFields Row, class Bytes>
class BasicTsvParser {
 public:
  /// Requires: `columns` was made for Row.
  explicit BasicTsvParser(const TsvColumns& columns)
      : wanted_(columns.wanted()),
        short_line_limit_(wanted_ < 64 ? static_cast<std::size_t>(64 - wanted_) : 0),
        starts_(static_cast<std::size_t>(columns.wanted()) + 1) {
    MR_CHECK(columns.field_count() == kFields);
    for (std::size_t field = 0; field < kFields; ++field) columns_[field] = columns.column(field);
  }

  /// For each line in order calls on_record(const Row&, std::string_view raw), or
  /// on_reject(std::string_view reason, std::string_view raw). `raw` is the line without LF; views
  /// in the row point into the block, or, where escapes were decoded, to bytes that live until the
  /// next line. The first field (in the order of MR_FIELDS) that is wrong gives the reason.
  template <class OnRecord, class OnReject>
  void Parse(const LineBlock& block, OnRecord&& on_record, OnReject&& on_reject) {
    Row row{};
    ParseInto(
        block, [&row] { return &row; }, on_record, on_reject);
  }
  /// Parse for who keeps rows: each line is read into what next_row() returns, which keeps fields
  /// without a column as they are, and then given or rejected. A row that was just read can't be
  /// copied at once: wider loads than its fields' stores wait for these.
  template <class NextRow, class OnRecord, class OnReject>
  void ParseInto(const LineBlock& block, NextRow&& next_row, OnRecord&& on_record,
                 OnReject&& on_reject) {
    lines_.Parse(
        block,
        [&](const Line&, std::string_view raw) {
          Row* const row = next_row();
          if (ReadLine(raw, row)) [[likely]] {
            on_record(std::as_const(*row), raw);
          } else {
            on_reject(std::string_view(reason_), raw);
          }
        },
        on_reject);
  }

  /// Whether the row's views point into the block alone, and so live as long as it.
  bool is_in_block() const { return is_in_block_; }

 private:
  static constexpr std::size_t kFields = kFieldCount<Row>;

  bool ReadLine(std::string_view raw, Row* row) {
    const char* const line = raw.data();
    is_in_block_ = true;
    const Bytes bytes(line);
    if (raw.size() >= short_line_limit_ || bytes.Contains('\\')) [[unlikely]] {
      return ReadAnyLine(raw, row);
    }
    // TABs up to the line's end, which is the first of the ones above them: so many that the loop
    // needs no test for running out of them.
    std::uint64_t ends = bytes.Match('\t') | ~std::uint64_t{0} << raw.size();
    const char** start = starts_.data();
    const char** const last_start = start + wanted_;
    *start = line;
    while (start != last_start) {
      *++start = line + FirstBit(ends) + 1;
      ends &= ends - 1;
    }
    if (*start > line + raw.size() + 1) [[unlikely]]
      return ReadAnyLine(raw, row);  // Fields miss.
    return ReadFields</*kHasEscapes=*/false>(row);
  }

  [[gnu::noinline]] bool ReadAnyLine(std::string_view raw, Row* row) {
    const FoundFields found =
        SplitFields<Bytes>(raw.data(), raw.data() + raw.size(), wanted_, starts_.data());
    if (found.count < wanted_) {
      DescribeFirstMissing(found.count, std::make_index_sequence<kFields>());
      return false;
    }
    if (!found.has_backslash) return ReadFields<false>(row);
    MakeScratch();
    is_in_block_ = false;
    return ReadFields<true>(row);
  }

  template <bool kHasEscapes>
  bool ReadFields(Row* row) {
    return ReadFieldsOf<kHasEscapes>(starts_.data(), row, std::make_index_sequence<kFields>());
  }
  template <bool kHasEscapes, std::size_t... kIndex>
  bool ReadFieldsOf(const char* const* starts, Row* row, std::index_sequence<kIndex...>) {
    return (ReadField<kHasEscapes, kIndex>(starts, row) && ...);
  }

  template <bool kHasEscapes, std::size_t kIndex>
  bool ReadField(const char* const* starts, Row* row) {
    constexpr auto kField = std::get<kIndex>(Row::MillraceFields());
    if (columns_[kIndex] < 0) return true;
    const char* const* start = starts + columns_[kIndex];
    const char* begin = start[0];
    const char* end = start[1] - 1;
    auto& value = row->*(kField.member);
    TsvFieldError error = TsvFieldError::kNone;
    if constexpr (kHasEscapes) {
      error = ReadEscapedField(&begin, &end, &value);
    } else {
      error = ReadTsvField(begin, end, &value, last_date_);
    }
    if (error == TsvFieldError::kNone) [[likely]]
      return true;
    tsv_internal::DescribeError(error, kField.name,
                                std::string_view(begin, static_cast<std::size_t>(end - begin)),
                                &reason_);
    return false;
  }

  /// Sets `*begin` and `*end` to the decoded bytes.
  template <class T>
  TsvFieldError ReadEscapedField(const char** begin, const char** end, T* value) {
    const std::string_view text(*begin, static_cast<std::size_t>(*end - *begin));
    if (text == kTsvNull) {
      if constexpr (tsv_internal::kIsOptional<T>) {
        value->reset();
        return TsvFieldError::kNone;
      } else {
        return TsvFieldError::kNull;
      }
    }
    if (text.find('\\') != std::string_view::npos) {
      const std::optional<std::size_t> bytes = DecodeTsvField(text, scratch_end_);
      if (!bytes) return TsvFieldError::kLoneBackslash;
      *begin = scratch_end_;
      *end = scratch_end_ += *bytes;
    }
    return ReadTsvField(*begin, *end, value, last_date_);
  }

  /// Room for the decoded bytes of all fields that are used, so that it need not grow while views
  /// point into it, and the 8 bytes that ReadTsvField may read behind them.
  void MakeScratch() {
    std::size_t bytes = 8;
    for (const std::ptrdiff_t column : columns_) {
      if (column < 0) continue;
      const char* const* start = starts_.data() + column;
      bytes += static_cast<std::size_t>(start[1] - start[0]);
    }
    if (bytes > scratch_bytes_) {
      scratch_bytes_ = std::max(bytes, 2 * scratch_bytes_);
      scratch_ = std::make_unique<char[]>(scratch_bytes_);
    }
    scratch_end_ = scratch_.get();
  }

  template <std::size_t... kIndex>
  void DescribeFirstMissing(int field_count, std::index_sequence<kIndex...>) {
    const std::string_view names[] = {std::get<kIndex>(Row::MillraceFields()).name...};
    for (std::size_t field = 0; field < kFields; ++field) {
      if (columns_[field] < field_count) continue;
      return tsv_internal::DescribeMissing(names[field], field_count, &reason_);
    }
  }

  BasicLineParser<Bytes> lines_;
  std::array<std::ptrdiff_t, kFields> columns_;  // As wide as an address: read for each field.
  const int wanted_;
  const std::size_t short_line_limit_;  // Shorter ones leave wanted_ ones in 64 bits behind them.
  std::vector<const char*> starts_;     // Of the line's fields; see SplitFields.
  std::unique_ptr<char[]> scratch_;
  std::size_t scratch_bytes_ = 0;
  char* scratch_end_ = nullptr;
  bool is_in_block_ = true;
  LastDate last_date_;
  std::string reason_;
};

template <HasFields Row>
using TsvParser = BasicTsvParser<Row, Bytes64>;

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_TSV_H_
