// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_CSV_SCANNER_H_
#define MAPREDUCE_FORMATS_CSV_SCANNER_H_

// Finds where fields and records of CSV end, 64 bytes at once; csv_dialect.h has the grammar.
//
// Every quote switches between inside and outside, the doubled ones twice, so the exclusive or of
// all quotes up to a byte says where it is (Langdale and Lemire, "Parsing Gigabytes of JSON per
// Second", 2019). Delimiters and LFs outside are ends. Of the grammar only two things are left to
// check: an opening quote stands at the beginning of a field (or behind a closing one: a doubled
// quote), and behind a closing one comes an end or a quote.
//
//   text    a , " b , " " c " \n
//   inside  . . x x x . x x . .       ends  . x . . . . . . . x
//
//   CsvScanner scanner(dialect);                    // At the beginning of a record.
//   while (scanner.Scan(base, bytes)) {
//     use scanner.record_count() records; `used` bytes are theirs
//     base += used, bytes -= used, scanner.DropRecords(used);
//     if (scanner.problem() != CsvProblem::kNone) { skip the bad record; scanner.Restart(); }
//   }

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "mapreduce/formats/byte_masks.h"
#include "mapreduce/formats/csv_dialect.h"
#include "mapreduce/formats/mask_bits.h"

namespace millrace {

enum class CsvProblem {
  kNone,
  kQuoteInUnquoted,
  kByteBehindQuote,
};

/// Places are bytes from `base`, the beginning of the first record that was not dropped. One thread
/// at a time.
class CsvScanner {
 public:
  explicit CsvScanner(const CsvDialect& dialect)
      : delimiter_(dialect.delimiter),
        quote_(dialect.quote),
        quotes_wanted_(dialect.has_quotes ? ~std::uint64_t{0} : 0) {
    Restart();
  }

  /// Forgets all; `base` is the beginning of a record again.
  void Restart() {
    scanned_ = field_count_ = record_count_ = 0;
    inside_ = 0;
    is_field_start_ = 1;
    is_behind_close_ = 0;
    problem_ = CsvProblem::kNone;
  }

  /// Of a record with more fields only so many are kept, and one more.
  static constexpr std::size_t kFieldsMax = std::size_t{1} << 20;

  /// Looks at the next bytes of [base, base + bytes), a window at most. False: nothing can be said
  /// before there are more bytes, or there is a problem. Requires: whole records were dropped; 64
  /// bytes can be read behind `bytes`.
  bool Scan(const char* base, std::size_t bytes) {
    if (problem_ != CsvProblem::kNone) return false;
    if (field_count_ > kFieldsMax) field_count_ = kFieldsMax + 1;
    const std::size_t begin = scanned_;
    const std::size_t end = bytes - begin < kWindowBytes ? bytes : begin + kWindowBytes;
    if (field_ends_.size() < field_count_ + (end - begin) + 1) {
      field_ends_.resize(field_count_ + (end - begin) + 1);
    }
    if (record_ends_.size() < record_count_ + (end - begin) + 1) {
      record_ends_.resize(record_count_ + (end - begin) + 1);
    }
    while (scanned_ < end) {
      const std::size_t count = end - scanned_ < 64 ? end - scanned_ : 64;
      if (!ScanBlock(base + scanned_, count, bytes - scanned_)) break;
    }
    return scanned_ > begin || problem_ != CsvProblem::kNone;
  }

  std::size_t record_count() const { return record_count_; }
  /// The number of fields of records 0 to i - 1.
  std::size_t FieldsBefore(std::size_t i) const { return i == 0 ? 0 : record_ends_[i - 1]; }
  /// Where the field ends, counted over all records; a record's last one with its LF.
  const std::uint32_t* field_ends() const { return field_ends_.data(); }
  std::uint32_t* field_ends() { return field_ends_.data(); }
  /// Fields that ended, also of the record that did not.
  std::size_t field_count() const { return field_count_; }

  /// What is wrong with the record behind the whole ones, and which byte.
  CsvProblem problem() const { return problem_; }
  std::size_t problem_at() const { return scanned_; }
  /// Whether the bytes scanned end within quotes.
  bool is_inside() const { return inside_ != 0; }

  /// Forgets the whole records; `base` moves on by `bytes`, to where the next one begins.
  void DropRecords(std::size_t bytes) {
    if (record_count_ == 0) return;
    const std::size_t dropped = FieldsBefore(record_count_);
    const auto moved = static_cast<std::uint32_t>(bytes);
    for (std::size_t i = dropped; i < field_count_; ++i) {
      field_ends_[i - dropped] = field_ends_[i] - moved;
    }
    field_count_ -= dropped;
    record_count_ = 0;
    scanned_ -= bytes;
  }

 private:
  static constexpr std::size_t kWindowBytes = std::size_t{16} << 10;

  // `count` bytes at `at`, of `known` that can be looked at. False: it could not go on to the end.
  bool ScanBlock(const char* at, std::size_t count, std::size_t known) {
    const Bytes64 block(at);
    const std::uint64_t valid = FirstBits(count);
    std::uint64_t newlines = block.Match('\n') & valid;
    std::uint64_t ends = block.Match(delimiter_, '\n') & valid;
    const std::uint64_t quotes = block.Match(quote_) & valid & quotes_wanted_;
    if ((quotes | inside_ | is_behind_close_) == 0) [[likely]] {
      AddEnds(ends, newlines);
      is_field_start_ = ends >> (count - 1);
      scanned_ += count;
      return true;
    }
    return ScanQuotes(at, count, known, ends, newlines, quotes);
  }

  [[gnu::noinline]] bool ScanQuotes(const char* at, std::size_t count, std::size_t known,
                                    std::uint64_t ends, std::uint64_t newlines,
                                    std::uint64_t quotes) {
    // With opening quotes, not closing.
    const std::uint64_t inside = PrefixParity(quotes) ^ inside_;
    ends &= ~inside;
    newlines &= ~inside;
    const std::uint64_t opens = quotes & inside;
    const std::uint64_t closes = quotes & ~inside;
    const std::uint64_t behind_close = closes << 1 | is_behind_close_;
    const std::uint64_t may_open = ends << 1 | is_field_start_ | behind_close;
    const std::uint64_t bad_opens = opens & ~may_open;
    std::uint64_t bad_behind = behind_close & ~(ends | quotes) & FirstBits(count);
    std::size_t used = count;
    while (bad_behind != 0) {
      const std::size_t i = FirstBit(bad_behind);
      if (at[i] != '\r') break;
      if (i + 1 == known) {
        used = i;  // Whether an LF follows is not known yet.
        break;
      }
      if (at[i + 1] != '\n') break;
      bad_behind &= bad_behind - 1;
    }
    const std::uint64_t bad = (bad_opens | bad_behind) & FirstBits(used);
    if (bad != 0) {
      used = FirstBit(bad);
      problem_ = (bad_opens >> used & 1) != 0 ? CsvProblem::kQuoteInUnquoted
                                              : CsvProblem::kByteBehindQuote;
    }
    AddEnds(ends & FirstBits(used), newlines & FirstBits(used));
    scanned_ += used;
    if (used == 0) return false;
    inside_ = (inside >> (used - 1) & 1) != 0 ? ~std::uint64_t{0} : 0;
    is_field_start_ = ends >> (used - 1) & 1;
    is_behind_close_ = closes >> (used - 1) & 1;
    return used == count;
  }

  static std::uint64_t FirstBits(std::size_t count) {
    return count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  }

  void AddEnds(std::uint64_t ends, std::uint64_t newlines) {
    std::uint32_t* const field_ends = field_ends_.data();
    std::uint32_t* const record_ends = record_ends_.data();
    const auto base = static_cast<std::uint32_t>(scanned_);
    std::size_t fields = field_count_;
    std::size_t records = record_count_;
    for (; ends != 0; ends &= ends - 1) {
      const std::size_t bit = FirstBit(ends);
      field_ends[fields++] = base + static_cast<std::uint32_t>(bit);
      record_ends[records] = static_cast<std::uint32_t>(fields);
      records += newlines >> bit & 1;
    }
    field_count_ = fields;
    record_count_ = records;
  }

  const char delimiter_;
  const char quote_;
  const std::uint64_t quotes_wanted_;  // All bits, or none.
  std::size_t scanned_ = 0;
  std::uint64_t inside_ = 0;           // All bits: the last byte scanned is within quotes.
  std::uint64_t is_field_start_ = 1;   // 1: a field begins at scanned_.
  std::uint64_t is_behind_close_ = 0;  // 1: the last byte is a quote that closes, so far.
  CsvProblem problem_ = CsvProblem::kNone;
  std::vector<std::uint32_t> field_ends_;
  std::vector<std::uint32_t> record_ends_;  // By record, the fields up to and with its last one.
  std::size_t field_count_ = 0;
  std::size_t record_count_ = 0;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_CSV_SCANNER_H_
