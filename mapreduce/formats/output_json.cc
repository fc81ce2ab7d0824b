// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/output_json.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "mapreduce/formats/json_lines_writer.h"
#include "mapreduce/formats/tsv_field.h"
#include "mapreduce/formats/utf8.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace {
namespace {

constexpr std::size_t kBlockBytes = 16;

// Copies 16 bytes. How many of them come before the first that a string can't simply keep: a
// control character (so also what ends the field), a quote, a backslash, a byte of 80 and above.
#if defined(__SSE2__)
std::size_t CopyPlain(const char* from, char* to) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  const __m128i special = _mm_or_si128(
      _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),  // Signed: those from 80 on are below 0.
      _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                   _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
  return static_cast<std::size_t>(
      std::countr_zero(static_cast<std::uint32_t>(_mm_movemask_epi8(special)) | 1u << 16));
}
#else
std::size_t CopyPlain(const char* from, char* to) {
  std::memcpy(to, from, kBlockBytes);
  return static_cast<std::size_t>(std::find_if(from, from + kBlockBytes,
                                               [](char c) {
                                                 const auto byte = static_cast<unsigned char>(c);
                                                 return byte < 0x20 || byte >= 0x80 || c == '"' ||
                                                        c == '\\';
                                               }) -
                                  from);
}
#endif

bool EndsField(char c) { return c == '\t' || c == '\n'; }

bool IsNull(const char* at, const char* end) {
  return end - at > 2 && std::string_view(at, 2) == kTsvNull && EndsField(at[2]);
}

// Appends the field at `at` as a string. Where it ends, or null where it isn't UTF-8. The lines go
// on until `end`, behind an LF.
const char* AppendText(const char* at, const char* end, RowBuffer& out) {
  out.Append('"');
  for (;;) {
    char* const to = out.Room(kBlockBytes);
    const auto left = static_cast<std::size_t>(end - at);
    std::size_t plain;
    if (left >= kBlockBytes) {
      plain = CopyPlain(at, to);
    } else {
      char from[kBlockBytes] = {};  // Its zeros are not plain.
      std::memcpy(from, at, left);
      plain = CopyPlain(from, to);
    }
    out.Commit(plain);
    at += plain;
    if (plain == kBlockBytes) continue;
    if (EndsField(*at)) break;
    const auto c = static_cast<unsigned char>(*at);
    if (c == '\\') {
      // TSV's escapes are JSON's, but for this one.
      out.Append(at[1] == 'v' ? std::string_view("\\u000b") : std::string_view(at, 2));
      at += 2;
    } else if (c < 0x80) {
      json_internal::AppendEscape(out, c);
      ++at;
    } else {
      const char* to_end = at;
      while (static_cast<unsigned char>(*to_end) >= 0x80) {
        const std::size_t bytes =
            Utf8CharacterBytes({to_end, static_cast<std::size_t>(end - to_end)});
        if (bytes == 0) return nullptr;
        to_end += bytes;
      }
      out.Append(std::string_view(at, static_cast<std::size_t>(to_end - at)));
      at = to_end;
    }
  }
  out.Append('"');
  return at;
}

const char* AppendNumber(const char* at, const char* end, RowBuffer& out) {
  const char* const stop = std::find_if(at, end, EndsField);
  const bool is_finite = at != stop && (stop[-1] <= '9');  // "nan" and "inf" end with a letter.
  const std::string_view text(at, static_cast<std::size_t>(stop - at));
  out.Append(is_finite ? text : std::string_view("null"));
  return stop;
}

}  // namespace

JsonRowConverter::JsonRowConverter(const std::vector<OutputColumn>& columns) {
  for (const OutputColumn& column : columns) {
    RowBuffer begin;
    begin.Append(members_.empty() ? '{' : ',');
    static_cast<void>(json_internal::AppendString(begin, column.name));  // Job checks: it is UTF-8.
    begin.Append(':');
    members_.push_back({column.name, std::string(begin.view()),
                        column.kind != ColumnKind::kInteger && column.kind != ColumnKind::kNumber});
  }
}

Status JsonRowConverter::Append(std::string_view lines, RowBuffer& out) {
  const char* at = lines.data();
  const char* const end = at + lines.size();
  while (at < end) {
    for (const Member& member : members_) {
      out.Append(member.begin);
      const char* const field = at;
      if (IsNull(at, end)) {
        out.Append("null");
        at += kTsvNull.size();
      } else if (member.is_text) {
        at = AppendText(at, end, out);
        if (at == nullptr) return NotUtf8(member, lines, field);
      } else {
        at = AppendNumber(at, end, out);
      }
      ++at;  // The TAB or LF.
    }
    out.Append("}\n");
  }
  return {};
}

Status JsonRowConverter::NotUtf8(const Member& member, std::string_view lines,
                                 const char* at) const {
  constexpr std::size_t kShownMax = 80;
  const auto offset = static_cast<std::size_t>(at - lines.data());
  const std::size_t begin = offset == 0 ? 0 : lines.rfind('\n', offset - 1) + 1;
  const std::string_view line = lines.substr(begin, lines.find('\n', offset) - begin);
  std::string shown(line.substr(0, kShownMax));
  std::replace(shown.begin(), shown.end(), '\t', ' ');
  return Status::BadData("the column ", member.name, " of the row '", shown,
                         line.size() > kShownMax ? "…" : "",
                         "' is not UTF-8 and can't be written as JSON; reject it in the job, or "
                         "write another --output-format");
}

}  // namespace millrace
