// SPDX-License-Identifier: Apache-2.0
// Any words as a command line of `run`: understood, or refused as wrong usage; sizes, patterns and
// reject limits likewise.
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/command_table.h"
#include "mapreduce/base/size.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Words are separated by zero bytes, as in /proc/self/cmdline.
  std::vector<std::string> words;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    words.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (const std::string& word : words) {
    const Result<std::uint64_t> bytes = ParseSize(word);
    FUZZ_CHECK(bytes.ok() || bytes.error().code() == StatusCode::kInvalidArgument);
  }
  const CommandSpec* const command = FindCommand("run");
  FUZZ_CHECK(command != nullptr);
  const Result<Arguments> arguments = ParseArguments(*command, words);
  if (!arguments.ok()) {
    FUZZ_CHECK(arguments.error().code() == StatusCode::kInvalidArgument);
    return 0;
  }
  const auto is_usage = [](const Status& error) {
    return error.code() == StatusCode::kInvalidArgument;
  };
  const auto memory = SizeFlag(*arguments, "memory");
  FUZZ_CHECK(memory.ok() || is_usage(memory.error()));
  const auto params = PairsFlag(*arguments, "param");
  FUZZ_CHECK(params.ok() || is_usage(params.error()));
  const auto limit = RejectLimitFlag(*arguments, "max-rejects");
  FUZZ_CHECK(limit.ok() || is_usage(limit.error()));
  return 0;
}
