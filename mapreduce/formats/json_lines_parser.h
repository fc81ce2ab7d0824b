// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_JSON_LINES_PARSER_H_
#define MAPREDUCE_FORMATS_JSON_LINES_PARSER_H_

// Lines of JSON to the values of some paths. simdjson's first stage indexes some hundred lines at
// once: where each brace, bracket, comma, colon, string and other value begins; it also checks that
// the text is UTF-8 and that strings end and hold no control characters. Our own walk over that
// index then checks the grammar of every value, wanted or not, so that a line is refused whatever
// columns are asked for; simdjson's own second stages either skip what nobody asks for (On-Demand)
// or forget how a number was written (DOM).
//
//   {"user":{"id":7},"n":1.50} LF        one line, and its index:
//   ^^     ^^^   ^^^^^  ^^   ^
//
// Why a piece of many lines is indexed as one text: no string of a valid index holds a LF, and no
// character of UTF-8 spans one, so each line's part of the index is what the line alone would have.
// If one line spoils the piece, each line of it is indexed alone.
//
// Numbers and literals keep their text. Keys and strings are unescaped.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/formats/json_lines_paths.h"
#include "mapreduce/formats/row_buffer.h"

namespace millrace {

/// A line can't be longer: its index counts in 32 bits.
inline constexpr std::size_t kJsonLineBytesMax = std::size_t{1} << 31;

struct JsonValue {
  enum class Kind : std::uint8_t {
    kAbsent,
    kNull,
    kToken,  ///< A number, true or false, as it stands.
    kText,   ///< A string's own bytes, or an object or array as it stands.
  };
  Kind kind = Kind::kAbsent;
  std::string_view text;
};

/// One thread at a time.
class JsonLinesParser {
 public:
  explicit JsonLinesParser(JsonPaths paths);
  JsonLinesParser(const JsonLinesParser&) = delete;
  JsonLinesParser& operator=(const JsonLinesParser&) = delete;
  ~JsonLinesParser();

  /// Whole lines; the last one may have no LF. They must stay where they are, and
  /// kLineBlockPadding bytes behind them readable, while Next() is called. A byte order mark before
  /// the first one is skipped if `at_shard_begin`.
  void Begin(const char* begin, const char* end, bool at_shard_begin);

  /// The next line that is not blank; false at the end.
  bool Next();

  /// Without LF, or CR LF. Of the line that Next() found.
  std::string_view line() const { return line_; }
  /// Bytes of a byte order mark before the line's text.
  std::size_t mark_bytes() const { return mark_bytes_; }
  /// Whether the line is one JSON object.
  bool is_object() const { return is_object_; }
  /// Of an object; valid until the next call.
  const JsonValue& value(int slot) const { return values_[static_cast<std::size_t>(slot)]; }
  const JsonPaths& paths() const { return paths_; }

  /// Of each object, the keys of its members are also added here, in their order.
  void CollectKeys(std::vector<std::string>* keys) { keys_ = keys; }

 private:
  struct Index;

  void StartPiece();
  bool IndexPiece();
  bool ParseLine(const char* end);

  const JsonPaths paths_;
  std::vector<JsonValue> values_;
  std::vector<std::string>* keys_ = nullptr;
  RowBuffer decoded_;  // Of the line's strings with escapes.

  std::unique_ptr<Index> index_;
  const bool is_portable_;  // The processor has none of the vectors that simdjson knows.
  const std::uint32_t* next_ = nullptr;  // The first token of the index that was not used yet.
  const char* piece_ = nullptr;          // What the index counts from.
  const char* piece_end_ = nullptr;
  const char* single_until_ = nullptr;  // Lines before this are indexed one by one.
  bool is_piece_bad_ = false;           // A single line, which has no index.

  const char* at_ = nullptr;  // The next line.
  const char* end_ = nullptr;
  std::size_t pending_mark_bytes_ = 0;
  std::string_view line_;
  std::size_t mark_bytes_ = 0;
  bool is_object_ = false;
};

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_JSON_LINES_PARSER_H_
