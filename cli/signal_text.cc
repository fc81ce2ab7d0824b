// SPDX-License-Identifier: Apache-2.0
#include "cli/signal_text.h"

#include <unistd.h>

#include <cerrno>

namespace millrace {

void SignalText::Put(char c) {
  if (size_ + 1 < kBytes) buffer_[size_++] = c;
}

SignalText& SignalText::Add(const char* text) {
  for (; *text != '\0'; ++text) Put(*text);
  return *this;
}

SignalText& SignalText::AddPrintable(const char* text) {
  for (; *text != '\0'; ++text) {
    Put(static_cast<unsigned char>(*text) < 0x20 || *text == 0x7F ? '?' : *text);
  }
  return *this;
}

SignalText& SignalText::AddJson(const char* text) {
  for (; *text != '\0'; ++text) {
    const bool is_plain = *text >= 0x20 && *text < 0x7F;
    if (*text == '"' || *text == '\\') Put('\\');
    Put(is_plain ? *text : '?');
  }
  return *this;
}

SignalText& SignalText::AddNumber(std::uint64_t number) {
  char digits[20];
  std::size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (count > 0) Put(digits[--count]);
  return *this;
}

void SignalText::Write(int fd) const {
  std::size_t done = 0;
  while (done < size_) {
    const ssize_t written = write(fd, buffer_ + done, size_ - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    done += static_cast<std::size_t>(written);
  }
}

}  // namespace millrace
