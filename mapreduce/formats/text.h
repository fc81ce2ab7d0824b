// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_TEXT_H_
#define MAPREDUCE_FORMATS_TEXT_H_

// Text: each line is a record, its bytes as they are. CR and NUL are data.

#include <cstdint>
#include <cstring>
#include <string_view>

#include "mapreduce/formats/byte_masks.h"
#include "mapreduce/formats/line_blocks.h"

namespace millrace {

/// A record of text: one line without its LF. The view is valid during the callback.
struct Line {
  std::string_view text;
};

/// Calls on_record(const Line&, std::string_view raw) for each line of a block, in order, where
/// `raw` is the line without LF. Nothing is ever rejected; `on_reject` is there so that all
/// parsers look alike. About 5 ns a short line.
template <class Bytes>
class BasicLineParser {
 public:
  template <class OnRecord, class OnReject>
  void Parse(const LineBlock& block, OnRecord&& on_record, OnReject&&) {
    const char* line = block.begin;
    for (const char* at = block.begin; at < block.end; at += 64) {
      std::uint64_t newlines = Bytes(at).Match('\n');
      if (block.end - at < 64) newlines &= (std::uint64_t{1} << (block.end - at)) - 1;
      for (; newlines != 0; newlines &= newlines - 1) {
        const char* end = at + FirstBit(newlines);
        Give(line, end, on_record);
        line = end + 1;
      }
    }
    if (line < block.end) Give(line, block.end, on_record);
  }

  bool is_in_block() const { return true; }

 private:
  template <class OnRecord>
  static void Give(const char* line, const char* end, OnRecord&& on_record) {
    const std::string_view text(line, static_cast<std::size_t>(end - line));
    on_record(Line{text}, text);
  }
};

using LineParser = BasicLineParser<Bytes64>;

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_TEXT_H_
