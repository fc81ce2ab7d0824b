// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/shell.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <fstream>
#include <iterator>

namespace millrace {
namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<long>(text.size()));
}

std::string Shell(const std::string& line) {
  std::FILE* const pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) {
    ADD_FAILURE() << "no process could be started for: " << line;
    return {};
  }
  std::string text;
  char bytes[65536];
  while (const std::size_t count = std::fread(bytes, 1, sizeof bytes, pipe)) {
    text.append(bytes, count);
  }
  EXPECT_EQ(::pclose(pipe), 0) << line;
  return text;
}

}  // namespace millrace
