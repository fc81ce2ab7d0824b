// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/io/memory_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

namespace millrace {
namespace {

TEST(MemoryFileTest, SealedOnesAreOnlyRead) {
  const Descriptor file = MakeMemoryFile("sealed");
  ASSERT_GE(file.get(), 0);
  ASSERT_EQ(write(file.get(), "abc", 3), 3);
  ASSERT_TRUE(SealMemoryFile(file.get(), kReadOnlySeals));
  EXPECT_EQ(write(file.get(), "d", 1), -1);
  EXPECT_EQ(ftruncate(file.get(), 1), -1);
  EXPECT_EQ(fcntl(file.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
  EXPECT_NE(fcntl(file.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(MemoryFileTest, WhatTakesNoSealsIsRefusedAtOnce) {
  const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_FALSE(SealMemoryFile(null.get(), F_SEAL_WRITE));
  EXPECT_EQ(errno, EINVAL);
}

// A page that lies in a pipe is in use, as one is that the kernel moves.
TEST(MemoryFileTest, WaitsForAPageInUse) {
  const std::string page(4096, 'x');
  const Descriptor file = MakeMemoryFile("in use");
  ASSERT_EQ(write(file.get(), page.data(), page.size()), 4096);
  void* const at = mmap(nullptr, page.size(), PROT_READ, MAP_SHARED, file.get(), 0);
  ASSERT_NE(at, MAP_FAILED);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Descriptor out(ends[0]), in(ends[1]);
  const iovec piece = {at, page.size()};
  ASSERT_EQ(vmsplice(in.get(), &piece, 1, 0), 4096);
  munmap(at, page.size());
  ASSERT_EQ(fcntl(file.get(), F_ADD_SEALS, kReadOnlySeals), -1);
  ASSERT_EQ(errno, EBUSY);
  std::thread user([&] {
    // Longer than the kernel itself waits (some 75 ms); whatever it is, sealing shall succeed.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    std::string read_back(page.size(), '\0');
    EXPECT_EQ(read(out.get(), read_back.data(), read_back.size()), 4096);
    EXPECT_EQ(read_back, page);
  });
  EXPECT_TRUE(SealMemoryFile(file.get(), kReadOnlySeals));
  user.join();
}

}  // namespace
}  // namespace millrace
