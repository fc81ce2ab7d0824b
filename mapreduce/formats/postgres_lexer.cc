// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_lexer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "mapreduce/formats/byte_masks.h"
#include "mapreduce/formats/tsv_escapes.h"

namespace millrace {
namespace {

constexpr std::size_t kLookBack = 2;
constexpr std::size_t kTextBytesMax = 4096;  // Of a token: names have 63 bytes.
constexpr std::size_t kLineBytesMax = 1024;

enum : unsigned char { kPlain = 0, kSpace = 1, kWordStart = 2, kDigit = 4, kSpecial = 8 };

// Special: where a string, name, comment or body may begin, and what a statement is cut by.
constexpr std::array<unsigned char, 256> MakeClasses() {
  std::array<unsigned char, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 128;
    if (is_letter) classes[c] = kWordStart;
    if (c >= '0' && c <= '9') classes[c] = kDigit;
  }
  for (const unsigned char c : {' ', '\t', '\n', '\r', '\f', '\v'}) classes[c] = kSpace;
  for (const unsigned char c : {'\'', '"', ';', '(', ')', '-', '/', '$'}) classes[c] = kSpecial;
  return classes;
}
constexpr std::array<unsigned char, 256> kClasses = MakeClasses();

bool Is(char byte, unsigned char classes) {
  return (kClasses[static_cast<unsigned char>(byte)] & classes) != 0;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = Lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void AppendUtf8(std::uint32_t point, std::string* to) {
  if (point < 0x80) {
    to->push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    to->push_back(static_cast<char>(0xC0 | point >> 6));
    to->push_back(static_cast<char>(0x80 | (point & 0x3F)));
  } else if (point < 0x10000) {
    to->push_back(static_cast<char>(0xE0 | point >> 12));
    to->push_back(static_cast<char>(0x80 | (point >> 6 & 0x3F)));
    to->push_back(static_cast<char>(0x80 | (point & 0x3F)));
  } else {
    to->push_back(static_cast<char>(0xF0 | (point >> 18 & 7)));
    to->push_back(static_cast<char>(0x80 | (point >> 12 & 0x3F)));
    to->push_back(static_cast<char>(0x80 | (point >> 6 & 0x3F)));
    to->push_back(static_cast<char>(0x80 | (point & 0x3F)));
  }
}

// At most `digits_max` digits of `base` from `text` at *at on.
std::uint32_t TakeDigits(std::string_view text, std::size_t* at, std::size_t digits_max, int base,
                         std::size_t* count) {
  std::uint32_t value = 0;
  for (*count = 0; *count < digits_max && *at < text.size(); ++*count, ++*at) {
    const int digit = HexDigit(text[*at]);
    if (digit < 0 || digit >= base) break;
    value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
  }
  return value;
}

// \uXXXX or \UXXXXXXXX: text[*at] is behind the letter. 0 where the digits are not all there.
std::uint32_t TakeCodePoint(std::string_view text, std::size_t* at, std::size_t digits) {
  const std::size_t begin = *at;
  std::size_t count = 0;
  const std::uint32_t point = TakeDigits(text, at, digits, 16, &count);
  if (count == digits) return point;
  *at = begin;
  return 0;
}

// One escape; text[*at] is the byte behind the backslash.
void Unescape(std::string_view text, std::size_t* at, std::string* to) {
  const char c = text[(*at)++];
  std::size_t count = 0;
  switch (c) {
    case 'x': {
      const std::uint32_t value = TakeDigits(text, at, 2, 16, &count);
      return to->push_back(count == 0 ? 'x' : static_cast<char>(value));
    }
    case 'u':
    case 'U': {
      std::uint32_t point = TakeCodePoint(text, at, c == 'u' ? 4 : 8);
      if (point >= 0xD800 && point < 0xDC00 && text.substr(*at, 2) == "\\u") {
        std::size_t next = *at + 2;  // A pair of surrogates.
        const std::uint32_t low = TakeCodePoint(text, &next, 4);
        if (low >= 0xDC00 && low < 0xE000) {
          point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
          *at = next;
        }
      }
      if (point == 0) return to->push_back(c);
      return AppendUtf8(point, to);
    }
    default:
      if (c < '0' || c > '7') return to->push_back(TsvEscapeMeaning(c));
      --*at;
      to->push_back(static_cast<char>(TakeDigits(text, at, 3, 8, &count)));
  }
}

}  // namespace

bool IsPostgresWordByte(char byte) { return Is(byte, kWordStart | kDigit) || byte == '$'; }

void UnescapePostgresString(std::string_view text, bool has_backslashes, std::string* to) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t stop = at;
    while (stop < text.size() && text[stop] != '\'' && (!has_backslashes || text[stop] != '\\')) {
      ++stop;
    }
    to->append(text, at, stop - at);
    at = stop + 1;
    if (stop >= text.size()) break;
    if (text[stop] == '\'') {
      to->push_back('\'');
      if (at < text.size() && text[at] == '\'') ++at;
    } else if (at < text.size()) {
      Unescape(text, &at, to);
    }
  }
}

const char* FindBackslashDot(const char* from, const char* to) {
  for (; from + 1 < to; from += 64) {
    std::uint64_t found = Bytes64(from).Match('\\');
    if (found == 0) continue;
    found &= Bytes64(from + 1).Match('.');
    if (found == 0) continue;
    const char* const at = from + FirstBit(found);
    return at + 1 < to ? at : nullptr;
  }
  return nullptr;
}

PostgresLexer::PostgresLexer(ShardReader& reader, std::string path, std::size_t kept_bytes_max)
    : reader_(reader),
      path_(std::move(path)),
      kept_bytes_max_(kept_bytes_max),
      end_offset_(reader.offset()) {
  capacity_ = kLookBack + kPaddingBytes;
  buffer_ = std::make_unique<char[]>(capacity_);
  // As if a line ended before.
  std::memset(buffer_.get(), '\n', kLookBack);
  end_ = buffer_.get() + kLookBack;
  at_ = end_;
}

bool PostgresLexer::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
  is_at_end_ = true;
  return false;
}

bool PostgresLexer::FailCutOff(std::string_view where, std::uint64_t begin) {
  if (!status_.ok()) return false;
  return Fail(Status::BadData(path_, ": the dump is cut off: it ends within ", where,
                              " that begins at byte ", begin, "; dump or copy it again"));
}

bool PostgresLexer::ReadMore() {
  if (is_at_end_) return false;
  const char* const keep = mark_ != nullptr ? mark_ : at_;
  const auto kept_bytes = static_cast<std::size_t>(end_ - keep);
  if (kept_bytes > kept_bytes_max_) {
    return Fail(Status::BadData(path_, ": the record at byte ", OffsetOf(keep), " has more than ",
                                kept_bytes_max_, " bytes"));
  }
  const std::size_t room = reader_.NextReadBytes();
  const std::size_t needed = kLookBack + kept_bytes + room + kPaddingBytes;
  const std::size_t at_bytes = static_cast<std::size_t>(at_ - keep);
  if (is_held_) {
    std::swap(buffer_, held_);
    std::swap(capacity_, held_capacity_);
    is_held_ = false;
    has_moved_ = true;
  }
  const char* const from = keep - kLookBack;
  if (capacity_ < needed) {
    const std::size_t capacity = std::max(needed, kept_bytes > room ? 2 * capacity_ : needed);
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    std::memcpy(larger.get(), from, kLookBack + kept_bytes);
    buffer_ = std::move(larger);
    capacity_ = capacity;
  } else if (from != buffer_.get()) {
    std::memmove(buffer_.get(), from, kLookBack + kept_bytes);
  }
  char* const begin = buffer_.get() + kLookBack;
  if (mark_ != nullptr) mark_ = begin;
  at_ = begin + at_bytes;
  end_ = begin + kept_bytes;
  const Result<std::size_t> count = reader_.Read(end_, room);
  if (!count.ok()) return Fail(count.error());
  if (*count == 0) is_at_end_ = true;
  end_ += *count;
  end_offset_ += *count;
  std::memset(end_, 0, kPaddingBytes);
  return *count > 0;
}

bool PostgresLexer::SkipTo(std::uint64_t offset) {
  while (end_offset_ < offset) {
    at_ = end_;
    if (!ReadMore()) return false;
  }
  const std::uint64_t ahead = end_offset_ - offset;
  if (ahead <= static_cast<std::uint64_t>(end_ - at_)) at_ = end_ - ahead;
  return true;
}

bool PostgresLexer::SkipUntil(char stop, bool has_backslashes) {
  for (;;) {
    const auto bytes = static_cast<std::size_t>(end_ - at_);
    const void* const found = std::memchr(at_, stop, bytes);
    const char* const found_at = found == nullptr ? end_ : static_cast<const char*>(found);
    if (has_backslashes) {
      const void* const escape = std::memchr(at_, '\\', static_cast<std::size_t>(found_at - at_));
      if (escape != nullptr) {
        string_has_escapes_ = true;
        at_ = static_cast<const char*>(escape);
        if (!Has(2)) return false;
        at_ += 2;
        continue;
      }
    }
    at_ = found_at;
    if (found != nullptr) return true;
    if (!ReadMore()) return false;
  }
}

bool PostgresLexer::SkipString(bool has_backslashes) {
  const std::uint64_t begin = offset() - 1;
  string_has_escapes_ = false;
  for (;;) {
    if (!SkipUntil('\'', has_backslashes)) return FailCutOff("a string", begin);
    ++at_;
    if (!Has(1) || *at_ != '\'') return status_.ok();
    string_has_escapes_ = true;
    ++at_;
  }
}

bool PostgresLexer::SkipLineComment() {
  if (!SkipUntil('\n', false)) return status_.ok();
  ++at_;
  return true;
}

bool PostgresLexer::SkipBlockComment() {
  const std::uint64_t begin = offset();
  int depth = 0;
  while (Has(2)) {
    if (at_[0] == '/' && at_[1] == '*') {
      ++depth;
      at_ += 2;
    } else if (at_[0] == '*' && at_[1] == '/') {
      at_ += 2;
      if (--depth == 0) return true;
    } else {
      ++at_;
    }
  }
  return FailCutOff("a comment", begin);
}

bool PostgresLexer::SkipDollarQuote() {
  const std::uint64_t begin = offset();
  const bool is_in_word = IsPostgresWordByte(at_[-1]);
  std::string tag = "$";
  std::size_t length = 1;
  while (!is_in_word && Has(length + 1)) {
    const char c = at_[length++];
    tag.push_back(c);
    if (c == '$') {
      at_ += length;
      for (;;) {
        if (!SkipUntil('$', false)) return FailCutOff("a quoted body", begin);
        if (!Has(tag.size())) return FailCutOff("a quoted body", begin);
        if (std::memcmp(at_, tag.data(), tag.size()) == 0) {
          at_ += tag.size();
          return true;
        }
        ++at_;
      }
    }
    const bool is_tag = Is(c, kWordStart) || (length > 2 && Is(c, kDigit));
    if (!is_tag || length > kLineBytesMax) break;
  }
  ++at_;
  return status_.ok();
}

bool PostgresLexer::SkipItem() {
  switch (*at_) {
    case '\'': {
      const bool is_escape = Lower(at_[-1]) == 'e' && !IsPostgresWordByte(at_[-2]);
      ++at_;
      return SkipString(is_escape || has_backslash_strings_);
    }
    case '"': {
      const std::uint64_t begin = offset();
      ++at_;
      if (!SkipUntil('"', false)) return FailCutOff("a quoted name", begin);
      ++at_;  // A doubled quote begins the next item, which ends as this one would have.
      return true;
    }
    case '-':
      if (Has(2) && at_[1] == '-') return SkipLineComment();
      break;
    case '/':
      if (Has(2) && at_[1] == '*') return SkipBlockComment();
      break;
    case '$':
      return SkipDollarQuote();
    default:
      break;
  }
  ++at_;
  return status_.ok();
}

bool PostgresLexer::SkipBlanks() {
  while (Has(1) && Is(*at_, kSpace)) ++at_;
  return at_ < end_;
}

bool PostgresLexer::SkipSpace() {
  while (Has(1)) {
    if (Is(*at_, kSpace)) {
      ++at_;
    } else if (*at_ == '-' && Has(2) && at_[1] == '-') {
      if (!SkipLineComment()) return false;
    } else if (*at_ == '/' && Has(2) && at_[1] == '*') {
      if (!SkipBlockComment()) return false;
    } else {
      return true;
    }
  }
  return false;
}

PostgresToken PostgresLexer::TakeWord() {
  const bool is_whole = !IsPostgresWordByte(at_[-1]);  // No '$' before it, as in $e'.
  while (Has(1) && IsPostgresWordByte(*at_)) {
    if (text_.size() < kTextBytesMax) text_.push_back(Lower(*at_));
    ++at_;
  }
  if (is_whole && text_ == "e" && Has(1) && *at_ == '\'') return TakeString(true);
  return PostgresToken::kWord;
}

PostgresToken PostgresLexer::TakeString(bool has_backslashes) {
  const std::uint64_t begin = offset();
  text_.clear();
  ++at_;
  std::string content;
  for (;;) {
    if (!Has(1)) {
      FailCutOff("a string", begin);
      return PostgresToken::kEnd;
    }
    const char c = *at_++;
    if (content.size() < kTextBytesMax) content.push_back(c);
    if (c == '\\' && has_backslashes) {
      if (Has(1)) content.push_back(*at_++);
    } else if (c == '\'') {
      if (!Has(1) || *at_ != '\'') break;
      content.push_back(*at_++);
    }
  }
  if (content.ends_with('\'')) content.pop_back();
  UnescapePostgresString(content, has_backslashes, &text_);
  return PostgresToken::kString;
}

bool PostgresLexer::TakeName() {
  const std::uint64_t begin = offset();
  ++at_;
  for (;;) {
    if (!Has(1)) return FailCutOff("a quoted name", begin);
    const char c = *at_++;
    if (c == '"') {
      if (!Has(1) || *at_ != '"') return status_.ok();
      ++at_;
    }
    if (text_.size() < kTextBytesMax) text_.push_back(c);
  }
}

PostgresToken PostgresLexer::NextToken() {
  text_.clear();
  if (!SkipSpace()) return PostgresToken::kEnd;
  const char c = *at_;
  if (Is(c, kWordStart)) return TakeWord();
  if (c == '\'') return TakeString(has_backslash_strings_);
  if (c == '"') return TakeName() ? PostgresToken::kName : PostgresToken::kEnd;
  if (c == '$') {
    const std::uint64_t begin = offset();
    if (!SkipDollarQuote()) return PostgresToken::kEnd;
    if (offset() > begin + 1) return PostgresToken::kString;
    text_.push_back(c);
    return PostgresToken::kOther;
  }
  if (Is(c, kDigit)) {
    while (Has(1) && (Is(*at_, kDigit | kWordStart) || *at_ == '.')) {
      if (text_.size() < kTextBytesMax) text_.push_back(*at_);
      ++at_;
    }
    return PostgresToken::kNumber;
  }
  text_.push_back(c);
  ++at_;
  return PostgresToken::kOther;
}

bool PostgresLexer::SkipStatement() {
  int depth = 0;
  for (;;) {
    while (at_ < end_ && !Is(*at_, kSpecial)) ++at_;
    if (at_ == end_) {
      if (ReadMore()) continue;
      return status_.ok();
    }
    const char c = *at_;
    if (c == ';' && depth == 0) {
      ++at_;
      return true;
    }
    if (c == '(') ++depth;
    if (c == ')' && depth > 0) --depth;
    if (!SkipItem()) return false;
  }
}

bool PostgresLexer::SkipParentheses(int depth) {
  const std::uint64_t begin = offset();
  for (;;) {
    while (at_ < end_ && !Is(*at_, kSpecial)) ++at_;
    if (at_ == end_) {
      if (ReadMore()) continue;
      return FailCutOff("parentheses", begin);
    }
    const char c = *at_;
    if (c == ';') {
      return Fail(Status::BadData(path_, ": a ';' at byte ", offset(),
                                  " stands within the parentheses at byte ", begin));
    }
    if (c == '(') ++depth;
    if (!SkipItem()) return false;
    if (c == ')' && --depth <= 0) return true;
  }
}

void PostgresLexer::TakeLine(std::string* line) {
  if (line != nullptr) line->clear();
  while (Has(1)) {
    const void* const found = std::memchr(at_, '\n', static_cast<std::size_t>(end_ - at_));
    const char* const stop = found == nullptr ? end_ : static_cast<const char*>(found);
    if (line != nullptr && line->size() < kLineBytesMax) {
      line->append(at_,
                   std::min(static_cast<std::size_t>(stop - at_), kLineBytesMax - line->size()));
    }
    at_ = stop;
    if (found == nullptr) continue;
    ++at_;
    break;
  }
  if (line != nullptr && line->ends_with('\r')) line->pop_back();
}

}  // namespace millrace
