// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/json_lines_parser.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "mapreduce/formats/json_lines_fault.h"

namespace millrace {
namespace {

// Large enough that starting a piece costs nothing, small enough that text and index stay in the
// second-level cache.
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;
constexpr std::size_t kIndexBytesMin = 512;
constexpr std::size_t kKeptBytes = std::size_t{1} << 20;  // Of a giant line's memory.
constexpr std::uint32_t kNoToken = UINT32_MAX;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

const char* Find(const char* begin, const char* end, char c) {
  return static_cast<const char*>(std::memchr(begin, c, static_cast<std::size_t>(end - begin)));
}

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The value of four hexadecimal digits; above 0xFFFF where they are none.
std::uint32_t HexUnit(const char* at) {
  std::uint32_t unit = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at[i];
    const int digit = IsDigit(c)             ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return UINT32_MAX;
    unit = unit * 16 + static_cast<std::uint32_t>(digit);
  }
  return unit;
}

char* PutUtf8(std::uint32_t code, char* to) {
  const auto put = [&to](std::uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
    return to;
  }
  if (code < 0x800) {
    put(0xC0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      put(0xE0 | (code >> 12));
    } else {
      put(0xF0 | (code >> 18));
      put(0x80 | ((code >> 12) & 0x3F));
    }
    put(0x80 | ((code >> 6) & 0x3F));
  }
  put(0x80 | (code & 0x3F));
  return to;
}

// The character of an escape's letter; 0 for none.
char Unescaped(char letter) {
  switch (letter) {
    case '"':
    case '\\':
    case '/':
      return letter;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

// Writes the bytes that a string's text between its quotes stands for, never more than the text
// has. Null: an escape that JSON does not have, or half of a surrogate pair. Two bytes can be read
// behind the text, of which the first is a quote.
char* DecodeString(std::string_view text, char* to) {
  const char* from = text.data();
  const char* const end = from + text.size();
  while (from < end) {
    const char* const stop = Find(from, end, '\\');
    const std::size_t plain = static_cast<std::size_t>((stop == nullptr ? end : stop) - from);
    std::memcpy(to, from, plain);
    to += plain;
    if (stop == nullptr) break;
    if (stop[1] != 'u') {
      const char c = Unescaped(stop[1]);
      if (c == 0) return nullptr;
      *to++ = c;
      from = stop + 2;
      continue;
    }
    if (end - stop < 6) return nullptr;
    std::uint32_t code = HexUnit(stop + 2);
    from = stop + 6;
    if (code > 0xFFFF || (code >= 0xDC00 && code < 0xE000)) return nullptr;
    if (code >= 0xD800 && code < 0xDC00) {
      if (end - from < 6 || from[0] != '\\' || from[1] != 'u') return nullptr;
      const std::uint32_t low = HexUnit(from + 2);
      if (low < 0xDC00 || low > 0xDFFF) return nullptr;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      from += 6;
    }
    to = PutUtf8(code, to);
  }
  return to;
}

// One line's walk over its part of the index. Every function returns false where the line is not
// JSON.
struct Walk {
  const char* text;           // What the index counts from.
  std::uint32_t end;          // Of the line.
  const std::uint32_t* next;  // The next token.
  char* decoded;              // Where unescaped strings go; null: the line has no backslash.
  const JsonPaths& paths;
  JsonValue* values;
  std::vector<std::string>* keys;

  bool Line() {
    if (Take() != '{' || !Object(&paths.top(), 1)) return false;
    return *next >= end;  // Nothing behind the object.
  }

 private:
  // The byte at which the next token begins; 0, as no token does, at the line's end.
  char Take() {
    const std::uint32_t at = *next;
    if (at >= end) return '\0';
    ++next;
    return text[at];
  }
  const char* taken() const { return text + next[-1]; }

  bool Object(const JsonPaths::Node* node, int depth) {
    char c = Take();
    if (c == '}') return true;
    while (true) {
      std::string_view key;
      if (c != '"' || !String(&key) || Take() != ':') return false;
      if (keys != nullptr && depth == 1) keys->emplace_back(key);
      if (!Value(node == nullptr ? nullptr : node->FindKey(key), depth)) return false;
      c = Take();
      if (c == '}') return true;
      if (c != ',') return false;
      c = Take();
    }
  }

  bool Array(const JsonPaths::Node* node, int depth) {
    if (*next < end && text[*next] == ']') {
      ++next;
      return true;
    }
    for (std::int64_t i = 0;; ++i) {
      if (!Value(node == nullptr ? nullptr : node->FindElement(i), depth)) return false;
      const char c = Take();
      if (c == ']') return true;
      if (c != ',') return false;
    }
  }

  bool Value(const JsonPaths::Edge* edge, int depth) {
    if (edge != nullptr) {  // A key's last value is the one that counts, with all that is in it.
      for (int i = edge->slots_begin; i < edge->slots_end; ++i) {
        values[i].kind = JsonValue::Kind::kAbsent;
      }
    }
    const char c = Take();
    const char* const begin = taken();
    if (c == '{' || c == '[') {
      if (depth == kJsonDepthMax) return false;
      const JsonPaths::Node* const node = edge == nullptr ? nullptr : paths.child(*edge);
      if (c == '{' ? !Object(node, depth + 1) : !Array(node, depth + 1)) return false;
      Set(edge, JsonValue::Kind::kText, begin, taken() + 1);
      return true;
    }
    if (c == '"') {
      std::string_view string;
      if (!String(&string)) return false;
      Set(edge, JsonValue::Kind::kText, string.data(), string.data() + string.size());
      return true;
    }
    // Within an object something must follow, so reading stops before the line's end.
    if (*next >= end) return false;
    if (c == '-' || IsDigit(c)) return Ends(edge, JsonValue::Kind::kToken, begin, NumberEnd(begin));
    if (c == 't') return Ends(edge, JsonValue::Kind::kToken, begin, WordEnd(begin, "true"));
    if (c == 'f') return Ends(edge, JsonValue::Kind::kToken, begin, WordEnd(begin, "false"));
    return c == 'n' && Ends(edge, JsonValue::Kind::kNull, begin, WordEnd(begin, "null"));
  }

  // Whether a token that was read as far as `stop` (null: it is none) has its end there. What is
  // behind it up to the next token can only be space, if it begins with space.
  bool Ends(const JsonPaths::Edge* edge, JsonValue::Kind kind, const char* begin,
            const char* stop) {
    if (stop == nullptr || !(stop == text + *next || IsSpace(*stop))) return false;
    Set(edge, kind, begin, stop);
    return true;
  }

  void Set(const JsonPaths::Edge* edge, JsonValue::Kind kind, const char* begin, const char* stop) {
    if (edge == nullptr || edge->slot < 0) return;
    values[edge->slot] = {kind, {begin, static_cast<std::size_t>(stop - begin)}};
  }

  static const char* WordEnd(const char* begin, std::string_view word) {
    return std::memcmp(begin, word.data(), word.size()) == 0 ? begin + word.size() : nullptr;
  }

  static const char* DigitsEnd(const char* at) {
    if (!IsDigit(*at)) return nullptr;
    do {
      ++at;
    } while (IsDigit(*at));
    return at;
  }

  static const char* NumberEnd(const char* at) {
    if (*at == '-') ++at;
    at = *at == '0' ? at + 1 : DigitsEnd(at);
    if (at != nullptr && *at == '.') at = DigitsEnd(at + 1);
    if (at != nullptr && (*at == 'e' || *at == 'E')) {
      ++at;
      at = DigitsEnd(*at == '+' || *at == '-' ? at + 1 : at);
    }
    return at;
  }

  // The bytes of the string that was taken. Between its last quote and the next token is only
  // space, so it is found from there.
  bool String(std::string_view* string) {
    const char* const begin = taken() + 1;
    if (*next >= end) return false;
    const char* stop = text + *next - 1;
    while (*stop != '"') --stop;
    if (stop < begin) return false;
    *string = {begin, static_cast<std::size_t>(stop - begin)};
    if (decoded == nullptr || Find(begin, stop, '\\') == nullptr) return true;
    char* const to = DecodeString(*string, decoded);
    if (to == nullptr) return false;
    *string = {decoded, static_cast<std::size_t>(to - decoded)};
    decoded = to;
    return true;
  }
};

}  // namespace

// What simdjson's own parsers stand on. It is in the installed header, if not in the manual; seen
// with the 3.0.1 of Debian 12. The index of a text has up to four times its bytes: one number for
// each token, and two more at its end that are the text's length.
struct JsonLinesParser::Index {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> indexer;
  std::size_t capacity = 0;
};

JsonLinesParser::JsonLinesParser(JsonPaths paths)
    : paths_(std::move(paths)),
      values_(paths_.slot_count()),
      index_(std::make_unique<Index>()),
      is_portable_(simdjson::get_active_implementation()->name() == "fallback") {}
JsonLinesParser::~JsonLinesParser() = default;

void JsonLinesParser::Begin(const char* begin, const char* end, bool at_shard_begin) {
  const std::string_view text(begin, static_cast<std::size_t>(end - begin));
  pending_mark_bytes_ =
      at_shard_begin && text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  at_ = piece_ = piece_end_ = single_until_ = begin + pending_mark_bytes_;
  end_ = end;
}

// A piece is whole lines: one that is longer is a piece of its own.
void JsonLinesParser::StartPiece() {
  piece_ = at_;
  if (at_ >= single_until_ && static_cast<std::size_t>(end_ - at_) <= kPieceBytes) {
    piece_end_ = end_;
  } else {
    const char* stop = at_;
    if (at_ >= single_until_) {
      stop = at_ + kPieceBytes;
      while (stop > at_ && stop[-1] != '\n') --stop;
    }
    if (stop == at_) {
      const char* const newline = Find(at_, end_, '\n');
      stop = newline == nullptr ? end_ : newline + 1;
    }
    piece_end_ = stop;
  }
  is_piece_bad_ = !IndexPiece();
  if (!is_piece_bad_ || single_until_ > at_) return;
  single_until_ = piece_end_;
  StartPiece();
}

bool JsonLinesParser::IndexPiece() {
  const std::size_t bytes = static_cast<std::size_t>(piece_end_ - piece_);
  const bool is_too_large = index_->capacity > kKeptBytes && bytes <= kKeptBytes;
  if (index_->capacity < bytes || is_too_large) {
    // All that a piece needs at most, but not at once: a shard may be small.
    index_->capacity = std::max({bytes, kIndexBytesMin, std::min(2 * bytes, kPieceBytes)});
    const simdjson::error_code error =
        simdjson::get_active_implementation()->create_dom_parser_implementation(
            index_->capacity, /*max_depth=*/1, index_->indexer);
    if (error != simdjson::SUCCESS) throw std::bad_alloc();
  }
  // simdjson's portable kernel does not look at a byte behind a backslash, even if it is a LF.
  if (is_portable_ && single_until_ <= at_ &&
      std::string_view(piece_, bytes).find("\\\n") != std::string_view::npos) {
    return false;
  }
  const simdjson::error_code error = index_->indexer->stage1(
      reinterpret_cast<const std::uint8_t*>(piece_), bytes, simdjson::stage1_mode::regular);
  static constexpr std::uint32_t kNoTokens[] = {kNoToken, kNoToken};
  next_ = error == simdjson::SUCCESS ? index_->indexer->structural_indexes.get() : kNoTokens;
  return error == simdjson::SUCCESS || error == simdjson::EMPTY;
}

bool JsonLinesParser::Next() {
  while (at_ < end_) {
    if (at_ >= piece_end_) StartPiece();
    const char* const newline = Find(at_, piece_end_, '\n');
    const char* const stop = newline == nullptr ? piece_end_ : newline;
    const char* const text_end =
        stop > at_ && newline != nullptr && stop[-1] == '\r' ? stop - 1 : stop;
    mark_bytes_ = std::exchange(pending_mark_bytes_, 0);
    const char* const line = at_ - mark_bytes_;
    line_ = {line, static_cast<std::size_t>(text_end - line)};
    const bool is_blank = !ParseLine(stop);
    at_ = newline == nullptr ? piece_end_ : newline + 1;
    if (!is_blank) return true;
  }
  return false;
}

// False for a blank line.
bool JsonLinesParser::ParseLine(const char* end) {
  is_object_ = false;
  if (is_piece_bad_) return true;
  const auto line_end = static_cast<std::uint32_t>(end - piece_);
  if (*next_ >= line_end) return false;
  char* decoded = nullptr;
  if (Find(line_.data(), end, '\\') != nullptr) {
    decoded_.Clear();
    if (decoded_.capacity() > kKeptBytes && line_.size() <= kKeptBytes) decoded_ = RowBuffer();
    decoded = decoded_.Room(line_.size());
  }
  for (JsonValue& value : values_) value.kind = JsonValue::Kind::kAbsent;
  const std::size_t key_count = keys_ == nullptr ? 0 : keys_->size();
  Walk walk{piece_, line_end, next_, decoded, paths_, values_.data(), keys_};
  is_object_ = walk.Line();
  if (!is_object_ && keys_ != nullptr) keys_->resize(key_count);
  next_ = walk.next;
  while (*next_ < line_end) ++next_;
  return true;
}

}  // namespace millrace
