// SPDX-License-Identifier: Apache-2.0
// Any bytes as a job file: refused in one sentence, or a command line that says the same.
#include <string>
#include <string_view>
#include <vector>

#include "cli/job_file.h"
#include "cli/job_file_merge.h"
#include "tests/fuzz/fuzz_file.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const CommandSpec* const command = FindCommand("run");
  FUZZ_CHECK(command != nullptr);
  const Result<JobFile> file = ParseJobFile(*command, "x.toml", text);
  if (!file.ok()) {
    FUZZ_CHECK(file.error().code() == StatusCode::kInvalidArgument);
    FUZZ_CHECK(file.error().message().starts_with("x.toml"));
    FUZZ_CHECK(file.error().message().find('\n') == std::string::npos);
    return 0;
  }
  FUZZ_CHECK(!file->job.empty());
  const InputNames names = [](const Arguments&) { return std::vector<std::string>{"plays"}; };
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"x.toml"},
        std::vector<std::string>{"x.toml", "--input", "plays=a", "--param", "k=1"}}) {
    const Result<Arguments> given = ParseArguments(*command, words);
    FUZZ_CHECK(given.ok());
    const Result<Arguments> merged = MergeJobFile(*given, *file, names);
    FUZZ_CHECK(merged.ok());
    FUZZ_CHECK(CommandLine(*merged).find('\n') == std::string::npos);
    const Result<Arguments> again = ParseArguments(*command, merged->words);
    FUZZ_CHECK(again.ok());
    FUZZ_CHECK(again->argument == merged->argument);
    FUZZ_CHECK(again->values == merged->values);
  }
  return 0;
}
