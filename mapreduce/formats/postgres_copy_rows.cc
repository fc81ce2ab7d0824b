// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_copy_rows.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/formats/field_splitter.h"
#include "mapreduce/formats/mask_bits.h"
#include "mapreduce/formats/postgres_ranges_reader.h"

namespace millrace {
namespace {

constexpr std::string_view kCopyEnd = "\\.";
constexpr std::string_view kLoneBackslash = "the line ends in a lone backslash";

// Whether a backslash makes the byte at `at` data: an odd number of them stand before it.
bool IsEscaped(const char* begin, const char* at) {
  const char* first = at;
  while (first > begin && first[-1] == '\\') --first;
  return (at - first) % 2 != 0;
}

// The first of the whole lines in [from, to) that has not `tabs` TABs or that ends in a lone
// backslash; `to` if there is none.
const char* FirstOddLine(const char* from, const char* to, std::size_t tabs_wanted) {
  const char* line = from;
  std::size_t tabs_before = 0;
  std::uint64_t last_backslash = 0;
  for (const char* at = from; at < to; at += 64) {
    const Bytes64 bytes(at);
    const std::uint64_t in_text =
        to - at < 64 ? (std::uint64_t{1} << (to - at)) - 1 : ~std::uint64_t{0};
    std::uint64_t ends = bytes.Match('\n') & in_text;
    std::uint64_t tabs = bytes.Match('\t') & in_text;
    const std::uint64_t backslashes = bytes.Match('\\');
    std::uint64_t maybe_escaped = ((backslashes << 1) | last_backslash) & (tabs | ends);
    last_backslash = backslashes >> 63;
    std::uint64_t escaped_ends = 0;
    for (; maybe_escaped != 0; maybe_escaped &= maybe_escaped - 1) {
      const std::uint64_t bit = maybe_escaped & (~maybe_escaped + 1);
      if (!IsEscaped(from, at + FirstBit(maybe_escaped))) continue;
      tabs &= ~bit;
      escaped_ends |= bit & ends;
    }
    for (; ends != 0; ends &= ends - 1) {
      const std::uint64_t bit = ends & (~ends + 1);
      const std::size_t tabs_here = CountBits(tabs & (bit - 1));
      if (tabs_before + tabs_here != tabs_wanted || (escaped_ends & bit) != 0) return line;
      tabs &= ~(bit - 1);
      tabs_before = 0;
      line = at + FirstBit(ends) + 1;
    }
    tabs_before += CountBits(tabs);
  }
  return to;
}

class CopyReader final : public PostgresRangesReader {
 public:
  CopyReader(const RowsOf& rows, std::vector<int> fields, const PostgresDialect& dialect)
      : PostgresRangesReader(rows, std::move(fields)),
        has_crlf_(dialect.has_crlf),
        passes_(!has_crlf_ && AreInOrder()),
        starts_(column_count_ + 2) {}

 private:
  // Whether lines are what the job wants as they stand.
  bool AreInOrder() const {
    if (column_count_ == 0 || fields_.size() != column_count_) return false;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (fields_[i] >= 0 && fields_[i] != static_cast<int>(i)) return false;
    }
    return true;
  }

  Result<bool> Read(LineBlock* block) override {
    rows_.Clear();
    while (range_ < ranges_.size()) {
      if (!is_in_range_ && !lexer_.SkipTo(range().begin)) return CutOff();
      is_in_range_ = true;
      if (lexer_.offset() >= range().end) {
        is_in_range_ = false;
        ++range_;
        continue;
      }
      MR_ASSIGN_OR_RETURN(const char* const end, WholeLines());
      if (end == lexer_.at()) {  // The line `\.` of a range that is open.
        MR_RETURN_IF_ERROR(CheckNothingFollows());
        return false;
      }
      return ReadLines(end, block);
    }
    return false;
  }

  // The end of the whole lines that are there; at() where the next is `\.`.
  Result<const char*> WholeLines() {
    std::size_t looked_at = 0;
    for (;;) {
      const char* const begin = lexer_.at();
      const bool has_all = lexer_.OffsetOf(lexer_.end()) >= range().end;
      const char* const end = has_all ? begin + (range().end - lexer_.offset()) : lexer_.end();
      const auto bytes = static_cast<std::size_t>(end - begin);
      const void* const last = ::memrchr(begin + looked_at, '\n', bytes - looked_at);
      if (last != nullptr) return BeforeCopyEnd(begin, static_cast<const char*>(last) + 1);
      if (has_all) {
        return Status::BadData(lexer_.path(), ": no row ends at byte ", range().end,
                               "; the file changed since it was looked at");
      }
      looked_at = bytes;
      if (!lexer_.ReadMore()) return CutOff();
    }
  }

  Result<const char*> BeforeCopyEnd(const char* begin, const char* end) const {
    const char* at = begin;
    while ((at = FindBackslashDot(at, end)) != nullptr) {
      if (at[-1] == '\n' && (at[2] == '\n' || (at[2] == '\r' && at[3] == '\n'))) {
        if (range().end == UINT64_MAX) return at;
        return Status::BadData(lexer_.path(), ": the end of a COPY, \\., stands at byte ",
                               lexer_.OffsetOf(at), " among the rows of a table");
      }
      ++at;
    }
    return end;
  }

  Status CheckNothingFollows() {
    lexer_.Advance(lexer_.at() + kCopyEnd.size());
    if (!lexer_.SkipBlanks()) return lexer_.status();
    return Status::BadData(lexer_.path(), ": more stands behind the end of its rows, at byte ",
                           lexer_.offset());
  }

  Result<bool> ReadLines(const char* end, LineBlock* block) {
    const char* line = lexer_.at();
    if (passes_ && static_cast<std::size_t>(end - line) <= record_bytes_max_) {
      const char* const odd = FirstOddLine(line, end, column_count_ - 1);
      if (odd > line) {
        *block = {.begin = line, .end = odd, .offset = lexer_.offset(), .records = nullptr};
        lexer_.Advance(odd);
        return true;
      }
    }
    std::string reason;
    while (line < end) {
      const auto* const line_end =
          static_cast<const char*>(std::memchr(line, '\n', static_cast<std::size_t>(end - line)));
      const std::size_t bytes = static_cast<std::size_t>(line_end - line);
      const bool has_cr = has_crlf_ && bytes > 0 && line_end[-1] == '\r';
      const std::string_view raw(line, bytes - (has_cr ? 1 : 0));
      const std::uint64_t offset = lexer_.OffsetOf(line);
      if (raw.size() > record_bytes_max_) {
        if (rows_.row_count() == 0) return TooLong(offset);
        break;
      }
      if (!AddRow(raw, offset, &reason)) {
        if (rows_.row_count() > 0) break;  // These first; then the line again.
        lexer_.Advance(line_end + 1);
        *block = rows_.Rejected(offset, raw, std::move(reason));
        return true;
      }
      line = line_end + 1;
    }
    lexer_.Advance(line);
    *block = rows_.Block();
    return true;
  }

  bool AddRow(std::string_view raw, std::uint64_t offset, std::string* reason) {
    const char* const end = raw.data() + raw.size();
    const FoundFields found =
        SplitFields<Bytes64>(raw.data(), end, static_cast<int>(column_count_) + 1, starts_.data());
    // A table without columns has rows all the same.
    const std::size_t count =
        column_count_ == 0 && raw.empty() ? 0 : static_cast<std::size_t>(found.count);
    if (found.has_backslash && IsEscaped(raw.data(), end)) {
      *reason = kLoneBackslash;
      return false;
    }
    if (count != column_count_) {
      const auto tabs = static_cast<std::size_t>(std::count(raw.begin(), raw.end(), '\t'));
      *reason =
          PostgresCountMismatch(count > column_count_ ? tabs + 1 : count, "fields", column_count_);
      return false;
    }
    rows_.BeginRow();
    for (const int field : fields_) {
      if (field < 0) {
        rows_.AddEmpty();
        continue;
      }
      const char* const begin = starts_[static_cast<std::size_t>(field)];
      const char* const next = starts_[static_cast<std::size_t>(field) + 1];
      rows_.AddEscapedField({begin, static_cast<std::size_t>(next - 1 - begin)});
    }
    rows_.EndRow(offset, raw);
    return true;
  }

  const bool has_crlf_;
  const bool passes_;
  std::vector<const char*> starts_;
};

}  // namespace

std::unique_ptr<BlockReader> NewPostgresCopyReader(const RowsOf& rows, std::vector<int> fields,
                                                   const PostgresDialect& dialect) {
  return std::make_unique<CopyReader>(rows, std::move(fields), dialect);
}

}  // namespace millrace
