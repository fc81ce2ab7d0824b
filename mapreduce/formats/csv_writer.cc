// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/csv_writer.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "mapreduce/formats/tsv_escapes.h"
#include "mapreduce/formats/tsv_field.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace {
namespace {

constexpr std::size_t kBlockBytes = 16;

// Bit i is set where byte i ends a field, and where it is one that a field can't simply keep.
struct BlockMasks {
  std::uint32_t ends = 0, unplain = 0;
};

#if defined(__SSE2__)
// Copies a block with commas for TABs.
BlockMasks CopyBlock(const char* from, char* to) {
  const auto all = [](char c) { return _mm_set1_epi8(c); };
  const auto bits = [](__m128i mask) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(mask));
  };
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  const __m128i tabs = _mm_cmpeq_epi8(bytes, all('\t'));
  const __m128i unplain =
      _mm_or_si128(_mm_cmpeq_epi8(bytes, all('\\')),
                   _mm_or_si128(_mm_cmpeq_epi8(bytes, all(',')), _mm_cmpeq_epi8(bytes, all('"'))));
  const __m128i commas = _mm_xor_si128(bytes, _mm_and_si128(tabs, all('\t' ^ ',')));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), commas);
  return {bits(_mm_or_si128(tabs, _mm_cmpeq_epi8(bytes, all('\n')))), bits(unplain)};
}
#else
BlockMasks CopyBlock(const char* from, char* to) {
  BlockMasks masks;
  for (std::size_t i = 0; i < kBlockBytes; ++i) {
    const char c = from[i];
    to[i] = c == '\t' ? ',' : c;
    const std::uint32_t bit = std::uint32_t{1} << i;
    if (c == '\t' || c == '\n') masks.ends |= bit;
    if (c == '\\' || c == ',' || c == '"') masks.unplain |= bit;
  }
  return masks;
}
#endif

// "\." alone would end the data where PostgreSQL reads it.
bool NeedsQuotes(std::string_view raw) {
  return raw.empty() || raw == "\\." || raw.find_first_of(",\"\r\n") != raw.npos;
}

// Of an escaped field.
bool NeedsQuotesUnescaped(std::string_view field) {
  if (field.empty() || field == "\\\\.") return true;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    if (c == ',' || c == '"') return true;
    if (c == '\\' && ++i < field.size() && (field[i] == 'n' || field[i] == 'r')) return true;
  }
  return false;
}

// Appends a field that has escapes, or needs quotes.
void AppendUnplain(RowBuffer& out, std::string_view field) {
  constexpr std::size_t kPieceBytes = 4096;  // So that a long text does not ask for twice its size.
  if (field == kTsvNull) return;
  const bool has_quotes = NeedsQuotesUnescaped(field);
  if (has_quotes) out.Append('"');
  for (std::size_t at = 0; at < field.size();) {
    const std::size_t end = std::min(at + kPieceBytes, field.size());
    char* const begin = out.Room(2 * kPieceBytes + 2);
    char* to = begin;
    while (at < end) {
      char c = field[at++];
      if (c == '\\' && at < field.size()) c = TsvEscapeMeaning(field[at++]);
      if (c == '"') *to++ = '"';
      *to++ = c;
    }
    out.Commit(static_cast<std::size_t>(to - begin));
  }
  if (has_quotes) out.Append('"');
}

}  // namespace

void AppendCsvField(RowBuffer& out, std::string_view raw) {
  if (!NeedsQuotes(raw)) return out.Append(raw);
  out.Append('"');
  for (std::size_t quote; (quote = raw.find('"')) != raw.npos;) {
    out.Append(raw.substr(0, quote + 1));
    out.Append('"');
    raw.remove_prefix(quote + 1);
  }
  out.Append(raw);
  out.Append('"');
}

void AppendCsvRows(RowBuffer& out, std::string_view lines) {
  const char* at = lines.data();
  const char* const end = at + lines.size();
  const char* field = at;  // Where the current one begins; [field, at) is copied.
  while (at < end) {
    const auto rest = static_cast<std::size_t>(end - at);
    char* const to = out.Room(std::max(rest, kBlockBytes));
    std::size_t copied = 0;
    std::size_t unplain = rest;  // The next byte that is not simply copied.
    while (copied < rest) {
      BlockMasks masks;
      const std::size_t left = rest - copied;
      if (left >= kBlockBytes) {
        masks = CopyBlock(at + copied, to + copied);
      } else {
        char from[kBlockBytes] = {}, block[kBlockBytes];
        std::memcpy(from, at + copied, left);
        masks = CopyBlock(from, block);
        std::memcpy(to + copied, block, left);
      }
      // An end right behind another one, or at the field's begin: the field is empty.
      const std::uint32_t starts = masks.ends << 1 | (field == at + copied ? 1 : 0);
      const std::uint32_t stops = masks.unplain | (masks.ends & starts);
      const std::uint32_t before = stops == 0 ? ~std::uint32_t{0} : (stops & (0 - stops)) - 1;
      if (const std::uint32_t ends = masks.ends & before; ends != 0)
        field = at + copied + std::bit_width(ends);
      if (stops != 0) {
        unplain = copied + static_cast<std::size_t>(std::countr_zero(stops));
        break;
      }
      copied += std::min(left, kBlockBytes);
    }
    out.Commit(unplain);
    at += unplain;
    if (at == end) break;
    const auto half = static_cast<std::size_t>(at - field);
    out.Truncate(out.size() - half);
    const char* const stop = std::find_if(at, end, [](char c) { return c == '\t' || c == '\n'; });
    AppendUnplain(out, {field, static_cast<std::size_t>(stop - field)});
    if (stop == end) return;  // Lines end with LF, so this is none.
    out.Append(*stop == '\t' ? ',' : '\n');
    field = at = stop + 1;
  }
}

}  // namespace millrace
