// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SIMULATION_SIM_DISK_TEST_TOOLS_H_
#define TESTS_SIMULATION_SIM_DISK_TEST_TOOLS_H_

// What the tests of the simulated disk share: files to and from strings.

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

using FilesByPath = std::map<std::string, std::string>;

constexpr std::uint64_t kSeeds = 300;  // Each outcome that a test counts has a chance of over 1/20.

inline void Must(const Status& status) { ASSERT_TRUE(status.ok()) << status.message(); }

inline std::unique_ptr<WritableFile> Put(FileSystem& files, const std::string& path,
                                         std::string_view bytes) {
  auto file = files.Create(path);
  EXPECT_TRUE(file.ok()) << file.error().message();
  if (!file.ok()) return nullptr;
  Must((*file)->Append(bytes));
  return *std::move(file);
}

inline void PutSynced(FileSystem& files, const std::string& path, std::string_view bytes) {
  Must(Put(files, path, bytes)->Sync());
}

inline std::string ReadAll(RandomAccessFile& file, StatusCode* code) {
  std::string bytes(10'000, '\0');
  const Result<std::size_t> count = file.ReadAt(0, bytes.data(), bytes.size());
  *code = count.error().code();
  bytes.resize(count.ok() ? *count : 0);
  return bytes;
}

}  // namespace millrace

#endif  // TESTS_SIMULATION_SIM_DISK_TEST_TOOLS_H_
