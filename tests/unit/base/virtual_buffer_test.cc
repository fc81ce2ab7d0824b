// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/base/virtual_buffer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {
namespace {

TEST(VirtualBufferTest, ReservesMoreThanIsTouched) {
  Result<VirtualBuffer> buffer = VirtualBuffer::Reserve(std::size_t{1} << 36, false);
  ASSERT_TRUE(buffer.has_value());
  EXPECT_GE(buffer->size(), std::size_t{1} << 36);
  buffer->data()[buffer->size() - 1] = 'x';
  EXPECT_EQ(buffer->data()[0], 0);
}

TEST(VirtualBufferTest, HugeBuffersAreAligned) {
  Result<VirtualBuffer> buffer = VirtualBuffer::Reserve((std::size_t{2} << 20) + 1, true);
  ASSERT_TRUE(buffer.has_value());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % (2 << 20), 0u);
  EXPECT_EQ(buffer->size(), std::size_t{4} << 20);
  buffer->data()[buffer->size() - 1] = 'x';
}

TEST(VirtualBufferTest, TruncateKeepsWhatIsBefore) {
  for (const std::size_t size : {std::size_t{3} * 4096, std::size_t{5} << 20}) {
    auto buffer = VirtualBuffer::Reserve(size, /*huge_pages=*/true);
    ASSERT_TRUE(buffer.ok());
    std::fill_n(buffer->data(), 4097, 'x');
    buffer->Truncate(4097);
    EXPECT_EQ(buffer->size(), 2u * 4096);
    EXPECT_EQ(std::string_view(buffer->data(), 4097), std::string(4097, 'x'));
    buffer->Truncate(0);
    EXPECT_EQ(buffer->size(), 4096u);
    EXPECT_EQ(buffer->data()[4095], 'x');
  }
}

TEST(VirtualBufferTest, ReleaseZeroesWholePagesInsideAlone) {
  Result<VirtualBuffer> buffer = VirtualBuffer::Reserve(5 * 4096, false);
  ASSERT_TRUE(buffer.has_value());
  char* const data = buffer->data();
  for (std::size_t i = 0; i < 5 * 4096; ++i) data[i] = 'x';
  buffer->Release(1, 3 * 4096 + 1);
  EXPECT_EQ(data[0], 'x');
  EXPECT_EQ(data[4095], 'x');
  EXPECT_EQ(data[4096], 0);
  EXPECT_EQ(data[3 * 4096 - 1], 0);
  EXPECT_EQ(data[3 * 4096], 'x');
}

TEST(PopulatePagesTest, HasThePagesThereFromTheFirstByteToTheLast) {
  constexpr std::size_t kPages = 20;
  Result<VirtualBuffer> buffer = VirtualBuffer::Reserve(kPages * 4096, false);
  ASSERT_TRUE(buffer.has_value());
  char* const data = buffer->data();
  data[4096] = 'x';
  if (::madvise(data + 4096, 4096, MADV_POPULATE_WRITE) != 0) GTEST_SKIP() << "needs Linux 5.14";
  PopulatePages(data + 4095, 10 * 4096);
  unsigned char is_there[kPages];
  ASSERT_EQ(::mincore(data, kPages * 4096, is_there), 0);
  for (std::size_t page = 0; page < kPages; ++page) EXPECT_EQ(is_there[page] & 1, page <= 10);
  EXPECT_EQ(data[4096], 'x');
  EXPECT_EQ(data[4095], 0);
}

// Where it can't be had, all is as before.
TEST(PopulatePagesTest, IsAWish) {
  Result<VirtualBuffer> buffer = VirtualBuffer::Reserve(64 * 4096, false);
  ASSERT_TRUE(buffer.has_value());
  buffer->data()[0] = 'x';
  buffer->Truncate(4096);
  PopulatePages(buffer->data(), 64 * 4096);
  PopulatePages(nullptr, 0);
  EXPECT_EQ(buffer->data()[0], 'x');
}

TEST(VirtualBufferTest, TooMuchIsAnError) {
  for (const std::size_t bytes : {std::size_t{1} << 60, SIZE_MAX}) {
    const Result<VirtualBuffer> buffer = VirtualBuffer::Reserve(bytes, true);
    ASSERT_FALSE(buffer.has_value());
    EXPECT_EQ(buffer.error().code(), StatusCode::kResourceLimit);
  }
}

TEST(VirtualBufferTest, MovesKeepTheAddress) {
  Result<VirtualBuffer> buffer = VirtualBuffer::Reserve(4096, false);
  ASSERT_TRUE(buffer.has_value());
  char* const data = buffer->data();
  VirtualBuffer moved = *std::move(buffer);
  EXPECT_EQ(moved.data(), data);
  VirtualBuffer assigned;
  assigned = std::move(moved);
  EXPECT_EQ(assigned.data(), data);
}

}  // namespace
}  // namespace millrace
