// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_DESCRIPTOR_H_
#define MAPREDUCE_IO_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace millrace {

/// An open file, closed on every way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Take()) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace millrace

#endif  // MAPREDUCE_IO_DESCRIPTOR_H_
