// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_INTEGRATION_SHELL_H_
#define TESTS_INTEGRATION_SHELL_H_

#include <filesystem>
#include <string>
#include <string_view>

namespace millrace {

std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, std::string_view text);
/// Runs a line of shell and returns what it prints; the test fails where the line does.
std::string Shell(const std::string& line);

}  // namespace millrace

#endif  // TESTS_INTEGRATION_SHELL_H_
