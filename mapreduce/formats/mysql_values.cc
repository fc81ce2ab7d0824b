// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/mysql_values.h"

#include <algorithm>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace {
namespace {

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordByte(char c) {
  return IsDigit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

const char* SkipBlanks(const char* at, const char* end) {
  while (at < end && IsBlank(*at)) ++at;
  return at;
}

bool IsWord(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 32 : a) == b; });
}

// -1.5e-10; null where there is none.
const char* SkipNumber(const char* at, const char* end) {
  if (at < end && (*at == '-' || *at == '+')) ++at;
  const char* const digits = at;
  while (at < end && IsDigit(*at)) ++at;
  std::size_t count = static_cast<std::size_t>(at - digits);
  if (at < end && *at == '.') {
    const char* const fraction = ++at;
    while (at < end && IsDigit(*at)) ++at;
    count += static_cast<std::size_t>(at - fraction);
  }
  if (count == 0) return nullptr;
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at < end && (*at == '-' || *at == '+')) ++at;
    if (at == end || !IsDigit(*at)) return nullptr;
    while (at < end && IsDigit(*at)) ++at;
  }
  return at;
}

// The first quote or backslash; `end` where there is none. Reads up to 16 bytes behind it.
const char* FindQuote(const char* at, const char* end, char quote) {
#if defined(__SSE2__)
  const __m128i quotes = _mm_set1_epi8(quote);
  const __m128i backslashes = _mm_set1_epi8('\\');
  for (; at < end; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const int found = _mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(bytes, quotes), _mm_cmpeq_epi8(bytes, backslashes)));
    if (found != 0) return std::min(at + __builtin_ctz(static_cast<unsigned>(found)), end);
  }
  return end;
#else
  return std::find_if(at, end, [quote](char c) { return c == quote || c == '\\'; });
#endif
}

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Digits of kBits bits each, right-aligned in bytes.
template <std::size_t kBits>
bool DecodeDigits(std::string_view digits, std::string* bytes) {
  constexpr std::size_t kPerByte = 8 / kBits;
  bytes->assign((digits.size() + kPerByte - 1) / kPerByte, '\0');
  std::size_t place = bytes->size() * kPerByte - digits.size();
  for (const char c : digits) {
    const int digit = HexDigit(c);
    if (digit < 0 || digit >= 1 << kBits) return false;
    char& byte = (*bytes)[place++ / kPerByte];
    byte = static_cast<char>(static_cast<unsigned char>(byte) << kBits | digit);
  }
  return true;
}

// What a backslash and `c` mean. \% and \_ keep it: they are for patterns.
void AppendEscape(char c, std::string* bytes) {
  switch (c) {
    case '0':
      return bytes->push_back('\0');
    case 'b':
      return bytes->push_back('\b');
    case 'n':
      return bytes->push_back('\n');
    case 'r':
      return bytes->push_back('\r');
    case 't':
      return bytes->push_back('\t');
    case 'Z':
      return bytes->push_back('\x1A');
    case '%':
    case '_':
      bytes->push_back('\\');
      break;
    default:
      break;
  }
  bytes->push_back(c);
}

}  // namespace

void DecodeSqlString(std::string_view text, char quote, bool has_backslashes, std::string* bytes) {
  while (!text.empty()) {
    std::size_t plain = text.find(quote);
    if (has_backslashes) plain = std::min(plain, text.substr(0, plain).find('\\'));
    bytes->append(text.substr(0, plain));
    if (plain >= text.size()) return;
    const char c = text[plain];
    text.remove_prefix(plain + 1);
    if (text.empty()) return;
    if (c == quote) {
      bytes->push_back(c);
    } else {
      AppendEscape(text.front(), bytes);
    }
    text.remove_prefix(1);
  }
}

bool SqlValues::Split(std::string_view tuple) {
  values_.clear();
  count_ = 0;
  const char* const end = tuple.data() + tuple.size() - 1;
  const char* at = SkipBlanks(tuple.data() + 1, end);
  if (at == end) return true;
  for (;;) {
    at = TakeValue(at, end);
    if (at == nullptr) return Fail();
    at = SkipBlanks(at, end);
    if (at == end) return true;
    if (*at != ',') {
      --count_;
      return Fail();
    }
    at = SkipBlanks(at + 1, end);
  }
}

void SqlValues::Keep(SqlValue::Kind kind, const char* begin, const char* end, char quote) {
  if (++count_ > values_max_) return;
  values_.push_back({kind, quote, {begin, static_cast<std::size_t>(end - begin)}});
}

bool SqlValues::Fail() {
  reason_ = "value " + std::to_string(count_ + 1) +
            " is none that a dump would have: NULL, a number, '...', 0x..., x'...' or b'...'";
  return false;
}

// Adds the value at `at` and returns what follows; null where there is none.
const char* SqlValues::TakeValue(const char* at, const char* end) {
  if (at == end) return nullptr;
  if (*at == '\'' || *at == '"') return TakeString(at, end);
  if (IsDigit(*at) || *at == '-' || *at == '+' || *at == '.') {
    if (*at == '0' && end - at > 2 && (at[1] == 'x' || at[1] == 'b')) {
      const char* const digits = at + 2;
      const char* const digits_end = std::find_if_not(digits, end, IsWordByte);
      Keep(at[1] == 'x' ? SqlValue::Kind::kHex : SqlValue::Kind::kBits, digits, digits_end);
      return digits_end;
    }
    const char* const number_end = SkipNumber(at, end);
    if (number_end == nullptr) return nullptr;
    Keep(SqlValue::Kind::kText, at, number_end);
    return number_end;
  }
  const char* const word_end = std::find_if_not(at, end, IsWordByte);
  const std::string_view word(at, static_cast<std::size_t>(word_end - at));
  if (word_end < end && *word_end == '\'' && word.size() == 1) {
    if (*at == 'x' || *at == 'X') return TakeDigits(SqlValue::Kind::kHex, word_end, end);
    if (*at == 'b' || *at == 'B') return TakeDigits(SqlValue::Kind::kBits, word_end, end);
    if (*at == 'n' || *at == 'N') return TakeString(word_end, end);
  }
  if (word.starts_with('_')) {  // _binary'...': the character set is not looked at.
    at = SkipBlanks(word_end, end);
    return at < end && *at == '_' ? nullptr : TakeValue(at, end);
  }
  static constexpr char kTruths[] = "01";
  if (IsWord(word, "NULL")) {
    Keep(SqlValue::Kind::kNull, at, at);
  } else if (IsWord(word, "FALSE")) {
    Keep(SqlValue::Kind::kText, kTruths, kTruths + 1);
  } else if (IsWord(word, "TRUE")) {
    Keep(SqlValue::Kind::kText, kTruths + 1, kTruths + 2);
  } else {
    return nullptr;
  }
  return word_end;
}

const char* SqlValues::TakeString(const char* at, const char* end) {
  const char quote = *at++;
  const char* const begin = at;
  bool is_escaped = false;
  for (;; ++at) {
    at = FindQuote(at, end, quote);
    if (at >= end) return nullptr;
    if (*at == quote) {
      if (at[1] != quote || at + 1 == end) break;
    } else if (!has_backslashes_) {
      continue;
    }
    is_escaped = true;
    ++at;
  }
  Keep(is_escaped ? SqlValue::Kind::kEscapedText : SqlValue::Kind::kText, begin, at, quote);
  return at + 1;
}

// x'..' and b'..', from the quote on.
const char* SqlValues::TakeDigits(SqlValue::Kind kind, const char* at, const char* end) {
  const char* const digits_end = std::find(at + 1, end, '\'');
  if (digits_end == end) return nullptr;
  if (kind == SqlValue::Kind::kHex && (digits_end - at) % 2 == 0) return nullptr;
  Keep(kind, at + 1, digits_end);
  return digits_end + 1;
}

bool SqlValues::Add(const SqlValue& value, RowBlock& rows) {
  switch (value.kind) {
    case SqlValue::Kind::kNull:
      rows.AddNull();
      return true;
    case SqlValue::Kind::kText:
      rows.AddField(value.text);
      return true;
    case SqlValue::Kind::kEscapedText:
      decoded_.clear();
      DecodeSqlString(value.text, value.quote, has_backslashes_, &decoded_);
      break;
    case SqlValue::Kind::kHex:
      if (!DecodeDigits<4>(value.text, &decoded_)) return false;
      break;
    case SqlValue::Kind::kBits:
      if (!DecodeDigits<1>(value.text, &decoded_)) return false;
      break;
  }
  rows.AddField(decoded_);
  return true;
}

}  // namespace millrace
