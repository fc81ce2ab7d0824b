// SPDX-License-Identifier: Apache-2.0
// The messages in docs/how-to/read-a-compile-error.md are this compiler's. Compilers other than the
// two that the page shows are skipped.
#include <cstddef>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/docs/page.h"

namespace millrace {
namespace {

// "g++ 12" or "clang++ 14", as the page's marks say.
std::string CompilerName() {
#if defined(__clang__)
  return "clang++ " + std::to_string(__clang_major__);
#else
  return "g++ " + std::to_string(__GNUC__);
#endif
}

class CompileErrorsTest : public testing::TestWithParam<const char*> {};

TEST_P(CompileErrorsTest, AreWhatTheCompilerSays) {
  const std::string compiler = CompilerName();
  if (compiler != "g++ 12" && compiler != "clang++ 14")
    GTEST_SKIP() << "the page shows what g++ 12 and clang++ 14 say, not " << compiler;
  const std::string name = GetParam();
  const std::string page = "docs/how-to/read-a-compile-error.md";
  const CodeBlock shown = FindBlock(page, compiler + " " + name);
  const std::string output = OutputOf("LC_ALL=C " MILLRACE_CXX_COMPILER
                                      " -std=c++20 -fsyntax-only -I. docs/examples/errors/" +
                                          name + ".cc",
                                      MILLRACE_SOURCE_DIR);
  const std::vector<std::string> printed = SplitLines(output);
  std::size_t from = 0;
  for (const std::string& line : SplitLines(shown.text)) {
    if (line == "…") continue;  // The page leaves lines out.
    std::size_t at = from;
    while (at < printed.size() && !LineMatches(line, printed[at])) ++at;
    ASSERT_LT(at, printed.size()) << shown.place << " shows\n" << line << "\nin:\n" << output;
    from = at + 1;
  }
  EXPECT_GT(from, 0u);
}

INSTANTIATE_TEST_SUITE_P(Page, CompileErrorsTest,
                         testing::Values("no_reduce", "wrong_record", "no_fields", "no_key_codec",
                                         "wrong_names"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace millrace
