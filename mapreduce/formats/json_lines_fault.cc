// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/json_lines_fault.h"

#include "mapreduce/formats/utf8.h"

namespace millrace {
namespace {

// Recursive descent over the grammar. Each function reads one thing at at_ and returns false at the
// first fault, which is then in reason_ and begins at at_.
class FaultFinder {
 public:
  FaultFinder(std::string_view line, std::size_t begin) : line_(line), at_(begin) {}

  JsonFaultResult Find() {
    SkipSpace();
    const bool is_object = Peek() == '{';
    bool is_json = Value(1);
    if (is_json) {
      SkipSpace();
      if (at_ < line_.size()) is_json = Fault("more text behind its end");
    }
    if (is_json && is_object) return {.is_json = true};
    if (is_json) {
      return {.reason = "is JSON, but not an object: a line is to be {\"key\": value, ...}",
              .is_json = true};
    }
    if (is_too_deep_) {
      return {.reason = "is JSON of more than " + std::to_string(kJsonDepthMax) +
                        " objects and arrays within each other"};
    }
    return {
        .reason = "is not JSON: " + reason_ + ", at byte " + std::to_string(at_) + " of the line",
        .ends_early = ends_early_};
  }

 private:
  bool Fault(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }
  // The fault, if there is a byte; without one, the line ends too early.
  bool FaultOrEnd(std::string reason) {
    if (at_ < line_.size()) return Fault(std::move(reason));
    ends_early_ = true;
    return Fault("it ends within a value");
  }
  // -1 at the end.
  int Peek() const { return at_ < line_.size() ? static_cast<unsigned char>(line_[at_]) : -1; }
  bool Skip(char c) {
    if (Peek() != static_cast<unsigned char>(c)) return false;
    ++at_;
    return true;
  }
  void SkipSpace() {
    while (Peek() == ' ' || Peek() == '\t' || Peek() == '\r' || Peek() == '\n') ++at_;
  }

  bool Value(int depth) {
    SkipSpace();
    const int c = Peek();
    if (c == '{' || c == '[') {
      if (depth > kJsonDepthMax) {
        is_too_deep_ = true;
        return false;
      }
      return c == '{' ? Object(depth) : Array(depth);
    }
    if (c == '"') return String();
    if (c == '-' || (c >= '0' && c <= '9')) return Number();
    if (c == 't') return Word("true");
    if (c == 'f') return Word("false");
    if (c == 'n') return Word("null");
    return FaultOrEnd("no value where one is to be");
  }

  bool Object(int depth) {
    ++at_;
    SkipSpace();
    if (Skip('}')) return true;
    while (true) {
      SkipSpace();
      if (Peek() != '"') return FaultOrEnd("no key in quotes");
      if (!String()) return false;
      SkipSpace();
      if (!Skip(':')) return FaultOrEnd("no : behind a key");
      if (!Value(depth + 1)) return false;
      SkipSpace();
      if (Skip('}')) return true;
      if (!Skip(',')) return FaultOrEnd("no , or } behind a value");
    }
  }

  bool Array(int depth) {
    ++at_;
    SkipSpace();
    if (Skip(']')) return true;
    while (true) {
      if (!Value(depth + 1)) return false;
      SkipSpace();
      if (Skip(']')) return true;
      if (!Skip(',')) return FaultOrEnd("no , or ] behind a value");
    }
  }

  bool Word(std::string_view word) {
    if (line_.substr(at_).starts_with(word)) {
      at_ += word.size();
      return true;
    }
    ends_early_ = word.starts_with(line_.substr(at_));
    return Fault("a value that is neither true, false nor null");
  }

  bool Digits() {
    if (Peek() < '0' || Peek() > '9') return FaultOrEnd("a number that is none");
    while (Peek() >= '0' && Peek() <= '9') ++at_;
    return true;
  }

  bool Number() {
    Skip('-');
    if (!Skip('0') && !Digits()) return false;
    if (Skip('.') && !Digits()) return false;
    if (Skip('e') || Skip('E')) {
      if (!Skip('+')) Skip('-');
      if (!Digits()) return false;
    }
    return true;
  }

  bool String() {
    ++at_;
    while (true) {
      const int c = Peek();
      if (c < 0) {
        ends_early_ = true;
        return Fault("a string that does not end");
      }
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return Fault("a control character in a string, which is to be an escape");
      if (c == '\\') {
        if (!Escape()) return false;
        continue;
      }
      const std::size_t bytes = Utf8CharacterBytes(line_.substr(at_));
      if (bytes == 0) return Fault("bytes that are not UTF-8");
      at_ += bytes;
    }
  }

  bool Escape() {
    const std::string_view rest = line_.substr(at_);
    if (rest.size() > 1 && std::string_view("\"\\/bfnrt").find(rest[1]) != std::string_view::npos) {
      at_ += 2;
      return true;
    }
    const int unit = Unit(at_);
    if (unit < 0) return FaultOrEnd("an escape that JSON does not have");
    if (unit < 0xD800 || unit > 0xDFFF) {
      at_ += 6;
      return true;
    }
    const int low = unit < 0xDC00 ? Unit(at_ + 6) : -1;
    if (low < 0xDC00 || low > 0xDFFF) return Fault("half of a surrogate pair");
    at_ += 12;
    return true;
  }

  // The UTF-16 unit of a \uXXXX; -1 where there is none.
  int Unit(std::size_t at) const {
    if (at + 6 > line_.size() || line_[at] != '\\' || line_[at + 1] != 'u') return -1;
    int unit = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
      const char c = line_[i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return -1;
      unit = unit * 16 + digit;
    }
    return unit;
  }

  const std::string_view line_;
  std::size_t at_;
  std::string reason_;
  bool ends_early_ = false;
  bool is_too_deep_ = false;
};

}  // namespace

JsonFaultResult JsonFault(std::string_view line, std::size_t begin) {
  return FaultFinder(line, begin).Find();
}

}  // namespace millrace
