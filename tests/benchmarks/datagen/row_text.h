// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCHMARKS_DATAGEN_ROW_TEXT_H_
#define TESTS_BENCHMARKS_DATAGEN_ROW_TEXT_H_

// Puts rows together and hands them on in large pieces.

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

namespace millrace {

/// Takes the bytes of one file, in order.
using Sink = std::function<void(std::string_view)>;

/// Requires: a row has at most kRowBytesMax bytes; so only EndRow has to look for room.
class RowText {
 public:
  static constexpr std::size_t kRowBytesMax = 1 << 10;

  explicit RowText(const Sink& sink)
      : sink_(sink), buffer_(kPieceBytes + kRowBytesMax, '\0'), at_(buffer_.data()) {}
  ~RowText() { Flush(); }
  RowText(const RowText&) = delete;
  RowText& operator=(const RowText&) = delete;

  void Text(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void Char(char c) { *at_++ = c; }
  /// `value` in decimal, with zeros in front up to `width` digits.
  void Number(std::uint64_t value, int width = 1);
  /// A letter and a number: "u0001234".
  void Id(char letter, std::uint64_t value, int width) {
    Char(letter);
    Number(value, width);
  }
  /// "2026-11-21T05:06:07Z".
  void Timestamp(std::string_view date, std::uint32_t second_of_day);
  void EndRow() {
    Char('\n');
    if (at_ >= buffer_.data() + kPieceBytes) Flush();
  }

 private:
  static constexpr std::size_t kPieceBytes = 256 << 10;
  void Flush() {
    sink_({buffer_.data(), static_cast<std::size_t>(at_ - buffer_.data())});
    at_ = buffer_.data();
  }
  const Sink& sink_;
  std::string buffer_;
  char* at_;
};

/// `date` (YYYY-MM-DD) plus `days`; empty if `date` is none.
std::string DatePlus(std::string_view date, int days);

}  // namespace millrace

#endif  // TESTS_BENCHMARKS_DATAGEN_ROW_TEXT_H_
