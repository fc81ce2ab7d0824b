// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_SIGNAL_TEXT_H_
#define CLI_SIGNAL_TEXT_H_

#include <cstddef>
#include <cstdint>

namespace millrace {

/// A message put together in a signal handler: a fixed buffer (what doesn't fit is cut off), no
/// allocation, no locale. Async-signal-safe.
class SignalText {
 public:
  SignalText& Add(const char* text);
  /// Control characters become '?', so that the message stays one line.
  SignalText& AddPrintable(const char* text);
  /// As the inside of a JSON string; what isn't ASCII becomes '?'.
  SignalText& AddJson(const char* text);
  SignalText& AddNumber(std::uint64_t number);

  const char* c_str() const { return buffer_; }
  /// Writes it all; errors are ignored.
  void Write(int fd) const;

 private:
  void Put(char c);

  static constexpr std::size_t kBytes = 24 * 1024;
  char buffer_[kBytes] = {};
  std::size_t size_ = 0;
};

}  // namespace millrace

#endif  // CLI_SIGNAL_TEXT_H_
